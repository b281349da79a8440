"""What the clocks of an episode looked like and how well rows and samples met: JSON-able numbers, in seconds."""

from dataclasses import dataclass

import numpy as np

from gr00t_data.rates import linear
from gr00t_data.sources.recordings.clocks import NS, Clock
from gr00t_data.sources.recordings.streams import CameraStream, Stream

_LARGEST_LAG_S = 1.0
_LAG_GRID_HZ = 200.0
_MOST_COMPARED = 4_000_000
"""Values that are compared for a lag: 45 minutes of seven joints; a longer recording is judged by its beginning."""
_LEAST_CORRELATION = 0.5
"""Below this, state and action do not move alike and a lag means nothing."""
_LEAST_OVERLAP_LAGS = 2
"""Shorter episodes would compare less than half of themselves at the largest lag."""
_LEAST_DRIFT_SAMPLES = 10
_NOTHING = 1e-12
"""What is left of zero after rounding in float64."""


@dataclass(frozen=True)
class Match:
    """Which sample each row was matched with.

    Attributes:
        positions: int64 [T], into the clock of the stream.
        errors_ns: int64 [T]: for held signals how much longer than one period of the stream the value was held, for
            all others the distance from the row to the nearest sample.
    """

    positions: np.ndarray
    errors_ns: np.ndarray


@dataclass(frozen=True)
class StreamEvidence:
    """What the clock of one stream looked like and how well its samples met the rows.

    Attributes:
        jitter_s: percentile (``p50``, ``p95``, ``p99``) -> distance of a step from the median one.
        match_error_s: ``p95`` and ``max`` of ``Match.errors_ns``.
        stale_share: of the rows, those that show the sample of the row before.
        unused_share: of the samples between the first and the last that a row shows, those that none shows.
        drift_ppm, offset_s: of the stamps against the clock they were received by; None without one.
    """

    kind: str
    latency_s: float
    samples: int
    rate_hz: float | None
    jitter_s: dict[str, float]
    largest_gap_s: float | None
    match_error_s: dict[str, float]
    stale_share: float
    unused_share: float
    drift_ppm: float | None
    offset_s: float | None
    reordered: int
    duplicates: int
    unstamped: int


@dataclass(frozen=True)
class Lag:
    """How far a measurement runs behind its command, and how alike they move at that lag (0 .. 1)."""

    lag_s: float
    correlation: float


@dataclass(frozen=True)
class Evidence:
    """What is true of an aligned episode.

    Attributes:
        cut_head_s, cut_tail_s: what the longest stream lost at either end.
        lag_s: part -> lag, of parts that are both measured and commanded.
        streams: ``<side>.<part>`` or ``video.<camera>`` -> its evidence.
    """

    control_hz: float
    rows: int
    tolerance_s: float
    cut_head_s: float
    cut_tail_s: float
    lag_s: dict[str, Lag]
    streams: dict[str, StreamEvidence]


def stream_evidence(clock: Clock, match: Match, stream: Stream | CameraStream) -> StreamEvidence:
    """Rate, jitter, gaps, match error, stale and unused share and drift of one stream.

    Its own stamps are those as recorded, before latency and order were corrected.
    """
    steps = np.diff(clock.times_ns) / NS
    jitter = np.abs(steps - np.median(steps)) if len(steps) else np.zeros(1)
    errors = match.errors_ns / NS
    fit = None if stream.received_ns is None else drift(stream.times_ns, stream.received_ns)
    used = len(np.unique(match.positions))
    first, last = match.positions.min(), match.positions.max()
    return StreamEvidence(
        kind=stream.kind if isinstance(stream, Stream) else "camera",
        latency_s=stream.latency_ns / NS,
        samples=len(stream.times_ns),
        rate_hz=_digits(len(steps) / steps.sum()) if len(steps) else None,
        jitter_s={f"p{q}": _digits(np.percentile(jitter, q)) for q in (50, 95, 99)},
        largest_gap_s=_digits(steps.max()) if len(steps) else None,
        match_error_s={"p95": _digits(np.percentile(errors, 95)), "max": _digits(errors.max())},
        stale_share=_digits((np.diff(match.positions) == 0).mean()) if len(errors) > 1 else 0.0,
        unused_share=_digits(1 - used / (last - first + 1)),
        drift_ppm=None if fit is None else _digits(fit[0]),
        offset_s=None if fit is None else _digits(fit[1]),
        reordered=clock.reordered,
        duplicates=clock.duplicates,
        unstamped=stream.unstamped,
    )


