"""Binding values of a recording to a part of the embodiment: chosen, scaled, in its representation, with its rule."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.rotations import convert
from gr00t_data.sources.recordings.clocks import nanoseconds
from gr00t_data.sources.recordings.mapping import CameraSource, Mapping, MappingError, PartSource
from gr00t_data.sources.recordings.quaternions import ORDERS, REAL_FIRST, is_quaternion, order_of, unit_lengths
from gr00t_data.sources.recordings.streams import CameraStream, Frames, SignalKind, Stream, StreamError
from gr00t_data.sources.told import QuaternionOrder

Side = Literal["state", "action"]


class Samples(NamedTuple):
    """What a reader found at one source.

    Attributes:
        times_ns: int64 [N], on the clock of the mapping.
        values: float64 [N, width of the source].
        received_ns: int64 [N], the recorder's clock, when it is another one.
        unstamped: samples that were left out for want of a stamp.
        names: of the values, where the format defines them (x, y, z, w of a message); empty where it does not.
    """

    times_ns: np.ndarray
    values: np.ndarray
    received_ns: np.ndarray | None = None
    unstamped: int = 0
    names: tuple[str, ...] = ()


def bound_parts(
    mapping: Mapping, embodiment: Embodiment, samples_of: Callable[[str, PartSource], Samples]
) -> dict[Side, dict[str, Stream | np.ndarray]]:
    """Every part of a mapping: its stream, or its declared constant.

    Args:
        samples_of: reads one source; called with the stream's full name (``state.left_arm``) and the source.

    Raises:
        MappingError: see ``stream_of``.
    """
    bound: dict[Side, dict[str, Stream | np.ndarray]] = {"state": {}, "action": {}}
    for side, parts in bound.items():
        for name, source in (mapping.state if side == "state" else mapping.action).items():
            part = embodiment.state_part(name) if side == "state" else embodiment.action_part(name)
            if source.constant is not None:
                values = source.constant if isinstance(source.constant, tuple) else (source.constant,) * part.dim
                parts[name] = np.array(values, dtype=np.float64)
            else:
                parts[name] = stream_of(source, side, part, samples_of(f"{side}.{name}", source))
    return bound


def stream_of(source: PartSource, side: Side, part: Part, samples: Samples) -> Stream:
    """The stream of one part from what a reader found: selected, scaled, in the part's representation.

    Raises:
        MappingError: a position beyond the width of the source, or scale, offset or rotation of another width.
        StreamError: a joint is never a number.
    """
    values, positions = samples.values, source.positions()
    if positions is not None:
        if max(positions) >= values.shape[1]:
            raise MappingError(
                f"{side}.{part.name}: index {max(positions)} of {source.key!r} does not exist, "
                f"it has {values.shape[1]} values"
            )
        values = values[:, positions]
    if is_quaternion(source, part):
        values = _real_first(source, f"{side}.{part.name}", values, _named_order(samples.names, positions))
    try:
        values = values * np.asarray(source.scale) + np.asarray(source.offset)
        if source.rotation and part.rotation and source.rotation != part.rotation:
            values = convert(values, source.rotation, part.rotation)
    except ValueError as error:
        raise MappingError(f"{side}.{part.name}: {source.key!r} gives {values.shape[1]} values: {error}") from error
    _require_some_numbers(values, f"{side}.{part.name}", part, source)
    return Stream(
        kind=source.kind or default_kind(part, side),
        times_ns=samples.times_ns,
        values=values,
        received_ns=samples.received_ns,
        latency_ns=nanoseconds(part.latency_s if source.latency_s is None else source.latency_s),
        tolerance_ns=None if source.tolerance_s is None else nanoseconds(source.tolerance_s),
        rotation=part.rotation,
        turn=_turn(part) or 2 * np.pi,
        moving_frame=source.moving_frame,
        unstamped=samples.unstamped,
    )


def _require_some_numbers(values: np.ndarray, stream: str, part: Part, source: PartSource) -> None:
    """Refuse a joint that was never measured.

    Raises:
        StreamError: with its name.
    """
    never = ~np.isfinite(values).any(axis=0)
    if len(values) and never.any():
        named = [part.joints[n] if values.shape[1] == part.dim else f"number {n}" for n in np.flatnonzero(never)]
        raise StreamError(
            f"{stream}: {', '.join(named)} in {source.key!r} is no number in any of the {len(values)} samples: it was "
            "not recorded; map another source, or declare the part `constant`"
        )


def _named_order(names: tuple[str, ...], positions: list[int] | None) -> QuaternionOrder | None:
    chosen = "".join(names if positions is None else (names[n] for n in positions if n < len(names)))
    return next((order for order in ORDERS if order == chosen), None)


def _real_first(source: PartSource, stream: str, values: np.ndarray, named: QuaternionOrder | None) -> np.ndarray:
    """Quaternions [N, 4] as the embodiments read them, w x y z.

    Raises:
        MappingError: nothing says how they are written, or they are none.
    """
    order = order_of(source, named)
    if order is None:
        raise MappingError(
            f"{stream}: the quaternions in {source.key!r} may be written w x y z or x y z w, and that is not guessed; "
            "say it with `--quaternions wxyz` (or xyzw), or with `order: wxyz` at this part of the mapping"
        )
    if values.shape[1] == 4 and len(values) and not unit_lengths(values):
        lengths = np.linalg.norm(values, axis=1)
        raise MappingError(
            f"{stream}: {source.key!r} holds no quaternions: their lengths go from {np.nanmin(lengths):.3g} to "
            f"{np.nanmax(lengths):.3g}, expected 1; map another source, or state its `rotation`"
        )
    return values[:, REAL_FIRST[order]] if values.shape[1] == 4 else values


def default_kind(part: Part, side: str) -> SignalKind:
    """The rule that the embodiment's description of a part implies.

    Displacements are composed, switches and commands hold, rotations and angles without a stop go the shorter way
    round, all else lies on straight lines.
    """
    if not part.absolute:
        return "relative"
    if part.dtype in ("int64", "bool"):
        return "binary"
    if side == "action":
        return "command"
    if part.rotation:
        return "quaternion"
    turn = _turn(part)
    spans = [high - low for low, high in part.limits or ()]
    return "angle" if turn and (not spans or max(spans) >= turn) else "joint"


def _turn(part: Part) -> float | None:
    """A whole turn in the unit of the part; None where that is no angle."""
    return {"rad": 2 * np.pi, "deg": 360.0, "ticks": float(part.ticks_per_turn)}.get(part.unit)


def camera_of(
    source: CameraSource,
    name: str,
    embodiment: Embodiment,
    times_ns: np.ndarray,
    frames: Frames,
    received_ns: np.ndarray | None = None,
    unstamped: int = 0,
) -> CameraStream:
    """The stream of one camera, with the latency of the mapping, else of the embodiment."""
    latency_s = embodiment.camera(name).latency_s if source.latency_s is None else source.latency_s
    return CameraStream(
        times_ns=times_ns,
        frames=frames,
        received_ns=received_ns,
        latency_ns=nanoseconds(latency_s),
        tolerance_ns=None if source.tolerance_s is None else nanoseconds(source.tolerance_s),
        unstamped=unstamped,
    )
