"""Defects of the files below meta/."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from benchmarks.doctor.anatomy import ACTION, STATE, Unplantable
from benchmarks.doctor.defects.defect import STORE, Defect, Planting, Targets, each, in_json, of_store
from gr00t_data.store import layout
from gr00t_data.store.store import ABOUT


def slice_off_by_one(p: Planting, modality: Any) -> None:
    """modality.json lets one part begin and end a dimension too late."""
    name = min(modality["action"], key=lambda one: modality["action"][one]["start"])
    modality["action"][name] |= {key: modality["action"][name][key] + 1 for key in ("start", "end")}


def lose(p: Planting, name: str) -> None:
    """There is no such file below meta/."""
    (p.folder.root / "meta" / name).unlink()


def foreign_stats(p: Planting, stats: Any) -> None:
    """stats.json belongs to another data set: means and ranges differ by half a standard deviation."""
    for column in (STATE, ACTION):
        std = np.array(stats[column]["std"])
        for key in {"mean", "min", "max", "q01", "q99"} & stats[column].keys():
            stats[column][key] = (np.array(stats[column][key]) + 0.5 * p.severity * std + 0.02).tolist()


def lose_quantiles(p: Planting, stats: Any) -> Any:
    """stats.json has no q01 and q99."""
    return {c: {k: v for k, v in entry.items() if k not in ("q01", "q99")} for c, entry in stats.items()}


def nan_in_stats(p: Planting, stats: Any) -> None:
    """One standard deviation is NaN."""
    stats["action"]["std"][3] = float("nan")


def wrong_totals(p: Planting, info: Any) -> None:
    """total_frames counts an episode that is not there."""
    info["total_frames"] += 137


def wrong_shape(p: Planting, info: Any) -> None:
    """info.json declares a value less than the rows hold."""
    info["features"]["action"]["shape"] = [info["features"]["action"]["shape"][0] - 1]


def lose_rate(p: Planting, info: Any) -> None:
    """info.json has no fps."""
    del info["fps"]


def lose_names(p: Planting, info: Any) -> None:
    """The features of info.json have no names."""
    for column in (STATE, ACTION):
        info["features"][column].pop("names")


def camera_without_files(p: Planting, info: Any) -> None:
    """info.json declares a depth camera that was never written."""
    features = info["features"]
    view = {"dtype": "video", "shape": [480, 640, 3], "names": ["height", "width", "channels"]}
    features["observation.images.depth_view"] = view


def camera_to_nowhere(p: Planting, modality: Any) -> None:
    """modality.json points the camera at a column that has no folder."""
    modality["video"][p.robot.camera] = {"original_key": "observation.images.ego"}


def camera_renamed(p: Planting) -> None:
    """info.json and the folder call the camera by another name than modality.json: a wrong key."""
    old = p.embodiment.camera(p.robot.camera).column
    features = p.folder.json("info.json")["features"]
    if old not in features:
        raise Unplantable("info.json does not declare the camera")
    p.folder.change_info(features={f"{k}_rgb" if k == old else k: v for k, v in features.items()})
    for folder in (p.folder.root / "videos").rglob(old):
        folder.rename(folder.with_name(f"{old}_rgb"))


def foreign_episode_stats(p: Planting) -> None:
    """episodes_stats.jsonl gives every episode the statistics of the one before it."""
    rows = [row.index for row in p.folder.store.rows]
    tables = [parquet.ParquetFile(p.folder.store.data_path(index)).read() for index in rows]
    stats = [layout.episode_stats(table) for table in tables]
    lines = [{"episode_index": i, "stats": s} for i, s in zip(rows, [*stats[-1:], *stats[:-1]], strict=True)]
    p.folder.write_lines("episodes_stats.jsonl", lines)


def licence_lost(p: Planting) -> None:
    """about.json and the card say nothing of a licence."""
    path = p.folder.root / ABOUT
    about = p.folder.json(path.name) if path.is_file() else {"kind": "real", "source": {}}
    about |= {"embodiment": p.embodiment.name, "licence": "unknown"}
    p.folder.write_json(path.name, about)


def licence_contradicts(p: Planting) -> None:
    """The card forbids commerce, about.json allows it."""
    path = p.folder.root / ABOUT
    about = p.folder.json(path.name) if path.is_file() else {"kind": "real", "source": {}}
    p.folder.write_json(path.name, about | {"embodiment": p.embodiment.name, "licence": "Apache-2.0"})
    (p.folder.root / "README.md").write_text("---\nlicense: cc-by-nc-4.0\ntags:\n- LeRobot\n---\n# Demonstrations\n")


def wrong_length(p: Planting, index: int) -> None:
    """episodes.jsonl declares 7 rows more than there are."""
    p.folder.change_line(index, length=p.folder.store.row(index).length + 7)


def listed_twice(p: Planting) -> Targets:
    """episodes.jsonl lists an episode twice."""
    index = p.episodes[0]
    lines = p.folder.lines("episodes.jsonl")
    p.folder.write_lines("episodes.jsonl", [*lines, next(x for x in lines if x["episode_index"] == index)])
    return [frozenset({STORE, index})]


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


_info, _stats, _modality = (partial(in_json, f"{name}.json") for name in ("info", "stats", "modality"))
_defect = partial(Defect, group="metadata", refresh=False)
_LOADER = "the published loader stops or reads the wrong columns"
_NORM = "actions are scaled wrongly"
_OUTSIDE = "../elsewhere/episode_{episode_index:06d}.parquet"
METADATA_DEFECTS = (
    _defect("modality-off-by-one", "the first part", "META-03", _LOADER, _modality(slice_off_by_one)),
    _defect("modality-lost", "the file", "META-04", _LOADER, of_store(lose, "modality.json")),
    _defect("info-totals", "137 frames", "META-01", "half copied", _info(wrong_totals)),
    _defect(
        "info-version",
        "v3.0 for v2.1",
        "META-12",
        _LOADER,
        of_store(lambda p: p.folder.change_info(codebase_version="v3.0")),
    ),
    _defect("info-names-lost", "state and action", "META-09", _LOADER, _info(lose_names)),
    _defect("info-shape", "one too few", "META-10 SHAPE-01", _LOADER, _info(wrong_shape)),
    _defect("info-no-rate", "fps", "META-02", _LOADER, _info(lose_rate)),
    _defect(
        "info-path-climbs",
        "../",
        "FILE-01",
        "reads files of others",
        of_store(lambda p: p.folder.change_info(data_path=_OUTSIDE)),
    ),
    _defect("info-camera-lost", "one camera more", "META-06", _LOADER, _info(camera_without_files)),
    _defect("modality-camera-lost", "another column", "META-06 META-07", _LOADER, _modality(camera_to_nowhere)),
    _defect("stats-foreign", "0.5 standard deviations", "STATS-03", _NORM, _stats(foreign_stats)),
    _defect("camera-key-wrong", "renamed", "META-06 META-07", _LOADER, of_store(camera_renamed)),
    _defect("episode-stats-foreign", "of the one before", "STATS-04", _NORM, of_store(foreign_episode_stats)),
    _defect("licence-lost", "unknown", "META-16", "nobody may use it", of_store(licence_lost)),
    _defect(
        "licence-contradicts",
        "card and store",
        "META-16",
        "used against its terms",
        of_store(licence_contradicts),
    ),
    _defect("stats-no-quantiles", "q01 and q99", "STATS-01", _LOADER, _stats(lose_quantiles)),
    _defect("stats-lost", "the file", "STATS-01", _LOADER, of_store(lose, "stats.json")),
    _defect("stats-nan", "one value", "STATS-02", _NORM, _stats(nan_in_stats)),
    _defect("episodes-length", "7 rows", "ROWS-01", "rows beyond the end", each(wrong_length)),
    _defect("episodes-listed-twice", "one line", "META-08", "counts double", listed_twice),
    _defect("episodes-not-there", "one line", "FILE-01", _LOADER, listed_not_there),
    _defect("episode-failed", "success false", "SUCCESS-01", "the policy imitates a failure", each(failure_kept)),
)
