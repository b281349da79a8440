"""Checks of where the joints of an episode are, against the other episodes: lost zero, inverted, permuted, swapped."""

from collections.abc import Iterator, Mapping
from itertools import combinations, permutations

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.leaps import MOTION_07
from gr00t_data.curate.checks.stalls import MOTION_04
from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.compare.row_evidence import RowEvidence
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import FEWEST, usual
from gr00t_data.curate.subject.signals import grips_named, shared_joints
from gr00t_data.embodiment.robot import Embodiment

_LEVEL_FLOOR = 0.01
"""Levels that differ by less than this share of the range between episodes are the same."""

_FAR = 4.0
"""Usual distances from the usual, in spreads and as a mean over joints, that make an episode unlike the others."""

_FOLLOWS = 0.5
"""Correlation with its command beyond which a joint follows it, or goes against it."""

_MAX_PERMUTED = 7


def check_levels(rows: Rows) -> Iterator[tuple[int, Finding]]:
    """MOTION-04, MOTION-06, MOTION-07 and MOTION-15, one finding a part and side."""
    episodes, embodiment, numbers = rows.episodes, rows.embodiment, list(rows.episodes)
    if len(numbers) < FEWEST:
        return
    for side, parts in (("state", embodiment.state), ("action", embodiment.action)):
        for part in parts:
            key = f"{side}.{part.name}"
            if all(key in evidence.levels for evidence in episodes.values()):
                yield from _part(episodes, numbers, key, [f"{side}.{one.name}" for one in parts if one.dim == part.dim])
                yield from _motionless(episodes, numbers, key, part.joints)
        if side == "state":
            for one, two in combinations([part for part in parts if part.dim > 2], 2):
                keys = (f"{side}.{one.name}", f"{side}.{two.name}")
                if one.dim == two.dim and all(_known(episodes, key) for key in keys):
                    yield from _begun_exchanged(episodes, numbers, *keys)
    for part in sorted({name for evidence in episodes.values() for name in evidence.offset}):
        if all(part in evidence.offset for evidence in episodes.values()):
            yield from _offset(episodes, numbers, part, embodiment)
            joints = shared_joints(embodiment.state_part(part), embodiment.action_part(part))
            yield from _senses(episodes, numbers, part, joints)


def _part(
    episodes: Mapping[int, RowEvidence], numbers: list[int], key: str, alike: list[str]
) -> Iterator[tuple[int, Finding]]:
    usual_of = {other: _usual(episodes, numbers, other) for other in alike if _known(episodes, other)}
    levels, centre, spread = usual_of[key]
    distance = np.array([_distance(levels[i], centre[i], spread[i]) for i in range(len(numbers))])
    for place, index in enumerate(numbers):
        others = np.delete(distance, place)
        # A third of the episodes may have the same fault.
        least = max(_FAR, 2.0 * float(np.quantile(others, 0.6)))
        if not np.isfinite(distance[place]) or distance[place] < least:
            continue
        at_place = {other: tuple(table[place] for table in tables) for other, tables in usual_of.items()}
        best, what, check = _explanation(key, at_place)
        if best < 0.45 * distance[place]:
            side, _, name = key.partition(".")
            finding = check.finding(
                f"{side} part {name!r} {what}: as it stands its levels are {distance[place]:.1f} spreads from those of "
                f"the other episodes, so explained {best:.1f}; write its columns again as the others are"
            )
            yield index, finding


