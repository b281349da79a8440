"""The loop on a very small problem: exact resuming, golden losses, no silent zero-step run."""

import os
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gr00t_data.batches.batch import Batch
from gr00t_data.disk import read_json, write_json
from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_model.loop.config import ConfigError, Machine, Optimizer
from gr00t_model.loop.loop import Meter, ZeroStepError
from gr00t_model.loop.state import StateError, list_states
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.config import Flare, Model, Tune
from gr00t_model.training.key import PolicyRun, prepare_run, run_key
from gr00t_model.training.objective import open_accelerator, open_loop
from gr00t_model.training.train import train
from tests import NOWHERE
from tests.model.tiny import SMALL, TinyLake, build

GOLDEN = Path(__file__).parents[2] / "golden" / "training_losses.json"


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


class StopAfter(StopRequest):
    """Asks to stop before the step after ``steps``."""

    def __init__(self, steps: int):
        self.left = steps

    @property
    def reason(self):
        self.left -= 1
        return "SIGTERM" if self.left < 0 else None


def never() -> StopRequest:
    return StopRequest()


def weights(run: PolicyRun) -> dict[str, torch.Tensor]:
    state = run.states / f"{list_states(run.states)[-1]:08d}"
    tensors = {}
    for name in ("weights", "average", "optimizer"):
        tensors |= {f"{name}/{key}": value for key, value in load_file(state / f"{name}.safetensors").items()}
    return tensors | {f"exported/{k}": v for k, v in load_file(run.checkpoint / "model.safetensors").items()}


def file_times(run: PolicyRun) -> dict[Path, int]:
    """Everything but what the last start says of itself."""
    files = (path for path in run.root.rglob("*") if path.is_file() and path.name != "outcome.json")
    return {path: path.stat().st_mtime_ns for path in files}


def assert_bitwise_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("cached", [True, False], ids=["cached features", "images"])
def test_two_and_two_steps_are_four(lake, tmp_path, cached):
    config = lake.config(cache_features=cached, accumulate=2)
    whole, halves = prepare_run(config, tmp_path / "whole"), prepare_run(config, tmp_path / "halves")
    assert train(whole, never()).steps_done == 4
    first = train(halves, StopAfter(2))
    assert (first.state, first.step, first.steps_done) == ("interrupted", 2, 2)
    second = train(halves, never())
    assert (second.state, second.step, second.steps_done) == ("complete", 4, 2)
    assert_bitwise_equal(weights(whole), weights(halves))
    losses = [[{k: r[k] for k in ("step", "loss", "lr")} for r in run.records()] for run in (whole, halves)]
    assert losses[0] == losses[1]


def test_metrics_after_the_resumed_state_are_replaced(lake, tmp_path):
    run = prepare_run(lake.config(steps=5, checkpoint_every_steps=2), tmp_path)
    train(run, StopAfter(3))
    shutil.rmtree(run.states / "00000003")  # as if it had been killed before the state of step 3 was written
    train(run, never())
    assert [record["step"] for record in run.records()] == [1, 2, 3, 4, 5]
    assert list_states(run.states) == [4, 5]


def random_batch(step: int) -> Batch:
    """Three rows of random numbers, the same on every machine; the last row has no future frame."""
    generator = torch.Generator().manual_seed(step)
    steps_that_count = torch.tensor([16, 16, 5])
    counts = (torch.arange(16) < steps_that_count[:, None])[..., None] & (torch.arange(32) < 26)
    return Batch(
        state=torch.randn(3, 1, 64, generator=generator),
        state_mask=torch.ones(3, 1, 64, dtype=torch.bool),
        embodiment_id=torch.tensor([24, 24, 31]),
        vl_features=torch.randn(3, 10, 32, generator=generator),
        attention_mask=(torch.arange(10) >= torch.tensor([0, 2, 4])[:, None]).long(),
        action=torch.randn(3, 16, 32, generator=generator).clamp(-1, 1),
        action_mask=counts,
        future_target=torch.randn(3, 4, 8, generator=generator),
        future_mask=torch.tensor([True, True, False]),
    )


def test_losses_are_those_of_the_golden_file(lake, tmp_path):
    """Changes with the mathematics, the initial weights or the random numbers. Rewrite with GR00T_WRITE_GOLDEN=1.

    The batches are of two embodiments, of which the mixture has one: every slot trains.
    """
    config = lake.config(steps=5, model=Model(base="random", changes=SMALL, train_all_slots=True))
    loop = open_loop(prepare_run(config, tmp_path), config, open_accelerator(config))
    loop.wrapped.train()
    found = []
    for step in range(5):
        meter = Meter()
        norm = loop.step(step, iter([random_batch(step)]), meter)
        found.append(meter.means(loop.accelerator) | {"gradient_norm": float(norm)})
    if os.environ.get("GR00T_WRITE_GOLDEN"):
        write_json(GOLDEN, found)
    for one, other in zip(found, read_json(GOLDEN), strict=True):
        assert one == pytest.approx(other, rel=1e-3)


