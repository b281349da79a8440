"""What the records of all scenes say: one row for each way of executing and each latency, with 95 % intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.command import table
from benchmarks.realtime.scenes import STEP_MS, Arm, Record
from gr00t_model.evaluate.rates import Rate

_DRAWS = 4000
_JITTER = ("acceleration", "jump", "inner", "cosine")


@dataclass(frozen=True)
class Share:
    """A ratio of two means over the same scenes, and its interval from a bootstrap over scenes."""

    share: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray, against: np.ndarray) -> "Share":
        """Mean of ``values`` over mean of ``against``, float [scenes] each, of the scenes that have both (else NaN).

        Raises:
            ValueError: no scene has both, or all of ``against`` is zero.
        """
        both = np.isfinite(values) & np.isfinite(against)
        values, against = values[both], against[both]
        if not against.any():
            raise ValueError("nothing to compare with: no scene has both values, or the second is always zero")
        picks = np.random.default_rng(0).integers(len(values), size=(_DRAWS, len(values)))
        below = against[picks].mean(axis=1)
        drawn = values[picks].mean(axis=1)[below != 0] / below[below != 0]
        low, high = np.quantile(drawn, [0.025, 0.975])
        return cls(float(values.mean() / against.mean()), float(low), float(high))

    def __str__(self) -> str:
        return f"{self.share:.2f} [{self.low:.2f}, {self.high:.2f}]"


Found = Mapping[Arm, Sequence[Record]]


def rows(found: Found) -> list[dict[str, Any]]:
    """One mapping an arm: success with Wilson's interval, each jitter with its interval, and two shares, of the success
    of stop-and-go without latency and of the jump of asynchronous execution, both at the same ``every``.
    """
    return [_row(arm, records, found) for arm, records in found.items()]


def _row(arm: Arm, records: Sequence[Record], found: Found) -> dict[str, Any]:
    rate = Rate.of(record["success"] for record in records)
    row: dict[str, Any] = {"execution": arm.execution, "latency_ms": arm.delay * STEP_MS, "every": arm.every}
    row |= {"success": rate.share, "success_interval": rate.interval, "trials": rate.trials}
    row["steps"] = float(np.mean(_column(records, "steps")))
    for name in _JITTER:
        mean = Share.of(_column(records, name), np.ones(len(records)))
        row |= {name: mean.share, f"{name}_interval": (mean.low, mean.high)}
    row["success_share"] = _against(arm, records, found, "success", Arm("stop_and_go", 0, arm.every))
    row["jump_share"] = _against(arm, records, found, "jump", Arm("asynchronous", arm.delay, arm.every))
    return row


def _against(arm: Arm, records: Sequence[Record], found: Found, name: str, other: Arm) -> dict[str, float] | None:
    """A share of another arm's; None for itself, and where that arm was not tried or never succeeded."""
    if arm == other or other not in found or not np.nansum(_column(found[other], name)):
        return None
    return vars(Share.of(_column(records, name), _column(found[other], name)))


def _column(records: Sequence[Record], name: str) -> np.ndarray:
    return np.array([np.nan if record[name] is None else record[name] for record in records], dtype=float)


def lines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """A Markdown table."""
    titles = ("latency", "execution", "asks every", "success", "of that without latency", "acceleration", "jump")
    return table((*titles, "of the asynchronous one", "step inside", "cosine"), map(_cells, found))


def _cells(row: Mapping[str, Any]) -> list[str]:
    low, high = (100 * bound for bound in row["success_interval"])
    shares = [str(Share(**row[name])) if row[name] else "" for name in ("success_share", "jump_share")]
    jitter = {name: f"{row[name]:.3f} ± {np.ptp(row[f'{name}_interval']) / 2:.3f}" for name in _JITTER}
    return [
        f"{row['latency_ms']} ms",
        row["execution"].replace("_", "-"),
        f"{row['every']} steps",
        f"{100 * row['success']:.0f} % [{low:.0f}, {high:.0f}]",
        shares[0],
        jitter["acceleration"],
        jitter["jump"],
        shares[1],
        jitter["inner"],
        jitter["cosine"],
    ]
