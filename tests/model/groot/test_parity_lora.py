"""What LoRA wraps, trains and saves, against the recorded names of the published code; its sizes at full size."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors import safe_open

from gr00t_data.disk import read_json
from gr00t_model.groot.config import FlareConfig, GrootConfig
from gr00t_model.groot.lora import ADAPTER_CONFIG, ADAPTER_WEIGHTS, add_lora, lora_targets, save_adapter
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import n1_5_3b

PREFIX = "base_model.model."
SCOPES = {"action_head_only": "action_head", "full_model": "whole"}


@pytest.fixture(params=SCOPES)
def case(request, parity) -> tuple[Groot, str, dict[str, Any], int]:
    """The recorded model without weights of its own, the scope, what was recorded, and the rank."""
    recorded, whole = parity("lora").json("lora"), parity("full_model").json("config")
    eagle = whole["eagle_config"]
    config = GrootConfig.from_dict(
        {
            "backbone_cfg": {**whole["backbone_cfg"], "image_token_index": eagle["image_token_index"]},
            "action_head_cfg": whole["action_head_cfg"],
            "eagle_cfg": {name: eagle[name] for name in ("text_config", "vision_config")},
            "flare_cfg": {"enabled": False},
        }
    )
    return Groot(config), SCOPES[request.param], recorded[request.param], recorded["rank"]


def shapes(model: Groot) -> dict[str, list[int]]:
    return {f"{PREFIX}{name}": list(p.shape) for name, p in model.named_parameters() if p.requires_grad}


def test_the_wrapped_modules_are_those_recorded(case):
    model, scope, recorded, _ = case
    assert sorted(lora_targets(model, scope)) == sorted(recorded["wrapped_modules"])


def test_the_trainable_parameters_are_those_recorded(case):
    model, scope, recorded, rank = case
    add_lora(model, rank, recorded["peft_config"]["lora_alpha"], recorded["peft_config"]["lora_dropout"], scope)
    assert shapes(model) == recorded["trainable_parameters"]


def test_the_saved_tensors_are_those_recorded(case, tmp_path):
    model, scope, recorded, rank = case
    add_lora(model, rank, 16, 0.1, scope)
    save_adapter(model, tmp_path, "digest")
    with safe_open(tmp_path / ADAPTER_WEIGHTS, framework="pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - not a mapping
    assert found == recorded["adapter_state_dict"]
    written, expected = read_json(tmp_path / ADAPTER_CONFIG), recorded["peft_config"]
    ours = {name: written[name] for name in expected}
    assert ours == {**expected, "task_type": None}  # which only tells peft's own wrapper how to call generate()


def full_size(**lora) -> Groot:
    with torch.device("meta"):
        model = Groot(replace(n1_5_3b(), flare=FlareConfig(enabled=False)))
        add_lora(model, alpha=16, dropout=0.1, **lora)
    return model


@pytest.mark.parametrize(("rank", "parameters"), [(32, 6_553_600), (64, 13_107_200)])
def test_the_published_size_has_the_published_counts(rank, parameters):
    model = full_size(rank=rank, scope="action_head")
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == parameters
    wrapped = {name.split(".lora_")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert sum(name.startswith("action_head.model.") for name in wrapped) == 48
    assert sum(name.startswith("action_head.vl_self_attention.") for name in wrapped) == 12
    assert len(wrapped) == 60


def test_one_slot_adds_one_of_thirty_two():
    model = full_size(rank=32, scope="action_head", slots=(24,))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 6_553_600 + 315_360_256 // 32
