"""Only the slots of a run's embodiments train: the others rest, cost nothing, and are whole in the checkpoint."""

from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import Tensor, nn

from gr00t_model.groot.model import Groot
from gr00t_model.groot.weights.nvidia import load
from gr00t_model.groot.weights.own_slots import OwnSlots, merge_slots, train_slots
from gr00t_model.loop.config import Machine, Optimizer
from gr00t_model.loop.loop import Loop, Meter
from gr00t_model.loop.optimizer import AveragedWeights, build_optimizer, trainable
from gr00t_model.loop.state import learned_tensors, list_states
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.config import Lora, Model, TrainConfig, Tune
from gr00t_model.training.key import PolicyRun, prepare_run
from gr00t_model.training.objective import PolicyObjective, open_accelerator, open_loop
from gr00t_model.training.train import train
from tests.model.small import small_batch, small_model
from tests.model.tiny import SMALL, TinyLake, build
from tests.model.training.test_training_loop import StopAfter, assert_bitwise_equal, random_batch, weights

GR1, OTHERS = 24, [slot for slot in range(32) if slot != 24]
SLOT_PARTS = ("action_head.state_encoder.", "action_head.action_encoder.", "action_head.action_decoder.")
PRESENT = (1, 3)  # in the small batch


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


def run_of(config: TrainConfig, runs: Path) -> PolicyRun:
    run = prepare_run(config, runs)
    assert train(run, StopRequest()).state == "complete"
    return run


def opened(config: TrainConfig, runs: Path) -> Loop[PolicyObjective]:
    loop = open_loop(prepare_run(config, runs), config, open_accelerator(config))
    loop.wrapped.train()
    return loop


def slot_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(SLOT_PARTS)}


def before_and_after(run: PolicyRun) -> list[dict[str, Tensor]]:
    return [slot_tensors(load_file(folder / "model.safetensors")) for folder in (run.fresh_base, run.checkpoint)]


def own(model: Groot) -> Groot:
    train_slots(model, PRESENT)
    return model


def loss_of(model: Groot) -> Tensor:
    return model(small_batch(), torch.Generator().manual_seed(0)).total


def test_the_loss_and_the_norm_are_those_of_all_slots():
    """Several embodiments in one batch: the slots that are left out had no gradient."""
    norms, losses = [], []
    for prepare in (own, lambda model: model):
        model = prepare(small_model()).train()
        losses.append(loss_of(model))
        losses[-1].backward()
        norms.append(nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0))
    assert torch.equal(*losses)
    torch.testing.assert_close(*norms, rtol=1e-6, atol=0)


def test_steps_are_those_of_all_slots(tmp_path: Path, lake: TinyLake):
    """The same losses, gradient norms and trained weights, bit for bit but for the order of the norm's sum."""
    found, trained = [], []
    for every in (True, False):
        model = Model(base="random", changes=SMALL, train_all_slots=every)
        loop = opened(lake.config(model=model), tmp_path / str(every))
        for step in range(3):
            meter, batch = Meter(), random_batch(step)
            batch.embodiment_id.fill_(GR1)
            norm = loop.step(step, iter([batch]), meter)
            found.append([*meter.means(loop.accelerator).values(), float(norm)])
        merge_slots(loop.model)
        trained.append({n: p for n, p in loop.model.named_parameters() if n.startswith("action_head.")})
    assert found[3:] == [pytest.approx(one, rel=1e-5) for one in found[:3]]
    for name, value in trained[0].items():
        ours = trained[1][name]
        both = (value[GR1], ours[GR1]) if name.startswith(SLOT_PARTS) else (value, ours)
        torch.testing.assert_close(*both, rtol=1e-3, atol=1e-5, msg=name)


def test_only_the_trained_slots_are_in_what_a_run_keeps(tmp_path: Path, lake: TinyLake):
    loop = opened(lake.config(), tmp_path)
    names = slot_tensors(dict(trainable(loop.model)))
    assert len(names) == 14 and {len(tensor) for tensor in names.values()} == {1}
    assert set(slot_tensors(learned_tensors(loop.model))) == set(names)
    assert set(slot_tensors(loop.average.weights)) == set(names)
    loop.step(0, iter([loop.objective.batches.batch(0)]), Meter())
    assert {len(loop.optimizer.state[p]["exp_avg"]) for name, p in names.items()} == {1}
    resting = [p for name, p in loop.model.named_parameters() if ".base_layer." in name]
    assert len(resting) == 14 and all(p.grad is None and len(p) == 32 for p in resting)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_other_slots_rest_under_weight_decay(tmp_path: Path, lake: TinyLake, ema: float):
    optimizer = Optimizer(lr=1e-2, weight_decay=0.1, ema_decay=ema)
    before, after = before_and_after(run_of(lake.config(steps=2, optimizer=optimizer), tmp_path))
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name][OTHERS], after[name][OTHERS]), name
        assert not torch.equal(before[name][GR1], after[name][GR1]), name


