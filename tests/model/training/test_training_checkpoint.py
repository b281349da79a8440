"""A checkpoint stands on its own; a damaged one says what is wrong."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gr00t_data.batches.loader import JointOrder
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.integrity import write_record
from gr00t_model.loop.state import list_states
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.checkpoint import Checkpoint, CheckpointError, is_checkpoint, publish
from gr00t_model.training.episodes import episodes_drawn
from gr00t_model.training.key import PolicyRun, prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import TinyLake, build


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def run(lake, tmp_path_factory) -> PolicyRun:
    folder = prepare_run(lake.config(), tmp_path_factory.mktemp("runs"))
    train(folder, StopRequest())
    return folder


@pytest.fixture
def copy(run, tmp_path) -> Path:
    """A checkpoint that a test may damage."""
    return Path(shutil.copytree(run.checkpoint, tmp_path / "copy"))


def test_it_holds_what_the_run_was_made_of(lake, run):
    checkpoint = Checkpoint.load(run.checkpoint)
    assert checkpoint.train_config == run.config()
    assert checkpoint.manifest.digest == MixtureManifest.load(lake.manifest).digest
    assert checkpoint.embodiment.name == "gr1"
    assert checkpoint.steps == 4
    assert set(read_json(checkpoint.folder / "versions.json")["libraries"]) >= {"torch", "transformers", "accelerate"}
    assert read_json(run.checkpoint / "train_config.json")["key"] == run.key


def test_it_exports_the_averaged_weights(run):
    state = run.states / f"{list_states(run.states)[-1]:08d}"
    average, last = (load_file(state / f"{name}.safetensors") for name in ("average", "weights"))
    model = Checkpoint.load(run.checkpoint).model()
    own = [load_embodiment("gr1").slot]  # of the encoders and decoders, the run averages this slot only
    parts = ("action_head.state_encoder.", "action_head.action_encoder.", "action_head.action_decoder.")
    tensors = {name: tensor[own] if name.startswith(parts) else tensor for name, tensor in model.named_parameters()}
    assert all(torch.equal(tensors[name], tensor) for name, tensor in average.items())
    assert any(not torch.equal(tensors[name], last[name]) for name in average)
    assert not model.training


def test_it_names_every_episode_it_has_seen(lake, run):
    manifest = MixtureManifest.load(lake.manifest)
    drawn = [sample.episode for sample in manifest.samples(0, 4 * 3)]
    episodes = Checkpoint.load(run.checkpoint).episodes
    assert {entry.episode: entry.samples for entry in episodes} == {e: drawn.count(e) for e in set(drawn)}
    assert {entry.store for entry in episodes} == {manifest.sources[0].digest}
    assert {(entry.kind, entry.licence) for entry in episodes} == {("simulated", "Apache-2.0")}
    assert not {entry.episode for entry in episodes} & {episode for _, episode in manifest.held_out}


def test_episodes_are_counted_over_many_samples(lake):
    manifest = MixtureManifest.load(lake.manifest)
    entries = episodes_drawn(JointOrder((manifest,), (1.0,)), 70_000)
    assert sum(entry["samples"] for entry in entries) == 70_000
    assert len(entries) == len(manifest.sources[0].episodes) - len(manifest.held_out)


def test_publishing_twice_gives_one_folder(run, tmp_path):
    first = publish(run.checkpoint, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert publish(run.checkpoint, tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert first.name == f"test-{Checkpoint.load(run.checkpoint).digest[:16]}"
    assert Checkpoint.load(first).digest == Checkpoint.load(run.checkpoint).digest


def test_a_run_that_was_interrupted_leaves_the_same_checkpoint(lake, run, tmp_path):
    """What it is called by does not depend on how the run went: that is told beside it."""

    class AtStep(StopRequest):
        """Stops when it was asked twice."""

        asked = 0

        @property
        def reason(self) -> str | None:  # type: ignore[override]
            self.asked += 1
            return "a test" if self.asked == 3 else None

        @reason.setter
        def reason(self, value: str | None) -> None:
            """It is not told why."""

    again = prepare_run(lake.config(), tmp_path)
    assert train(again, AtStep()).step == 2 and train(again, StopRequest()).steps_done == 2
    first, second = Checkpoint.load(run.checkpoint), Checkpoint.load(again.checkpoint)
    done = [read_json(one.folder / "metrics.json")["steps_done"] for one in (first, second)]
    assert done[0] != done[1] and first.digest == second.digest


def test_nothing_in_a_run_folder_is_a_pickle(run):
    for path in (path for path in run.root.rglob("*") if path.is_file() and "tensorboard" not in path.parts):
        with path.open("rb") as stream, pytest.raises((pickle.UnpicklingError, EOFError, ValueError, KeyError)):
            pickle.load(stream)
        assert path.suffix in {".json", ".jsonl", ".safetensors", ".yaml"}


@pytest.mark.parametrize("name", ["statistics.json", "embodiment.yaml", "episodes.json", "model.safetensors"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=f"lacks {name.replace('.', chr(92) + '.')}"):
        Checkpoint.load(copy)


def test_a_folder_that_is_none_is_named(tmp_path):
    assert not is_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder"):
        Checkpoint.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        Checkpoint.load(tmp_path)


def test_another_model_version_is_named(copy):
    config = read_json(copy / "config.json") | {"model_type": "Gr00tN1d6"}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"'Gr00tN1d6' \(GR00T N1\.6\) checkpoint; only 'gr00t_n1_5'"):
        Checkpoint.load(copy)


def test_another_layout_is_named(copy):
    versions = read_json(copy / "versions.json") | {"format": 99}
    (copy / "versions.json").write_text(json.dumps(versions))
    with pytest.raises(CheckpointError, match="layout 99, this version reads 1"):
        Checkpoint.load(copy)


def test_a_pickle_is_never_opened(copy):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (copy / "sprung",))

    (copy / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError, match="pickle under a safetensors name"):
        Checkpoint.load(copy)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is a pickle"):
        Checkpoint.load(copy)
    assert not (copy / "sprung").exists()


def test_weights_cut_off_are_named(copy):
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is cut short or damaged"):
        Checkpoint.load(copy).model()


def test_weights_of_another_size_are_named(copy):
    config = read_json(copy / "config.json")
    config["action_head_cfg"]["max_state_dim"] = 48
    (copy / "config.json").write_text(json.dumps(config))
    write_record(copy)
    with pytest.raises(CheckpointError, match=r"state_encoder\.layer1\.W: file \[32, 64, 32\], model \[32, 48, 32\]"):
        Checkpoint.load(copy).model()
