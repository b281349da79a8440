"""LeRobot folders that are damaged or hostile: a clear error or a rejected episode, and never a file outside."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.lake import Lake
from gr00t_data.lerobot.convert import convert
from gr00t_data.sources.ingest import ingest
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.builders import GR1, change_info, unsealed
from tests.data.films import film, moving, only_sound
from tests.data.lerobot.folders import CAMERA, change_episodes, change_json, copy, read, silent, store_of, v3_of


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    v3_of(store_of(folder / "v21", lengths=(20, 24)), folder / "v3")
    return folder


@pytest.fixture
def v3(pristine: Path, tmp_path: Path) -> Path:
    return copy(pristine / "v3", tmp_path / "v3")


@pytest.fixture
def v21(pristine: Path, tmp_path: Path) -> EpisodeStore:
    return EpisodeStore.open(copy(pristine / "v21", tmp_path / "v21"))


OUTSIDE = [
    "../../secret/{file_index}.parquet",
    "/etc/{chunk_index}",
    "data/{nonsense}",
    "data/{file_index:9999999999d}",
    7,
]


@pytest.mark.parametrize("template", OUTSIDE)
@pytest.mark.parametrize("entry", ["data_path", "video_path"])
def test_paths_of_v3_stay_inside(v3: Path, tmp_path: Path, template: str, entry: str) -> None:
    change_json(v3 / "meta/info.json", **{entry: template})
    with pytest.raises(StoreError, match=r"path template|needs an object"):
        read(v3, tmp_path / "out/v21")
    assert not (tmp_path / "out/secret").exists()


@pytest.mark.parametrize(
    "template", ["../{episode_index}.parquet", "/etc/{episode_index}", "a/{episode_index:9999999d}", 7]
)
@pytest.mark.parametrize("entry", ["data_path", "video_path"])
def test_paths_of_v21_stay_inside(v21: EpisodeStore, tmp_path: Path, template: str, entry: str) -> None:
    change_info(v21, **{entry: template})
    with pytest.raises(StoreError, match=r"path template|data_path is 7"):
        convert(v21.root, tmp_path / "out", "v3.0", silent)
    assert not (tmp_path / "out").exists()


def test_a_camera_name_cannot_write_outside(v3: Path, tmp_path: Path) -> None:
    info = json.loads((v3 / "meta/info.json").read_text())
    features = {("../../../up" if name == CAMERA else name): value for name, value in info["features"].items()}
    change_json(v3 / "meta/info.json", features=features)
    change_episodes(
        v3,
        lambda lines: [
            line.update({k.replace(CAMERA, "../../../up"): v for k, v in list(line.items()) if CAMERA in k})
            for line in lines
        ],
    )
    with pytest.raises(StoreError, match="leads out of the dataset"):
        read(v3, tmp_path / "a/b/c/v21")
    assert not (tmp_path / "a/b/up").exists() and not (tmp_path / "up").exists()


@pytest.mark.parametrize("name", ["data/chunk-000/file-000.parquet", "meta/tasks.parquet", "videos"])
def test_links_out_of_the_dataset_are_refused(v3: Path, v21: EpisodeStore, tmp_path: Path, name: str) -> None:
    for root, linked in ((v3, name), (v21.root, "videos")):
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        outside = (root / linked).rename(tmp_path / "elsewhere" / f"{root.name}.moved")
        (root / linked).symlink_to(outside)
        with pytest.raises(StoreError, match=r"is a link out of the dataset.*cp -rL"):
            convert(root, tmp_path / "out", "v2.1" if root == v3 else "v3.0", silent)
        with pytest.raises(StoreError, match="is a link out of the dataset"):
            ingest(root, GR1, Lake(tmp_path / "lake"))
    assert not (tmp_path / "out").exists() and not (tmp_path / "lake/stores/v3").exists()


def test_links_inside_are_followed(v3: Path, tmp_path: Path) -> None:
    blob = (v3 / "data/chunk-000/file-000.parquet").rename(v3 / "blob")
    (v3 / "data/chunk-000/file-000.parquet").symlink_to(blob)
    assert len(read(v3, tmp_path / "v21")[0].columns(1)) == 24


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """270 million numbers, all null: 2.0 GiB and a little in a file of some kilobytes."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.parquet"
    rows = pa.table({"episode_index": pa.nulls(27_000_000, pa.int64())})
    with parquet.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(rows, row_group_size=rows.num_rows)
    assert path.stat().st_size < 1 << 20
    return path


@pytest.mark.parametrize("file", ["data/chunk-000/file-000", "meta/episodes/chunk-000/file-000", "meta/tasks"])
def test_a_parquet_that_fills_the_memory_is_refused(v3: Path, tmp_path: Path, bomb: Path, file: str) -> None:
    shutil.copyfile(bomb, v3 / f"{file}.parquet")
    with pytest.raises(StoreError, match=r"bytes unpack to 2\.0 GiB \(270000000 rows\), expected at most 0\.5 GiB"):
        read(v3, tmp_path / "v21")