def test_cached_features_give_the_losses_of_images(lake, tmp_path):
    losses = []
    for cached in (True, False):
        run = prepare_run(lake.config(cache_features=cached, cache_dtype="float32"), tmp_path / str(cached))
        train(run, never())
        losses.append([record["loss"] for record in run.records()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_training_lowers_both_losses(lake, tmp_path):
    run = prepare_run(lake.config(steps=60, batch_size=16, checkpoint_every_steps=60), tmp_path)
    train(run, never())
    for name, share in (("flow", 0.97), ("flare", 0.5)):
        values = [record[name] for record in run.records()]
        assert sum(values[-10:]) < share * sum(values[:10])


def test_a_complete_run_is_left_alone(lake, tmp_path):
    run = prepare_run(lake.config(), tmp_path)
    train(run, never())
    before = file_times(run)
    again = train(run, never())
    assert (again.state, again.steps_done) == ("complete", 0)
    assert "complete already" in again.message
    assert file_times(run) == before


def test_a_run_without_a_step_left_fails(lake, tmp_path):
    run = prepare_run(lake.config(), tmp_path)
    train(run, StopAfter(2))
    (run.states / "00000002").rename(run.states / "00000009")
    with pytest.raises(ZeroStepError, match="beyond the 4 steps"):
        train(run, never())


def test_a_run_killed_before_its_export_only_exports(lake, tmp_path):
    run = prepare_run(lake.config(), tmp_path)
    train(run, never())
    shutil.rmtree(run.checkpoint)
    outcome = train(run, never())
    assert (outcome.state, outcome.step, outcome.steps_done) == ("complete", 4, 0)
    assert (run.checkpoint / "model.safetensors").is_file()


def test_a_kill_while_writing_a_state_leaves_the_one_before(lake, tmp_path):
    run = prepare_run(lake.config(), tmp_path)
    train(run, StopAfter(3))
    half = run.states / ".00000004.abcdef"  # what a killed writer leaves beside the whole states
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"\x10\x00\x00")
    assert list_states(run.states) == [2, 3]
    assert train(run, never()).steps_done == 1


def test_a_damaged_state_is_named(lake, tmp_path):
    run = prepare_run(lake.config(), tmp_path)
    train(run, StopAfter(2))
    broken = run.states / "00000002" / "optimizer.safetensors"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(StateError, match=r"optimizer\.safetensors: cannot be read .* remove this folder"):
        train(run, never())


def test_a_changed_input_is_refused(lake, tmp_path):
    run = prepare_run(lake.config(), tmp_path)
    written = read_sealed(run.run_json)
    written["config"]["optimizer"]["lr"] = 0.5
    write_sealed(run.run_json, written)
    with pytest.raises(ConfigError, match="something changed since"):
        train(run, never())


def test_the_key_depends_on_content_and_not_on_places(lake, tmp_path):
    key = run_key(lake.config())
    moved = tmp_path / "elsewhere.json"
    shutil.copyfile(lake.manifest, moved)
    data = lake.config().data
    assert run_key(lake.config(data=data.model_copy(update={"manifest": str(moved), "cache": str(NOWHERE)}))) == key
    assert run_key(lake.config(log_every_steps=2, keep_states=5)) == key
    for changes in ({"steps": 5}, {"seed": 1}, {"optimizer": Optimizer(lr=2e-2)}, {"batch_size": 4}):
        assert run_key(lake.config(**changes)) != key
    manifest = read_sealed(lake.manifest)
    manifest["seed"] += 1
    write_sealed(moved, manifest)
    assert run_key(lake.config(data=data.model_copy(update={"manifest": str(moved)}))) != key


def test_a_missing_input_is_named(lake, tmp_path):
    data = lake.config().data.model_copy(update={"statistics": str(tmp_path / "none.json")})
    with pytest.raises(ConfigError, match=r"data\.statistics: expected a file"):
        prepare_run(lake.config(data=data), tmp_path)


def test_the_wrong_number_of_processes_is_refused(lake):
    with pytest.raises(ConfigError, match="wants 2 processes, 1 started"):
        open_accelerator(lake.config(machine=Machine(num_processes=2)))


def test_a_signal_becomes_a_flag_and_the_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert stop.reason is None
        signal.raise_signal(signal.SIGTERM)
        assert stop.reason == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before
    assert threading.current_thread() is threading.main_thread()


@pytest.mark.parametrize(
    ("tune", "learns", "rests"),
    [
        (Tune(), "action_head.model.", "backbone."),
        (Tune(diffusion_model=False), "action_head.state_encoder.", "action_head.model."),
        (Tune(projector=False), "action_head.model.", "action_head.action_decoder."),
        (Tune(visual=True), "backbone.eagle_model.vision_model.", "backbone.eagle_model.language_model."),
    ],
)
def test_only_what_is_tuned_changes(lake, tmp_path, tune, learns, rests):
    run = prepare_run(lake.config(steps=2, model=Model(base="random", changes=SMALL, tune=tune)), tmp_path)
    train(run, never())
    before, after = (load_file(folder / "model.safetensors") for folder in (run.fresh_base, run.checkpoint))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith(learns) for name in changed)
    assert not any(name.startswith(rests) for name in changed)


def test_without_flare_its_loss_and_weights_are_absent(lake, tmp_path):
    run = prepare_run(lake.config(steps=2, model=Model(base="random", changes=SMALL, flare=Flare(on=False))), tmp_path)
    train(run, never())
    assert [record["flare"] for record in run.records()] == [0, 0]
    assert not any(name.startswith("flare.") for name in load_file(run.checkpoint / "model.safetensors"))


def test_ranks_share_the_samples_of_one_process(lake, tmp_path):
    """Two ranks of 3 rows see what one process of 6 rows would see."""
    config = lake.config(batch_size=6)
    loop = open_loop(prepare_run(config, tmp_path), config, open_accelerator(config))
    whole = loop.objective.batches.batch(1)
    parts = []
    for rank in (0, 1):
        loader = loop.objective.batches.loader
        loader.batch_size, loader.rank, loader.world = 3, rank, 2
        parts.append(replace(loop.objective.batches, loader=loader).batch(1))
    assert parts[0].sample_ids + parts[1].sample_ids == whole.sample_ids
    features = [part.vl_features for part in parts]
    assert torch.equal(torch.cat([f for f in features if f is not None]), whole.vl_features)