Levels = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Levels, their usual centre and spread; float64 [E, D, F], or [D, F] of one episode."""


def _known(episodes: Mapping[int, RowEvidence], key: str) -> bool:
    return all(key in evidence.levels for evidence in episodes.values())


def _usual(episodes: Mapping[int, RowEvidence], numbers: list[int], key: str) -> Levels:
    levels = np.stack([episodes[n].levels[key] for n in numbers]).astype(np.float64)
    return (levels, *usual(levels, _LEVEL_FLOOR))


def _distance(levels: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> float:
    return float(np.minimum(np.abs(levels - centre) / spread, 20.0).mean())


def _explanation(key: str, parts: dict[str, Levels]) -> tuple[float, str, Check]:
    """(distance, words, check) of the change that makes the part most like the others."""
    levels, centre, spread = parts[key]
    negative = np.stack([-levels[:, 0], -levels[:, 2], -levels[:, 1], -levels[:, 3]], axis=1)
    choices = [(_distance(negative, centre, spread), "has the other sign", MOTION_06)]
    for other, (levels_there, centre_there, spread_there) in parts.items():
        if other != key:
            # Both have to be explained: a hand that rests looks like any other hand that rests. And the pose at the
            # start has to tell: a task done with the other arm begins in the usual pose.
            if not _begins_exchanged(parts[key], parts[other]):
                continue
            exchanged = _distance(levels_there, centre, spread) + _distance(levels, centre_there, spread_there)
            rest = _distance(levels_there, centre_there, spread_there)
            choices.append((max(exchanged - rest, 0.0), f"was exchanged with {other.partition('.')[2]!r}", MOTION_07))
    if 2 <= len(levels) <= _MAX_PERMUTED:
        cost = np.minimum(np.abs(levels[:, None] - centre[None]) / spread[None], 20.0).mean(-1)
        order = min(
            permutations(range(len(levels))), key=lambda p: sum(cost[source, to] for to, source in enumerate(p))
        )
        mean = sum(cost[source, to] for to, source in enumerate(order)) / len(levels)
        choices.append((float(mean), f"has its joints in another order (now {list(order)})", MOTION_07))
    as_is = _distance(levels, centre, spread)
    # Turned round at any point is a loose explanation: only where no other one is good.
    if grips_named(key) and min(choices, key=lambda choice: choice[:2])[0] >= 0.45 * as_is:
        turned = _distance(_turned(negative, centre), centre, spread)
        moved = _distance(levels + np.median(centre - levels, axis=1, keepdims=True), centre, spread)
        if turned < 0.6 * moved and turned < 0.3 * as_is:
            choices.append((turned, "is the other way round (its highest value stands for the lowest)", MOTION_06))
    return min(choices, key=lambda choice: choice[:2])


def _turned(negative: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """float64 [D, F]: levels turned round at the point that makes them most like the others, joint by joint: 1 - x."""
    return negative + np.median(centre - negative, axis=1, keepdims=True)


def _senses(
    episodes: Mapping[int, RowEvidence], numbers: list[int], part: str, joints: tuple[str, ...]
) -> Iterator[tuple[int, Finding]]:
    """MOTION-06: joints that go down when their command goes up, and follow it in the other episodes."""
    sense = np.stack([episodes[n].sense[part] for n in numbers]).astype(np.float64)
    for place, index in enumerate(numbers):
        others = np.delete(sense, place, axis=0)
        known = np.isfinite(others).sum(0) >= FEWEST - 1
        usually = np.nanmedian(np.where(known, others, 1.0), axis=0)
        against = known & (usually > _FOLLOWS) & (sense[place] < -_FOLLOWS)
        moved = known & np.isfinite(sense[place]) & (usually > _FOLLOWS)
        if against.any() and against.sum() >= 0.5 * moved.sum():
            names = ", ".join(joints[dim] for dim in np.flatnonzero(against)[:4])
            dim = int(np.where(against, sense[place], 0).argmin())
            finding = MOTION_06.finding(
                f"part {part!r} ({names}): the state goes against its command (correlation {sense[place, dim]:.2f}, in "
                f"the other episodes {usually[dim]:.2f}); the command is the other way round: write it as the others"
            )
            yield index, finding


def _begun_exchanged(
    episodes: Mapping[int, RowEvidence], numbers: list[int], one: str, two: str
) -> Iterator[tuple[int, Finding]]:
    """MOTION-07: both parts begin where the other one usually does, as they do not when a task is done with either."""
    first, second = (_usual(episodes, numbers, key) for key in (one, two))
    for place, index in enumerate(numbers):
        own, other = (tuple(table[place] for table in tables) for tables in (first, second))
        if _begins_exchanged(own, other, least=1.5 * _FAR):
            finding = MOTION_07.finding(
                f"state parts {one.partition('.')[2]!r} and {two.partition('.')[2]!r} are exchanged: each begins "
                "in the pose in which the other one begins in the other episodes; write the columns in the order "
                "of the embodiment"
            )
            yield index, finding


def _begins_exchanged(own: Levels, other: Levels, least: float = _FAR) -> bool:
    """Whether the first rows of two parts are where the other part usually begins, and not where they should."""
    here, centre, spread = (table[:, 3:] for table in own)
    there, centre_there, spread_there = (table[:, 3:] for table in other)
    as_is = _distance(here, centre, spread) + _distance(there, centre_there, spread_there)
    exchanged = _distance(there, centre, spread) + _distance(here, centre_there, spread_there)
    return as_is > least and exchanged < 0.5 * as_is


def _motionless(
    episodes: Mapping[int, RowEvidence], numbers: list[int], key: str, joints: tuple[str, ...]
) -> Iterator[tuple[int, Finding]]:
    """MOTION-04: exactly constant here, elsewhere not, and not because the robot rests: its other side moves.

    A task for one arm leaves state and command of the other where they are; that is no defect.
    """
    still = np.stack([episodes[n].stillness[key] for n in numbers])
    for place, index in enumerate(numbers):
        others = np.delete(still, place, axis=0)
        stuck = (still[place] >= 1.0) & (np.median(others, axis=0) < 0.5) & _moves_beside(episodes[index], key)
        if not stuck.any():
            continue
        side, _, name = key.partition(".")
        names = ", ".join(joints[dim] for dim in np.flatnonzero(stuck)[:4])
        finding = MOTION_04.finding(
            f"{side} part {name!r}: {int(stuck.sum())} joints ({names}) keep one value all along, in the "
            "other episodes they move; the sensor or the command stream was not connected"
        )
        yield index, finding


def _moves_beside(evidence: RowEvidence, key: str) -> np.ndarray | bool:
    """bool [D]: joints whose command moves (for a state) or whose measurement moves (for a command)."""
    side, _, name = key.partition(".")
    levels = evidence.levels.get(f"{'action' if side == 'state' else 'state'}.{name}")
    if levels is None or levels.shape != evidence.levels[key].shape:
        return False
    return levels[:, 2] - levels[:, 1] > _LEVEL_FLOOR


def _offset(
    episodes: Mapping[int, RowEvidence], numbers: list[int], part: str, embodiment: Embodiment
) -> Iterator[tuple[int, Finding]]:
    """MOTION-15: the state stands beside its command by another amount than in the other episodes."""
    offset = np.stack([episodes[n].offset[part] for n in numbers]).astype(np.float64)
    centre, spread = usual(offset, 0.004)
    joints = shared_joints(embodiment.state_part(part), embodiment.action_part(part))
    for place, index in enumerate(numbers):
        # A hand that presses on a thing stands beside its command for a while only; a lost zero does so in all rows.
        each = offset[place] - centre[place]
        off = np.where(np.abs(np.sign(each).sum(0)) == len(each), np.abs(each).min(0), 0.0)
        far = (off > 0.05) & (np.abs(each[1]) > 8 * spread[place, 1])
        if far.any():
            dim = int(np.where(far, off, 0).argmax())
            finding = MOTION_15.finding(
                f"part {part!r} joint {joints[dim]!r}: the state stands {100 * offset[place, 1, dim]:+.1f} % of the "
                f"range beside its command, in the other episodes {100 * centre[place, 1, dim]:+.1f} % "
                f"({int(far.sum())} joints); its zero was lost, or the command belongs to another joint",
                severity="error" if off[dim] > 0.08 else "warning",
            )
            yield index, finding


MOTION_06, MOTION_15 = Look(Rows, check_levels, 1).finds(
    Check("MOTION-06", "error", "sign inverted against the other episodes", "it opens where it should close",
          explains="MOTION-15 MOTION-09"),
    Check("MOTION-15", "error", "state stands beside its command", "the state is wrong by a constant all along",
          explains="MOTION-16"),
)  # fmt: skip
