"""The store: append, seal, refuse, survive a kill, read foreign folders."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
from gr00t_data.video.packets import probe

GR1 = load_embodiment("gr1")


def episode(seed: int = 0, rows: int = 6, instruction: str = "reach the green sphere") -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        instruction=instruction,
        times_s=np.arange(rows) / 20,
        state=rng.normal(size=(rows, 44)),
        action=rng.normal(size=(rows, 44)),
        video={"ego_view": rng.integers(0, 255, (rows, 32, 32, 3), dtype=np.uint8)},
        success=True,
        source=EpisodeSource(seed=seed),
    )


def sealed(root: Path, count: int = 2) -> EpisodeStore:
    writer = StoreWriter.create(root, GR1, kind="simulated", licence="Apache-2.0")
    for seed in range(count):
        writer.append(episode(seed, instruction=f"task {seed % 2}"))
    return writer.seal()


def test_round_trip(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", 3)
    assert [row.length for row in store.rows] == [6, 6, 6]
    assert store.kind == "simulated" and store.licence == "Apache-2.0" and store.fps == 20
    np.testing.assert_allclose(store.state(1), episode(1).state, rtol=1e-6)
    np.testing.assert_allclose(store.action(2), episode(2).action, rtol=1e-6)
    assert store.texts(1, GR1.language_key) == ("task 1", ()) and store.row(1).instruction == "task 1"
    assert store.row(2).source == EpisodeSource(seed=2) and store.row(2).success is True
    assert probe(store.video_path(0, "ego_view")).frames == 6
    columns = store.columns(1)
    assert columns["index"].to_list() == [6, 7, 8, 9, 10, 11] and columns["frame_index"].to_list() == [0, 1, 2, 3, 4, 5]


def test_metadata_is_what_the_published_loader_needs(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s")
    info = store.info
    assert info["codebase_version"] == "v2.1" and info["total_frames"] == 12 and info["total_videos"] == 2
    camera = info["features"]["observation.images.ego_view"]
    assert camera["shape"] == [32, 32, 3] and camera["names"] == ["height", "width", "channel"]
    assert camera["video_info"]["video.fps"] == 20
    modality = json.loads((store.root / "meta/modality.json").read_text())
    assert modality["state"]["right_arm"] == {"start": 22, "end": 29}
    stats = json.loads((store.root / "meta/stats.json").read_text())
    rows = np.concatenate([store.state(0), store.state(1)])
    np.testing.assert_allclose(stats["observation.state"]["q99"], np.quantile(rows, 0.99, axis=0), rtol=1e-6)
    assert set(stats["action"]) == {"mean", "std", "min", "max", "q01", "q99"}


def test_datasets_reads_the_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    files = [str(path) for path in (sealed(tmp_path / "s").root / "data").rglob("*.parquet")]
    rows = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    assert rows.num_rows == 12 and len(rows[0]["observation.state"]) == 44


def test_equal_content_gives_equal_digest(tmp_path: Path) -> None:
    assert sealed(tmp_path / "a").digest == sealed(tmp_path / "b").digest
    assert sealed(tmp_path / "a3", 3).digest != sealed(tmp_path / "c").digest


def test_sealed_store_refuses_and_notices_changes(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s")
    store.verify()
    with pytest.raises(StoreError, match="is sealed and cannot be changed"):
        StoreWriter.create(store.root, GR1, kind="real", licence="x")
    with (store.root / "meta/tasks.jsonl").open("a") as stream:
        stream.write("\n")
    with pytest.raises(StoreError, match=r"tasks\.jsonl: was changed after sealing"):
        store.verify()


def test_unsealed_store_cannot_be_opened_nor_written_twice(tmp_path: Path) -> None:
    writer = StoreWriter.create(tmp_path / "s", GR1, kind="real", licence="x")
    writer.append(episode())
    with pytest.raises(StoreError, match="still being written"):
        EpisodeStore.open(tmp_path / "s")
    with pytest.raises(StoreError, match="another process is writing"):
        StoreWriter.create(tmp_path / "s", GR1, kind="real", licence="x")


def test_dimensions_and_cameras_are_checked_before_writing(tmp_path: Path) -> None:
    writer = StoreWriter.create(tmp_path / "s", GR1, kind="real", licence="x")
    narrow = Episode("x", np.arange(2.0), np.zeros((2, 7)), np.zeros((2, 44)))
    with pytest.raises(StoreError, match=r"'state': 7.*'state': 44"):
        writer.append(narrow)
    with pytest.raises(StoreError, match="camera 'wrist'"):
        writer.append(Episode("x", np.arange(2.0), np.zeros((2, 44)), np.zeros((2, 44)), {"wrist": Path("x.mp4")}))
    with pytest.raises(StoreError, match="has no episode"):
        writer.seal()


def test_lengths_are_checked_on_creation() -> None:
    with pytest.raises(ValueError, match=r"lengths differ.*'action': 3"):
        Episode("x", np.arange(2.0), np.zeros((2, 44)), np.zeros((3, 44)))


def test_killed_writer_loses_nothing(tmp_path: Path) -> None:
    """kill -9 while appending: what was appended is there, and going on gives the bytes of an undisturbed run."""
    program = """
        import sys
        from pathlib import Path
        from tests.data.store.test_store import GR1, episode
        from gr00t_data.store.writing import StoreWriter
        writer = StoreWriter.create(Path(sys.argv[1]), GR1, kind="simulated", licence="Apache-2.0")
        for seed in range(len(writer), 1000):
            writer.append(episode(seed, instruction=f"task {seed % 2}"))
            print(seed, flush=True)
    """
    root = tmp_path / "s"
    command = [sys.executable, "-c", textwrap.dedent(program), str(root)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "3":
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    writer = StoreWriter.create(root, GR1, kind="simulated", licence="Apache-2.0")
    assert len(writer) >= 4
    for seed in range(len(writer), 12):
        writer.append(episode(seed, instruction=f"task {seed % 2}"))
    reference = sealed(tmp_path / "r", len(writer))
    leftovers = [path.name for path in root.rglob(".*") if path.is_file()]
    assert writer.seal().digest == reference.digest, leftovers


def test_foreign_folder_without_seal_or_modality(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s")
    for name in ("seal.json", "about.json", "modality.json"):
        (store.root / "meta" / name).unlink()
    foreign = EpisodeStore.open(store.root)
    assert not foreign.sealed and foreign.kind == "real" and foreign.licence == "unknown"
    assert foreign.camera_columns == {"ego_view": "observation.images.ego_view"}
    assert len(foreign.digest) == 64


@pytest.mark.parametrize("template", ["../../{episode_index}.parquet", "/etc/{episode_index}", "data/{nonsense}"])
def test_path_templates_stay_inside(tmp_path: Path, template: str) -> None:
    store = sealed(tmp_path / "s")
    store.info["data_path"] = template
    with pytest.raises(ValueError, match="path template"):
        store.data_path(0)


def test_messages_name_the_file_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        EpisodeStore.open(tmp_path / "nothing")
    with pytest.raises(StoreError, match=r"has no meta/info\.json; give the GR00T-LeRobot folder"):
        EpisodeStore.open(tmp_path)
    store = sealed(tmp_path / "s")
    with pytest.raises(StoreError, match=r"episode_000000\.parquet: episode 0: .*'nope'"):
        store.matrix(0, "nope")
    (store.root / "meta/seal.json").unlink()
    (store.root / "meta/tasks.jsonl").write_text('{"task_index": 0,\n')
    with pytest.raises(StoreError, match=r"tasks\.jsonl:1: not one JSON object"):
        _ = store.tasks
    (store.root / "meta/info.json").write_text('{"codebase_version": "v3.0"}')
    with pytest.raises(StoreError, match=r"'v3\.0'"):
        EpisodeStore.open(store.root)
    shutil.rmtree(store.root / "meta")


def test_odd_declarations_of_columns_stay_and_what_is_none_is_named(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s")
    features = {**store.info["features"], "extra": {"shape": "wide", "unit": "m"}, "action": {"shape": [44]}}
    odd = EpisodeStore(store.root, {**store.info, "features": features}, store.about)
    assert odd.features["extra"].facts() == {"shape": "wide", "unit": "m"} and odd.features["extra"].dims == []
    assert odd.features["action"].dims == [44] and odd.video_columns == store.video_columns
    broken = EpisodeStore(store.root, {**store.info, "features": {"action": 3}}, store.about)
    with pytest.raises(StoreError, match=r"meta/info\.json: features\.action: .*; correct it"):
        _ = broken.features


def test_a_table_that_is_a_pointer_of_git_lfs_is_named_as_such(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s")
    (store.root / "meta/seal.json").unlink()
    store.data_place(0).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(StoreError, match=r"episode 0: is a git-lfs pointer, not the file; run `git lfs pull`"):
        EpisodeStore.open(store.root).state(0)
