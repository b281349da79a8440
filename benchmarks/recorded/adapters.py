"""Item 13: what LoRA wraps, trains and saves."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open

from benchmarks.recorded.recording import Comparison, Comparisons, Recordings, equal
from benchmarks.recorded.whole import whole_config
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.lora import ADAPTER_WEIGHTS, add_lora, lora_targets, save_adapter
from gr00t_model.groot.model import Groot

_SCOPES = {"action_head_only": "action_head", "full_model": "whole"}
_PREFIX = "base_model.model."  # of every name in peft's files

Shapes = Mapping[str, list[int]]


def lora(recordings: Recordings) -> Comparisons:
    """Names and shapes, of the action head alone and of the whole model (exact)."""
    recorded = recordings.item("lora").json("lora")
    config = recordings.item("full_model").json("config")
    for name, scope in _SCOPES.items():
        expected, settings = recorded[name], recorded[name]["peft_config"]
        model = Groot(GrootConfig.from_dict(whole_config(config, config["action_head_cfg"])))
        wrapped = sorted(lora_targets(model, scope))
        yield equal(wrapped, sorted(expected["wrapped_modules"]), f"lora/{name}/wrapped_modules", "wrapped modules")
        add_lora(model, recorded["rank"], settings["lora_alpha"], settings["lora_dropout"], scope)
        trained = {f"{_PREFIX}{key}": list(p.shape) for key, p in model.named_parameters() if p.requires_grad}
        yield _differing(trained, expected["trainable_parameters"], f"lora/{name}/trainable_parameters")
        yield _differing(_saved(model), expected["adapter_state_dict"], f"lora/{name}/adapter_state_dict")


def _saved(model: Groot) -> Shapes:
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(model, Path(folder), "a base")
        with safe_open(Path(folder, ADAPTER_WEIGHTS), "pt") as file:
            return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (not a mapping)


def _differing(found: Shapes, recorded: Shapes, vector: str) -> Comparison:
    """How many names are missing, too many, or of another shape."""
    names = set(found) | set(recorded)
    return Comparison(vector, "names and shapes", float(sum(found.get(n) != recorded.get(n) for n in names)), 0.0)
