"""v2.1 -> v3.0 -> v2.1: the same rows bit for bit and the same frames; what v3.0 asks for is in between."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from gr00t_data.lerobot.convert import convert
from gr00t_data.lerobot.to_v3 import FileSizes
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.store.tables import read_table
from gr00t_data.video.cutting import read_whole
from tests.data.builders import change_info, change_parquet, resealed
from tests.data.films import CODINGS, film, moving
from tests.data.lerobot.folders import CAMERA, assert_same_frames, assert_same_rows, silent, store_of

REAL = Path(__file__).parents[4] / "shared/data/teleop/robot_sim.PickNPlace"


def there_and_back(store: EpisodeStore, folder: Path, sizes: FileSizes | None = None) -> EpisodeStore:
    there = convert(store.root, folder / "v3", "v3.0", silent, sizes=sizes)
    back = convert(folder / "v3", folder / "back", "v2.1", silent)
    assert not any("re-encoded" in note.message for note in (*there.notes, *back.notes))
    return EpisodeStore.open(folder / "back")


@pytest.mark.parametrize("coding", CODINGS)
def test_rows_and_frames_come_back(tmp_path: Path, coding: str) -> None:
    store = store_of(tmp_path / "s", coding)
    back = there_and_back(store, tmp_path)
    assert_same_rows(store, back)
    assert_same_frames(store, back)
    assert back.info == store.info | {"codebase_version": "v2.1"} and back.about == store.about
    assert (back.root / "meta/modality.json").read_bytes() == (store.root / "meta/modality.json").read_bytes()
    assert json.loads((back.root / "meta/stats.json").read_text()) == json.loads(
        (store.root / "meta/stats.json").read_text()
    )


@pytest.mark.skipif(not REAL.is_dir(), reason="the real PickNPlace data is not here (../shared/data)")
def test_real_teleoperation_comes_back(tmp_path: Path) -> None:
    store = EpisodeStore.open(REAL)
    back = there_and_back(store, tmp_path)
    assert_same_rows(store, back)
    assert_same_frames(store, back)
    assert "frame_index" not in back.columns(0).columns
    joined = read_whole(tmp_path / "v3/videos" / CAMERA / "chunk-000/file-000.mp4")
    assert joined.frames == 2096 and joined.regular(20)
    line = read_table(tmp_path / "v3/meta/episodes/chunk-000/file-000.parquet").to_pylist()[1]
    assert line["dataset_from_index"] == 416 and line["dataset_to_index"] == 886
    # The rows of this recording start one frame late; a reader adds their timestamp to from_timestamp.
    assert line[f"videos/{CAMERA}/from_timestamp"] + 0.04999995 == pytest.approx(416 / 20, abs=1e-6)


def test_what_lies_between_is_v3(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    convert(store.root, tmp_path / "v3", "v3.0", silent)
    info = json.loads((tmp_path / "v3/meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["fps"] == 20 and isinstance(info["fps"], int)
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (3, 34, 2)
    assert not {"total_videos", "total_chunks"} & info.keys()
    assert info["features"][CAMERA]["info"]["video.codec"] == "h264"
    rows = parquet.ParquetFile(tmp_path / "v3/data/chunk-000/file-000.parquet")
    assert rows.metadata.num_row_groups == 3 and rows.metadata.num_rows == 34
    columns = set(rows.schema_arrow.names)
    assert {name for name, feature in info["features"].items() if feature["dtype"] != "video"} == columns
    lines = read_table(tmp_path / "v3/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [line["dataset_from_index"] for line in lines] == [0, 12, 19]
    assert [line[f"videos/{CAMERA}/from_timestamp"] for line in lines] == [0, 12 / 20, 19 / 20]
    assert [line["tasks"] for line in lines] == [["task 0"], ["task 1"], ["task 0"]]
    tasks = parquet.ParquetFile(tmp_path / "v3/meta/tasks.parquet").read()
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]


def test_quantiles_are_those_of_all_rows(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    convert(store.root, tmp_path / "v3", "v3.0", silent)
    stats = json.loads((tmp_path / "v3/meta/stats.json").read_text())
    rows = np.concatenate([store.state(row.index) for row in store.rows])
    for name, share in {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}.items():
        np.testing.assert_allclose(stats["observation.state"][name], np.quantile(rows, share, axis=0), rtol=1e-9)
    np.testing.assert_allclose(stats["observation.state"]["std"], rows.std(0), rtol=1e-9)
    assert stats["observation.state"]["count"] == stats["index"]["count"] == [34]
    assert np.shape(stats[CAMERA]["mean"]) == np.shape(stats[CAMERA]["q99"]) == (3, 1, 1)
    assert stats[CAMERA]["count"] == [5] and 0 <= stats[CAMERA]["min"][0][0][0] < stats[CAMERA]["max"][0][0][0] <= 1
    line = read_table(tmp_path / "v3/meta/episodes/chunk-000/file-000.parquet").to_pylist()[1]
    np.testing.assert_allclose(line["stats/action/q50"], np.quantile(store.action(1), 0.5, axis=0), rtol=1e-9)


def test_small_limits_give_many_files(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", lengths=(12, 7, 15, 9))
    sizes = FileSizes(data_mb=0.02, video_mb=0.004)
    back = there_and_back(store, tmp_path, sizes)
    assert_same_rows(store, back)
    assert_same_frames(store, back)
    assert len(list((tmp_path / "v3/data").rglob("*.parquet"))) > 1
    videos = list((tmp_path / "v3/videos").rglob("*.mp4"))
    assert 1 < len(videos) < 4 and all(path.stat().st_size < 0.004 * 2**20 + 2000 for path in videos)


def with_gaps(store: EpisodeStore) -> EpisodeStore:
    """The store with episodes 3, 8 and 1005, rows counted in sevens, and a task number that no text has."""
    lines = [json.loads(line) for line in (store.root / "meta/episodes.jsonl").read_text().splitlines()]
    for old, new in {0: 3, 1: 8, 2: 1005}.items():
        lines[old]["episode_index"] = new
        change_parquet(store, old, lambda table, new=new: _with(_with(table, "episode_index", new), "index", 7 * new))
        moves = {store.data_path(old): store.data_path(new)}
        moves[store.video_path(old, "ego_view")] = store.video_path(new, "ego_view")
        for before, after in moves.items():
            after.parent.mkdir(parents=True, exist_ok=True)
            before.rename(after)
    (store.root / "meta/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tasks = {0: "task 0", 1: "task 1", 4: "another"}
    text = "".join(json.dumps({"task_index": index, "task": task}) + "\n" for index, task in tasks.items())
    (store.root / "meta/tasks.jsonl").write_text(text)
    return EpisodeStore.open(store.root)


def test_gaps_in_the_numbers_are_closed_for_v3_and_come_back(tmp_path: Path) -> None:
    store = with_gaps(store_of(tmp_path / "s"))
    assert_same_rows(store, back := there_and_back(store, tmp_path))
    assert_same_frames(store, back)
    rows = read_table(tmp_path / "v3/data/chunk-000/file-000.parquet")
    assert rows["index"].to_pylist() == list(range(34)) and sorted(set(rows["episode_index"].to_pylist())) == [0, 1, 2]
    assert read_table(tmp_path / "v3/meta/tasks.parquet")["task_index"].to_pylist() == [0, 1, 2, 3, 4]


def _with(table: pa.Table, name: str, value: int) -> pa.Table:
    values = pa.array([value] * table.num_rows, pa.int64())
    return table.set_column(table.column_names.index(name), name, values)


def test_odd_columns_keep_their_types(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")

    def change(table: pa.Table) -> pa.Table:
        rows = table.num_rows
        table = table.append_column("note", pa.array([f"ü {n}" for n in range(rows)]))
        table = table.append_column("grid", pa.array([[[1.0, 2.0], [3.0, float(n)]] for n in range(rows)]))
        table = table.append_column("flag", pa.array([n % 2 == 0 for n in range(rows)]))
        table = table.append_column("tiny", pa.array([n % 5 for n in range(rows)], pa.uint8()))
        ragged = table.append_column("ragged", pa.array([[0.5] * (n % 3) for n in range(rows)], pa.list_(pa.float32())))
        return ragged.drop_columns(["frame_index"])

    for row in store.rows:
        change_parquet(store, row.index, change)
    back = there_and_back(store, tmp_path)
    assert_same_rows(store, back)
    features = json.loads((tmp_path / "v3/meta/info.json").read_text())["features"]
    assert features["grid"]["shape"] == [2, 2] and features["tiny"]["dtype"] == "uint8"
    notes = json.loads((tmp_path / "v3/meta/conversion.json").read_text())["notes"]
    assert [note["message"][:15] for note in notes] == ["column 'ragged'"]
    assert features["note"]["dtype"] == "string" and features["frame_index"]["dtype"] == "int64"


def test_uneven_turned_and_sounding_videos_stand_alone_and_come_back(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", lengths=(12, 7, 7, 7, 9))
    odd = {1: {"times": [0, 1, 2, 4, 5, 6, 7]}, 2: {"rotation_deg": 90}, 3: {"sound": True}}
    for number, kind in odd.items():
        film(store.video_place(number, "ego_view"), moving(7, number), **kind)
    store = resealed(store)
    there = convert(store.root, tmp_path / "v3", "v3.0", silent)
    back = convert(tmp_path / "v3", tmp_path / "back", "v2.1", silent)
    assert_same_rows(store, returned := EpisodeStore.open(tmp_path / "back"))
    assert_same_frames(store, returned)
    assert [(n.episode_index, "not shown at 20 Hz" in n.message) for n in there.notes] == [(1, True)]
    said = {note.episode_index: note.message for note in back.notes}
    assert "not shown at 20 Hz: up to 0.0500 s" in said[1] and "turn the picture by 90 degrees" in said[2]
    assert len(list((tmp_path / "v3/videos").rglob("*.mp4"))) == 5


def test_names_with_spaces_and_unicode(tmp_path: Path) -> None:
    store, camera = store_of(tmp_path / "ma démo : 日本"), "observation.images.côté gauche"
    (store.root / "videos/chunk-000" / CAMERA).rename(store.root / "videos/chunk-000" / camera)
    features = {camera if name == CAMERA else name: value for name, value in store.info["features"].items()}
    store = change_info(store, features=features)
    (store.root / "meta/modality.json").write_text(json.dumps({"video": {"links": {"original_key": camera}}}))
    back = there_and_back(store := EpisodeStore.open(store.root), tmp_path / "neuer Ordner ü")
    assert_same_rows(store, back)
    assert_same_frames(store, back)


def test_card_licence_and_other_files_go_along(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    (store.root / "README.md").write_text("made by us")
    (store.root / "meta/subtasks.parquet").write_bytes(b"theirs")
    back = there_and_back(store, tmp_path)
    for root in (tmp_path / "v3", back.root):
        assert (root / "README.md").read_text() == "made by us"
        assert (root / "meta/subtasks.parquet").read_bytes() == b"theirs"
        assert not (root / "meta/seal.json").exists()


def test_v20_becomes_v21(tmp_path: Path) -> None:
    store = change_info(store_of(tmp_path / "s"), codebase_version="v2.0", total_chunks=0)
    (store.root / "meta/episodes_stats.jsonl").unlink()
    convert(store.root, tmp_path / "v21", "v2.1", silent)
    new = EpisodeStore.open(tmp_path / "v21")
    assert new.info["codebase_version"] == "v2.1" and new.info["total_chunks"] == 1 and not new.sealed
    lines = [json.loads(line) for line in (new.root / "meta/episodes_stats.jsonl").read_text().splitlines()]
    np.testing.assert_allclose(lines[1]["stats"]["action"]["mean"], store.action(1).mean(0), rtol=1e-9)
    assert set(lines[1]["stats"]["action"]) == {"min", "max", "mean", "std", "count"}
    assert np.shape(lines[2]["stats"][CAMERA]["mean"]) == (3, 1, 1)
    assert_same_rows(store, new)
    assert_same_frames(store, new)
    with pytest.raises(StoreError, match=r"is v2\.1; it can be converted to v3\.0"):
        convert(new.root, tmp_path / "again", "v2.1", silent)


def test_episodes_that_differ_in_their_columns_are_named(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    change_parquet(store, 1, lambda table: table.append_column("extra", pa.array([0.5] * table.num_rows)))
    with pytest.raises(StoreError, match=r"episode_000001\.parquet: episode 1: column 'extra' is double.*has none"):
        convert(store.root, tmp_path / "v3", "v3.0", silent)
    assert not (tmp_path / "v3").exists()
