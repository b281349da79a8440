"""Rows without a state take a learned token, never zeros; some training rows can be made to."""

from dataclasses import replace

import pytest
import torch

from gr00t_model.groot.config import ActionHeadConfig, ConfigError, GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import n1_5_3b, nano
from gr00t_model.groot.weights.nvidia import load, save
from tests.model.small import small_batch, small_config, small_model


def config_with_token(**changes) -> GrootConfig:
    config = small_config()
    return replace(config, action_head=replace(config.action_head, missing_state_token=True, **changes))


def model_with_token(**changes) -> Groot:
    torch.manual_seed(0)
    return Groot(config_with_token(**changes)).eval()


def stateless(rows: list[int]):
    batch = small_batch()
    mask = batch.state_mask.clone()
    mask[rows] = False
    return replace(batch, state_mask=mask)


def act(model: Groot, batch) -> torch.Tensor:
    return model.get_action(batch, 2, torch.Generator().manual_seed(0))


def test_only_rows_without_a_state_take_the_token():
    model = model_with_token()
    whole, without = act(model, small_batch()), act(model, stateless([1]))
    assert torch.equal(whole[[0, 2]], without[[0, 2]]) and not torch.equal(whole[1], without[1])
    other = replace(stateless([1]), state=torch.full_like(small_batch().state, 9.0))
    assert torch.equal(act(model, other)[1], without[1])
    torch.nn.init.normal_(model.action_head.missing_state.token)
    assert not torch.equal(act(model, stateless([1]))[1], without[1])


def test_the_token_learns_where_a_state_is_missing():
    model = model_with_token().train()
    for rows, learns in (([], False), ([1], True)):
        model.zero_grad()
        model(stateless(rows), torch.Generator().manual_seed(0)).total.backward()
        assert bool(model.action_head.missing_state.token.grad.any()) == learns


def test_the_other_weights_start_alike_with_and_without_it():
    plain, token = small_model().state_dict(), model_with_token().state_dict()
    assert set(token) - set(plain) == {"action_head.missing_state.token"}
    assert all(torch.equal(token[name], tensor) for name, tensor in plain.items())


def test_dropout_withholds_some_rows_in_training_only():
    model, always = model_with_token(state_dropout=0.5), model_with_token()
    time, noise = torch.full((3,), 0.5), torch.zeros(3, 4, 5)

    def loss(one: Groot, seed: int, batch=None) -> float:
        generator = torch.Generator().manual_seed(seed)
        return float(one(batch or small_batch(), generator, time=time, noise=noise).total.detach())

    assert loss(model, 0) == loss(model, 1) == loss(always, 0)  # not while evaluating
    model.train()
    assert loss(model, 0) == loss(model, 0)
    assert len({loss(model, seed) for seed in range(8)}) > 1
    rows = [
        seed for seed in range(40) if model.action_head.withhold(3, torch.Generator().manual_seed(seed), "cpu").all()
    ]
    assert 1 <= len(rows) <= 15
    assert loss(model, rows[0]) == loss(always, 0, stateless([0, 1, 2]))


def test_a_base_without_the_token_gets_a_fresh_one(tmp_path):
    save(small_model(), tmp_path)
    model = load(tmp_path, config_with_token())
    token = model.action_head.missing_state.token
    assert 0.01 < token.std() < 0.04
    save(model, tmp_path / "with")
    assert torch.equal(load(tmp_path / "with").action_head.missing_state.token, token)


def test_dropout_needs_the_token_and_a_share():
    for changes in ({"state_dropout": 0.1}, {"state_dropout": 1.0, "missing_state_token": True}):
        with pytest.raises(ConfigError, match="state_dropout must be 0 <= share < 1, and above 0 only with"):
            ActionHeadConfig(**changes)
    assert not n1_5_3b().action_head.missing_state_token and nano().action_head.missing_state_token
    assert "missing_state_token" not in n1_5_3b().to_dict()["action_head_cfg"]


@pytest.mark.parametrize(("field", "width", "words"), [("state", 5, "max_state_dim=5"), ("action", 7, "action_dim=7")])
def test_a_batch_of_another_width_is_named(field, width, words):
    batch = small_batch()
    value = getattr(batch, field)
    wrong = {field: torch.zeros(*value.shape[:2], width), f"{field}_mask": torch.ones(*value.shape[:2], width).bool()}
    with pytest.raises(ValueError, match=rf"the {field} of the batch has {width} dimensions, .*{words}"):
        small_model()(replace(batch, **wrong), torch.Generator().manual_seed(0))
