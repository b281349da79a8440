"""A mixture as one LeRobot v3.0 dataset, and our parquet in the hands of `datasets`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.curate.build import build_index
from gr00t_data.lerobot import v3 as lerobot_v3
from gr00t_data.stages import mix as stages
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video import files as video
from tests.data.builders import GR1, change_info, episode, frames, resealed, sealed


def mixed(tmp_path: Path, *stores: EpisodeStore, held_out_share: float = 0.0) -> MixtureManifest:
    checked = [(store, build_index(store, GR1, tmp_path / "index"), 1.0) for store in stores]
    return build_manifest("mixture_gr1", GR1, checked, held_out_share=held_out_share)


@pytest.fixture
def stores(tmp_path: Path) -> list[EpisodeStore]:
    """The second store numbers its tasks in another way, and its episode 1 is rejected."""
    one = [episode(20, 0, instruction="push the cube"), episode(24, 1, instruction="pick the pear")]
    two = [episode(18, 2, instruction="pick the pear"), episode(10, 3, instruction="x"), episode(22, 4)]
    return [sealed(tmp_path / "one", one), sealed(tmp_path / "two", two, kind="real")]


def test_the_episodes_of_a_mixture(stores: list[EpisodeStore], tmp_path: Path) -> None:
    manifest = mixed(tmp_path, *stores)
    assert stages.export_mixture(manifest, tmp_path / "v3") == []
    lerobot_v3.take_over(tmp_path / "v3", tmp_path / "back", lambda done, total: None, GR1)
    back = EpisodeStore.open(tmp_path / "back")
    origin = json.loads((tmp_path / "v3/meta/gr00t_mixture.json").read_text())
    assert origin["digest"] == manifest.digest
    assert [(e["store"], e["episode"], e["keep"]) for e in origin["episodes"]] == [
        ("one", 0, [[0, 20]]),
        ("one", 1, [[0, 24]]),
        ("two", 0, [[0, 18]]),
        ("two", 2, [[0, 22]]),
    ]
    for number, entry in enumerate(origin["episodes"]):
        store = stores[["one", "two"].index(entry["store"])]
        assert np.array_equal(back.action(number), store.action(entry["episode"]))
        assert back.texts(number, GR1.language_column)[0] == store.row(entry["episode"]).instruction
        pictures = [video.decode(s.video_path(i, "ego_view")) for s, i in ((back, number), (store, entry["episode"]))]
        assert np.array_equal(pictures[0], pictures[1])
    task_index = back.matrix(2, "task_index")[0, 0]
    assert back.tasks[int(task_index)] == "pick the pear"


def test_held_out_episodes_stay_out(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode(20, seed, instruction=f"task {seed}") for seed in range(4)])
    manifest = mixed(tmp_path, store, held_out_share=0.3)
    stages.export_mixture(manifest, tmp_path / "v3")
    origin = json.loads((tmp_path / "v3/meta/gr00t_mixture.json").read_text())
    accepted, held = {entry.index for entry in manifest.sources[0].episodes}, {index for _, index in manifest.held_out}
    assert held and {e["episode"] for e in origin["episodes"]} == accepted - held
    stages.export_mixture(manifest, tmp_path / "all", held_out=True)
    assert len(json.loads((tmp_path / "all/meta/gr00t_mixture.json").read_text())["episodes"]) == len(accepted)


def test_sources_that_do_not_go_together_are_named(stores: list[EpisodeStore], tmp_path: Path) -> None:
    other = change_info(sealed(tmp_path / "fast", [episode(30, 5, times_s=np.arange(30) / 30)]), fps=30)
    with pytest.raises(StoreError, match=r"fast: has other rows a second than .*one: 30.0 and 20.0"):
        stages.export_mixture(mixed(tmp_path, stores[0], other), tmp_path / "v3")
    view = video_of("front_view", 6)
    robot = sealed(tmp_path / "views", [episode(20, 6, video=view | video_of("ego_view", 6))])
    with pytest.raises(StoreError, match=r"views: has other cameras than .*one"):
        stages.export_mixture(mixed(tmp_path, stores[0], robot), tmp_path / "v3")
    cut = sealed(tmp_path / "cut", [episode(20, 1)])
    path = cut.root / "meta/modality.json"
    modality = json.loads(path.read_text())
    modality["action"] = {name: part for name, part in modality["action"].items() if name != "neck"}
    index = build_index(cut, GR1, tmp_path / "index")
    path.write_text(json.dumps(modality))
    cut = resealed(cut)
    first = stores[0], build_index(stores[0], GR1, tmp_path / "index"), 1.0
    second = cut, replace(index, store_digest=cut.digest), 1.0
    manifest = build_manifest("mixture_gr1", GR1, [first, second], held_out_share=0)
    with pytest.raises(StoreError, match=r"cut: has other parts than .*one"):
        stages.export_mixture(manifest, tmp_path / "v3")
    assert not (tmp_path / "v3").exists()


def video_of(camera: str, seed: int) -> dict[str, np.ndarray]:
    return {camera: frames(20, seed)}


def test_what_cannot_be_exported(stores: list[EpisodeStore], tmp_path: Path) -> None:
    manifest = mixed(tmp_path, stores[0])
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").write_text("")
    with pytest.raises(StoreError, match="taken: exists and is not empty"):
        stages.export_mixture(manifest, tmp_path / "taken")
    nothing = replace(manifest, held_out=((0, 0), (0, 1)))
    with pytest.raises(StoreError, match="no episode to export"):
        stages.export_mixture(nothing, tmp_path / "v3")


def test_datasets_reads_our_parquet(stores: list[EpisodeStore], tmp_path: Path) -> None:
    from datasets import load_dataset

    files = [str(stores[0].data_path(row.index)) for row in stores[0].rows]
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "hf"))
    assert len(rows) == 44
    found = np.array(rows["action"][:20])
    np.testing.assert_array_equal(found, stores[0].action(0))
    assert rows["episode_index"][-1] == 1
