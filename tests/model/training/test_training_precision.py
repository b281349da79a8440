"""What trains is float32, what rests may be bf16, and the optimizers over it."""

import importlib.util
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file
from torch import nn

from gr00t_data.batches.batch import Batch
from gr00t_data.integrity import write_record
from gr00t_model.groot.lora import add_lora
from gr00t_model.groot.model import Groot, Loss
from gr00t_model.groot.weights.nvidia import load
from gr00t_model.loop.config import ConfigError, Machine, Optimizer
from gr00t_model.loop.loop import Loop, Meter
from gr00t_model.loop.optimizer import AveragedWeights, build_optimizer, trainable
from gr00t_model.loop.state import load_state, save_state
from gr00t_model.training.base import open_base
from gr00t_model.training.config import TUNE_CHOICES, Lora, Model
from gr00t_model.training.key import prepare_run
from gr00t_model.training.objective import PolicyObjective, open_accelerator, open_loop
from gr00t_model.training.precision import arithmetic, frozen_dtype, store_for_training
from gr00t_model.training.train import train
from tests.model.small import small_model
from tests.model.tiny import SMALL, TinyLake, build
from tests.model.training.test_training_loop import StopAfter, assert_bitwise_equal, never, random_batch, weights

BF16 = Machine(threads=1, precision="bf16")
LANGUAGE_MODEL = "backbone.eagle_model.language_model."
"""Its only vectors are norms, which are stored as what they multiply."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


@pytest.mark.parametrize(
    ("precision", "frozen", "on_gpu", "expected"),
    [
        ("auto", "auto", True, (torch.bfloat16, torch.bfloat16)),
        ("auto", "auto", False, (torch.float32, torch.float32)),
        ("bf16", "auto", False, (torch.bfloat16, torch.bfloat16)),
        ("bf16", "fp32", True, (torch.bfloat16, torch.float32)),
        ("fp32", "auto", True, (torch.float32, torch.float32)),
    ],
)
def test_bf16_is_the_default_of_a_gpu(precision, frozen, on_gpu, expected):
    machine = Machine(precision=precision, frozen_dtype=frozen)
    assert (arithmetic(machine, on_gpu), frozen_dtype(machine, on_gpu)) == expected


def test_bf16_storage_needs_bf16_arithmetic():
    with pytest.raises(
        ConfigError, match=r"frozen_dtype=bf16 needs bf16 arithmetic; add --set machine\.precision=bf16"
    ):
        frozen_dtype(Machine(precision="fp32", frozen_dtype="bf16"), on_gpu=True)


@pytest.mark.parametrize("lora", [False, True])
def test_only_what_rests_and_costs_is_narrow(lora):
    model = small_model()
    model.bfloat16()  # as a published base comes
    model.freeze(False, False)
    if lora:
        add_lora(model, 4, 8, 0.1, "action_head", (1,))
    store_for_training(model, torch.bfloat16)
    for name, parameter in model.named_parameters():
        narrow = not parameter.requires_grad and (parameter.ndim > 1 or name.startswith(LANGUAGE_MODEL))
        assert parameter.dtype == (torch.bfloat16 if narrow else torch.float32), name


def test_a_frozen_language_model_keeps_its_tokens_narrow():
    model = small_model()
    model.freeze(False, False)
    store_for_training(model, torch.bfloat16)
    language, seen = model.backbone.eagle_model.language_model.model, []
    handles = [layer.register_forward_hook(lambda *call: seen.append(call[-1].dtype)) for layer in language.layers]
    with torch.autocast("cpu", torch.bfloat16):
        model.backbone.read(torch.ones(1, 3, 16, dtype=torch.bfloat16), torch.ones(1, 3, dtype=torch.int64))
    assert len(handles) == len(seen) and set(seen) == {torch.bfloat16}


@pytest.fixture(autouse=True)
def another_accelerator() -> Iterator[None]:
    """Accelerate keeps the first precision it is asked for until the process ends."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def published_base(lake: TinyLake, folder: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """The base of a small run with all its tensors in ``dtype``."""
    run = prepare_run(lake.config(), folder)
    open_base(run.config(), run)
    path = run.fresh_base / "model.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in load_file(path).items()}, path)
    write_record(run.fresh_base)
    return run.fresh_base


@pytest.mark.parametrize("model", [Model(), Model(lora=Lora(rank=4))], ids=["parts", "adapters"])
@pytest.mark.parametrize("machine", [BF16, Machine(threads=1)], ids=["bf16", "fp32"])
def test_a_published_base_trains_in_float32(lake, tmp_path, model, machine):
    """It comes in bf16: what trains becomes float32, the checkpoint keeps bf16 where nothing was learnt."""
    base = published_base(lake, tmp_path / "base")
    config = lake.config(steps=2, machine=machine, model=model.model_copy(update={"base": str(base)}))
    run = prepare_run(config, tmp_path)
    train(run, never())
    state = load_file(run.states / "00000002" / "weights.safetensors")
    assert {tensor.dtype for name, tensor in state.items() if "usual_map" not in name} == {torch.float32}
    before, after = (load_file(folder / "model.safetensors") for folder in (base, run.checkpoint))
    rested = {name for name in before if torch.equal(before[name].float(), after[name].float())}
    assert {name for name in before if name.startswith("backbone.")} <= rested
    assert {after[name].dtype for name in after if name.startswith("action_head.")} == {torch.float32}
    assert {after[name].dtype for name in after if "language_model" in name} == {torch.bfloat16}
    assert torch.isfinite(load(run.checkpoint).get_action(random_batch(0), 1)).all()


def test_a_float32_base_keeps_its_last_bits(lake, tmp_path):
    """Frozen weights are bf16 in memory only: the checkpoint has those of the base."""
    base = published_base(lake, tmp_path / "base", torch.float32)
    run = prepare_run(
        lake.config(steps=2, machine=BF16, model=Model(base=str(base), tune=TUNE_CHOICES["low_memory"])), tmp_path
    )
    train(run, never())
    before, after = (load_file(folder / "model.safetensors") for folder in (base, run.checkpoint))
    rests = [name for name in before if name.startswith(("backbone.", "action_head.model."))]
    assert [name for name in rests if not torch.equal(before[name], after[name])] == []
    assert after.keys() == before.keys()


def test_bf16_resumes_bit_for_bit(lake, tmp_path):
    config = lake.config(machine=BF16, model=Model(base="random", changes=SMALL, lora=Lora(rank=4)))
    whole, halves = prepare_run(config, tmp_path / "whole"), prepare_run(config, tmp_path / "halves")
    train(whole, never())
    train(halves, StopAfter(2))
    train(halves, never())
    assert_bitwise_equal(weights(whole), weights(halves))


class Repeated(nn.Module):
    """A model whose noise and times depend on the row, not on the pass it comes in."""

    def __init__(self, model: Groot):
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, generator: torch.Generator) -> Loss:
        assert batch.action is not None
        keys = [torch.Generator().manual_seed(int(1e4 * value)) for value in batch.state[:, 0, 0].abs()]
        noise = torch.stack([torch.randn(batch.action.shape[1:], generator=key) for key in keys])
        return self.model(batch, time=torch.stack([torch.rand((), generator=key) for key in keys]), noise=noise)


def rows(batch: Batch, chosen: slice) -> Batch:
    tensors = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return replace(batch, **{k: v[chosen] for k, v in tensors.items() if isinstance(v, torch.Tensor)})


def test_two_passes_are_one_of_twice_the_rows(lake, tmp_path):
    """Rows with equally many actions that count; otherwise each pass, not each action, weighs the same."""
    batch = random_batch(0)
    batch = replace(
        batch, action_mask=torch.ones(3, 16, 32, dtype=torch.bool), future_mask=torch.ones(3, dtype=torch.bool)
    )
    four = replace(batch, **{k: torch.cat([v, v[:1]]) for k, v in vars(batch).items() if isinstance(v, torch.Tensor)})
    changes = SMALL | {
        "action_head_cfg.diffusion_model_cfg.dropout": 0.0,
        "action_head_cfg.vl_self_attention_cfg.dropout": 0.0,
    }
    stepped = []
    for passes in (1, 2):
        config = lake.config(accumulate=passes, model=Model(base="random", changes=changes, train_all_slots=True))
        loop = opened(config, tmp_path / str(passes))
        parts: Iterator[Batch] = iter([four] if passes == 1 else [rows(four, slice(0, 2)), rows(four, slice(2, 4))])
        norm = loop.step(0, parts, Meter())
        moments = {name: loop.optimizer.state[p]["exp_avg"] for name, p in trainable(loop.model).items()}
        stepped.append((norm, moments))
    torch.testing.assert_close(stepped[0][0], stepped[1][0], rtol=1e-5, atol=0)
    for name, moment in stepped[0][1].items():  # a tenth of the clipped gradient
        torch.testing.assert_close(moment, stepped[1][1][name], rtol=1e-4, atol=1e-8, msg=name)


def opened(config, folder: Path) -> Loop[PolicyObjective]:
    loop = open_loop(prepare_run(config, folder), config, open_accelerator(config))
    loop.wrapped.train()
    return replace(loop, wrapped=Repeated(loop.model))


@pytest.mark.parametrize("kind", ["adamw_8bit", "paged_adamw_8bit"])
def test_moments_in_8_bits_name_what_they_need(kind):
    missing = importlib.util.find_spec("bitsandbytes") is None
    if not missing and kind == "adamw_8bit":
        pytest.skip("bitsandbytes is installed, so nothing is missing")
    words = "pip install bitsandbytes, or use --set optimizer.kind=adamw" if missing else "needs an NVIDIA GPU"
    with pytest.raises(ConfigError, match=words):
        build_optimizer(nn.Linear(2, 2), Optimizer(kind=kind))


def test_moments_in_8_bits_resume(tmp_path):
    pytest.importorskip("bitsandbytes")
    finished = []
    for stops in (False, True):
        torch.manual_seed(0)
        model = nn.Linear(128, 128)
        optimizer = build_optimizer(model, Optimizer(kind="adamw_8bit", lr=1e-2))
        for step in range(4):
            if stops and step == 2:
                save_state(tmp_path, 2, model, average_of(model), optimizer, keep=1)
                with torch.no_grad():
                    model.weight.zero_()
                optimizer = build_optimizer(model, Optimizer(kind="adamw_8bit", lr=1e-2))
                load_state(tmp_path, 2, model, average_of(model), optimizer)
            model(torch.randn(8, 128, generator=torch.Generator().manual_seed(step))).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        finished.append(model.weight.detach().clone())
    assert torch.equal(*finished)


def average_of(model: nn.Module) -> AveragedWeights:
    return AveragedWeights(model, 0.0)
