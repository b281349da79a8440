"""FLARE in the model: both kinds of targets, what learns from them, the controls, and a target that follows."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from gr00t_data.batches.batch import Batch
from gr00t_model.groot.config import ConfigError, GrootConfig
from gr00t_model.groot.flare.config import EmbeddingConfig, FlareConfig
from gr00t_model.groot.flare.flare import shuffled
from gr00t_model.groot.model import Groot
from gr00t_model.loop.optimizer import trainable
from gr00t_model.loop.state import learned_tensors
from gr00t_model.training.alignment_target import remember_usual
from tests.model.small import CAMERAS, HORIZON, ROWS, small_batch, small_config, small_model

SIZES = EmbeddingConfig(fusion_layers=1, query_layers=1)
TOKENS = 4


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flare(**changes) -> FlareConfig:
    return replace(FlareConfig(align_layer=1, projector_width=8), **changes)


def action_aware(**changes) -> FlareConfig:
    return flare(target="action_aware", embedding=SIZES, **changes)


def made(config: FlareConfig, keypoints: bool = False) -> Groot:
    return small_model(keypoints=keypoints, flare=config)


def target_of(model: Groot, batch: Batch, name: str = "future_images") -> torch.Tensor:
    return model.flare_target(getattr(batch, name), batch.input_ids, batch.attention_mask, batch.view_mask)


class Counted(TorchFunctionMode):
    """Counts the calls of one function of torch."""

    def __init__(self, function):
        super().__init__()
        self.function, self.calls = function, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.calls += func is self.function
        return func(*args, **(kwargs or {}))


@pytest.fixture(params=["vision", "action_aware", "own tower"])
def config(request) -> FlareConfig:
    return {"vision": flare(), "action_aware": action_aware(), "own tower": action_aware(own_parts=("vision_model",))}[
        request.param
    ]


@pytest.mark.parametrize("keypoints", [False, True], ids=["siglip", "keypoints"])
@pytest.mark.parametrize("ragged", [False, True], ids=["all views", "a view missing"])
def test_one_pass_gives_what_two_give(config, keypoints, ragged):
    model, batch = made(config, keypoints), small_batch()
    if ragged:
        views, ids = torch.tensor([[True, True], [False, True], [True, True]]), batch.input_ids.clone()
        ids[1, :TOKENS] = 0  # no placeholders for the view it lacks
        batch = replace(batch, view_mask=views, input_ids=ids)
    arguments = batch.images, batch.input_ids, batch.attention_mask, batch.view_mask
    features, mask, target = model.encode_with_target(*arguments)
    torch.testing.assert_close((features, mask), model.encode(*arguments))
    torch.testing.assert_close(target, target_of(model, batch, "images"))
    assert target.shape[:2] == (ROWS, TOKENS)


def test_the_tower_looks_at_each_picture_once(config):
    model, batch = made(config), small_batch()
    looks = []
    for tower in {
        model.backbone.eagle_model.vision_model,
        model.flare.target.encoder(model.backbone.encoder).vision_model,
    }:
        tower.vision_model.embeddings.register_forward_hook(lambda _m, inputs, _o: looks.append(len(inputs[0])))
    model.encode_with_target(batch.images, batch.input_ids, batch.attention_mask)
    assert looks == [ROWS * CAMERAS] * (2 if config.own_parts else 1)


def test_all_attention_is_torchs_own():
    model, batch = made(action_aware()), small_batch()
    with Counted(F.scaled_dot_product_attention) as counted:
        model(batch, seeded())
    vision, text, adapter, dit = 2, 2, 1, 2  # the tower looks at two frames
    fusion, queries = 1, 2
    assert counted.calls == vision + text + adapter + dit + fusion + queries


def test_rows_without_actions_teach_only_up_to_the_aligned_layer():
    model, batch = made(flare()), small_batch()
    loss = model(replace(batch, action_mask=torch.zeros_like(batch.action_mask)), seeded())
    assert loss.flow == 0 and loss.flow_count == 0
    torch.testing.assert_close(loss.total, 0.2 * loss.flare)
    loss.total.backward()
    head = model.action_head
    first, second = (
        sum(float(p.grad.abs().sum()) for p in block.parameters() if p.grad is not None)
        for block in head.model.transformer_blocks
    )
    assert first > 0 and second == 0
    assert head.future_tokens.weight.grad.abs().sum() > 0
    assert all(p.grad.abs().sum() > 0 for p in model.flare.projector.parameters())
    assert all(p.grad is None or p.grad.abs().sum() == 0 for p in head.action_decoder.parameters())


def test_no_gradient_reaches_an_embedding():
    model = made(action_aware(own_parts=("vision_model", "words")))
    model.train()
    assert not model.flare.target.training
    model(small_batch(), seeded()).total.backward()
    assert all(p.grad is None and not p.requires_grad for p in model.flare.target.parameters())


def test_an_embedding_reads_the_words_unless_told_not_to():
    batch = small_batch()
    other = batch.input_ids.clone()
    other[:, -1] = 31 - other[:, -1]
    changed = replace(batch, input_ids=other)
    reads, deaf = made(action_aware()), made(flare(target="action_aware", embedding=replace(SIZES, words=False)))
    assert not torch.allclose(target_of(reads, batch), target_of(reads, changed))
    torch.testing.assert_close(target_of(deaf, batch), target_of(deaf, changed))


def test_padding_does_not_change_an_embedding():
    model, batch = made(action_aware()), small_batch()
    together = target_of(model, batch)[:1]
    alone = model.flare_target(batch.future_images[:1], batch.input_ids[:1, 2:], batch.attention_mask[:1, 2:])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)


def test_an_embedding_without_a_prompt_says_so():
    with pytest.raises(ValueError, match="reads the prompt: give input_ids"):
        made(action_aware()).flare_target(small_batch().images)


def test_the_usual_token_is_left_out_of_targets():
    """Three batches; a mean of means, each batch being as large as the others."""
    model, batches = pretraining(), [small_batch(seed) for seed in range(3)]
    remember_usual(model, batches)
    mean = torch.cat([model.seen(batch)[0] for batch in batches]).mean(dim=0)
    torch.testing.assert_close(model.embedding.usual, mean)
    sequence, mask = model.encode(batches[0].images, batches[0].input_ids, batches[0].attention_mask)
    target = model.embedding.target(sequence, mask.bool())
    torch.testing.assert_close(target, model.seen(batches[0])[0] - mean)


def pretraining() -> Groot:
    return made(flare(enabled=False, pretraining=True, embedding=SIZES))


def test_in_pretraining_only_the_actions_teach_the_embedding():
    model, batch = pretraining(), small_batch()
    model.freeze(tune_visual=False, tune_llm=False)
    loss = model(batch, seeded())
    assert loss.flare == 0 and loss.flare_count == 0
    loss.total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.embedding.fusion.parameters() if p.ndim > 1)
    assert model.embedding.queries.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.backbone.parameters())


def test_in_pretraining_the_language_model_does_not_run_and_sequences_can_be_cached():
    model, batch = pretraining(), small_batch()
    model.backbone.eagle_model.language_model.model.register_forward_hook(lambda *_: pytest.fail("it ran"))
    sequence, mask = model.encode(batch.images, batch.input_ids, batch.attention_mask)
    cached = replace(batch, images=None, input_ids=None, vl_features=sequence, attention_mask=mask)
    torch.testing.assert_close(model(cached, seeded()).total, model(batch, seeded()).total)
    assert model.get_action(batch, 2, seeded()).shape[:2] == (ROWS, HORIZON)


def test_shuffled_targets_come_from_other_rows_that_count():
    target = torch.arange(6.0)[:, None, None].expand(-1, 2, 3)
    mask = torch.tensor([True, True, False, True, True, False])
    seen = set()
    for seed in range(20):
        exchanged = shuffled(target, mask, seeded(seed))[:, 0, 0]
        assert torch.equal(exchanged, shuffled(target, mask, seeded(seed))[:, 0, 0])
        assert sorted(exchanged[mask].tolist()) == [0, 1, 3, 4]
        assert (exchanged[mask] != target[mask, 0, 0]).all()
        assert exchanged[~mask].tolist() == [2, 5]
        seen.add(tuple(exchanged.tolist()))
    assert len(seen) > 3
    lone = torch.tensor([False, True, False, False, False, False])
    assert torch.equal(shuffled(target, lone, seeded()), target)


def test_the_controls_change_the_targets_and_nothing_else():
    batch = small_batch()
    plain, mixed, still = (made(flare(control=name)) for name in ("none", "shuffled", "current"))
    losses = [model(batch, seeded()) for model in (plain, mixed, still)]
    assert losses[0].flow == losses[1].flow == losses[2].flow
    assert len({loss.flare.item() for loss in losses}) == 3
    swapped = replace(batch, future_images=batch.future_images[[2, 1, 0]])  # rows 0 and 2 count
    torch.testing.assert_close(losses[1].flare, plain(swapped, seeded()).flare)
    torch.testing.assert_close(losses[2].flare, plain(replace(batch, future_images=batch.images), seeded()).flare)
    cached = replace(batch, future_images=None, future_target=target_of(mixed, batch))
    torch.testing.assert_close(mixed(cached, seeded()).flare, losses[1].flare)


@pytest.mark.parametrize("keypoints", [False, True], ids=["siglip", "keypoints"])
def test_a_moving_target_follows_what_trains(keypoints):
    model = made(flare(target_ema=0.75, own_parts=("vision_model",)), keypoints)
    model.freeze(tune_visual=True, tune_llm=False)
    tower = model.backbone.eagle_model.vision_model
    name, weight = next((n, p) for n, p in tower.named_parameters() if p.ndim > 1)
    before = target_of(model, small_batch())
    start = weight.detach().clone()
    with torch.no_grad():
        weight += 1.0
    torch.testing.assert_close(target_of(model, small_batch()), before)
    model.follow_target()
    model.follow_target()
    held = dict(model.flare.target.parts["vision_model"].named_buffers())[name]
    torch.testing.assert_close(held, start + 1 - 0.75**2)
    assert not torch.allclose(target_of(model, small_batch()), before)
    assert f"flare.target.parts.vision_model.{name}" in learned_tensors(model)
    assert not any(key.startswith("flare.target") for key in trainable(model))


def test_a_fixed_copy_stays_and_is_no_part_of_a_state():
    model = made(flare(own_parts=("vision_model",)))
    before = target_of(model, small_batch())
    with torch.no_grad():
        next(model.backbone.eagle_model.vision_model.parameters()).add_(1)
    model.follow_target()
    torch.testing.assert_close(target_of(model, small_batch()), before)
    assert not any(name.startswith("flare.target") for name in learned_tensors(model))


def test_what_is_foreseen_needs_no_action_and_no_future():
    model, batch = made(flare()), small_batch()
    noise = torch.randn(batch.action.shape, generator=seeded())
    blind = replace(batch, action=None, action_mask=None, future_images=None, future_mask=None)
    foreseen = model.foresee(blind, noise)
    every = replace(batch, future_mask=torch.ones(ROWS, dtype=torch.bool))
    at_noise = model(every, time=torch.zeros(ROWS), noise=noise)
    cosine = F.cosine_similarity(foreseen, target_of(model, batch), dim=-1).mean()
    torch.testing.assert_close(1 - cosine, at_noise.flare)


def test_the_plain_model_has_the_parameters_it_had():
    names = {name for name in small_model().state_dict() if not name.startswith(("backbone.", "action_head."))}
    assert names == {f"flare.projector.{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")}


def test_the_configuration_survives_json():
    config = small_config(flare=action_aware(own_parts=("vision_model", "words"), target_ema=0.995, control="current"))
    assert GrootConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"target": "pooled"}, "target must be one of vision, action_aware, found 'pooled'"),
        ({"control": "random"}, "control must be one of none, shuffled, current"),
        ({"target_ema": 0.0}, "target_ema must be above 0 and at most 1"),
        ({"target": "action_aware"}, "embedding must hold the sizes"),
        ({"pretraining": True, "embedding": SIZES}, "enabled must be false"),
    ],
)
def test_wrong_settings_are_named(changes, expected):
    with pytest.raises(ConfigError, match=expected):
        flare(**changes)
