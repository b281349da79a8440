"""Many clocks become one: a raw episode becomes rows at the embodiment's control rate, with the evidence beside them.

Rows stand at exact ticks of the control rate. Every row keeps its own time and, for each stream, the stamp of the
sample it was matched with, so nobody has to believe that the two are the same.
"""

import math
from dataclasses import dataclass

import numpy as np

from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.limits import ROWS, LimitError, require_within
from gr00t_data.rates import last_before
from gr00t_data.sources.recordings.clocks import NS, AlignError, Clock, nanoseconds, nearest, ticks, usable_clock
from gr00t_data.sources.recordings.evidence import Evidence, Lag, Match, lag, stream_evidence
from gr00t_data.sources.recordings.resample import resample
from gr00t_data.sources.recordings.streams import CameraStream, RawEpisode, Stream

ROW_TIME = "row_time_ns"
SOURCE_TIME = "source_time_ns"
_HELD = ("command", "binary", "relative")
_SAME_RATE_SHARE = 0.02
"""A reference stream this near to the control rate sets the phase of the rows, so that each row meets its frame."""


@dataclass(frozen=True)
class Aligned:
    """An episode on one clock.

    Attributes:
        times_ns: int64 [T], the rows on the clock of the recording.
        state, action: float64 [T, S] and [T, A], parts in the embodiment's order.
        pictures: camera -> int64 [T], the recorded frame of each row.
        columns: name -> int64 [T]: ``row_time_ns`` and, for each stream, ``source_time_ns.<side>.<part>``, the stamp of
            the matched sample as recorded.
    """

    times_ns: np.ndarray
    state: np.ndarray
    action: np.ndarray
    pictures: dict[str, np.ndarray]
    columns: dict[str, np.ndarray]
    evidence: Evidence

    def __len__(self) -> int:
        return len(self.times_ns)


def align(raw: RawEpisode, embodiment: Embodiment, tolerance_s: float | None = None) -> Aligned:
    """Resample every stream to the control rate of the embodiment, over the time that all of them cover.

    Args:
        tolerance_s: how far a sample may lie from the row it stands for; None: the embodiment's.

    Raises:
        AlignError: a part without a stream, streams that do not overlap, a clock that jumps back, or a sample further
            from its row than the tolerance (says which row and by how much).
    """
    tolerance_ns = nanoseconds(embodiment.tolerance_s if tolerance_s is None else tolerance_s)
    streams = raw.streams()
    if not streams:
        raise AlignError(f"{raw.name}: has no stream; map at least one source")
    try:
        clocks = {name: usable_clock(name, one.times_ns, one.latency_ns) for name, one in streams.items()}
        rows_ns, cut = _rows(clocks, streams, embodiment.control_hz, tolerance_ns)
        matches = {name: _match(one, clocks[name], rows_ns) for name, one in streams.items()}
        for name, match in matches.items():
            _refuse_beyond(name, match, streams[name].tolerance_ns, tolerance_ns, rows_ns)
        parts = {side: _table(raw, side, embodiment, clocks, rows_ns) for side in ("state", "action")}
    except AlignError as error:
        raise AlignError(f"{raw.name}: {error}") from error
    columns = {ROW_TIME: rows_ns}
    for name, match in matches.items():
        columns[f"{SOURCE_TIME}.{name}"] = streams[name].times_ns[clocks[name].samples[match.positions]]
    evidence = Evidence(
        control_hz=embodiment.control_hz,
        rows=len(rows_ns),
        tolerance_s=tolerance_ns / NS,
        cut_head_s=cut[0],
        cut_tail_s=cut[1],
        lag_s=_lags(raw, clocks),
        streams={name: stream_evidence(clocks[name], matches[name], one) for name, one in streams.items()},
    )
    pictures = {name: clocks[f"video.{name}"].samples[matches[f"video.{name}"].positions] for name in raw.cameras}
    return Aligned(rows_ns, parts["state"], parts["action"], pictures, columns, evidence)


