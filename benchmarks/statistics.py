"""Cost and error of statistics: rows, quantiles beyond the exact limit, and opening a sealed store.

python -m benchmarks.statistics [--json]

CPU-milliseconds, the best of several runs. Bounds: 15 for 2,096 rows of 88 values, 20 for opening a sealed store; 0.5%
in rank for quantiles, against numpy's exact ones.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.clocks import elapsed
from benchmarks.command import Json, command, show, table

ROWS, WIDTH = 2096, 88
"""PickNPlace: its rows, and the values of its state and action together."""

BOUNDS = {"rows_ms": 15.0, "rank_error": 0.005, "rank_error_sketched": 0.005, "open_ms": 20.0}
_RANKS = (0.01, 0.1, 0.5, 0.9, 0.99)
_EPISODES = 100


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU-milliseconds of the fastest of ten calls."""
    return 1000 * min(elapsed(work) for _ in range(10))


def columns(rows: int) -> np.ndarray:
    """float64 [rows, 88]: smooth, noisy, skewed, clipped and constant columns."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(rows, WIDTH))
    values[:, 20:40] = np.exp(values[:, 20:40])
    values[:, 40:60] = np.clip(values[:, 40:60], -1, 1)
    values[:, 60:80] = np.sin(np.arange(rows)[:, None] / 50 + values[:1, 60:80])
    values[:, 80:] = 0.25
    return values


def rank_error(values: np.ndarray, found: np.ndarray) -> float:
    """How far the rank of each found quantile lies from the one asked for, at most; equal values share their ranks."""
    worst = 0.0
    for column, of_column in zip(values.T, found.T, strict=True):
        ordered = np.sort(column)
        for rank, value in zip(_RANKS, of_column, strict=True):
            # Two values that differ in the last bits are one: quantiles are interpolated.
            slack = 1e-12 * max(abs(value), 1.0)
            low = np.searchsorted(ordered, value - slack, side="left") / len(ordered)
            high = np.searchsorted(ordered, value + slack, side="right") / len(ordered)
            worst = max(worst, low - rank, rank - high, 0.0)
    return worst


def rows_and_quantiles() -> dict[str, float]:
    """Statistics of one pass over rows that are kept, and the error of the sketch that takes over beyond them."""
    from gr00t_data.batches.statistics.tally import EXACT_ROWS, Tally

    few, many = columns(ROWS), columns(3 * EXACT_ROWS)

    def whole_pass() -> np.ndarray:
        tally = Tally.of(few)
        tally.std()
        return tally.quantiles((0.01, 0.99))

    merged = Tally.of(many[:ROWS])
    for start in range(ROWS, len(many), ROWS):
        merged.merge(Tally.of(many[start : start + ROWS]))
    assert merged.rows is None
    return {
        "rows_ms": cpu_ms(whole_pass),
        "rank_error": rank_error(few, Tally.of(few).quantiles(_RANKS)),
        "rank_error_sketched": rank_error(many, merged.quantiles(_RANKS)),
    }


def opening(folder: Path) -> float:
    """CPU-ms from a path to digest, episodes and tasks of a sealed store of 100 episodes."""
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.store.episode import Episode
    from gr00t_data.store.store import EpisodeStore
    from gr00t_data.store.writing import StoreWriter

    gr1 = load_embodiment("gr1")
    writer = StoreWriter.create(folder / "store", gr1, kind="simulated", licence="Apache-2.0")
    rows = 0.1 * np.sin(np.arange(20)[:, None] / 10 + np.arange(44))
    for number in range(_EPISODES):
        writer.append(Episode(f"task {number % 10}", np.arange(20) / 20, rows, rows, {}, True))
    writer.seal()

    def whole() -> object:
        store = EpisodeStore.open(folder / "store")
        return store.digest, store.rows, store.tasks, store.cameras

    return cpu_ms(whole)


@command
def main(as_json: Json = False) -> None:
    """Print each number beside its bound; exit status 1 when one is missed."""
    with tempfile.TemporaryDirectory() as folder:
        found = {**rows_and_quantiles(), "open_ms": opening(Path(folder))}
    rows = ((name, f"{value:.4g}", f"{BOUNDS[name]:g}") for name, value in found.items())
    show(found, table(("what", "found", "bound"), rows), as_json)
    if missed := [name for name, value in found.items() if value > BOUNDS[name]]:
        raise SystemExit(f"missed: {', '.join(missed)}")
