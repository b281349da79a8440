"""Adapters of the published world models: they learn, they are kept, they go back onto their own model only."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gr00t_data.disk import digest_file
from gr00t_model.dream.config import lora_training
from gr00t_model.dream.lora_learner import LoraLearner
from gr00t_model.dream.pipelines import open_published
from gr00t_model.dream.run import DreamRun, prepare_run
from gr00t_model.dream.train import code_path, train
from gr00t_model.dream.world_model import ClipShape, DreamError, Sampler
from gr00t_model.loop.stop import StopRequest
from tests.data.builders import episode, sealed
from tests.model import tiny_worlds

SHAPE = ClipShape(frames=5, fps=20, height=32, width=32)
QUICK = Sampler(steps=2, guidance=1.0, guardrail="none")


@dataclass(frozen=True)
class Place:
    base: Path
    store: Path
    runs: Path

    def run(self, **changes: Any) -> DreamRun:
        fields: dict[str, Any] = {
            "stores": [str(self.store)],
            "steps": 30,
            "batch_size": 2,
            "log_every_steps": 5,
            "held_out_share": 0,
        }
        fields |= {"optimizer": {"lr": 2e-2, "schedule": "constant", "warmup_share": 0}, "machine": {}}
        return prepare_run(lora_training(str(self.base), SHAPE, **{**fields, **changes}), self.runs)


@pytest.fixture(scope="module", params=["wan", "cosmos"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp(request.param)
    base = getattr(tiny_worlds, request.param)(root / "base")
    sealed(root / "store", [episode(12, seed) for seed in range(3)])
    return Place(base, root / "store", root / "runs")


def finish(run: DreamRun, reason: str | None = None) -> Any:
    with StopRequest() as stop:
        stop.reason = reason
        return train(run, stop)


def loss_of(run: DreamRun, trained: bool) -> float:
    """The loss on the training clips at fixed times and noises, before or after the training."""
    learner = LoraLearner(run.config(), run)
    module = learner.open(torch.device("cpu"))
    if trained:
        state = run.states / f"{run.config().steps:08d}/weights.safetensors"
        module.load_state_dict(load_file(state), strict=False)
    codes = [load_file(code_path(run, row)) for row in range(3)]
    batch = {name: torch.stack([one[name] for one in codes]) for name in codes[0]}
    with torch.no_grad():
        losses = [module(batch, torch.Generator().manual_seed(seed)) for seed in range(8)]
    return float(torch.stack(losses).mean())


def test_a_tiny_set_is_learnt_and_the_adapter_changes_the_clips(place: Place) -> None:
    run = place.run()
    outcome = finish(run)
    assert (outcome.state, outcome.step) == ("complete", 30)
    assert loss_of(run, trained=True) < 0.9 * loss_of(run, trained=False)
    facts = json.loads((run.product / "dream.json").read_text())
    assert facts["sha256"] == digest_file(run.product / "adapter_model.safetensors")
    assert (facts["rank"], facts["alpha"], facts["licences"]) == (4, 4.0, ["Apache-2.0"])
    tuned = open_published(place.base, run.product, QUICK)
    assert tuned.facts["adapter_sha256"] == facts["sha256"] and tuned.usual == SHAPE
    picture = np.full((1, 32, 32, 3), 90, dtype=np.uint8)
    shape = SHAPE if place.base.parent.name.startswith("cosmos") else SHAPE.model_copy(update={"fps": 16})
    plain = open_published(place.base, sampler=QUICK).generate(picture, ["reach"], [1], shape)
    assert not np.array_equal(tuned.generate(picture, ["reach"], [1], SHAPE), plain)
    assert finish(run).steps_done == 0


def test_what_is_attached_is_what_was_trained(place: Place) -> None:
    run = place.run(steps=2, rank=2, alpha=8.0)
    finish(run)
    attached = open_published(place.base, run.product, QUICK)._pipeline.transformer.state_dict()
    trained = load_file(run.states / "00000002/weights.safetensors")
    assert len(trained) == 2 * 2 * 2 * 4  # A and B; blocks; attentions of a block; linears
    for name, tensor in trained.items():
        assert torch.equal(attached[name.removeprefix("transformer.")], tensor), name


def test_a_resumed_training_ends_bit_for_bit_like_an_uninterrupted_one(place: Place) -> None:
    run = place.run(steps=4, seed=1, checkpoint_every_steps=2)
    assert finish(run, "SIGTERM").step == 0 and not run.states.exists()  # asked before the first clip was encoded
    finish(run)
    whole = (run.product / "adapter_model.safetensors").read_bytes()
    for path in (run.product, run.states / "00000004"):  # as a kill after the third step leaves it
        shutil.rmtree(path)
    run.clear_outcome()
    interrupted = finish(run, "SIGTERM")
    assert (interrupted.state, interrupted.step) == ("interrupted", 2) and not run.product.exists()
    assert finish(run).steps_done == 2
    assert (run.product / "adapter_model.safetensors").read_bytes() == whole


def test_an_adapter_of_another_model_is_refused(place: Place, tmp_path: Path) -> None:
    run = place.run(steps=1)
    finish(run)
    stranger = tiny_worlds.wan(tmp_path / "other", seed=5)
    with pytest.raises(DreamError, match=rf"was tuned on the model .*{stranger} is"):
        open_published(stranger, run.product)
    (run.product / "adapter_model.safetensors").write_bytes(b"changed")
    with pytest.raises(DreamError, match="copy it again"):
        open_published(place.base, run.product)
    (run.product / "adapter_model.safetensors").rename(run.product / "adapter_model.bin")
    with pytest.raises(DreamError, match="a pickle, which is never read"):
        open_published(place.base, run.product)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (SHAPE.model_copy(update={"frames": 13}), "none of 3 episodes holds 13 frames at 20 fps"),
        (SHAPE.model_copy(update={"fps": 40}), "was recorded at 20 Hz, clips at 40 fps ask for more"),
        (SHAPE.model_copy(update={"frames": 6}), "not 4 k"),
    ],
)
def test_clips_that_the_recordings_or_the_model_do_not_have(place: Place, shape: ClipShape, message: str) -> None:
    config = lora_training(str(place.base), shape, stores=[str(place.store)], machine={})
    with pytest.raises(DreamError, match=message):
        finish(prepare_run(config, place.runs))


@pytest.mark.parametrize("experts", [True, False])
def test_wan_2_2_is_refused_for_tuning(tmp_path: Path, experts: bool) -> None:
    base = tiny_worlds.wan_2_2(tmp_path / "base", experts=experts)
    sealed(tmp_path / "store", [episode(12), episode(12, 1)])
    with pytest.raises(DreamError, match=r"Wan 2\.2"):
        finish(Place(base, tmp_path / "store", tmp_path / "runs").run())


def test_a_configuration_that_cannot_be() -> None:
    with pytest.raises(DreamError, match="lora tunes a published model"):
        lora_training("", SHAPE, stores=["a"])
    with pytest.raises(DreamError, match="steps: Input should be greater than 0, found 0"):
        lora_training("base", SHAPE, stores=["a"], steps=0)
