"""A wider model that starts from narrower weights acts as they did."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gr00t_model.groot.config import ActionHeadConfig, ConfigError, GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.weights.nvidia import WeightsError, load, save
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.base import open_base
from gr00t_model.training.config import Model
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.small import ACTION, HORIZON, STATE, small_batch, small_config, small_model
from tests.model.tiny import SMALL, build


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = small_model()
    for name in ("action_encoder.W1", "state_encoder.layer1"):
        torch.nn.init.normal_(model.action_head.get_submodule(name).b)
    save(model, tmp_path)
    return tmp_path


def wider(**changes) -> GrootConfig:
    config = small_config()
    return replace(config, action_head=replace(config.action_head, **changes))


def noise(model: Groot) -> torch.Tensor:
    head = model.config.action_head
    return torch.randn(3, head.action_horizon, head.action_dim, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "changes",
    [
        {"action_dim": ACTION + 3},
        {"max_state_dim": STATE + 4},
        {"max_seq_len": 30},
        {"action_dim": 9, "max_state_dim": 9},
    ],
)
def test_old_dimensions_are_predicted_as_before(folder: Path, changes: dict[str, int]):
    old, new = load(folder), load(folder, wider(**changes))
    start = noise(new)
    batch = small_batch()
    extra = new.config.action_head.max_state_dim - STATE
    grown = replace(
        batch,
        state=torch.nn.functional.pad(batch.state, (0, extra), value=5.0),  # whatever stands in a new dimension
        state_mask=torch.nn.functional.pad(batch.state_mask, (0, extra)),
    )
    before = old.get_action(batch, 4, noise=start[..., :ACTION].contiguous())
    after = new.get_action(grown, 4, noise=start)
    assert after.shape[-1] == new.config.action_head.action_dim
    torch.testing.assert_close(after[..., :ACTION], before, rtol=1e-6, atol=1e-6)
    assert not after[..., ACTION:].numel() or after[..., ACTION:].std() > 0


def test_what_a_new_dimension_is_made_of_learns(folder: Path):
    model = load(folder, wider(action_dim=ACTION + 2)).train()
    batch = small_batch()
    pad = torch.nn.functional.pad
    action, mask = pad(batch.action, (0, 2), value=1.0), pad(batch.action_mask, (0, 2), value=True)
    model(replace(batch, action=action, action_mask=mask), torch.Generator().manual_seed(0)).total.backward()
    head = model.action_head
    assert head.action_encoder.W1.W.grad[1, ACTION:].abs().min() > 0
    assert head.action_decoder.layer2.W.grad[1, :, ACTION:].abs().max() > 0


def test_a_longer_chunk_begins_like_the_short_one_can(folder: Path):
    """Its rows attend to each other, so values differ; nothing is lost and the shape is the asked one."""
    old, model = load(folder), load(folder, wider(action_horizon=20, max_seq_len=20))
    assert model.get_action(small_batch(), 2, noise=noise(model)).shape == (3, 20, ACTION)
    was, now = (m.action_head.position_embedding.weight for m in (old, model))
    assert torch.equal(now[: len(was)], was) and now[len(was) :].std() > 0
    assert old.config.action_head.action_horizon == HORIZON


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"action_dim": ACTION - 1}, r"W1\.W: file \[4, 5, 16\], model \[4, 4, 16\]"),
        ({"max_num_embodiments": 5}, r"W1\.W: file \[4, 5, 16\], model \[5, 5, 16\]"),
        ({"num_target_vision_tokens": 5}, r"future_tokens\.weight: file \[4, 16\], model \[5, 16\]"),
    ],
)
def test_nothing_shrinks_or_grows_elsewhere(folder: Path, changes: dict[str, int], words: str):
    with pytest.raises(WeightsError, match=words):
        load(folder, wider(**changes))


@pytest.mark.parametrize("horizon", [0, 9])
def test_a_horizon_needs_positions(horizon: int):
    with pytest.raises(ConfigError, match=r"action_horizon must be 1\.\.8 .*found"):
        wider(action_horizon=horizon)
    assert ActionHeadConfig().max_seq_len == 1024


def test_a_run_widens_its_base_and_its_checkpoint_loads(tmp_path: Path):
    lake = build(tmp_path / "lake", episodes=3)
    fresh = lake.config(steps=1, model=Model(base="random", changes=SMALL | {"action_head_cfg.action_dim": 26}))
    first = prepare_run(fresh, tmp_path / "runs")
    base = open_base(fresh, first).model
    changes = {"action_head_cfg.action_dim": 48, "action_head_cfg.action_horizon": 24}
    config = lake.config(steps=1, model=Model(base=str(first.fresh_base), changes=changes))
    run = prepare_run(config, tmp_path / "runs")
    wide = open_base(config, run).model
    assert wide.config.action_head.action_dim == 48 and wide.config.action_head.action_horizon == 24
    old, new = base.action_head.action_encoder.W1.W, wide.action_head.action_encoder.W1.W
    assert torch.equal(new[:, :26], old) and not new[:, 26:].any()
    train(run, StopRequest())
    assert load(run.checkpoint).action_head.action_encoder.W1.W.shape[1] == 48