def drift(stamps_ns: np.ndarray, received_ns: np.ndarray) -> tuple[float, float] | None:
    """How much faster the stamping clock runs than the receiving one, by a least-squares line.

    Returns:
        (parts per million, mean offset stamp - received in seconds); None for fewer than 10 samples or no time passing.
    """
    elapsed = (received_ns - received_ns[0]) / NS
    if len(elapsed) < _LEAST_DRIFT_SAMPLES or np.ptp(elapsed) == 0:
        return None
    offset = (stamps_ns - received_ns) / NS
    centred = elapsed - elapsed.mean()
    slope = float((centred * (offset - offset.mean())).sum() / (centred**2).sum())
    return slope * 1e6, float(offset.mean())


def lag(leader: tuple[Clock, Stream], follower: tuple[Clock, Stream]) -> tuple[float, float] | None:
    """How far one signal runs behind another of the same dimensions, from the correlation of their speeds.

    Returns:
        (lag in seconds, positive when the follower is late, between -1 and 1; correlation 0 .. 1 at that lag), or None
        when they overlap for less than two seconds, do not move, or do not move alike.
    """
    start = max(leader[0].times_ns[0], follower[0].times_ns[0])
    end = min(leader[0].times_ns[-1], follower[0].times_ns[-1])
    count = int((end - start) / NS * _LAG_GRID_HZ)
    if count < _LEAST_OVERLAP_LAGS * _LARGEST_LAG_S * _LAG_GRID_HZ:
        return None
    count = min(count, _MOST_COMPARED // leader[1].values.shape[1])
    grid_ns = start + np.rint(np.arange(count) * NS / _LAG_GRID_HZ).astype(np.int64)
    period_ns = max(leader[0].period_ns, follower[0].period_ns)
    first, second = (_speeds(clock, stream, grid_ns, period_ns) for clock, stream in (leader, follower))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None
    return _peak(first, second)


def _speeds(clock: Clock, stream: Stream, grid_ns: np.ndarray, period_ns: float) -> np.ndarray:
    """Centred differences over the coarser of the two sampling periods, so that steps and ramps look alike."""
    values = stream.values[clock.samples]
    if stream.kind == "angle":
        values = np.unwrap(values, axis=0, period=stream.turn)
    half = round(max(period_ns / 2, NS / _LAG_GRID_HZ))
    return linear(clock.times_ns, values, grid_ns + half) - linear(clock.times_ns, values, grid_ns - half)


def _peak(first: np.ndarray, second: np.ndarray) -> tuple[float, float] | None:
    """Correlation over the overlap at each lag, so that the ends of the episode do not pull the peak towards zero."""
    reach = int(_LARGEST_LAG_S * _LAG_GRID_HZ)
    count, size = len(first), 1 << int(np.ceil(np.log2(len(first) + reach)))
    first, second = (one - one.mean(0) for one in (first, second))
    if min((first**2).sum(), (second**2).sum()) < 1e-12:
        return None
    spectra = np.conj(np.fft.rfft(first, size, axis=0)) * np.fft.rfft(second, size, axis=0)
    products = np.fft.irfft(spectra.sum(1), size)
    lags = np.arange(-reach, reach + 1)
    energy = [np.concatenate([[0.0], np.cumsum((one**2).sum(1))]) for one in (first, second)]
    shared = energy[0][count - np.maximum(lags, 0)] - energy[0][np.maximum(-lags, 0)]
    shared = shared * (energy[1][count - np.maximum(-lags, 0)] - energy[1][np.maximum(lags, 0)])
    curve = np.where(shared > 0, products[lags] / np.sqrt(np.maximum(shared, 1e-24)), 0.0)
    best = int(curve.argmax())
    if curve[best] < _LEAST_CORRELATION or best in (0, len(curve) - 1):
        return None
    before, at, after = curve[best - 1 : best + 2]
    bend = before - 2 * at + after
    shift = 0.0 if bend == 0 else 0.5 * (before - after) / bend
    return float((best - reach + shift) / _LAG_GRID_HZ), float(min(at, 1.0))


def _digits(value: float) -> float:
    """Six significant digits: evidence is read by people and must not depend on the last bit."""
    return 0.0 if abs(value) < _NOTHING else float(f"{value:.6g}")
