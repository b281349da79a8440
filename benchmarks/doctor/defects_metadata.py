"""Defects of the files below meta/."""

import numpy as np

from benchmarks.doctor.defect import STORE, Defect, Plant, Planting, Targets, each, of_store


def slice_off_by_one(p: Planting) -> None:
    """modality.json lets one part begin and end a dimension too late."""
    modality = p.folder.json("modality.json")
    modality["action"]["right_arm"] = {k: v + 1 for k, v in modality["action"]["right_arm"].items() if k != "dtype"}
    p.folder.write_json("modality.json", modality)


def lose_modality(p: Planting) -> None:
    """There is no modality.json."""
    (p.folder.root / "meta/modality.json").unlink()


def wrong_totals(p: Planting) -> None:
    """total_frames counts an episode that is not there."""
    p.folder.change_info(total_frames=p.folder.json("info.json")["total_frames"] + 137)


def foreign_stats(p: Planting) -> None:
    """stats.json belongs to another data set: means and ranges differ by half a standard deviation."""
    stats = p.folder.json("stats.json")
    for column in ("observation.state", "action"):
        std = np.array(stats[column]["std"])
        for key in ("mean", "min", "max", "q01", "q99"):
            if key in stats[column]:
                stats[column][key] = (np.array(stats[column][key]) + 0.5 * p.severity * std + 0.02).tolist()
    p.folder.write_json("stats.json", stats)


def lose_quantiles(p: Planting) -> None:
    """stats.json has no q01 and q99."""
    stats = p.folder.json("stats.json")
    kept = {c: {k: v for k, v in entry.items() if k not in ("q01", "q99")} for c, entry in stats.items()}
    p.folder.write_json("stats.json", kept)


def lose_stats(p: Planting) -> None:
    """There is no stats.json."""
    (p.folder.root / "meta/stats.json").unlink()


def nan_in_stats(p: Planting) -> None:
    """One standard deviation is NaN."""
    stats = p.folder.json("stats.json")
    stats["action"]["std"][3] = float("nan")
    p.folder.write_json("stats.json", stats)


def other_version(p: Planting) -> None:
    """info.json says v3.0, the files are laid out as v2.1."""
    p.folder.change_info(codebase_version="v3.0")


def lose_names(p: Planting) -> None:
    """The features of info.json have no names."""
    features = p.folder.json("info.json")["features"]
    for column in ("observation.state", "action"):
        features[column].pop("names")
    p.folder.change_info(features=features)


def wrong_shape(p: Planting) -> None:
    """info.json declares 43 values where the rows hold 44."""
    features = p.folder.json("info.json")["features"]
    features["action"]["shape"] = [43]
    p.folder.change_info(features=features)


def wrong_length(p: Planting, index: int) -> None:
    """episodes.jsonl declares 7 rows more than there are."""
    p.folder.change_line(index, length=p.folder.store.row(index).length + 7)


def listed_twice(p: Planting) -> Targets:
    """episodes.jsonl lists an episode twice."""
    index = p.episodes[0]
    lines = p.folder.lines("episodes.jsonl")
    p.folder.write_lines("episodes.jsonl", [*lines, next(x for x in lines if x["episode_index"] == index)])
    return [frozenset({STORE, index})]


def camera_without_files(p: Planting) -> None:
    """info.json declares a depth camera that was never written."""
    features = p.folder.json("info.json")["features"]
    features["observation.images.depth_view"] = dict(next(f for f in features.values() if f["dtype"] == "video"))
    p.folder.change_info(features=features)


def camera_to_nowhere(p: Planting) -> None:
    """modality.json points the camera at a column that has no folder."""
    modality = p.folder.json("modality.json")
    modality["video"]["ego_view"] = {"original_key": "observation.images.ego"}
    p.folder.write_json("modality.json", modality)


def climbing_path(p: Planting) -> None:
    """The path template of info.json leads out of the folder."""
    p.folder.change_info(data_path="../elsewhere/episode_{episode_index:06d}.parquet")


def lose_rate(p: Planting) -> None:
    """info.json has no fps."""
    info = p.folder.json("info.json")
    p.folder.write_json("info.json", {k: v for k, v in info.items() if k != "fps"})


def listed_not_there(p: Planting) -> Targets:
    """episodes.jsonl lists one episode more than there are files."""
    lines = p.folder.lines("episodes.jsonl")
    number = max(line["episode_index"] for line in lines) + 1
    p.folder.write_lines("episodes.jsonl", [*lines, {**lines[-1], "episode_index": number}])
    info = p.folder.json("info.json")
    totals = {"total_episodes": len(lines) + 1, "total_frames": info["total_frames"] + lines[-1]["length"]}
    p.folder.change_info(**totals)
    return [frozenset({number, STORE})]


def failure_kept(p: Planting, index: int) -> None:
    """A failed demonstration is marked so, and still there."""
    p.folder.change_line(index, success=False)


_LOADER = "the published loader stops or reads the wrong columns"
_NORM = "actions are scaled wrongly"


def _defect(name: str, magnitude: str, codes: tuple[str, ...], consequence: str, plant: Plant) -> Defect:
    return Defect(name, "metadata", magnitude, codes, consequence, plant, refresh=False)


METADATA_DEFECTS = (
    _defect("modality-off-by-one", "right_arm", ("META-03",), _LOADER, of_store(slice_off_by_one)),
    _defect("modality-lost", "the file", ("META-04",), _LOADER, of_store(lose_modality)),
    _defect("info-totals", "137 frames", ("META-01",), "half copied", of_store(wrong_totals)),
    _defect("info-version", "v3.0 for v2.1", ("META-UNREADABLE",), _LOADER, of_store(other_version)),
    _defect("info-names-lost", "state and action", ("META-09",), _LOADER, of_store(lose_names)),
    _defect("info-shape", "43 for 44", ("META-10", "SHAPE-01"), _LOADER, of_store(wrong_shape)),
    _defect("info-no-rate", "fps", ("META-02",), _LOADER, of_store(lose_rate)),
    _defect("info-path-climbs", "../", ("FILE-01",), "reads files of others", of_store(climbing_path)),
    _defect("info-camera-lost", "one camera more", ("META-06",), _LOADER, of_store(camera_without_files)),
    _defect(
        "modality-camera-lost",
        "another column",
        ("META-06", "META-07", "VIDEO-01"),
        _LOADER,
        of_store(camera_to_nowhere),
    ),
    _defect("stats-foreign", "0.5 standard deviations", ("STATS-03",), _NORM, of_store(foreign_stats)),
    _defect("stats-no-quantiles", "q01 and q99", ("STATS-01",), _LOADER, of_store(lose_quantiles)),
    _defect("stats-lost", "the file", ("STATS-01",), _LOADER, of_store(lose_stats)),
    _defect("stats-nan", "one value", ("STATS-02",), _NORM, of_store(nan_in_stats)),
    _defect("episodes-length", "7 rows", ("ROWS-01",), "rows beyond the end", each(wrong_length)),
    _defect("episodes-listed-twice", "one line", ("META-08",), "counts double", listed_twice),
    _defect("episodes-not-there", "one line", ("FILE-01",), _LOADER, listed_not_there),
    _defect("episode-failed", "success false", ("SUCCESS-01",), "the policy imitates a failure", each(failure_kept)),
)
