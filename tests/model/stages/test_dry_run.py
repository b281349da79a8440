"""`gr00t train --dry-run` checks what it says; settings that match nothing, or do nothing, are errors."""

import json
from pathlib import Path

import pytest

from gr00t_model.loop.config import ConfigError
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.recipes import recipe
from gr00t_model.training.settings import override
from tests import NOWHERE
from tests.shell import Result, invoke


def dry(lake: Path, *words: str) -> Result:
    return invoke(["train", "--recipe", "gr1_nano_tiny", "--dry-run", "--lake", str(lake), *words])


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("learning_rate=1e-4", "no such field; did you mean optimizer.lr?"),
        ("optimizer.learning_rate=1e-4", "did you mean optimizer.lr?"),
        ("model.tune.lm=true", "did you mean model.tune.llm?"),
        ("optimizer.lr=NaN", "optimizer.lr: Input should be a finite number"),
        ("optimizer.lr=7", "optimizer.lr: Input should be less than or equal to 1"),
        ("optimizer.betas=[0.9,1.0]", "optimizer.betas.1: Input should be less than 1"),
        ("optimizer.warmup_share=1", "optimizer.warmup_share: Input should be less than 1"),
        ("model.flare.coefficient=Infinity", "model.flare.coefficient: Input should be a finite number"),
        ("model.lora.dropout=1", "model.lora.dropout: Input should be less than 1"),
        ("seed=99999999999999999999", "seed: Input should be less than or equal to 9223372036854775807"),
        ("steps=true", "steps: Value error, expected a number"),
        ("batch_size=0", "batch_size: Input should be greater than 0"),
        ("recipe=gr1_n1_5_3b", "would have no effect: .* --recipe"),
        ("model.lora.alpha=4", "would have no effect: model.lora.rank=0"),
        ("model.flare.embedding=x", "would have no effect: the target is vision"),
    ],
)
def test_a_setting_that_cannot_be_is_named(setting: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        override(recipe("gr1_nano_tiny"), [setting])


def test_settings_that_do_something_together_are_taken() -> None:
    settings = ["model.lora.rank=4", "model.lora.alpha=4", "model.flare.on=false"]
    assert override(recipe("gr1_nano_tiny"), settings).model.lora.alpha == 4
    with pytest.raises(ConfigError, match=r"model\.flare\.coefficient: would have no effect"):
        override(recipe("gr1_nano_tiny"), ["model.flare.on=false", "model.flare.coefficient=0.1"])


def test_an_unknown_field_of_a_file_names_the_nearest_at_any_depth() -> None:
    fields = recipe("gr1_nano_tiny").to_dict()
    fields["optimizer"]["learning_rate"] = 1e-4
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate: no such field; did you mean optimizer\.lr\?"):
        TrainConfig.from_dict(fields)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "model.changes.action_dim=48"], "did you mean model.changes.action_head_cfg.action_dim?"),
        (["--set", "model.changes.action_head_cfg.max_action_dim=48"], "set model.changes.action_head_cfg.action_dim"),
        (["--set", "model.changes.flare_cfg.coefficient=0.1"], "set model.flare.coefficient"),
        (["--set", "model.changes.action_head_cfg.action_dim=8"], "its action has 26 dimensions"),
        (["--set", "model.changes.action_head_cfg.max_state_dim=8"], "its state has"),
        (["--set", "model.changes.action_head_cfg.action_horizon=8"], "its action_horizon is 16 steps"),
        (["--set", "model.changes.action_head_cfg.max_num_embodiments=8"], "uses slot 24, the model has 8"),
        (["--set", "model.changes.action_head_cfg.action_dim=wide"], "expected a whole number from 1 on"),
        (["--set", "model.base=random", "--set", f"model.tokenizer={NOWHERE}"], "has no tokenizer.json"),
        (["--set", f"model.base={NOWHERE}"], f"model.base: {NOWHERE}: is no path"),
        (["--also", "nobody"], "unknown embodiment 'nobody'"),
        (["--also", "so100=-1"], "the weight must be a finite number above 0"),
        (["--also", "so100=nan"], "the weight must be a finite number above 0"),
        (["--embodiment", "nobody"], "unknown embodiment 'nobody'"),
        (["--card", "0"], "--card 0.0: expected the memory of a card in GB"),
    ],
)
def test_what_the_run_would_refuse_is_refused(tmp_path: Path, words: list[str], told: str) -> None:
    shown = dry(tmp_path / "none", *words)
    assert shown.exit_code == 2 and told in shown.stderr.replace("\n", " "), shown.output


def test_the_card_that_is_named_decides_the_status(tmp_path: Path) -> None:
    small, large = dry(tmp_path, "--card", "0.001"), dry(tmp_path, "--card", "80")
    assert (small.exit_code, large.exit_code) == (1, 0)
    assert "DOES NOT FIT" in small.stdout and "card: fits: " in large.stdout
    assert "the grounded base, which the lake does not have yet" in large.stdout
    assert invoke(["train", "--card", "24", "--lake", str(tmp_path)]).exit_code == 2


def test_the_base_is_named(tmp_path: Path) -> None:
    shown = dry(tmp_path, "--set", "model.base=random", "--json")
    assert json.loads(shown.stdout)["base"] == "random weights, as asked"
