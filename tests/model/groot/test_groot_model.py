"""What the model promises beyond the published numbers: masks, caches, slots, FLARE, freezing, errors."""

from dataclasses import replace

import pytest
import torch

from gr00t_model.groot.backbone import causal_alone, causal_mask
from gr00t_model.groot.slots import SlotLinear, group_rows
from tests.model.small import ACTION, HORIZON, ROWS, small_batch, small_model


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=[False, True], ids=["siglip", "keypoints"])
def model(request):
    return small_model(keypoints=request.param)


def test_loss_and_action_are_functions_of_the_generator(model):
    batch = small_batch()
    assert torch.equal(model(batch, seeded(1)).total, model(batch, seeded(1)).total)
    assert not torch.equal(model(batch, seeded(1)).total, model(batch, seeded(2)).total)
    action = model.get_action(batch, 4, seeded(1))
    assert action.shape == (ROWS, HORIZON, ACTION)
    assert torch.equal(action, model.get_action(batch, 4, seeded(1)))


def test_cached_features_and_targets_replace_the_images(model):
    batch = small_batch()
    features, mask = model.encode(batch.images, batch.input_ids, batch.attention_mask)
    cached = replace(
        batch,
        images=None,
        input_ids=None,
        future_images=None,
        vl_features=features,
        attention_mask=mask,
        future_target=model.flare_target(batch.future_images),
    )
    live, stored = model(batch, seeded()), model(cached, seeded())
    torch.testing.assert_close(stored.total, live.total)
    torch.testing.assert_close(stored.flare, live.flare)


def test_padding_changes_nothing(model):
    batch = small_batch()
    alone = replace(
        batch,
        **{name: getattr(batch, name)[:1] for name in ("state", "state_mask", "embodiment_id", "images")},
        input_ids=batch.input_ids[:1, 2:],
        attention_mask=batch.attention_mask[:1, 2:],
        **dict.fromkeys(("action", "action_mask", "future_images", "future_mask")),
    )
    noise = torch.randn(ROWS, HORIZON, ACTION, generator=seeded())
    together = model.get_action(batch, noise=noise)[:1]
    torch.testing.assert_close(model.get_action(alone, noise=noise[:1]), together, atol=1e-5, rtol=1e-4)


def test_a_padding_token_gets_nothing_from_attention():
    model, batch = small_model(), small_batch()
    layer = model.backbone.eagle_model.language_model.model.layers[0].self_attn
    seen = []
    handle = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0]))
    model.encode(batch.images, batch.input_ids, batch.attention_mask)
    handle.remove()
    real = batch.attention_mask.bool()
    assert seen[0][~real].abs().max() == 0
    assert seen[0][real].abs().min(dim=-1).values.max() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_without_padding_the_mask_is_left_out_and_nothing_changes(dtype):
    backbone = small_model().backbone.to(dtype)
    sequence = torch.randn(2, 7, 16, generator=seeded()).to(dtype)
    real = torch.ones(2, 7, dtype=torch.int64)
    assert causal_alone(real.bool()) and not causal_alone(torch.tensor([[False, True]]))
    language, masks = backbone.eagle_model.language_model.model, {"full_attention": causal_mask(real.bool())}
    masked = language(inputs_embeds=sequence, attention_mask=masks, real=real.bool(), use_cache=False)
    assert torch.equal(backbone.read(sequence, real), masked.last_hidden_state)


def test_keys_and_values_of_the_features_are_made_once_per_action():
    model, batch = small_model(), small_batch()
    calls = []
    cross = model.action_head.model.transformer_blocks[0].attn1.to_k
    handle = cross.register_forward_hook(lambda *_: calls.append(1))
    model.get_action(batch, 4, seeded())
    handle.remove()
    assert len(calls) == 1


def test_each_row_goes_through_its_own_slot():
    torch.manual_seed(0)
    layer, x, slots = SlotLinear(4, 3, 2), torch.randn(5, 2, 3), torch.tensor([2, 0, 2, 3, 0])
    by_row = torch.stack([x[i] @ layer.W[slot] + layer.b[slot] for i, slot in enumerate(slots)])
    torch.testing.assert_close(layer(x, group_rows(slots)), by_row)
    torch.testing.assert_close(layer(x[:1], group_rows(slots[:1])), by_row[:1])


def test_rows_without_a_future_frame_do_not_count():
    model, batch = small_model(), small_batch()
    loss = model(batch, seeded())
    assert loss.flare_count == 2
    shuffled = batch.future_images.clone()
    shuffled[1] = 255 - shuffled[1]
    torch.testing.assert_close(model(replace(batch, future_images=shuffled), seeded()).flare, loss.flare)
    none = model(replace(batch, future_mask=torch.zeros(ROWS, dtype=torch.bool)), seeded())
    assert none.flare == 0
    assert torch.equal(none.total, none.flow)
    torch.testing.assert_close(loss.total, loss.flow + 0.2 * loss.flare)


def test_rows_without_actions_learn_from_alignment_alone():
    model, batch = small_model(), small_batch()
    loss = model(replace(batch, action_mask=torch.zeros_like(batch.action_mask)), seeded())
    assert loss.flow == 0
    loss.total.backward()
    assert model.action_head.future_tokens.weight.grad.abs().sum() > 0


def test_no_gradient_reaches_the_flare_target():
    model, batch = small_model(), small_batch()
    features, mask = model.encode(batch.images, batch.input_ids, batch.attention_mask)
    batch = replace(batch, vl_features=features.detach(), attention_mask=mask)
    model(batch, seeded()).flare.backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert model.flare.projector[0].weight.grad.abs().sum() > 0


def test_frozen_parts_stay_in_eval_mode_and_get_no_gradient():
    model = small_model()
    model.freeze(tune_visual=False, tune_llm=False, tune_projector=True, tune_diffusion_model=False)
    model.train()
    frozen = [model.backbone.eagle_model.vision_model, model.backbone.eagle_model.language_model]
    frozen += [model.action_head.model]
    assert not any(module.training for module in frozen)
    assert model.action_head.state_encoder.training
    model(small_batch(), seeded()).total.backward()
    assert all(p.grad is None for module in frozen for p in module.parameters())
    assert model.action_head.state_encoder.layer1.W.grad.abs().sum() > 0
    assert model.action_head.vlln.weight.grad.abs().sum() > 0


def test_wrong_inputs_name_both_sides(model):
    batch = small_batch()
    with pytest.raises(ValueError, match="24 image placeholders, but 3 images"):
        model.encode(batch.images[:, :1], batch.input_ids, batch.attention_mask)
    with pytest.raises(ValueError, match=r"28, 28, 3\], found torch.uint8 \[3, 2, 14, 28, 3\]"):
        model.encode(batch.images[:, :, ::2], batch.input_ids, batch.attention_mask)
    with pytest.raises(ValueError, match="action_mask"):
        model(replace(batch, action=None))
    with pytest.raises(ValueError, match="vl_features"):
        model.get_action(replace(batch, images=None))
