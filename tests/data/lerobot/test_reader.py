"""LeRobot v3.0 folders as they are found: drift, gaps, rows in other files, cut points without a keyframe."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.embodiment.modality import modality_json
from gr00t_data.lake import Lake
from gr00t_data.lerobot.to_v3 import FileSizes
from gr00t_data.sources.ingest import ingest
from gr00t_data.store.store import StoreError
from gr00t_data.video import files as video
from gr00t_data.video.cutting import read_whole
from tests.data.builders import GR1, unsealed
from tests.data.films import film
from tests.data.lerobot.folders import (
    CAMERA,
    LENGTHS,
    assert_same_frames,
    assert_same_rows,
    change_episodes,
    change_json,
    change_rows,
    read,
    store_of,
    v3_of,
)


def times_of(change: Any) -> Any:
    """A change of from_timestamp and to_timestamp of every line."""

    def apply(lines: list[dict[str, Any]]) -> None:
        for number, line in enumerate(lines):
            edges = (f"videos/{CAMERA}/from_timestamp", f"videos/{CAMERA}/to_timestamp")
            line[edges[0]], line[edges[1]] = change(number, line[edges[0]], line[edges[1]])

    return apply


def test_a_dataset_of_others_is_taken_apart(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", "h264 with B-frames")
    found, notes = read(v3_of(store, tmp_path / "v3"), tmp_path / "v21")
    assert notes == [] and found.fps == 20 and found.info["codebase_version"] == "v2.1"
    assert [(row.index, row.length, row.instruction) for row in found.rows] == [
        (0, 12, "task 0"),
        (1, 7, "task 1"),
        (2, 15, "task 0"),
    ]
    assert_same_frames(store, found)
    np.testing.assert_array_equal(found.state(1), store.state(1))
    modality = json.loads((found.root / "meta/modality.json").read_text())
    assert modality == modality_json(GR1, cameras=["ego_view"])
    lines = [json.loads(line) for line in (found.root / "meta/episodes_stats.jsonl").read_text().splitlines()]
    assert {"q01", "q50", "q99", "count"} <= lines[2]["stats"]["action"].keys()
    assert "data_files_size_in_mb" not in found.info and found.info["total_videos"] == 3


def test_a_drop_is_ingested_and_accepted(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", lengths=(20, 24))
    drop = v3_of(store, tmp_path / "drop")
    sealed = ingest(drop, GR1, Lake(tmp_path / "lake"), licence="CC-BY-4.0")
    assert sealed.sealed and sealed.about.source.format == "LeRobot v3"
    assert [verdict.accepted for verdict in build_index(sealed, GR1, tmp_path / "index").verdicts] == [True, True]


@pytest.mark.parametrize("drift_s", [0.0004, 0.02, 0.05, 460.0])
def test_drifted_timestamps_still_find_every_frame(tmp_path: Path, drift_s: float) -> None:
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    change_episodes(folder, times_of(lambda n, begin, end: (begin + n * drift_s, end + (n + 1) * drift_s)))
    found, notes = read(folder, tmp_path / "v21")
    assert_same_frames(store, found)
    assert [note.episode_index for note in notes] == [1, 2]
    assert all(
        note.camera == CAMERA and "off the frame that belongs to the first row" in note.message for note in notes
    )


def test_durations_that_lack_the_last_frame(tmp_path: Path) -> None:
    """Sums of containers that count from first to last frame: each episode one frame further off."""
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    change_episodes(folder, times_of(lambda n, begin, end: (begin - n / 20, end - (n + 1) / 20)))
    found, notes = read(folder, tmp_path / "v21")
    assert_same_frames(store, found)
    assert "-0.0500 s off" in notes[0].message and "-0.1000 s off" in notes[1].message


def test_a_file_with_more_frames_than_its_episodes(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    change_episodes(folder, lambda lines: lines.pop(1))
    change_rows(folder, lambda table: pa.concat_tables([table.slice(0, 12), table.slice(19)]))
    found, notes = read(folder, tmp_path / "v21")
    assert [row.index for row in found.rows] == [0, 2]
    for index in (0, 2):
        paths = [one.video_path(index, "ego_view") for one in (store, found)]
        np.testing.assert_array_equal(video.decode(paths[0]), video.decode(paths[1]))
    assert all("has 34 frames, which is not what its episodes have together" in note.message for note in notes)


def test_numbers_with_gaps_stay(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    numbers = (3, 8, 1005)
    change_episodes(folder, lambda lines: [line.update(episode_index=numbers[n]) for n, line in enumerate(lines)])
    own = pa.array(np.repeat(numbers, LENGTHS))
    change_rows(folder, lambda t: t.set_column(t.column_names.index("episode_index"), "episode_index", own))
    found, notes = read(folder, tmp_path / "v21")
    assert [row.index for row in found.rows] == [3, 8, 1005] and notes == []
    assert found.data_path(1005).parent.name == "chunk-001" and len(found.columns(1005)) == 15
    np.testing.assert_array_equal(found.state(8), store.state(1))
    whole = [one.video_path(index, "ego_view") for one, index in ((store, 1), (found, 8))]
    np.testing.assert_array_equal(video.decode(whole[0]), video.decode(whole[1]))


def test_many_files(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", lengths=(12, 7, 15, 9))
    folder = v3_of(store, tmp_path / "v3", FileSizes(data_mb=0.02, video_mb=0.004))
    assert len(list((folder / "data").rglob("*.parquet"))) > 1
    found, notes = read(folder, tmp_path / "v21")
    assert_same_frames(store, found)
    np.testing.assert_array_equal(found.state(3), store.state(3))
    assert notes == []


def test_rows_in_another_file_than_the_metadata_says(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", lengths=(12, 7, 15, 9))
    folder = v3_of(store, tmp_path / "v3", FileSizes(data_mb=0.02))
    change_episodes(folder, lambda lines: lines[0].update({"data/file_index": lines[-1]["data/file_index"]}))
    found, notes = read(folder, tmp_path / "v21")
    np.testing.assert_array_equal(found.state(0), store.state(0))
    assert len(notes) == 1 and notes[0].episode_index == 0 and "the metadata names file-" in notes[0].message


def test_rows_that_are_not_as_many_as_declared(tmp_path: Path) -> None:
    folder = v3_of(store_of(tmp_path / "s"), tmp_path / "v3")
    change_rows(folder, lambda table: pa.concat_tables([table.slice(0, 14), table.slice(19)]))
    found, notes = read(folder, tmp_path / "v21")
    assert len(found.columns(1)) == 2 and found.row(1).length == 7
    assert [note.message for note in notes] == ["2 rows were found, 7 are declared; the rows found were kept"]
    verdicts = build_index(found, GR1, tmp_path / "index").verdicts
    assert not verdicts[1].accepted


def test_cut_points_without_a_keyframe_are_encoded_again_and_noted(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    joined = folder / "videos" / CAMERA / "chunk-000/file-000.mp4"
    film(joined, before := video.decode(joined))
    found, notes = read(folder, tmp_path / "v21")
    assert [note.episode_index for note in notes] == [1, 2]  # keyframes stand at 0, 10, 20, 30; episodes at 0, 12, 19
    assert all(note.message.startswith("re-encoded as h264, frame for frame") for note in notes)
    for row, first in zip(found.rows, (0, 12, 19), strict=True):
        track = read_whole(found.video_path(row.index, "ego_view"))
        assert track.frames == row.length and track.regular(20)
        difference = np.abs(video.decode(track.path).astype(int) - before[first : first + row.length])
        assert difference.mean() < 3
    written = json.loads((found.root / "meta/conversion.json").read_text())
    assert written["notes"][0]["episode_index"] == 1 and written["notes"][0]["camera"] == CAMERA


def test_metadata_in_many_files(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    first = folder / "meta/episodes/chunk-000/file-000.parquet"
    lines = parquet.ParquetFile(first).read()
    (folder / "meta/episodes/chunk-001").mkdir()
    parquet.write_table(lines.slice(2), folder / "meta/episodes/chunk-001/file-000.parquet")
    parquet.write_table(lines.slice(0, 2), first)
    found, notes = read(folder, tmp_path / "v21")
    assert notes == [] and len(found.rows) == 3
    assert len((found.root / "meta/episodes_stats.jsonl").read_text().splitlines()) == 3
    parquet.write_table(lines.slice(1), folder / "meta/episodes/chunk-001/file-000.parquet")
    with pytest.raises(StoreError, match="lists episode 1 twice"):
        read(folder, tmp_path / "again")


def test_pictures_in_the_rows_stay_there(tmp_path: Path) -> None:
    folder = v3_of(store_of(tmp_path / "s"), tmp_path / "v3")
    picture = pa.array([{"bytes": b"png", "path": None}] * 34)
    change_rows(folder, lambda table: table.append_column("observation.images.top", picture))
    features = json.loads((folder / "meta/info.json").read_text())["features"]
    top = {"dtype": "image", "shape": [8, 8, 3], "names": ["height", "width", "channel"]}
    change_json(folder / "meta/info.json", features=features | {"observation.images.top": top})
    found, notes = read(folder, tmp_path / "v21")
    rows = parquet.ParquetFile(found.data_path(1)).read()
    assert rows["observation.images.top"][0].as_py() == {"bytes": b"png", "path": None}
    assert [(note.camera, "stay in the rows" in note.message) for note in notes] == [("observation.images.top", True)]


def test_tasks_under_the_name_pandas_gives(tmp_path: Path) -> None:
    folder = v3_of(store_of(tmp_path / "s"), tmp_path / "v3")
    table = pa.table({"task_index": [1, 0], "__index_level_0__": pa.array(["task 1", "task 0"], pa.large_string())})
    parquet.write_table(table, folder / "meta/tasks.parquet")
    found, _ = read(folder, tmp_path / "v21")
    assert found.tasks == {0: "task 0", 1: "task 1"}


def test_another_robot_gets_one_part_each(tmp_path: Path) -> None:
    folder = v3_of(store_of(tmp_path / "s"), tmp_path / "v3")
    features = json.loads((folder / "meta/info.json").read_text())["features"]
    features["action"]["shape"] = [7]
    change_json(folder / "meta/info.json", features=features)
    found, notes = read(folder, tmp_path / "v21")
    modality = json.loads((found.root / "meta/modality.json").read_text())
    assert modality["state"] == {"state": {"start": 0, "end": 44}}
    assert modality["video"] == {"ego_view": {"original_key": CAMERA}}
    assert len(notes) == 1 and "modality.json has one part each" in notes[0].message


def test_rows_equal_the_store_they_came_from(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    found, _ = read(v3_of(store, tmp_path / "v3"), tmp_path / "v21")
    lines = [json.loads(line) for line in (unsealed(store).root / "meta/episodes.jsonl").read_text().splitlines()]
    plain = [{k: line[k] for k in ("episode_index", "tasks", "length")} for line in lines]
    (store.root / "meta/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in plain))
    assert_same_rows(type(store).open(store.root), found)


def test_cameras_that_the_robot_file_does_not_list_stay(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    other = "observation.images.side.ego_view"
    rename_camera(folder, other)
    found, notes = read(folder, tmp_path / "v21")
    assert found.camera_columns == {"ego_view": other} and notes == []
    for row in store.rows:
        theirs, ours = store.video_path(row.index, "ego_view"), found.video_path(row.index, "ego_view")
        np.testing.assert_array_equal(video.decode(ours), video.decode(theirs))
    said = found.features[other].facts()["info"]
    assert said == {
        "video.height": 64,
        "video.width": 80,
        "video.codec": "h264",
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "video.fps": 20,
        "video.channels": 3,
        "has_audio": False,
    }


def rename_camera(folder: Path, name: str) -> None:
    """Give the camera another column, and let info.json say nothing but its type, as hand-written converters do."""
    info = json.loads((folder / "meta/info.json").read_text())
    features = {k: v for k, v in info["features"].items() if k != CAMERA} | {name: {"dtype": "video"}}
    change_json(folder / "meta/info.json", features=features)
    change_episodes(
        folder,
        lambda lines: [line.update({k.replace(CAMERA, name): line.pop(k) for k in list(line)}) for line in lines],
    )
    (folder / "videos" / CAMERA).rename(folder / "videos" / name)


def test_statistics_of_a_depth_map_have_three_channels(tmp_path: Path) -> None:
    """LeRobot 0.3.3 refuses a dataset in which those of a column named ``image`` have another shape than (3, 1, 1)."""
    folder = v3_of(store_of(tmp_path / "s"), tmp_path / "v3")

    def one_channel(lines: list[dict[str, Any]]) -> None:
        for line in lines:
            for name in [name for name in line if name.startswith(f"stats/{CAMERA}/") and not name.endswith("count")]:
                line[name] = line[name][:1]

    change_episodes(folder, one_channel)
    found, _ = read(folder, tmp_path / "v21")
    lines = [json.loads(line) for line in (found.root / "meta/episodes_stats.jsonl").read_text().splitlines()]
    for line in lines:
        stats = line["stats"][CAMERA]
        assert {np.shape(value) for name, value in stats.items() if name != "count"} == {(3, 1, 1)}
        assert stats["mean"][0] == stats["mean"][1] == stats["mean"][2]
