"""The paths in a training configuration, as its file holds them and as they are used: a lake may be moved. No torch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gr00t_data.lake import located, portable, root_above
from gr00t_model.loop.config import RANDOM_BASE

_OF_A_MIXTURE = ("manifest", "statistics", "embodiment")


def portable_fields(config: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """A configuration as ``file`` holds it: what lies in the lake of the file is named relative to it."""
    return _with_paths(config, lambda path: portable(path, file))


def located_fields(config: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """A configuration that ``file`` holds, with the paths of today."""
    made = _with_paths(config, lambda path: located(path, file))
    root, data = root_above(file), made.get("data")
    if root is None or not isinstance(data, Mapping) or not data.get("cache"):
        return made
    return {**made, "data": {**data, "cache": str(root / data["cache"])}}  # a cache need not be there yet


def _with_paths(config: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    def told(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
        return {**fields, **{name: change(fields[name]) for name in names if _is_path(name, fields.get(name))}}

    made = dict(config)
    if isinstance(data := config.get("data"), Mapping):
        also = [told(one, *_OF_A_MIXTURE) for one in data.get("also") or ()]
        made["data"] = told(data, *_OF_A_MIXTURE, "cache") | ({"also": also} if "also" in data else {})
    if isinstance(model := config.get("model"), Mapping):
        made["model"] = told(model, "base", "tokenizer")
        if isinstance(flare := model.get("flare"), Mapping):
            made["model"]["flare"] = told(flare, "embedding")
    return made


def _is_path(name: str, value: object) -> bool:
    """Names of bundled robots, and `random`, are none."""
    if not isinstance(value, str) or value in ("", RANDOM_BASE):
        return False
    return name != "embodiment" or "/" in value or value.endswith((".yaml", ".yml"))
