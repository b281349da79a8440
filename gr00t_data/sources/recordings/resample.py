"""One rule of resampling for each kind of signal. Times are int64 nanoseconds, values float64 [N, D]."""

from collections.abc import Callable

import numpy as np

from gr00t_data.rates import Summed, Turned, between, last_before, linear
from gr00t_data.rotations import as_quaternions, convert, slerp
from gr00t_data.sources.recordings.clocks import AlignError, Clock
from gr00t_data.sources.recordings.streams import Stream

_PASS_SHARE = 0.8
"""Force signals keep frequencies below this share of half the control rate; the rest would fold back as a slow sway."""
_FILTER_LOBES = 4
_MOST_FILLED = 20
"""So many times the samples there are may be made to fill gaps; sensors drop single samples, not nineteen of twenty."""
_LEAST_STEP_SHARE = 1e-4
"""Of the control period: no sensor of a robot is 10,000 times faster than its control."""


def resample(stream: Stream, clock: Clock, ticks_ns: np.ndarray, period_ns: int) -> np.ndarray:
    """The values of a stream at the ticks, by the rule of its kind.

    Args:
        clock: of ``usable_clock``, for this stream.
        ticks_ns: int64 [T]; ticks outside the clock take its first or last value.
        period_ns: of the control rate: the interval that relative actions are composed over.

    Returns:
        float64 [T, D].

    Raises:
        AlignError: rotations of length zero.
    """
    values = stream.values[clock.samples]
    try:
        return _RULES[stream.kind](stream, clock, values, ticks_ns, period_ns)
    except ValueError as error:
        raise AlignError(str(error)) from error


def _angle(stream: Stream, clock: Clock, values: np.ndarray, ticks_ns: np.ndarray, period_ns: int) -> np.ndarray:
    """The shorter way round, and inside the turn that the recording uses (-half .. half or 0 .. whole), if it does."""
    left, right, share = between(clock.times_ns, ticks_ns)
    share = share[:, None]
    way = values[right] - values[left]
    way = way - stream.turn * np.rint(way / stream.turn)
    inner = values[left] + share * way
    for low in (-stream.turn / 2, 0.0):
        high = low + stream.turn
        if (values >= low).all() and (values <= high).all():
            inner = np.where(inner < low, inner + stream.turn, np.where(inner > high, inner - stream.turn, inner))
            break
    return np.where(share == 0, values[left], np.where(share == 1, values[right], inner))


def _quaternion(stream: Stream, clock: Clock, values: np.ndarray, ticks_ns: np.ndarray, period_ns: int) -> np.ndarray:
    rotation = stream.rotation or "quaternion"
    quaternions = as_quaternions(values, rotation)
    left, right, share = between(clock.times_ns, ticks_ns)
    return convert(slerp(quaternions[left], quaternions[right], share), "quaternion", rotation)


def _hold(stream: Stream, clock: Clock, values: np.ndarray, ticks_ns: np.ndarray, period_ns: int) -> np.ndarray:
    return values[last_before(clock.times_ns, ticks_ns)]


def _force(stream: Stream, clock: Clock, values: np.ndarray, ticks_ns: np.ndarray, period_ns: int) -> np.ndarray:
    """Evenly spaced, low-pass filtered without delay (windowed sinc), then read at the ticks."""
    step = clock.period_ns
    if not step or step >= period_ns / 2:
        return linear(clock.times_ns, values, ticks_ns)
    count = int((clock.times_ns[-1] - clock.times_ns[0]) / step) + 1
    if count > _MOST_FILLED * len(values) or step < _LEAST_STEP_SHARE * period_ns:
        raise AlignError(
            f"its samples stand {step:,.0f} ns apart, so the {len(values)} of them would be {count:,} without gaps; "
            "its clock has jumped, or its samples came in bursts: map another clock"
        )
    even_ns = clock.times_ns[0] + np.rint(np.arange(count) * step).astype(np.int64)
    even = linear(clock.times_ns, values, even_ns)
    taps = low_pass(_PASS_SHARE * step / period_ns)
    weight = np.convolve(np.ones(count), taps, mode="full")
    trim = slice(len(taps) // 2, len(taps) // 2 + count)
    smooth = np.stack([np.convolve(column, taps, mode="full")[trim] / weight[trim] for column in even.T], axis=-1)
    return linear(even_ns, smooth, ticks_ns)


def low_pass(cutoff: float) -> np.ndarray:
    """Taps of a symmetric low-pass filter, sum 1: a sinc of ``_FILTER_LOBES`` lobes a side under a Hann window.

    Args:
        cutoff: as a share of half the sampling rate, 0 .. 1.
    """
    reach = int(np.ceil(_FILTER_LOBES / cutoff))
    positions = np.arange(-reach, reach + 1)
    taps = np.sinc(cutoff * positions) * (1 + np.cos(np.pi * positions / (reach + 1)))
    return taps / taps.sum()


def _composed(stream: Stream, clock: Clock, values: np.ndarray, ticks_ns: np.ndarray, period_ns: int) -> np.ndarray:
    """What all displacements add up to over each row's interval ``[tick, tick + period)``.

    A displacement is spread evenly over the time to the next one, so whole and broken ratios of rates both keep the
    path: the rows add up to what was sent.
    """
    spread = clock.period_ns or period_ns
    ends = np.append(clock.times_ns[1:], clock.times_ns[-1] + round(spread))
    edges_ns = np.append(clock.times_ns, ends[-1])
    if stream.rotation is None:
        return Summed.of(values, edges_ns).over(ticks_ns, period_ns)
    turns = Turned.of(as_quaternions(values, stream.rotation), edges_ns, stream.moving_frame)
    return convert(turns.over(ticks_ns, period_ns), "quaternion", stream.rotation)


_RULES: dict[str, Callable[[Stream, Clock, np.ndarray, np.ndarray, int], np.ndarray]] = {
    "joint": lambda stream, clock, values, ticks_ns, period_ns: linear(clock.times_ns, values, ticks_ns),
    "angle": _angle,
    "quaternion": _quaternion,
    "command": _hold,
    "binary": _hold,
    "force": _force,
    "relative": _composed,
}
