"""Settings of one operation, which the library takes and from which the shell and the graph make their options."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Checked when made, and never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
