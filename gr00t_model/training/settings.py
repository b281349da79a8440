"""Changing a TrainConfig from the shell: ``--set a.b=c``."""

import difflib
import json
from collections.abc import Sequence
from typing import Any

from gr00t_model.loop.config import ConfigError
from gr00t_model.training.config import TrainConfig, tune_named


def override(config: TrainConfig, settings: Sequence[str]) -> TrainConfig:
    """``config`` with each ``a.b=c`` applied in order; values are JSON, or plain text where JSON fails.

    Raises:
        ConfigError: not of that form, an unknown field (with the nearest known one), or a value that does not fit.
    """
    return TrainConfig.from_dict(changed_fields(config.to_dict(), settings))


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
        near = difflib.get_close_matches(dotted, known, n=1, cutoff=0.5)
        near = near or [name for name in known if name.rsplit(".", 1)[-1] == dotted.rsplit(".", 1)[-1]]
        hint = f"did you mean {near[0]}?" if near else f"known fields: {', '.join(known)}"
        raise ConfigError(f"--set {dotted}: no such field; {hint}")
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
