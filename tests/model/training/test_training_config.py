"""Recipes and their changes from the shell."""

import json

import pytest

from gr00t_model.loop.config import ConfigError, Optimizer
from gr00t_model.loop.optimizer import learning_rate
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.recipes import RECIPES, gr1_n1_5_3b, recipe
from gr00t_model.training.settings import override


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name):
    config = recipe(name)
    assert config.recipe == name
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_published_recipe_has_the_published_numbers():
    config = gr1_n1_5_3b()
    optimizer = config.optimizer
    assert (optimizer.lr, optimizer.betas, optimizer.eps, optimizer.weight_decay) == (1e-4, (0.95, 0.999), 1e-8, 1e-5)
    assert (optimizer.schedule, optimizer.warmup_share, optimizer.clip_norm) == ("cosine", 0.05, 1.0)
    assert (config.batch_size, config.steps, config.model.flare.coefficient) == (32, 10_000, 0.2)
    assert config.model.tune.backbone_frozen and config.model.tune.projector and config.model.tune.diffusion_model


def test_settings_change_nested_fields_in_order():
    config = override(recipe("gr1_nano"), ["optimizer.lr=3e-4", "steps=7", "steps=9", "model.flare.on=false"])
    assert (config.optimizer.lr, config.steps, config.model.flare.on) == (3e-4, 9, False)
    assert override(config, ["data.manifest=a b.json"]).data.manifest == "a b.json"
    assert override(config, ["model.changes.action_head_cfg.action_horizon=8"]).model.changes == {
        "action_head_cfg.action_horizon": 8
    }


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("optimizer.lrr=1", "did you mean optimizer.lr?"),
        ("lr=1", "did you mean optimizer.lr?"),
        ("steps", "expected FIELD=VALUE"),
        ("steps=0", "steps: Input should be greater than 0, found 0"),
        ("steps=many", "steps: Input should be a valid integer"),
        ("optimizer.schedule=cosin", "optimizer.schedule"),
    ],
)
def test_a_wrong_setting_names_the_field(setting, expected):
    with pytest.raises(ConfigError, match=expected.replace("?", r"\?")):
        override(recipe("gr1_nano"), [setting])


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean gr1_nano_long"):
        recipe("gr1_nanolong")


def test_the_learning_rate_rises_and_falls_as_written():
    config = Optimizer(lr=1.0, warmup_share=0.2, final_lr_share=0.1)
    rates = [learning_rate(step, 10, config) for step in range(10)]
    assert rates[:2] == [0.5, 1.0]
    assert rates[2] == 1.0
    assert rates[6] == pytest.approx(0.1 + 0.9 * 0.5)
    assert rates == sorted(rates[:2]) + sorted(rates[2:], reverse=True)
    assert learning_rate(9, 10, Optimizer(lr=1.0, schedule="constant")) == 1.0
    assert learning_rate(9, 10, Optimizer(lr=1.0, schedule="linear", warmup_share=0)) == pytest.approx(0.1)
