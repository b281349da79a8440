"""Alignment against known truth: interpolation error, recovered latency and clock drift, each with its bound.

python -m benchmarks.align
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from benchmarks.command import command, heading, row
from gr00t_data.sources.recordings.clocks import NS, nearest, usable_clock
from gr00t_data.sources.recordings.evidence import drift, lag
from gr00t_data.sources.recordings.resample import resample
from gr00t_data.sources.recordings.streams import SignalKind, Stream

AMPLITUDE_RAD = 0.8
MOTION_HZ = (0.25, 0.6, 1.1)
"""Frequencies of the three joints: a reach takes one to two seconds."""
CONTROL_HZ = 20.0
ROUNDING = 1e-9
LAG_BOUND_S = 0.0005
"""A fortieth of the period of the 50 Hz command."""


@dataclass(frozen=True)
class Case:
    """One synthetic stream.

    Attributes:
        rate_hz: samples a second.
        jitter_s: standard deviation of when a sample is taken; its stamp is right.
        noise_s: standard deviation of the error of a stamp.
        latency_s: how much later than the event the stamps are; declared, so alignment takes it off.
        drift_ppm: how much faster the sensor's clock runs than the recorder's.
    """

    rate_hz: float
    jitter_s: float = 0.0
    noise_s: float = 0.0
    latency_s: float = 0.0
    drift_ppm: float = 0.0


CASES = tuple(
    Case(rate, jitter_s=0.1 / rate, noise_s=noise, latency_s=latency, drift_ppm=ppm)
    for rate in (50.0, 100.0, 200.0, 500.0, 1000.0)
    for noise, latency, ppm in ((0.0, 0.0, 0.0), (0.0002, 0.020, 20.0), (0.001, 0.085, 50.0))
)


@dataclass(frozen=True)
class Result:
    """What was measured, and what theory allows.

    Attributes:
        error_rad, bound_rad: largest position error of a row; ``A (w h)^2 / 8`` for the largest gap h, plus speed times
            the largest error of a stamp.
        nearest_rad: the same error when each row takes its nearest sample, latency uncorrected, as converters do.
        lag_error_s, lag_bound_s: error of the recovered lag of state behind command.
        drift_error_ppm, drift_bound_ppm: four standard errors of the least-squares slope.
    """

    error_rad: float
    bound_rad: float
    nearest_rad: float
    lag_error_s: float
    lag_bound_s: float
    drift_error_ppm: float
    drift_bound_ppm: float

    @property
    def within(self) -> bool:
        """Whether every error lies inside its bound."""
        kept = self.error_rad <= self.bound_rad and self.lag_error_s <= self.lag_bound_s
        return kept and self.drift_error_ppm <= self.drift_bound_ppm


def truth(seconds: np.ndarray) -> np.ndarray:
    """Positions float64 [N, 3] in rad at these times."""
    phases = np.array([0.0, 1.0, 2.0])
    return AMPLITUDE_RAD * np.sin(2 * np.pi * np.array(MOTION_HZ) * seconds[:, None] + phases)


def measure(case: Case, seconds: float = 60.0, seed: int = 0, true_lag_s: float = 0.120) -> Result:
    """Make the streams of a case, align them and compare."""
    generator = np.random.default_rng(seed)
    even = np.arange(0, seconds, 1 / case.rate_hz)
    taken = np.sort(even + generator.normal(0, case.jitter_s, len(even)).clip(-0.4 / case.rate_hz, 0.4 / case.rate_hz))
    noise = generator.normal(0, case.noise_s, len(even))
    stamps_ns = np.rint((taken + noise + case.latency_s) * NS).astype(np.int64)
    stream = Stream("joint", stamps_ns, truth(taken), latency_ns=round(case.latency_s * NS))
    clock = usable_clock("joints", stream.times_ns, stream.latency_ns)
    rows_s = np.arange(0.1, seconds - 0.1, 1 / CONTROL_HZ)
    rows_ns = np.rint(rows_s * NS).astype(np.int64)
    error = np.abs(resample(stream, clock, rows_ns, round(NS / CONTROL_HZ)) - truth(rows_s)).max()
    taken_as_is = stream.values[nearest(stream.times_ns, rows_ns)]
    omega = 2 * np.pi * max(MOTION_HZ)
    gap = np.diff(clock.times_ns).max() / NS
    bound = AMPLITUDE_RAD * ((omega * gap) ** 2 / 8 + omega * np.abs(noise).max()) + ROUNDING
    lag_error, lag_bound = _lag(case, taken, noise, true_lag_s)
    drift_error, drift_bound = _drift(case, taken, noise)
    nearest_error = np.abs(taken_as_is - truth(rows_s)).max()
    return Result(float(error), float(bound), float(nearest_error), lag_error, lag_bound, drift_error, drift_bound)


def _lag(case: Case, taken: np.ndarray, noise: np.ndarray, true_lag_s: float) -> tuple[float, float]:
    """A 50 Hz command, held, and a state that follows it ``true_lag_s`` later at the rate of the case."""
    sent = np.arange(0, taken[-1], 0.02)
    sent_rows = (np.rint(sent * NS).astype(np.int64), truth(sent))
    state = (np.rint((taken + noise) * NS).astype(np.int64), truth(taken - true_lag_s))
    kinds: tuple[tuple[SignalKind, tuple[np.ndarray, np.ndarray]], ...] = (("command", sent_rows), ("joint", state))
    found = lag(*((usable_clock(kind, rows[0]), Stream(kind, *rows)) for kind, rows in kinds))
    return abs(found[0] - true_lag_s) if found else float("inf"), LAG_BOUND_S


def _drift(case: Case, taken: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    stamps_ns = np.rint((taken * (1 + case.drift_ppm * 1e-6) + noise) * NS).astype(np.int64)
    found = drift(stamps_ns, np.rint(taken * NS).astype(np.int64))
    standard_error = case.noise_s / (np.std(taken) * np.sqrt(len(taken))) * 1e6
    return abs((found[0] if found else float("inf")) - case.drift_ppm), 4 * standard_error + 1e-3


@command
def main(seconds: Annotated[float, Parameter(help="Length of each synthetic recording.")] = 60.0) -> bool:
    """Print the table; exit status 1 when an error is outside its bound."""
    titles = ("rate Hz", "jitter ms", "stamp noise ms", "latency ms", "drift ppm", "position error mrad (bound)")
    titles += ("nearest sample mrad", "recovered lag error ms (bound)", "drift error ppm (bound)")
    print(heading(*titles))
    outside = 0
    for case in CASES:
        one = measure(case, seconds)
        outside += not one.within
        made = (case.rate_hz, case.jitter_s * 1e3, case.noise_s * 1e3, case.latency_s * 1e3, case.drift_ppm)
        position = f"{one.error_rad * 1e3:.3g} ({one.bound_rad * 1e3:.3g})", f"{one.nearest_rad * 1e3:.3g}"
        lag_ms = f"{one.lag_error_s * 1e3:.2f} ({one.lag_bound_s * 1e3:.2f})"
        print(
            row(*map("{:g}".format, made), *position, lag_ms, f"{one.drift_error_ppm:.3g} ({one.drift_bound_ppm:.3g})")
        )
    print(f"{len(CASES) - outside} of {len(CASES)} inside every bound")
    return not outside
