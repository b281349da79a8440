"""Item 11: the published order of samples, and the published merging of statistics."""

import ast
from typing import Any

import numpy as np

from benchmarks.recorded.published_mixture import PERCENTILES, PublishedMixture, merge_statistics, sample_seed
from benchmarks.recorded.recording import Comparisons, Recordings, close, equal, within
from gr00t_data.batches.statistics.statistics import PartStatistics
from gr00t_data.disk import read_json
from gr00t_data.store.store import EpisodeStore

MEASURES = ("mean", "std", "min", "max", "q01", "q99")
_MERGED = 1e-6  # percentiles are float32, rounded differently by numpy 1 and 2
Columns = dict[str, dict[str, np.ndarray]]


def mixture(recordings: Recordings) -> Comparisons:
    """Draws of every case, and merged statistics by both rules."""
    item, store = recordings.item("mixture"), recordings.demonstration()
    config, outputs = item.json("config"), item.arrays("outputs")
    lengths = {row.index: row.length for row in store.rows}
    chosen = [dataset.get("episodes", list(lengths)) for dataset in config["datasets"]]
    episodes = tuple({number: lengths[number] for number in numbers} for numbers in chosen)
    columns = [_shipped(store), *(_measured(store, numbers) for numbers in chosen[1:])]
    for key, value in config["safe_hash"].items():
        yield equal(str(sample_seed(*ast.literal_eval(key))), value, f"config/safe_hash/{key}", "seeds")
    for case in config["cases"]:
        settings = {name: case[name] for name in ("balance_dataset_weights", "balance_trajectory_weights", "seed")}
        ours = PublishedMixture(episodes, tuple(case["weights"]), **settings)
        yield from _draws(ours, case, outputs)
        for percentiles in PERCENTILES:
            name = f"case{case['case']}_merged_metadata_{percentiles}"
            yield from _merged(ours, percentiles, columns, item.json(name), store, name)
    quirks = config["observed_errors_and_quirks"]
    yield from _two_robots(quirks["two tags, min_max"], columns, store)


def _draws(ours: PublishedMixture, case: dict[str, Any], outputs: dict[str, np.ndarray]) -> Comparisons:
    prefix = f"case{case['case']}"
    yield equal(len(ours), case["len"], f"config/{prefix}/len", "lengths")
    shares, vector = case["dataset_sampling_weights"], f"config/{prefix}"
    yield close(ours.dataset_shares, shares, f"{vector}/dataset_sampling_weights", "shares", 1e-12)
    for dataset, recorded in enumerate(case["trajectory_sampling_weights"]):
        found = ours.episode_shares(dataset)
        yield close(found, recorded, f"{vector}/trajectory_sampling_weights/{dataset}", "shares", 1e-12)
    for name in sorted(name for name in outputs if name.startswith(f"{prefix}.")):
        _, mode, epoch = name.split(".")
        found = ours.draw(int(epoch.removeprefix("epoch")), len(outputs[name]), train=mode == "train")
        yield equal(found, outputs[name], f"outputs/{name}", "draws")


def _shipped(store: EpisodeStore) -> Columns:
    stats = read_json(store.root / "meta/stats.json")
    return {column: {name: np.array(values[name]) for name in MEASURES} for column, values in stats.items()}


def _measured(store: EpisodeStore, episodes: list[int]) -> Columns:
    columns = {}
    for column in ("observation.state", "action"):
        rows = np.concatenate([store.matrix(number, column) for number in episodes]).astype(np.float32)
        found = PartStatistics.of(rows)
        columns[column] = {name: np.array(getattr(found, name)) for name in MEASURES}
    return columns


def _parts(store: EpisodeStore) -> list[tuple[str, str, str, slice]]:
    """(side, part, column, where) of every part the metadata names."""
    modality = read_json(store.root / "meta/modality.json")
    columns = {"state": "observation.state", "action": "action"}
    return [
        (side, part, where.get("original_key", columns[side]), slice(where["start"], where["end"]))
        for side in columns
        for part, where in modality[side].items()
    ]


def _statistics(columns: Columns, column: str, where: slice) -> PartStatistics:
    return PartStatistics(0, *(tuple(columns[column][name][where].tolist()) for name in MEASURES))


def _merged(
    ours: PublishedMixture, percentiles: str, columns: list[Columns], recorded: Any, store: EpisodeStore, name: str
) -> Comparisons:
    """The published deviation is NaN where rounding makes a variance negative: that counts as 0 on both sides."""
    statistics = next(iter(recorded.values()))["statistics"]
    for side, part, column, where in _parts(store):
        measured = [_statistics(source, column, where) for source in columns]
        found = merge_statistics(measured, ours.dataset_shares.tolist(), percentiles)
        for measure in MEASURES:
            theirs = np.nan_to_num(np.array(statistics[side][part][measure], dtype=np.float64))
            values = np.nan_to_num(np.array(getattr(found, measure)))
            yield close(values, theirs, f"{name}/{side}/{part}/{measure}", f"merged, {percentiles}", _MERGED)


def _two_robots(recorded: dict[str, Any], columns: list[Columns], store: EpisodeStore) -> Comparisons:
    """A defect of "min_max": a robot's mean shrinks by its share. The recording does not say of which part it is."""
    for source, (robot, values) in zip(columns, recorded.items(), strict=False):
        for side, part, column, where in _parts(store):
            measured = _statistics(source, column, where)
            true = np.array(values["true_std"])
            if len(measured.std) != len(true) or np.abs(np.array(measured.std) - true).max() > _MERGED:
                continue
            merged = merge_statistics([measured], values["weights"], "min_max")
            ratio = np.array(merged.mean) / np.array(measured.mean)
            vector = f"config/two_tags/{robot}/{side}.{part}"
            yield close(ratio, values["merged_mean_over_true_mean"], f"{vector}/mean", "two robots", _MERGED)
            yield within(merged.std, values["merged_std"], f"{vector}/std", "two robots", _MERGED)