def test_a_parquet_bomb_in_v21_is_refused(v21: EpisodeStore, tmp_path: Path, bomb: Path) -> None:
    shutil.copyfile(bomb, unsealed(v21).data_place(1))
    with pytest.raises(StoreError, match=r"episode_000001\.parquet.* unpack to 2\.0 GiB"):
        convert(v21.root, tmp_path / "v3", "v3.0", silent)
    for read_rows in (v21.columns, v21.action):
        with pytest.raises(StoreError, match=r"episode_000001\.parquet: episode 1: .* unpack to 2\.0 GiB"):
            read_rows(1)


def test_a_version_under_the_name_of_another(v3: Path, v21: EpisodeStore, tmp_path: Path) -> None:
    unsealed(v21)
    change_json(v3 / "meta/info.json", codebase_version="v2.1")
    with pytest.raises(StoreError, match=r"says v2\.1, but meta/episodes/ belongs to v3\.0"):
        ingest(v3, GR1, Lake(tmp_path / "lake"))
    change_json(v21.root / "meta/info.json", codebase_version="v3.0")
    with pytest.raises(StoreError, match=r"says v3\.0, but .*meta/episodes\.jsonl belongs to v2\.1"):
        ingest(v21.root, GR1, Lake(tmp_path / "lake"))
    change_json(v21.root / "meta/info.json", codebase_version="v9")
    with pytest.raises(StoreError, match="'v9'"):
        convert(v21.root, tmp_path / "out", "v3.0", silent)
    change_json(v3 / "meta/info.json", codebase_version="v3.0")
    with pytest.raises(StoreError, match=r"gr00t convert .* --to v2\.1"):
        EpisodeStore.open(v3)


