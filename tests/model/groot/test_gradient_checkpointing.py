"""Gradient checkpointing: the same gradients from less memory, in every stack of blocks."""

from dataclasses import replace

import pytest
import torch

from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.lora import add_lora
from gr00t_model.groot.model import Groot
from gr00t_model.groot.recompute import enable_gradient_checkpointing
from gr00t_model.training.activations import measure_step
from tests.model.small import small_batch, small_config


def with_dropout(keypoints: bool) -> GrootConfig:
    config = small_config(keypoints)
    head = config.action_head
    diffusion = replace(head.diffusion_model_cfg, dropout=0.3)
    adapter = replace(head.vl_self_attention_cfg, dropout=0.3, num_layers=2)
    head = replace(head, diffusion_model_cfg=diffusion, vl_self_attention_cfg=adapter)
    return replace(config, action_head=head)


def model(tuned: str, keypoints: bool = False) -> Groot:
    torch.manual_seed(0)
    made = Groot(with_dropout(keypoints))
    made.freeze(tune_visual=tuned == "everything", tune_llm=tuned == "everything")
    if tuned == "lora":
        add_lora(made, 4, 8, 0.1, "whole", (1, 3))
    return made.train()


def gradients(made: Groot) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)  # of dropout
    made(small_batch(), torch.Generator().manual_seed(0)).total.backward()
    return {name: p.grad for name, p in made.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("keypoints", [False, True], ids=["siglip", "keypoints"])
@pytest.mark.parametrize("tuned", ["action_head", "everything", "lora"])
def test_gradients_are_the_same_bit_for_bit(tuned, keypoints):
    plain, recomputing = model(tuned, keypoints), model(tuned, keypoints)
    enable_gradient_checkpointing(recomputing)
    expected, found = gradients(plain), gradients(recomputing)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


@pytest.mark.parametrize("tuned", ["action_head", "everything", "lora"])
def test_less_is_kept(tuned):
    plain, recomputing = (measure_step(made, small_batch) for made in (model(tuned), recomputed(tuned)))
    assert recomputing.activations < {"action_head": 0.8, "everything": 0.8, "lora": 0.85}[tuned] * plain.activations


def recomputed(tuned: str) -> Groot:
    made = model(tuned)
    enable_gradient_checkpointing(made)
    return made


def test_every_stack_takes_part():
    made = recomputed("everything")
    made.flare = None  # its target looks with the same tower
    attentions = [m for name, m in made.named_modules() if name.endswith(("attn1", "self_attn"))]
    calls = dict.fromkeys(attentions, 0)

    def count(attention: torch.nn.Module, _inputs: object) -> None:
        calls[attention] += 1

    for attention in attentions:
        attention.register_forward_pre_hook(count)
    gradients(made)
    assert len(attentions) == 2 + 2 + 1 + 2  # DiT, adapter, vision tower, language model
    assert set(calls.values()) == {2}


def test_acting_and_frozen_parts_keep_nothing():
    made = recomputed("action_head")
    before = made.get_action(small_batch(), 2, torch.Generator().manual_seed(0))
    assert not before.requires_grad
    batch = small_batch()
    assert batch.images is not None and batch.input_ids is not None and batch.attention_mask is not None
    features, _ = made.encode(batch.images, batch.input_ids, batch.attention_mask)
    assert not features.requires_grad
