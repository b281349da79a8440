"""The dry run: who trains, and how much memory a step takes."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial

import pytest
import torch

from gr00t_data.batches.batch import Batch
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import n1_5_3b, nano
from gr00t_model.groot.recompute import enable_gradient_checkpointing
from gr00t_model.loop.config import ConfigError
from gr00t_model.training.activations import measure_step
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.memory import Plan, batch_maker, plan, prompt_tokens
from gr00t_model.training.recipes import recipe
from gr00t_model.training.settings import override
from tests.shell import invoke

LARGE = "gr1_n1_5_3b"


def config(name: str, *settings: str) -> TrainConfig:
    return override(recipe(name), settings)


def by_name(parts) -> dict[str, tuple[int, int]]:
    return {part.name: (part.parameters, part.trainable) for part in parts}


def test_the_published_behaviour_trains_the_published_parameters():
    found = plan(config(LARGE, "model.flare.on=false", "model.train_all_slots=true"), on_gpu=True)
    rows = by_name(found.parts)
    assert rows["DiT"] == (550_386_688, 550_386_688)
    assert rows["language model"] == (914_674_816, 0)
    assert rows["adapter"][1] == 201_433_088 + 4096
    assert sum(trainable for _, trainable in rows.values()) == 1_068_806_144
    # 1.069 B parameters in float32, their gradients and two moments; 1.345 B frozen ones in bf16 (norms in float32).
    assert found.gradients == 4 * 1_068_806_144
    assert found.optimizer == 8 * 1_068_806_144
    assert found.weights == pytest.approx(4 * 1_068_806_144 + 2 * 1_344_716_672, rel=0.002)


def test_the_low_memory_stage_trains_the_published_parameters():
    settings = ("model.flare.on=false", "model.tune=low_memory", "model.train_all_slots=true")
    rows = by_name(plan(config(LARGE, *settings), on_gpu=True).parts)
    assert sum(trainable for _, trainable in rows.values()) == 518_419_456
    assert rows["DiT"][1] == 0


def test_slots_that_no_mixture_has_cost_their_weights_only():
    """One of 32 slots trains; all of them are kept, in bf16, beside a float32 copy of the one."""
    every, own = (
        plan(config(LARGE, "model.flare.on=false", f"model.train_all_slots={chosen}"), on_gpu=True)
        for chosen in ("true", "false")
    )
    spared = 315_360_256 // 32 * 31
    assert every.gradients - own.gradients == 4 * spared
    assert every.optimizer - own.optimizer == 8 * spared
    assert every.weights - own.weights == 4 * 315_360_256 - 2 * 315_360_256 - 4 * 315_360_256 // 32
    assert every.step_peak - own.step_peak > 3 * spared  # the gradients, when they are all there
    assert own.total < every.total - 14 * spared


@pytest.mark.parametrize(
    "settings",
    [
        ("gr1_nano", "model.tune=everything"),
        ("gr1_nano", "model.tune=low_memory"),
        ("gr1_nano", "model.lora.rank=4"),
        (LARGE, "model.tune=everything"),
    ],
)
def test_the_parts_are_the_whole_model(settings):
    found = plan(config(*settings), on_gpu=False)
    assert "other" not in by_name(found.parts)
    assert sum(part.bytes for part in found.parts) == found.weights


def test_each_setting_moves_its_own_term():
    def planned(*settings: str) -> Plan:
        return plan(config("gr1_nano", "optimizer.ema_decay=0", *settings), on_gpu=True)

    plain, less = planned(), planned("machine.gradient_checkpointing=true")
    assert less.activations < 0.5 * plain.activations
    assert replace(less, activations=plain.activations, step_peak=plain.step_peak) == plain
    assert planned("optimizer.kind=adamw_8bit").optimizer < 0.26 * plain.optimizer
    averaged = planned("optimizer.ema_decay=0.99", "machine.num_processes=2")
    assert averaged.average == averaged.buckets == plain.gradients
    double = planned("batch_size=128")
    assert 1.7 * plain.activations < double.activations < 2 * plain.activations  # bf16 copies of weights do not double
    wide = planned("machine.precision=fp32")
    assert wide.activations > 1.2 * plain.activations
    assert wide.weights > plain.weights


def test_lora_has_a_row_and_little_state():
    found = plan(config(LARGE, "model.lora.rank=64", "model.flare.on=false"), on_gpu=True)
    rows = by_name(found.parts)
    assert rows["LoRA"] == (13_107_200, 13_107_200)
    assert rows["state encoder"][1] + rows["action encoder"][1] + rows["decoder"][1] == 315_360_256 // 32
    assert found.optimizer == 8 * (13_107_200 + 315_360_256 // 32)


def _with_values(make: Callable[[], Batch]) -> Batch:
    """A batch with ones in place of nothing."""
    batch = make()
    tensors = {f.name: getattr(batch, f.name) for f in fields(batch)}
    made = {
        k: torch.ones(v.shape, dtype=v.dtype) for k, v in tensors.items() if isinstance(v, torch.Tensor) and v.is_meta
    }
    return replace(batch, **made)


@pytest.mark.parametrize("recompute", [False, True])
def test_a_step_without_values_is_as_large_as_a_real_one(recompute):
    """The same step with values on the CPU holds as much, within a twentieth."""
    with torch.device("meta"):
        empty = Groot(nano())
    steps = []
    for model in (empty, Groot(nano())):
        model.freeze(False, False)
        if recompute:
            enable_gradient_checkpointing(model)
        make = batch_maker(config("gr1_nano", "batch_size=16"), model)
        steps.append(measure_step(model.train(), make if model is empty else partial(_with_values, make)))
    assert steps[0].peak == pytest.approx(steps[1].peak, rel=0.05)
    assert steps[0].activations == pytest.approx(steps[1].activations, rel=0.05)


def test_prompts_are_as_long_as_the_published_ones():
    """One camera: 282 tokens and the instruction's own; each further one 256, its number and its marks."""
    assert prompt_tokens(n1_5_3b(), 1) == 282 + 16
    assert prompt_tokens(n1_5_3b(), 3) - prompt_tokens(n1_5_3b(), 1) == 2 * (256 + 6)


def test_what_cannot_be_planned_is_named():
    with pytest.raises(ConfigError, match=r"model\.preset: expected one of nano, n1_5_3b, found 'mini'"):
        plan(config("gr1_nano", "model.preset=mini"), on_gpu=False)
    with pytest.raises(ConfigError, match=r"frozen_dtype=bf16 needs bf16 arithmetic"):
        plan(config("gr1_nano", "machine.frozen_dtype=bf16"), on_gpu=False)


def test_the_table_is_printed_without_a_lake(tmp_path):
    shown = invoke(
        ["train", "--recipe", "gr1_nano", "--tune", "low_memory", "--dry-run", "--lake", str(tmp_path / "none")]
    )
    assert shown.exit_code == 0, shown.output
    assert "total: " in shown.output and "vision tower" in shown.output
    shown = invoke(["train", "--recipe", "gr1_nano", "--dry-run", "--json"])
    found = json.loads(shown.output)
    assert found["config"]["recipe"] == "gr1_nano"
    assert found["memory"]["total"] > 1e8
    assert not (tmp_path / "none").exists()