def _rows(
    clocks: dict[str, Clock], streams: dict[str, Stream | CameraStream], hz: float, tolerance_ns: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """The ticks inside the time that all streams cover, and the seconds cut off the longest one at either end."""
    period_ns = NS / hz
    firsts = {name: int(clock.times_ns[0]) for name, clock in clocks.items()}
    lasts = {name: int(clock.times_ns[-1]) for name, clock in clocks.items() if not _latched(streams[name])}
    lasts = lasts or {name: int(clock.times_ns[-1]) for name, clock in clocks.items()}
    late, early = max(firsts, key=firsts.__getitem__), min(lasts, key=lasts.__getitem__)
    start, end = firsts[late], lasts[early]
    if end < start:
        raise AlignError(
            f"{early} ends {(start - end) / NS:.3f} s before {late} begins; "
            "map sources that were recorded together, or declare their latency"
        )
    slack = round(min(tolerance_ns, period_ns / 4))
    origin = _phase(clocks, streams, period_ns)
    first = math.ceil((start - slack - origin) / period_ns)
    count = math.floor((end + slack - origin) / period_ns) + 1 - first
    try:
        require_within(count, ROWS, f"{late} to {early} last {(end - start) / NS:,.1f} s, rows at {hz:g} Hz")
    except LimitError as error:
        raise AlignError(f"{error}; a clock may have jumped: split the recording, or map another clock") from error
    rows = ticks(origin, count, hz, first)
    if not len(rows):
        rows = np.array([start], dtype=np.int64)
    return rows, ((start - min(firsts.values())) / NS, (max(lasts.values()) - end) / NS)


def _latched(stream: Stream | CameraStream) -> bool:
    """Whether the last value holds until the end of the episode: switches are sent when they change."""
    return isinstance(stream, Stream) and stream.kind == "binary"


def _phase(clocks: dict[str, Clock], streams: dict[str, Stream | CameraStream], period_ns: float) -> int:
    """Where one tick lies: on the first camera, else on the first stream; through its jitter when the rates agree."""
    cameras = [name for name, one in streams.items() if isinstance(one, CameraStream)]
    clock = clocks[(cameras or list(streams))[0]]
    elapsed = clock.times_ns - clock.times_ns[0]
    if abs(clock.period_ns - period_ns) > _SAME_RATE_SHARE * period_ns:
        return int(clock.times_ns[0])
    offsets = elapsed - np.rint(elapsed / period_ns) * period_ns
    return int(clock.times_ns[0]) + round(float(np.median(offsets)))


def _match(stream: Stream | CameraStream, clock: Clock, rows_ns: np.ndarray) -> Match:
    if isinstance(stream, Stream) and stream.kind in _HELD:
        positions = last_before(clock.times_ns, rows_ns)
        late = rows_ns - clock.times_ns[positions] - round(clock.period_ns)
        early = clock.times_ns[positions] - rows_ns
        return Match(positions, np.maximum(np.maximum(0 if _latched(stream) else late, early), 0))
    positions = nearest(clock.times_ns, rows_ns)
    return Match(positions, np.abs(rows_ns - clock.times_ns[positions]))


def _refuse_beyond(
    name: str, match: Match, own_tolerance_ns: int | None, tolerance_ns: int, rows_ns: np.ndarray
) -> None:
    allowed = tolerance_ns if own_tolerance_ns is None else own_tolerance_ns
    worst = int(match.errors_ns.argmax())
    error = int(match.errors_ns[worst])
    if error <= allowed:
        return
    share = (match.errors_ns > allowed).mean()
    raise AlignError(
        f"{name}: row {worst} (at {(rows_ns[worst] - rows_ns[0]) / NS:.3f} s) lies {error / NS * 1e3:.1f} ms from its "
        f"sample, allowed are {allowed / NS * 1e3:.1f} ms: {(error - allowed) / NS * 1e3:.1f} ms too far "
        f"({share:.1%} of the rows are too far); record faster, cut the gap out, declare the latency, or allow more "
        f"with tolerance_s in the mapping"
    )


def _table(
    raw: RawEpisode, side: str, embodiment: Embodiment, clocks: dict[str, Clock], rows_ns: np.ndarray
) -> np.ndarray:
    given = raw.state if side == "state" else raw.action
    parts = embodiment.state if side == "state" else embodiment.action
    read = embodiment.selection().state if side == "state" else embodiment.selection().action
    absent = {part.name: np.zeros(part.dim) for part in parts if part.name not in read}
    given: dict[str, Stream | np.ndarray] = {**absent, **given}
    period_ns = round(NS / embodiment.control_hz)
    return np.concatenate([_part(given, side, part, clocks, rows_ns, period_ns) for part in parts], axis=1)


def _part(
    given: dict[str, Stream | np.ndarray],
    side: str,
    part: Part,
    clocks: dict[str, Clock],
    rows_ns: np.ndarray,
    period_ns: int,
) -> np.ndarray:
    name = f"{side}.{part.name}"
    if part.name not in given:
        raise AlignError(f"{name}: no stream; the embodiment needs one: map a source, or declare it constant")
    stream = given[part.name]
    width = stream.values.shape[1] if isinstance(stream, Stream) else len(stream)
    if width != part.dim:
        raise AlignError(f"{name}: its source has {width} values, the part has {part.dim} ({', '.join(part.joints)})")
    if not isinstance(stream, Stream):
        return np.tile(stream.astype(np.float64), (len(rows_ns), 1))
    try:
        return resample(stream, clocks[name], rows_ns, period_ns)
    except AlignError as error:
        raise AlignError(f"{name}: {error}") from error


def _lags(raw: RawEpisode, clocks: dict[str, Clock]) -> dict[str, Lag]:
    """For parts that are both measured and commanded: how far the measurement runs behind the command."""
    found = {}
    for name, action in raw.action.items():
        state = raw.state.get(name)
        if not isinstance(state, Stream) or not isinstance(action, Stream):
            continue
        if action.kind != "command" or state.kind not in ("joint", "angle"):
            continue
        if state.values.shape[1] != action.values.shape[1]:
            continue
        estimate = lag((clocks[f"action.{name}"], action), (clocks[f"state.{name}"], state))
        if estimate:
            found[name] = Lag(round(estimate[0], 5), round(estimate[1], 4))
    return found
