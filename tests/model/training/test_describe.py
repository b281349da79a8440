"""`gr00t model`: names, shapes and counts of presets and of checkpoint folders, without reading weights."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gr00t_model.groot.config import FlareConfig
from gr00t_model.groot.weights.nvidia import WeightsError, save
from gr00t_model.loop.config import ConfigError
from gr00t_model.training.describe import describe_folder, preset_config, shapes_of
from tests.model.small import small_model
from tests.shell import invoke


def test_the_preset_is_the_published_model(tmp_path: Path):
    result = invoke(["model", "--preset", "n1_5_3b", "--shapes", str(tmp_path / "shapes.json"), "--json"])
    facts = json.loads(result.stdout)
    assert facts["tensors"] == 899 == len(json.loads((tmp_path / "shapes.json").read_text()))
    parts = facts["parameters"]
    assert (parts["total"], parts["action head"], parts["diffusion transformer"]) == (
        2_724_163_520,
        1_068_806_144,
        550_386_688,
    )
    assert "flare" not in parts


def test_a_preset_can_be_changed():
    wide = shapes_of(preset_config("nano", ["action_head_cfg.action_dim=48"]), flare=True)
    assert wide["action_head.action_encoder.W1.W"][1] == 48
    assert any(name.startswith("flare.") for name in wide)
    with pytest.raises(ConfigError, match="no preset 'big'; expected one of nano, n1_5_3b"):
        preset_config("big")
    with pytest.raises(ConfigError, match=r"no field 'action_head_cfg\.size'"):
        preset_config("nano", ["action_head_cfg.size=1"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = small_model(flare=FlareConfig(enabled=False))
    model.backbone.bfloat16()
    save(model, tmp_path, 20_000)
    return tmp_path


def test_a_folder_says_what_it_holds(folder: Path):
    facts = describe_folder(folder)
    assert set(facts["types"]) == {"BF16", "F32"} and sum(facts["types"].values()) == facts["tensors"]
    assert (facts["action_dim"], facts["fits_config"], facts["statistics_of"]) == (5, "yes", [])
    shown = invoke(["model", "--folder", str(folder)]).stdout
    assert "action head" in shown and "fits_config: yes" in shown


def test_a_folder_that_does_not_fit_its_config_says_how(folder: Path):
    shard = sorted(folder.glob("*.safetensors"))[0]
    tensors = load_file(shard)
    name = next(iter(tensors))
    save_file({**tensors, name: torch.zeros(3)}, shard)
    assert f"1 of another shape: {name}: file [3]" in describe_folder(folder)["fits_config"]
    shard.write_bytes(b"")
    with pytest.raises(WeightsError, match=f"{shard.name} is cut short or damaged"):
        describe_folder(folder)


def test_one_model_must_be_named(tmp_path: Path):
    for arguments in ([], ["--preset", "nano", "--folder", str(tmp_path)]):
        result = invoke(["model", *arguments])
        assert "describe one model" in result.output
