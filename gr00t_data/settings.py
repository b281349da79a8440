"""Settings of one operation, which the library takes and from which the shell and the graph make their options."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Settings(BaseModel):
    """Checked when made, and never changed. Numbers are finite, and true or false is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name].annotation if info.field_name in cls.model_fields else None
        if isinstance(value, bool) and kind in (int, float):
            raise ValueError("expected a number")
        return value
