"""What a run starts from: said, looked at before anything is written, and named by what it leaves."""

from pathlib import Path

import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_data.lake import Lake
from gr00t_model.lineage.record import Record
from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.inputs import MissingInput
from gr00t_model.stages.settings import FinetuneSettings
from gr00t_model.stages.train import needs_grounded_base, new_run
from gr00t_model.training.base import make_base
from gr00t_model.training.config import Model
from gr00t_model.training.key import PolicyRun, base_digest, prepare_run
from gr00t_model.training.runs.settled import settled_sizes
from gr00t_model.training.train import train
from tests.model.tiny import SMALL, TinyLake, build

GR1 = load_embodiment("gr1")
TINY = {"recipe": "gr1_nano_tiny"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyLake:
    return build(tmp_path_factory.mktemp("mixture"))


@pytest.fixture(scope="module")
def lake(tiny: TinyLake, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a mixture, statistics, and a very small base that its nano runs start from."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for name, path in (("mixture_gr1", tiny.manifest), ("norm_stats_gr1", tiny.statistics)):
        copied = lake.root / f"{name}.json"
        copied.write_bytes(path.read_bytes())
        lake.point(name, copied, "digest")
    folder = lake.bases / "small"
    make_base(folder, Model(base="random", changes=SMALL), ["follow the red square"], 0)
    lake.point("base_nano", folder, base_digest(folder))
    return lake


def asked(lake: Lake, *settings: str, **fields: str) -> PolicyRun:
    return new_run(lake, GR1, FinetuneSettings(**{**TINY, **fields}, settings=[*settings]))


def test_nobody_starts_from_random_weights_unasked(tiny: TinyLake, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.base: test does not say which weights it starts from"):
        prepare_run(tiny.config(model=Model(changes=SMALL)), tmp_path)
    assert list(tmp_path.iterdir()) == []
    run = prepare_run(tiny.config(), tmp_path)
    fields = read_sealed(run.run_json)
    fields["config"]["model"]["base"] = ""  # as a run of before
    write_sealed(run.run_json, fields)
    with pytest.raises(ConfigError, match="ask for random weights"):
        train(run, StopRequest())
    assert not run.fresh_base.exists()


def test_the_large_recipe_writes_nothing_before_it_has_a_base(lake: Lake) -> None:
    for settings, told in (
        ((), r"model\.base: gr1_n1_5_3b does not say .* \(--set model\.base=random\)"),
        (("model.base=random",), r"model\.tokenizer: the preset n1_5_3b needs one"),
        (("model.base=nowhere",), r"model\.base: nowhere: is no path"),
        (("model.base=random", f"model.tokenizer={lake.bases / 'small'}"), "tokenizer of another model"),
    ):
        with pytest.raises(ValueError, match=told):
            asked(lake, *settings, recipe="gr1_n1_5_3b")
    assert not lake.runs.exists()


def test_nano_keeps_its_grounded_base_under_changes_that_fit(lake: Lake) -> None:
    folder = str(lake.bases / "small")
    for changes in ((), ("action_head_cfg.action_dim=48",), ("action_head_cfg.diffusion_model_cfg.dropout=0.3",)):
        run = asked(lake, *(f"model.changes.{change}" for change in changes))
        assert run.config().model.base == folder
    assert asked(lake, "model.base=random").config().model.base == "random"
    assert asked(lake, "model.base=base_nano").config().model.base == folder


@pytest.mark.parametrize(
    "change",
    [
        "action_head_cfg.diffusion_model_cfg.num_layers=1",
        "action_head_cfg.diffusion_model_cfg.num_layers=3",
        "action_head_cfg.num_target_vision_tokens=9",
        "action_head_cfg.action_dim=8",
        "eagle_cfg.text_config.rope_theta=5.0",
        "eagle_cfg.vision_config.image_size=64",
        "action_head_cfg.vl_self_attention_cfg.num_layers=2",
    ],
)
def test_changes_that_the_base_does_not_survive_are_refused_with_the_way_out(lake: Lake, change: str) -> None:
    with pytest.raises(ConfigError, match=r"model.*; leave them out, .*--set model\.base=random"):
        asked(lake, f"model.changes.{change}")


def test_a_base_that_is_damaged_is_named_before_the_run(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    make_base(folder, Model(base="random", changes=SMALL), ["a"], 0)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is cut short or damaged"):
        asked(lake, f"model.base={folder}")


def test_the_graph_asks_for_the_grounded_base_only_where_a_run_takes_it(lake: Lake) -> None:
    def needs(*settings: str, **fields: str) -> bool:
        return needs_grounded_base(lake, GR1, FinetuneSettings(**fields, settings=[*settings]))

    assert needs() and needs(recipe="gr1_nano_embedding")
    assert not needs("model.base=random") and not needs("model.base=x") and not needs(recipe="gr1_n1_5_3b")
    with pytest.raises(MissingInput, match="has no base_nano yet; run `gr00t ground`"):
        other = Lake(lake.root / "other")
        for name in ("mixture_gr1", "norm_stats_gr1"):
            copied = other.root / f"{name}.json"
            copied.parent.mkdir(exist_ok=True)
            copied.write_bytes((lake.root / f"{name}.json").read_bytes())
            other.point(name, copied, "digest")
        asked(other)


def test_opening_line_and_record_name_the_base(
    tiny: TinyLake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = prepare_run(tiny.config(steps=1), tmp_path)
    train(fresh, StopRequest())
    assert "base: random weights, as asked" in capsys.readouterr().out
    record = Record.load(fresh.checkpoint)
    assert record.base == "random weights, as asked" and record.versions.base == base_digest(fresh.fresh_base)
    model = Model(base=str(fresh.fresh_base))
    second = prepare_run(tiny.config(steps=1, model=model), tmp_path)
    train(second, StopRequest())
    told = f"{fresh.fresh_base} (digest {base_digest(fresh.fresh_base)[:16]})"
    assert f"base: {told}" in capsys.readouterr().out
    assert Record.load(second.checkpoint).base == told


def test_a_base_may_be_wider_and_keeps_its_sizes(lake: Lake) -> None:
    model = Model(base=str(lake.bases / "small"), changes={"action_head_cfg.max_state_dim": 80})
    assert settled_sizes(model).action_head.max_state_dim == 80
    assert settled_sizes(Model(base="random", changes=SMALL)).backbone.vision.image_size == 32
