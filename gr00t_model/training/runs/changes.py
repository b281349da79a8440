"""The sizes of a model: a preset, or those of a folder, with the fields that ``model.changes`` replaces. No torch."""

import math
from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any

from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare.config import EmbeddingConfig
from gr00t_model.groot.presets import PRESETS
from gr00t_model.groot.section import Section
from gr00t_model.loop.config import ConfigError, flattened, nearest

_SET_ELSEWHERE = {
    "action_head_cfg.max_action_dim": "model.changes.action_head_cfg.action_dim",
    "action_head_cfg.tune_projector": "model.tune.projector",
    "action_head_cfg.tune_diffusion_model": "model.tune.diffusion_model",
    "backbone_cfg.tune_llm": "model.tune.llm",
    "backbone_cfg.tune_visual": "model.tune.visual",
    "flare_cfg.enabled": "model.flare.on",
    "flare_cfg.coefficient": "model.flare.coefficient",
    "flare_cfg.target": "model.flare.target",
    "flare_cfg.target_ema": "model.flare.target_ema",
    "flare_cfg.control": "model.flare.control",
    "flare_cfg.own_parts": "model.tune",
    "flare_cfg.pretraining": "model.flare.pretrain_embedding",
}
"""Fields of config.json that a run writes itself, and the setting that decides them: a change would have no effect."""


_EMBEDDING = "flare_cfg.embedding"


def preset_sizes(name: str, changes: Mapping[str, Any]) -> GrootConfig:
    """A preset with ``changes``.

    Raises:
        ConfigError: no such preset or field, or a value that the field cannot have.
    """
    if name not in PRESETS:
        raise ConfigError(f"model.preset: expected one of {', '.join(PRESETS)}, found {name!r}")
    return changed(PRESETS[name](), changes)


def changed(config: GrootConfig, changes: Mapping[str, Any]) -> GrootConfig:
    """``config`` with dotted fields of its dictionary replaced (``action_head_cfg.action_horizon``).

    Raises:
        ConfigError: no such field, one that something else decides, or a value that it cannot have.
    """
    values, known = config.to_dict(with_defaults=True), set(flattened(_bare(config).to_dict(with_defaults=True)))
    known = {*known, _EMBEDDING} - {"model_type", "action_dim", "action_horizon", "hidden_size", *_SET_ELSEWHERE}
    for dotted, value in changes.items():
        _require_known(dotted, known)
        *path, last = dotted.split(".")
        section: Any = values
        for name in path:
            section = section[name]
        section[last] = _fitting(dotted, section[last], value)
    return GrootConfig.from_dict(values)


def _bare(section: Any) -> Any:
    """A section without the fields that only its file knows: nothing reads those."""
    inner = {
        one.name: _bare(value) for one in fields_of(section) if isinstance(value := getattr(section, one.name), Section)
    }
    return replace(section, extra={}, **inner)


def _require_known(dotted: str, known: set[str]) -> None:
    if dotted in known:
        return
    if dotted in _SET_ELSEWHERE:
        raise ConfigError(
            f"model.changes.{dotted}: would have no effect, the run writes this itself; set {_SET_ELSEWHERE[dotted]}"
        )
    hint = nearest(f"model.changes.{dotted}", [f"model.changes.{name}" for name in sorted(known)])
    raise ConfigError(f"model.changes.{dotted}: the model has no field {dotted!r}; {hint}")


def _fitting(dotted: str, former: Any, value: Any) -> Any:
    """``value`` if it is of the kind that the field holds: sizes and counts at least 1, shares in [0, 1)."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(former, bool):
        expected, fits = "true or false", isinstance(value, bool)
    elif isinstance(former, int):
        least = 0 if former == 0 or dotted.endswith("_index") else 1
        expected, fits = f"a whole number from {least} on", number and value == int(value) >= least
        value = int(value) if fits else value
    elif isinstance(former, float):
        share = dotted.endswith("dropout")
        expected = "a number from 0 to below 1" if share else "a number from 0 on"
        fits = number and value >= 0 and (value < 1 or not share)
    elif isinstance(former, str):
        expected, fits = "a text", isinstance(value, str)
    elif dotted == _EMBEDDING:
        sizes = {one.name for one in fields_of(EmbeddingConfig)} - {"extra"}
        expected = f"null, or an object with some of {', '.join(sorted(sizes))}"
        fits = value is None or (isinstance(value, dict) and value.keys() <= sizes)
    else:
        return value
    if not fits:
        raise ConfigError(f"model.changes.{dotted}: expected {expected}, found {value!r}")
    return value
