"""Runs with FLARE: an embedding learnt and aligned to, targets that follow, controls, and what cannot be."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gr00t_data.integrity import write_record
from gr00t_model.evaluate.alignment import alignment
from gr00t_model.groot.flare.config import EmbeddingConfig
from gr00t_model.groot.prompt import train_tokenizer
from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.state import list_states
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.alignment_target import described
from gr00t_model.training.config import Flare, Lora, Model, TrainConfig, Tune
from gr00t_model.training.key import PolicyRun, prepare_run, run_key
from gr00t_model.training.objective import open_accelerator, open_loop
from gr00t_model.training.recipes import recipe
from gr00t_model.training.settings import override
from gr00t_model.training.train import train
from tests.model.tiny import SMALL, TinyLake, build
from tests.model.training.test_training_loop import StopAfter, assert_bitwise_equal, weights

SIZES = SMALL | {"flare_cfg.embedding": {"fusion_layers": 1, "query_layers": 1}}
"""The embedding's sizes, for its pre-training."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


def run_of(config: TrainConfig, runs: Path) -> PolicyRun:
    run = prepare_run(config, runs)
    assert train(run, StopRequest()).state == "complete"
    return run


def pretraining(lake: TinyLake, **changes) -> TrainConfig:
    return lake.config(
        recipe="embedding", model=Model(base="random", changes=SIZES, flare=Flare(pretrain_embedding=True)), **changes
    )


@pytest.fixture(scope="module")
def embedding(lake, tmp_path_factory) -> PolicyRun:
    return run_of(pretraining(lake), tmp_path_factory.mktemp("embedding"))


def aligned(lake: TinyLake, learnt: PolicyRun | None, tune: Tune | None = None, **flare) -> TrainConfig:
    """A policy that starts from the base the embedding was made from."""
    if learnt is not None:
        flare = {"target": "action_aware", "embedding": str(learnt.checkpoint)} | flare
    base = "random" if learnt is None else str(learnt.fresh_base)
    changes = SMALL if learnt is None else {}
    return lake.config(model=Model(changes=changes, base=base, tune=tune or Tune(), flare=Flare(**flare)))


def losses(run: PolicyRun, name: str = "flare") -> list[float]:
    return [record[name] for record in run.records()]


def test_an_embedding_is_learnt_and_the_rest_rests(embedding):
    before, after = (load_file(folder / "model.safetensors") for folder in (embedding.fresh_base, embedding.checkpoint))
    assert losses(embedding) == [0.0] * 4
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("backbone."))
    assert after["embedding.queries"].shape == (4, 32)
    assert after["embedding.usual"].abs().sum() > 0
    assert not any(name.startswith("flare.") for name in after)


def test_pretraining_resumes_bit_for_bit(lake, embedding, tmp_path):
    whole, halves = embedding, prepare_run(pretraining(lake), tmp_path)
    assert train(halves, StopAfter(2)).state == "interrupted"
    train(halves, StopRequest())
    assert_bitwise_equal(weights(whole), weights(halves))


def test_pretraining_costs_the_same_cached_or_not(lake, tmp_path):
    runs = [
        run_of(pretraining(lake, cache_features=c, cache_dtype="float32"), tmp_path / str(c)) for c in (True, False)
    ]
    assert losses(runs[0], "flow") == pytest.approx(losses(runs[1], "flow"), rel=1e-4)


def test_a_policy_aligns_to_the_embedding_cached_or_not(lake, embedding, tmp_path):
    config = aligned(lake, embedding)
    fields = config.to_dict() | {"cache_dtype": "float32"}
    runs = []
    for cached in (True, False):
        config = TrainConfig.from_dict(fields | {"cache_features": cached})
        runs.append(run_of(config, tmp_path / str(cached)))
    assert losses(runs[0]) == pytest.approx(losses(runs[1]), rel=1e-4)
    assert max(losses(runs[0])) > 0
    exported, learnt = (load_file(run.checkpoint / "model.safetensors") for run in (runs[0], embedding))
    for name in (name for name in learnt if name.startswith("embedding.")):
        assert torch.equal(exported[f"flare.target.{name}"], learnt[name])
    assert not any(name.startswith("flare.target.parts") for name in exported)  # the tower is shared
    assert alignment(runs[0].checkpoint).target == "action_aware"


@pytest.mark.parametrize("kind", ["vision", "action_aware"])
def test_a_following_target_resumes_bit_for_bit(lake, embedding, tmp_path, kind):
    config = aligned(lake, embedding if kind == "action_aware" else None, Tune(visual=True), target_ema=0.9)
    whole, halves = run_of(config, tmp_path / "whole"), prepare_run(config, tmp_path / "halves")
    train(halves, StopAfter(2))
    train(halves, StopRequest())
    one, other = weights(whole), weights(halves)
    assert_bitwise_equal(one, other)
    moved = [name for name in one if name.startswith("weights/flare.target.parts.vision_model.")]
    exported = load_file(whole.checkpoint / "model.safetensors")
    base = load_file(whole.config().model.base + "/model.safetensors") if kind == "action_aware" else None
    base = base or load_file(whole.fresh_base / "model.safetensors")
    assert moved
    for name in moved:
        key = name.removeprefix("weights/")
        assert torch.equal(exported[key], one[name])
    key = "flare.target.parts.vision_model.stem.weight"
    policy = key.replace("flare.target.parts.", "backbone.eagle_model.")
    assert not torch.equal(exported[key], base[policy]) and not torch.equal(exported[key], exported[policy])


