"""Changing a TrainConfig from the shell: ``--set a.b=c``."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from gr00t_model.loop.config import ConfigError, nearest
from gr00t_model.training.config import TrainConfig, tune_named


def override(config: TrainConfig, settings: Sequence[str]) -> TrainConfig:
    """``config`` with each ``a.b=c`` applied in order; values are JSON, or plain text where JSON fails.

    Raises:
        ConfigError: not of that form, an unknown field (with the nearest known one), or a value that does not fit.
    """
    made = TrainConfig.from_dict(changed_fields(config.to_dict(), settings))
    _require_effect(made, [setting.partition("=")[0].strip() for setting in settings])
    return made


def _require_effect(config: TrainConfig, names: Sequence[str]) -> None:
    for name in names:
        for idle, why in _idle(config):
            if name == idle or (idle.endswith(".") and name.startswith(idle) and name not in _SWITCHES):
                raise ConfigError(f"--set {name}: would have no effect: {why}")


_SWITCHES = ("model.flare.on", "model.flare.pretrain_embedding", "model.lora.rank")


def _idle(config: TrainConfig) -> Iterator[tuple[str, str]]:
    """(field, or the start of fields; why it does nothing) in a configuration."""
    model, flare = config.model, config.model.flare
    yield "recipe", "it only names the run; choose another recipe with --recipe"
    yield "earlier", "a run that goes on writes it itself"
    if model.base_folder is not None:
        yield "model.preset", f"the sizes are those of model.base={model.base}"
    if not model.lora.on:
        yield "model.lora.", "model.lora.rank=0 switches the adapters off; set model.lora.rank"
    if flare.pretrain_embedding:
        yield "model.flare.", "model.flare.pretrain_embedding=true learns an embedding and aligns to none"
    elif not flare.on:
        yield "model.flare.", "model.flare.on=false switches the alignment off"
    elif flare.target != "action_aware":
        yield "model.flare.embedding", f"the target is {flare.target}; set model.flare.target=action_aware"
    if not model.tune.projector:
        yield "model.train_all_slots", "model.tune.projector=false trains no slot"
    if config.optimizer.schedule == "constant":
        yield "optimizer.final_lr_share", "optimizer.schedule=constant does not fall"
    cached = config.cache_features and model.backbone_frozen
    if not cached:
        why = "cache_features=false" if not config.cache_features else "the backbone trains"
        yield "cache_dtype", f"{why}, so no features are kept"
    if config.cache_features and not model.backbone_frozen:
        yield "cache_features", "the backbone trains, so its features change at every step"
    if config.data.order == "clips" and cached:
        yield "data.order", "features are kept for every frame; set cache_features=false"
    if config.data.order == "clips" and not cached:
        yield "data.cache_budget_gb", "data.order=clips decodes as it goes and keeps no frames"


def changed_fields(fields: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """The dictionary of a configuration with each ``a.b=c`` applied in order; see ``override``."""
    for setting in settings:
        dotted, sign, text = setting.partition("=")
        if not sign:
            raise ConfigError(f"--set {setting}: expected FIELD=VALUE, for example --set optimizer.lr=3e-4")
        _assign(fields, dotted.strip(), _value(text.strip()))
    return fields


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False}.get(text, text)


def _assign(fields: dict[str, Any], dotted: str, value: Any) -> None:
    if dotted.startswith("model.changes."):
        fields["model"]["changes"][dotted.removeprefix("model.changes.")] = value
        return
    if dotted == "model.tune":
        fields["model"]["tune"] = tune_named(str(value))
        return
    known = list(_dotted(fields))
    if dotted not in known:
        raise ConfigError(f"--set {dotted}: no such field; {nearest(dotted, known)}")
    *path, last = dotted.split(".")
    for name in path:
        fields = fields[name]
    fields[last] = value


def _dotted(fields: dict[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in fields.items():
        nested = isinstance(value, dict) and key != "changes"
        names += _dotted(value, f"{prefix}{key}.") if nested else [f"{prefix}{key}"]
    return names
