"""LeRobot folders of others: pictures in rows, metadata laid out by hand, robot files that do not fit, the way out."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from gr00t_data.curate.build import build_index
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest, look
from gr00t_data.store.notes import read_notes
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video import files as video
from tests.data.builders import GR1, episode, sealed
from tests.data.films import moving
from tests.data.lerobot.folders import CAMERA, change_episodes, change_json, v3_of

ROWS = (20, 24)
COLUMN = "image"
ROBOT = """
name: two_joints
description: two joints and a camera, columns named as openpi names them
slot: 31
control_hz: 20
action_horizon: 16
tolerance_s: 0.025
language_key: annotation.human.task_description
language_column: task_index
cameras: [{name: front, role: front, column: image}]
state: [{name: arm, joints: [a, b], unit: rad, limits: null, normalization: min_max, column: state}]
action: [{name: arm, joints: [a, b], unit: rad, limits: null, normalization: min_max, column: actions}]
default_selection: all
selections: {all: {cameras: [front], state: [arm], action: [arm]}}
"""


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    (tmp_path / "two_joints.yaml").write_text(ROBOT)
    return load_embodiment(tmp_path / "two_joints.yaml")


def png(picture: np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, form, **({"quality": 98} if form == "JPEG" else {}))
    return stream.getvalue()


def drop_of(store: EpisodeStore, target: Path) -> Path:
    """The store as a drop: without what our own writer adds."""
    shutil.copytree(store.root, target)
    for name in ("seal.json", "about.json"):
        (target / "meta" / name).unlink()
    return target


def motion(times: np.ndarray, index: int) -> pa.Array:
    values = np.stack([np.sin(times / 9 + index), np.cos(times / 11 + index)], 1).astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 2)


def of_two_joints(folder: Path, pictures: Callable[[np.ndarray, int, int], Any] | None) -> Path:
    """A v2.1 folder as LeRobot writes it with ``use_videos=False``, columns named as openpi names them.

    Args:
        pictures: (picture, episode, row) -> what the row holds; None: the rows have no such column.
    """
    (folder / "meta").mkdir(parents=True)
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    for index, rows in enumerate(ROWS):
        times = np.arange(rows)
        columns: dict[str, pa.Array] = {"state": motion(times, index), "actions": motion(times + 1, index)}
        if pictures:
            film = moving(rows, index)
            columns[COLUMN] = pa.array([pictures(one, index, row) for row, one in enumerate(film)], kind)
        columns |= {"timestamp": pa.array((times / 20).astype(np.float32)), "frame_index": pa.array(times)}
        columns |= {name: pa.array(np.full(rows, index)) for name in ("episode_index", "task_index")}
        columns["index"] = pa.array(times + sum(ROWS[:index]))
        path = folder / f"data/chunk-000/episode_{index:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table(columns), path)
    number = {"dtype": "int64", "shape": [1], "names": None}
    features = {
        COLUMN: {"dtype": "image", "shape": [64, 80, 3], "names": ["height", "width", "channel"]},
        "state": {"dtype": "float32", "shape": [2], "names": ["state"]},
        "actions": {"dtype": "float32", "shape": [2], "names": ["actions"]},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        **dict.fromkeys(("frame_index", "episode_index", "task_index", "index"), number),
    }
    info = {"codebase_version": "v2.1", "robot_type": "panda", "fps": 20, "chunks_size": 1000, "features": features}
    info |= {"total_episodes": 2, "total_frames": sum(ROWS), "total_tasks": 2, "total_videos": 0, "video_path": None}
    info |= {"data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"}
    (folder / "meta/info.json").write_text(json.dumps(info))
    tasks = ["put the bowl on the plate", "open the drawer"]
    lines = [{"episode_index": i, "tasks": [tasks[i]], "length": rows} for i, rows in enumerate(ROWS)]
    (folder / "meta/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    lines = [{"task_index": i, "task": task} for i, task in enumerate(tasks)]
    (folder / "meta/tasks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def assert_shows_what_it_was_made_of(store: EpisodeStore) -> None:
    for index, rows in enumerate(ROWS):
        found, made = video.decode(store.video_path(index, "front")), moving(rows, index)
        assert found.shape == made.shape
        assert np.abs(found.astype(int) - made).mean() < 4


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_pictures_in_the_rows_become_videos(tmp_path: Path, robot: Embodiment, form: str) -> None:
    drop = of_two_joints(tmp_path / "drop", lambda one, _, row: {"bytes": png(one, form), "path": f"{row}.png"})
    store = ingest(drop, robot, Lake(tmp_path / "lake"))
    assert_shows_what_it_was_made_of(store)
    assert [v.accepted for v in build_index(store, robot, tmp_path / "index").verdicts] == [True, True]
    assert COLUMN not in store.columns(0).columns and store.features[COLUMN].dtype == "video"
    assert store.matrix(1, "state").shape == (24, 2) and store.info["total_videos"] == 2
    assert store.features[COLUMN].facts()["info"]["video.fps"] == 20  # pyright: ignore[reportIndexIssue]
    assert [note.message for note in read_notes(store.root)] == ["its pictures were encoded as h264"]


@pytest.mark.parametrize("bad", [b"\x89PNG cut", b"", png(np.zeros((8, 8, 3), np.uint8))])
def test_a_picture_that_cannot_be_used_rejects_its_episode(tmp_path: Path, robot: Embodiment, bad: bytes) -> None:
    def pictures(one: np.ndarray, index: int, row: int) -> dict[str, object]:
        return {"bytes": bad if (index, row) == (1, 7) else png(one), "path": None}

    store = ingest(of_two_joints(tmp_path / "drop", pictures), robot, Lake(tmp_path / "lake"))
    verdicts = build_index(store, robot, tmp_path / "index").verdicts
    assert [verdict.accepted for verdict in verdicts] == [True, False]
    (told,) = (f.message for f in verdicts[1].findings if f.code == "VIDEO-01")
    assert "no video could be made of its pictures" in told and " 7" in told and "copy it again" not in told


def test_pictures_that_the_rows_only_name_are_read(tmp_path: Path, robot: Embodiment) -> None:
    def pictures(one: np.ndarray, index: int, row: int) -> dict[str, object]:
        name = f"stills/{index}-{row}.png"
        (tmp_path / "drop/stills").mkdir(parents=True, exist_ok=True)
        (tmp_path / "drop" / name).write_bytes(png(one))
        return {"bytes": None, "path": name}

    assert_shows_what_it_was_made_of(ingest(of_two_joints(tmp_path / "drop", pictures), robot, Lake(tmp_path / "lake")))


def test_a_row_cannot_name_a_picture_outside_the_drop(tmp_path: Path, robot: Embodiment) -> None:
    (tmp_path / "secret.png").write_bytes(png(moving(1)[0]))
    drop = of_two_joints(tmp_path / "drop", lambda *_: {"bytes": None, "path": "../secret.png"})
    store = ingest(drop, robot, Lake(tmp_path / "lake"))
    assert not list(store.root.rglob("*.mp4"))
    assert "leads out of the dataset" in read_notes(store.root)[0].message


def test_depth_in_the_rows_stays_as_it_is(tmp_path: Path, robot: Embodiment) -> None:
    deep = png(np.full((64, 80), 4000, np.uint16))
    drop = of_two_joints(tmp_path / "drop", lambda *_: {"bytes": deep, "path": None})
    store = ingest(drop, robot, Lake(tmp_path / "lake"))
    assert store.columns(0)[COLUMN][0]["bytes"] == deep
    assert "more than 8 bits" in read_notes(store.root)[0].message


@pytest.mark.parametrize("sign", ["_", "-"])
def test_a_folder_of_images_that_nobody_encoded(tmp_path: Path, robot: Embodiment, sign: str) -> None:
    drop = of_two_joints(tmp_path / "drop", None)
    info = json.loads((drop / "meta/info.json").read_text())
    info["features"][COLUMN]["dtype"] = "video"
    change_json(drop / "meta/info.json", features=info["features"])
    for index, rows in enumerate(ROWS):
        folder = drop / f"images/{COLUMN}/episode{sign}{index:06d}"
        folder.mkdir(parents=True)
        for row, one in enumerate(moving(rows, index)):
            (folder / f"frame{sign}{row:06d}.png").write_bytes(png(one))
    store = ingest(drop, robot, Lake(tmp_path / "lake"))
    assert_shows_what_it_was_made_of(store)
    assert not list(store.root.rglob("*.png"))
    (drop / f"images/{COLUMN}/episode{sign}000001/frame{sign}000003.png").unlink()
    store = ingest(drop, robot, Lake(tmp_path / "lake"), name="one-less")
    (told,) = (note for note in read_notes(store.root) if note.episode_index == 1)
    assert "23 pictures for 24 rows" in told.message and not store.video_path(1, "front").exists()


def test_pictures_of_v3_that_nobody_encoded(tmp_path: Path) -> None:
    """With ``batch_encoding_size`` above one, LeRobot leaves the last episodes as files, without a clip."""
    store = sealed(
        tmp_path / "s", [episode(rows, n, video={"ego_view": moving(rows, n)}) for n, rows in enumerate(ROWS)]
    )
    drop = v3_of(store, tmp_path / "drop")
    change_episodes(drop, lambda lines: [lines[1].update({k: None for k in lines[1] if k.startswith("videos/")})])
    folder = drop / f"images/{CAMERA}/episode-000001"
    folder.mkdir(parents=True)
    for row, one in enumerate(moving(ROWS[1], 1)):
        (folder / f"frame-{row:06d}.png").write_bytes(png(one))
    found = ingest(drop, GR1, Lake(tmp_path / "lake"))
    assert [v.accepted for v in build_index(found, GR1, tmp_path / "index").verdicts] == [True, True]
    assert np.abs(video.decode(found.video_path(1, "ego_view")).astype(int) - moving(ROWS[1], 1)).mean() < 4
    assert not any("no video" in note.message for note in read_notes(found.root))


LAYOUTS: dict[str, Callable[[list[Any]], str]] = {
    "pretty": lambda lines: "\n".join(json.dumps(line, indent=2) for line in lines),
    "list": json.dumps,
    "mark and CRLF": lambda lines: "\ufeff" + "\r\n".join(json.dumps(line) for line in lines) + "\r\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_metadata_laid_out_by_hand_is_read_and_written_plainly(tmp_path: Path, layout: str) -> None:
    store = sealed(tmp_path / "s", [episode(rows, n, instruction=f"task {n}") for n, rows in enumerate(ROWS)])
    drop = drop_of(store, tmp_path / "drop")
    for name in ("tasks.jsonl", "episodes.jsonl"):
        lines = [json.loads(line) for line in (drop / "meta" / name).read_text().splitlines()]
        (drop / "meta" / name).write_bytes(LAYOUTS[layout](lines).encode())
    info = (drop / "meta/info.json").read_text()
    (drop / "meta/info.json").write_bytes(("\ufeff" + info).encode())
    found = ingest(drop, GR1, Lake(tmp_path / "lake"))
    assert found.rows == store.rows and found.tasks == store.tasks
    assert len(build_index(found, GR1, tmp_path / "index").accepted) == 2
    for name in ("tasks.jsonl", "episodes.jsonl"):
        assert [json.loads(line) for line in (found.root / "meta" / name).read_bytes().splitlines()]
    assert json.loads((found.root / "meta/info.json").read_bytes()) == store.info


def test_a_camera_that_the_robot_file_does_not_list_stays(tmp_path: Path) -> None:
    drop = drop_of(sealed(tmp_path / "s", [episode()]), tmp_path / "drop")
    (drop / "meta/modality.json").unlink()
    info = json.loads((drop / "meta/info.json").read_text())
    other = "observation.images.side"
    features = {other if name == CAMERA else name: feature for name, feature in info["features"].items()}
    change_json(drop / "meta/info.json", features=features)
    next((drop / "videos").rglob(CAMERA)).rename(drop / "videos/chunk-000" / other)
    store = ingest(drop, GR1, Lake(tmp_path / "lake"))
    assert store.camera_columns == {"side": other} and store.video_path(0, "side").is_file()


def test_the_chunk_of_v3_in_a_path_of_v21(tmp_path: Path) -> None:
    drop = drop_of(sealed(tmp_path / "s", [episode()]), tmp_path / "drop")
    info = json.loads((drop / "meta/info.json").read_text())
    paths = {name: info[name].replace("episode_chunk", "chunk_index") for name in ("data_path", "video_path")}
    change_json(drop / "meta/info.json", **paths)
    store = ingest(drop, GR1, Lake(tmp_path / "lake"))
    assert {name: store.info[name] for name in paths} == {name: info[name] for name in paths}
    assert [v.codes for v in build_index(store, GR1, tmp_path / "index").verdicts] == [()]
    assert all("as v2.1 has it" in note.message for note in read_notes(store.root)) and read_notes(store.root)


def test_the_wrong_robot_file_is_refused_before_anything_is_sealed(tmp_path: Path, robot: Embodiment) -> None:
    lake = Lake(tmp_path / "lake")
    drop = drop_of(sealed(tmp_path / "s", [episode()]), tmp_path / "drop")
    for other, message in (
        (load_embodiment("so100"), r"'observation\.state' has 44 values a row .* embodiment 'so100' has 6"),
        (robot, r"no 'state' or 'actions', which embodiment 'two_joints' reads; .*column:"),
    ):
        with pytest.raises(StoreError, match=message) as refused:
            ingest(drop, other, lake)
        assert look(drop, other).facts["problem"] == str(refused.value)
    assert not [path for path in lake.stores.iterdir() if not path.name.startswith(".")]
    assert ingest(drop, GR1, lake).about.embodiment == "gr1"


@pytest.mark.parametrize("told", ["meta/tasks.jsonl", "meta/episodes.jsonl"])
def test_metadata_that_cannot_be_read_is_refused_before_anything_is_sealed(tmp_path: Path, told: str) -> None:
    drop = drop_of(sealed(tmp_path / "s", [episode()]), tmp_path / "drop")
    (drop / told).write_text('{"task_index": 0, "ta')
    with pytest.raises(StoreError, match=f"{told}:1: not one JSON object"):
        ingest(drop, GR1, Lake(tmp_path / "lake"))
    assert not list((tmp_path / "lake/stores").iterdir())


def test_another_robot_file_is_another_store_and_the_message_names_the_way_out(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    drop = drop_of(sealed(tmp_path / "s", [episode()]), tmp_path / "drop")
    first = ingest(drop, GR1, lake)
    other = replace(GR1, digest="0" * 64)
    with pytest.raises(StoreError, match=r"another file of the robot; make it anew \(--replace.*--name"):
        ingest(drop, other, lake)
    assert ingest(drop, other, lake, replace=True).digest == first.digest
    assert ingest(drop, other, lake).digest == first.digest
    with pytest.raises(StoreError, match="another file of the robot"):
        ingest(drop, GR1, lake)


def test_other_content_takes_the_place_of_a_store_only_when_asked(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    store = ingest(drop_of(sealed(tmp_path / "a", [episode()]), tmp_path / "1/drop"), GR1, lake)
    second = drop_of(sealed(tmp_path / "b", [episode(), episode(24, 1)]), tmp_path / "2/drop")
    with pytest.raises(StoreError, match=r"another content.*--replace"):
        ingest(second, GR1, lake)
    (second / "meta/tasks.jsonl").rename(tmp_path / "kept")
    with pytest.raises(StoreError, match="no such file"):
        ingest(second, GR1, lake, replace=True)
    assert len(EpisodeStore.open(store.root).rows) == 1
    (tmp_path / "kept").rename(second / "meta/tasks.jsonl")
    assert len(ingest(second, GR1, lake, replace=True).rows) == 2
    assert [path.name for path in lake.stores.iterdir()] == ["drop"]


@pytest.mark.parametrize("nested", [True, False])
def test_features_of_two_dimensions_are_read_flat(tmp_path: Path, robot: Embodiment, nested: bool) -> None:
    def pictures(one: np.ndarray, index: int, row: int) -> dict[str, object]:
        return {"bytes": png(one), "path": None}

    drop = of_two_joints(tmp_path / "drop", pictures)
    info = json.loads((drop / "meta/info.json").read_text())
    info["features"]["state"]["shape"] = [2, 1]
    change_json(drop / "meta/info.json", features=info["features"])
    for index in range(2) if nested else ():
        path = drop / f"data/chunk-000/episode_{index:06d}.parquet"
        table = parquet.ParquetFile(path).read()
        rows = [[[a], [b]] for a, b in table["state"].to_pylist()]
        parquet.write_table(table.set_column(0, "state", pa.array(rows, pa.list_(pa.list_(pa.float32())))), path)
    store = ingest(drop, robot, Lake(tmp_path / "lake"))
    assert [v.accepted for v in build_index(store, robot, tmp_path / "index").verdicts] == [True, True]
    times = np.arange(24)
    np.testing.assert_allclose(store.matrix(1, "state")[:, 1], np.cos(times / 11 + 1), atol=1e-6)


def test_a_version_that_nobody_reads_is_shown(tmp_path: Path) -> None:
    drop = drop_of(sealed(tmp_path / "s", [episode()]), tmp_path / "drop")
    for said, told in (
        ("v1.6", "says 'v1.6': convert it with the scripts of LeRobot"),
        ("v4.0", "says 'v4.0': no such"),
    ):
        change_json(drop / "meta/info.json", codebase_version=said)
        with pytest.raises(StoreError, match=told):
            ingest(drop, GR1, Lake(tmp_path / "lake"))
    (drop / "meta/info.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(StoreError, match=r"info\.json: is a git-lfs pointer, not the file; run `git lfs pull`"):
        ingest(drop, GR1, Lake(tmp_path / "lake"))