def test_the_published_behaviour_shrinks_them(tmp_path: Path, lake: TinyLake):
    config = lake.config(
        steps=2,
        model=Model(base="random", changes=SMALL, train_all_slots=True),
        optimizer=Optimizer(lr=1e-2, weight_decay=0.1),
    )
    before, after = before_and_after(run_of(config, tmp_path))
    for name in (name for name in before if name.endswith(".W")):
        assert after[name][OTHERS].norm() < before[name][OTHERS].norm()


@pytest.mark.parametrize("machine", [Machine(threads=1), Machine(threads=1, precision="bf16")], ids=["fp32", "bf16"])
def test_a_run_resumes_bit_for_bit_and_exports_a_plain_model(lake, tmp_path, machine, fresh_accelerator):
    whole, halves = (prepare_run(lake.config(machine=machine), tmp_path / name) for name in ("whole", "halves"))
    train(whole, StopRequest())
    assert train(halves, StopAfter(2)).step == 2
    train(halves, StopRequest())
    assert_bitwise_equal(weights(whole), weights(halves))
    before, after = before_and_after(whole)
    assert [name for name in before if not torch.equal(before[name][OTHERS], after[name][OTHERS])] == []
    state = load_file(whole.states / f"{list_states(whole.states)[-1]:08d}" / "average.safetensors")
    for name, tensor in slot_tensors(state).items():
        assert torch.equal(after[name][[GR1]], tensor)
    assert not any(isinstance(module, OwnSlots) for module in load(whole.checkpoint).modules())


@pytest.fixture
def fresh_accelerator():
    """Accelerate keeps the first precision it is asked for until the process ends."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_a_grown_model_keeps_the_other_slots_of_its_base(tmp_path: Path, lake: TinyLake, fresh_accelerator):
    """In bf16, where resting weights are narrow while training."""
    first = run_of(
        lake.config(steps=1, model=Model(base="random", changes=SMALL | {"action_head_cfg.action_dim": 26})), tmp_path
    )
    changes = {"action_head_cfg.action_dim": 30}
    machine = Machine(threads=1, precision="bf16")
    AcceleratorState._reset_state(reset_partial_state=True)
    config = lake.config(steps=1, machine=machine, model=Model(base=str(first.checkpoint), changes=changes))
    wide = load(run_of(config, tmp_path).checkpoint).action_head
    old = load(first.checkpoint).action_head
    assert torch.equal(wide.action_encoder.W1.W[OTHERS, :26], old.action_encoder.W1.W[OTHERS])
    assert not wide.action_encoder.W1.W[OTHERS, 26:].any()
    assert torch.equal(wide.action_decoder.layer2.W[OTHERS, :, :26], old.action_decoder.layer2.W[OTHERS])
    assert wide.action_decoder.layer2.W[OTHERS, :, 26:].std() > 0


def test_frozen_projectors_have_no_slots_of_their_own(tmp_path: Path, lake: TinyLake):
    loop = opened(lake.config(model=Model(base="random", changes=SMALL, tune=Tune(projector=False))), tmp_path)
    assert not slot_tensors(dict(trainable(loop.model)))
    assert not any(isinstance(module, OwnSlots) for module in loop.model.modules())


def test_a_slot_that_does_not_train_is_refused(tmp_path: Path, lake: TinyLake):
    loop = opened(lake.config(), tmp_path)
    with pytest.raises(ValueError, match=r"slots \[31\] came in a batch, but this run trains the slots \(24,\) only"):
        loop.model(random_batch(0), torch.Generator())


def test_a_slot_the_model_does_not_have_is_named():
    with pytest.raises(ValueError, match=r"an embodiment uses slot 4, the model has 4 \(0 to 3"):
        train_slots(small_model(), (1, 4))


def test_adapters_know_the_slots_of_the_run_only():
    with pytest.raises(ValueError, match=r"the run's embodiments .* set model\.train_all_slots=false"):
        Model(lora=Lora(rank=4), train_all_slots=True)


def test_the_average_is_over_the_trained_slots():
    model = own(small_model())
    average, optimizer = AveragedWeights(model, 0.5), build_optimizer(model, Optimizer(lr=1e-2))
    loss_of(model.train()).backward()
    optimizer.step()
    average.update(10)
    encoder = model.action_head.state_encoder.layer1
    before = small_model().action_head.state_encoder.layer1.W[list(PRESENT)]
    torch.testing.assert_close(average.weights["action_head.state_encoder.layer1.W"], 0.5 * before + 0.5 * encoder.W)
