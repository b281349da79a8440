"""In which order a recording writes its quaternions: w x y z or x y z w. Evidence votes; nobody guesses.

Isaac Lab wrote w x y z before 2026 and x y z w since, MuJoCo writes w x y z, ROS and robosuite x y z w; the four
numbers alone look the same. What tells the orders apart is what else is in the file: the same rotation as a matrix, how
fast something turned, a base that stands upright, a real part that its writer kept positive.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as MappingOf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.rotations import of_quaternions, one_hemisphere
from gr00t_data.sources.recordings.mapping import Mapping, MappingError, PartSource
from gr00t_data.sources.told import QuaternionOrder

ORDERS: tuple[QuaternionOrder, QuaternionOrder] = ("wxyz", "xyzw")
REAL_FIRST = {"wxyz": [0, 1, 2, 3], "xyzw": [3, 0, 1, 2]}
"""Which of the four numbers, in the order w x y z."""
_UNIT = 0.05
"""How far from 1 the length of a quaternion may be: float16 and rounded text keep within it."""
_ALIKE_RAD = 0.05
"""Two writings of one rotation differ by no more, after one fixed turn between their frames."""
_MOVED_RAD = 0.2
"""What turned less shows nothing."""
_UPRIGHT = np.cos(0.35)
"""Cosine of the tilt up to which a base or an object stands upright."""
_CORRELATED, _BY_MORE = 0.85, 0.4
_LAGS = range(-1, 4)
"""Rows by which a turn may follow the speed that was measured or commanded."""


class Vote(NamedTuple):
    """What one thing in a recording says about the order, and how it says it."""

    order: QuaternionOrder
    why: str


def is_quaternion(source: PartSource, part: Part) -> bool:
    """Whether the values of a source are quaternions."""
    return (source.rotation or part.rotation) == "quaternion" and source.constant is None


def order_of(source: PartSource, named: QuaternionOrder | None) -> QuaternionOrder | None:
    """The order that a source says, or the names of the message's fields; None: neither does.

    Positions that are written out in another order than that of the recording are in the part's order, w x y z.

    Raises:
        MappingError: the mapping contradicts the names of the fields.
    """
    if source.order and named and source.order != named:
        raise MappingError(f"{source.key!r} names its fields in the order {named}, the mapping says {source.order}")
    positions = source.positions()
    written_out = positions is not None and positions != sorted(positions)
    return source.order or named or ("wxyz" if written_out else None)


def undecided_orders(mapping: Mapping, embodiment: Embodiment) -> dict[str, PartSource]:
    """The sources of quaternions, by the full names of their parts, whose order the mapping does not say."""
    sides = (("state", mapping.state, embodiment.state), ("action", mapping.action, embodiment.action))
    return {
        f"{side}.{part.name}": sources[part.name]
        for side, sources, parts in sides
        for part in parts
        if part.name in sources and is_quaternion(sources[part.name], part) and not order_of(sources[part.name], None)
    }


def unit_lengths(values: np.ndarray) -> bool:
    """Whether most rows [N, 4] are quaternions, by their lengths; rows that are not numbers do not count."""
    lengths = np.linalg.norm(values[np.isfinite(values).all(axis=1)], axis=1)
    return not len(lengths) or bool((np.abs(lengths - 1) < _UNIT).mean() > 0.5)


def votes(values: np.ndarray, beside: MappingOf[str, np.ndarray]) -> list[Vote]:
    """What unit quaternions [N, 4] and the numbers beside them say about their order.

    Args:
        beside: key -> numbers of the same episode, one row a sample: matrices [N, 4, 4] or [N, 3, 3], angular speeds
            or rotation commands [N, 3], poses of something that stands [M, 7].
    """
    found = list(_by_sign(values))
    for key, numbers in beside.items():
        if numbers.ndim == 3:
            found += _by_matrix(values, key, numbers)
        elif numbers.shape[1] == 7:
            found += _by_upright(key, numbers[:, 3:])
        else:
            found += _by_turning(values, key, numbers)
    return found


def _by_sign(values: np.ndarray) -> Iterator[Vote]:
    """A writer that keeps the real part positive turns all signs round where it passes zero."""
    jumps = np.flatnonzero((values[1:] * values[:-1]).sum(1) < -0.5)
    kept = [c for c in (0, 3) if values[:, c].min() > -1e-6]
    if len(jumps) and len(kept) == 1 and np.abs(values[jumps, kept[0]]).max() < 0.3:
        order = ORDERS[kept == [3]]
        yield Vote(order, f"number {kept[0] + 1} of 4 is never negative and near zero where the signs turn round")


def _rotations(values: np.ndarray, order: str) -> np.ndarray:
    return of_quaternions(one_hemisphere(values[:, REAL_FIRST[order]])).as_matrix()


def _by_matrix(values: np.ndarray, key: str, matrices: np.ndarray) -> Iterator[Vote]:
    """The same rotation as a matrix, up to one fixed turn on either side."""
    turns = matrices[:, :3, :3]
    orthonormal = np.abs(turns @ turns.swapaxes(1, 2) - np.eye(3)).max() < 1e-2
    if len(turns) != len(values) or not orthonormal or _spread(turns) < _MOVED_RAD:
        return
    spreads = {}
    for order in ORDERS:
        own = _rotations(values, order)
        pairs = (own.swapaxes(1, 2) @ turns, own @ turns.swapaxes(1, 2))
        spreads[order] = min(_spread(one) for one in pairs)
    best, other = sorted(spreads, key=spreads.__getitem__)
    if spreads[best] < _ALIKE_RAD and spreads[other] > 2 * _ALIKE_RAD:
        yield Vote(ORDERS[best == "xyzw"], f"it turns with {key!r}, to {spreads[best]:.3f} rad, {other} does not")


def _spread(turns: np.ndarray) -> float:
    """The largest angle (rad) to the first of matrices [N, 3, 3]."""
    cosines = (np.einsum("nij,ij->n", turns, turns[0]) - 1) / 2
    return float(np.arccos(np.clip(cosines, -1, 1)).max())


def _by_upright(key: str, poses: np.ndarray) -> Iterator[Vote]:
    """What stands on a floor or table stands upright: its z axis, 1 - 2 (x x + y y), points up."""
    if not unit_lengths(poses):
        return
    columns = {"wxyz": (1, 2), "xyzw": (0, 1)}
    shares = {
        o: float((1 - 2 * (poses[:, x] ** 2 + poses[:, y] ** 2) > _UPRIGHT).mean()) for o, (x, y) in columns.items()
    }
    for order, other in (ORDERS, ORDERS[::-1]):
        if shares[order] > 0.95 and shares[other] < 0.05:
            yield Vote(order, f"{key!r} stands upright, as {other} it would lie or stand on its head")


def _by_turning(values: np.ndarray, key: str, speeds: np.ndarray) -> Iterator[Vote]:
    """How it turns from row to row, compared with an angular speed or a commanded turn; about fixed or moving axes."""
    if len(speeds) != len(values) or len(values) < 20 or not np.isfinite(speeds).all():
        return
    likeness = {order: max(_likeness(one, speeds) for one in _turning(values, order)) for order in ORDERS}
    best, other = sorted(likeness, key=likeness.__getitem__, reverse=True)
    if likeness[best] > _CORRELATED and likeness[best] - likeness[other] > _BY_MORE:
        order = ORDERS[best == "xyzw"]
        why = f"it turns as {key!r} says (correlation {likeness[best]:.2f}, as {other} {likeness[other]:.2f})"
        yield Vote(order, why)


def _turning(values: np.ndarray, order: str) -> list[np.ndarray]:
    """Rotation vectors [N - 1, 3] from row to row, about the axes of the world and about its own."""
    turns = of_quaternions(one_hemisphere(values[:, REAL_FIRST[order]]))
    return [(turns[1:] * turns[:-1].inv()).as_rotvec(), (turns[:-1].inv() * turns[1:]).as_rotvec()]


def _likeness(turning: np.ndarray, speeds: np.ndarray) -> float:
    """The largest correlation over the lags; 0 for what does not turn."""
    if np.abs(turning).sum() < _MOVED_RAD:
        return 0.0
    found = []
    for lag in _LAGS:
        late, early = turning[max(lag, 0) :], speeds[max(-lag, 0) :]
        count = min(len(late), len(early))
        size = np.sqrt((late[:count] ** 2).sum() * (early[:count] ** 2).sum())
        found.append(float((late[:count] * early[:count]).sum() / size) if size > 0 else 0.0)
    return max(found)


def decided(
    stream: str,
    source: PartSource,
    told: QuaternionOrder | None,
    said: Sequence[Vote],
    drop: Path,
    embodiment: Embodiment,
) -> PartSource:
    """The source with its order, and with what decided it.

    Args:
        stream: full name of the part, for messages.
        told: what a person says of the whole drop.
        said: what the recording says.

    Raises:
        MappingError: nobody and nothing says the order, or they contradict each other; with evidence and command.
    """
    orders = {vote.order for vote in said}
    shown = "; ".join(dict.fromkeys(f"{vote.order}: {vote.why}" for vote in said)) or "nothing in it tells them apart"
    if told and orders <= {told}:
        return source.model_copy(update={"order": told, "order_by": "told"})
    if not told and len(orders) == 1:
        return source.model_copy(update={"order": said[0].order, "order_by": said[0].why})
    asked = f"`gr00t ingest {drop} --embodiment {embodiment.name} --quaternions wxyz` (or xyzw)"
    if told:
        raise MappingError(
            f"{drop}: {stream}: --quaternions says {told}, the recording something else ({shown}); leave it out, or, "
            f"where the recording misleads, write `order: {told}` at this part of a mapping"
        )
    raise MappingError(
        f"{drop}: {stream}: the quaternions in {source.key!r} may be written w x y z or x y z w, and that is not "
        f"guessed ({shown}). Look it up and say it: {asked}; a mapping says it as `order: wxyz` at the part, the "
        "marker of a drop as `quaternions: wxyz`"
    )
