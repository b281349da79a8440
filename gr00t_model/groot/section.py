"""A part of the model's configuration, read from a JSON object and written back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self


class ConfigError(ValueError):
    """A configuration this model cannot be built from; the message names the field and what it accepts."""


@dataclass(frozen=True)
class Section:
    """A part of the configuration read from a JSON object; fields it does not know stay in ``extra``."""

    extra: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read it; ConfigError where the values are no object."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"{cls.__name__} is a JSON object, found {type(values).__name__}")
        known = {f.name for f in fields(cls)} - {"extra"}
        extra = {k: v for k, v in values.items() if k not in known}
        return cls(**{k: v for k, v in values.items() if k in known}, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        return {**self.extra, **{k: v.to_dict() if isinstance(v, Section) else v for k, v in own.items()}}