def test_missing_and_truncated_files_are_named(v3: Path, tmp_path: Path) -> None:
    for file in ("data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet", "meta/tasks.parquet"):
        content = (v3 / file).read_bytes()
        (v3 / file).write_bytes(content[: len(content) // 2])
        with pytest.raises(StoreError, match=rf"{Path(file).name}: cannot be read as parquet.*copy it again"):
            read(v3, tmp_path / "v21")
        (v3 / file).unlink()
        with pytest.raises(StoreError, match=r"no such file|holds no parquet file"):
            read(v3, tmp_path / "v21")
        (v3 / file).write_bytes(content)


@pytest.mark.parametrize(("begin", "end"), [(0.5, 99.0), (-3.0, 1.0), (1.0, 0.2), (float("nan"), 1.0), (50.0, 51.2)])
def test_times_outside_the_file_reject_the_episode(v3: Path, tmp_path: Path, begin: float, end: float) -> None:
    def change(lines: list[dict]) -> None:
        lines[1] |= {f"videos/{CAMERA}/from_timestamp": begin, f"videos/{CAMERA}/to_timestamp": end}

    change_episodes(v3, change)
    film(v3 / "videos" / CAMERA / "chunk-000/file-000.mp4", moving(50))
    store, notes = read(v3, tmp_path / "v21")
    assert any(
        note.episode_index == 1 and "is outside file-000.mp4, which lasts 2.500 s" in note.message for note in notes
    )
    assert [v.accepted for v in build_index(store, GR1, tmp_path / "index").verdicts] == [True, False]


def test_videos_that_cannot_be_had_reject_their_episodes(v3: Path, tmp_path: Path) -> None:
    file = v3 / "videos" / CAMERA / "chunk-000/file-000.mp4"
    whole = file.read_bytes()
    damages = {
        "no such file": None,
        "not a readable video": whole[:700],
        "holds no video stream": only_sound(file).read_bytes(),
    }
    for number, (message, content) in enumerate(damages.items()):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        store, notes = read(v3, tmp_path / f"v21-{number}")
        assert [message in note.message for note in notes] == [True, True]
        assert len(store.columns(0)) == 20
        assert [v.accepted for v in build_index(store, GR1, tmp_path / f"i{number}").verdicts] == [False, False]


def test_an_episode_without_a_video_is_noted(v3: Path, tmp_path: Path) -> None:
    change_episodes(v3, lambda lines: lines[1].update({f"videos/{CAMERA}/from_timestamp": None}))
    _, notes = read(v3, tmp_path / "v21")
    assert any(note.episode_index == 1 and "gives no video" in note.message for note in notes)


@pytest.mark.parametrize("changes", [{"fps": 0}, {"fps": "20"}, {"features": []}, {"data_path": None}])
def test_a_broken_info_is_explained(v3: Path, tmp_path: Path, changes: dict) -> None:
    change_json(v3 / "meta/info.json", **changes)
    with pytest.raises(StoreError, match=r"info\.json: "):
        read(v3, tmp_path / "v21")


@pytest.mark.parametrize("name", ["episodes.jsonl", "tasks.jsonl"])
@pytest.mark.parametrize(
    "content", [b"{}\n", b"7\n", b'{"episode_index": "x", "task_index": "x"}', b'{"a": "\xff"}', b"\xff\xfe"]
)
def test_damaged_lines_are_named(v21: EpisodeStore, tmp_path: Path, name: str, content: bytes) -> None:
    (v21.root / "meta" / name).write_bytes(content)
    with pytest.raises(StoreError, match=name.replace(".", r"\.")):
        convert(v21.root, tmp_path / "v3", "v3.0", silent)


@pytest.mark.parametrize(
    "changes",
    [{"fps": 0}, {"fps": "20"}, {"chunks_size": 0}, {"data_path": None}, {"features": []}, {"features": {"action": 7}}],
)
def test_a_broken_info_of_v21_is_explained(v21: EpisodeStore, tmp_path: Path, changes: dict) -> None:
    change_json(v21.root / "meta/info.json", **changes)
    with pytest.raises(StoreError, match=r"info\.json: "):
        convert(v21.root, tmp_path / "v3", "v3.0", silent)


def test_the_way_back_is_not_taken_when_the_dataset_was_changed(v21: EpisodeStore, tmp_path: Path) -> None:
    convert(v21.root, tmp_path / "v3", "v3.0", silent)
    kept = json.loads((tmp_path / "v3/meta/gr00t.json").read_text())
    twice = {"0": {"episode_index": 5}, "1": {"episode_index": 5}}
    for number, origin in enumerate([{**kept, "rows": {"0": 20}}, {**kept, "episodes": twice}, [], {"episodes": 7}]):
        (tmp_path / "v3/meta/gr00t.json").write_text(json.dumps(origin))
        store, notes = read(tmp_path / "v3", tmp_path / f"back-{number}")
        assert [row.index for row in store.rows] == [0, 1]
        assert "the dataset was changed after it was written" in notes[0].message


def test_export_needs_every_row_and_every_video(v21: EpisodeStore, tmp_path: Path) -> None:
    v21.video_path(1, "ego_view").unlink()
    with pytest.raises(StoreError, match=r"episode_000001\.mp4: no such file"):
        convert(v21.root, tmp_path / "v3", "v3.0", silent)
    v21.data_path(0).unlink()
    with pytest.raises(StoreError, match=r"episode_000000\.parquet: no such file"):
        convert(v21.root, tmp_path / "v3", "v3.0", silent)
    assert not (tmp_path / "v3").exists()


def test_the_target_must_be_free_and_outside(v21: EpisodeStore, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/mine.txt").touch()
    with pytest.raises(StoreError, match="exists and is not empty"):
        convert(v21.root, tmp_path / "taken", "v3.0", silent)
    with pytest.raises(StoreError, match="is inside"):
        convert(v21.root, v21.root / "v3", "v3.0", silent)
    with pytest.raises(StoreError, match="not v4"):
        convert(v21.root, tmp_path / "v4", "v4", silent)
    v21.verify()


def test_a_kill_leaves_no_target(v21: EpisodeStore, tmp_path: Path) -> None:
    program = """
        import os, signal, sys
        from pathlib import Path
        from gr00t_data.lerobot.convert import convert
        def die(done, total):
            if done == int(sys.argv[4]):
                os.kill(os.getpid(), signal.SIGKILL)
        convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], die)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", textwrap.dedent(program), str(v21.root), str(tmp_path / "v3"), "v3.0"]
    for step in ("1", "4"):
        assert subprocess.run([*command, step], env=environment).returncode == -signal.SIGKILL
        assert not (tmp_path / "v3").exists()
    convert(v21.root, tmp_path / "v3", "v3.0", silent)
    v21.verify()
    assert len(read(tmp_path / "v3", tmp_path / "back")[0].rows) == 2


def test_the_command(v21: EpisodeStore, v3: Path, tmp_path: Path) -> None:
    from tests.shell import invoke

    film(v3 / "videos" / CAMERA / "chunk-000/file-000.mp4", moving(44), "h264 with B-frames")
    result = invoke(["convert", str(v3), str(tmp_path / "b"), "--to", "v2.1", "-e", "gr1", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout[result.stdout.index("{") :])
    assert (report["from"], report["to"]) == ("v3.0", "v2.1") and report["notes"][-1]["camera"] == CAMERA
    shutil.rmtree(tmp_path / "b")
    result = invoke(["convert", str(v3), str(tmp_path / "b"), "--to", "v2.1"])
    assert result.exit_code == 0 and "re-encoded" in result.stdout and "episode_index 1: camera" in result.stdout