def test_a_fixed_target_stays_where_the_tower_trains(lake, tmp_path):
    run = run_of(aligned(lake, None, Tune(visual=True)), tmp_path)
    exported, base = (load_file(folder / "model.safetensors") for folder in (run.checkpoint, run.fresh_base))
    state = load_file(run.states / f"{list_states(run.states)[-1]:08d}" / "weights.safetensors")
    assert [name for name in state if "flare.target" in name] == ["flare.target.parts.vision_model.usual_map"]
    key, policy = "flare.target.parts.vision_model.stem.weight", "backbone.eagle_model.vision_model.stem.weight"
    assert torch.equal(exported[key], base[policy]) and not torch.equal(exported[policy], base[policy])


@pytest.mark.parametrize("control", ["shuffled", "current"])
def test_the_controls_work_on_cached_targets_as_on_images(lake, tmp_path, control):
    config = aligned(lake, None, control=control)
    more = {"cache_dtype": "float32", "batch_size": 8}
    fields = config.to_dict() | more
    runs = [
        run_of(TrainConfig.from_dict(fields | {"cache_features": cached}), tmp_path / str(cached))
        for cached in (True, False)
    ]
    plain = run_of(TrainConfig.from_dict(aligned(lake, None).to_dict() | more), tmp_path / "plain")
    assert losses(runs[0]) == pytest.approx(losses(runs[1]), rel=1e-4)
    assert losses(runs[0], "flow")[0] == pytest.approx(losses(plain, "flow")[0], rel=1e-6)
    # One step may draw frames whose targets are alike, or no two that could be exchanged; four steps do not.
    assert losses(runs[0]) != pytest.approx(losses(plain), rel=1e-4)


def test_horizon_and_depth_are_the_recipes(lake, tmp_path):
    config = aligned(lake, None, horizon_frames=5, align_layer=2)
    loop = open_loop(prepare_run(config, tmp_path), config, open_accelerator(config))
    batch = loop.objective.batches.batch(0)
    frames = torch.tensor([int(name.rpartition("/")[2]) for name in batch.sample_ids])
    assert torch.equal(batch.future_mask, frames + 5 < 30)
    assert (loop.model.config.flare.horizon_frames, loop.model.config.flare.align_layer) == (5, 2)
    line = described(loop.model.config.flare)
    assert "5 frames ahead" in line and "after block 2" in line
    with pytest.raises(ValueError, match=r"align_layer must be 1\.\.2, found 3"):
        opened(aligned(lake, None, align_layer=3), tmp_path)


def test_the_key_follows_the_content_of_the_embedding(lake, embedding, tmp_path):
    config = aligned(lake, embedding)
    moved = tmp_path / "elsewhere"
    moved.symlink_to(embedding.checkpoint)
    assert run_key(aligned(lake, embedding, embedding=str(moved))) == run_key(config)
    assert run_key(aligned(lake, embedding, embedding=str(embedding.fresh_base))) != run_key(config)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["model.flare.target_ema=0.995"], r"tune\.visual=false freezes it, so it would do nothing"),
        (["model.flare.target_ema=0.995", "model.tune.llm=true"], "would do nothing"),
        (["model.flare.target_ema=0"], "greater than 0"),
        (["model.flare.horizon_frames=0"], "greater than or equal to 1"),
        (["model.flare.control=past"], "'none', 'shuffled' or 'current'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, expected):
    with pytest.raises(ConfigError, match=expected):
        override(recipe("gr1_nano"), settings)


def test_a_target_cannot_follow_adapters():
    with pytest.raises(ValueError, match="do not move under lora"):
        Model(flare=Flare(target_ema=0.9), lora=Lora(rank=4, scope="whole"))


def opened(config: TrainConfig, folder: Path) -> None:
    open_loop(prepare_run(config, folder), config, open_accelerator(config))


def test_an_embedding_that_does_not_fit_is_refused(lake, embedding, tmp_path):
    plain = run_of(aligned(lake, None), tmp_path / "plain")
    for folder, expected in [
        ("", "needs model.flare.embedding, the checkpoint of a run that learnt one"),
        (str(plain.checkpoint), "is a checkpoint of a policy, not of an embedding"),
    ]:
        with pytest.raises(ConfigError, match=expected):
            opened(aligned(lake, embedding, embedding=folder), tmp_path)
    model = Model(
        base="random",
        changes=SMALL | {"action_head_cfg.num_target_vision_tokens": 2},
        flare=aligned(lake, embedding).model.flare,
    )
    with pytest.raises(ConfigError, match="future tokens 4, the policy has 2"):
        opened(lake.config(model=model), tmp_path)


def test_another_tokenizer_is_refused(lake, embedding, tmp_path):
    run = prepare_run(aligned(lake, embedding), tmp_path)
    other = tmp_path / "base"
    shutil.copytree(embedding.fresh_base, other)
    train_tokenizer(["words that no instruction has"] * 3, other / "tokenizer")
    write_record(other)
    config = run.config()
    changed = config.model_copy(update={"model": config.model.model_copy(update={"base": str(other)})})
    with pytest.raises(ConfigError, match="gives words other numbers"):
        opened(changed, tmp_path)


def test_the_recipe_of_the_embedding_differs_from_the_policys_in_its_purpose_only():
    ours, policy = recipe("gr1_nano_embedding").to_dict(), recipe("gr1_nano").to_dict()
    assert ours["model"]["flare"].pop("pretrain_embedding") is True
    assert policy["model"]["flare"].pop("pretrain_embedding") is False
    assert ours.pop("recipe") != policy.pop("recipe") and ours == policy
    assert EmbeddingConfig().fusion_layers == 4
