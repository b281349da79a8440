"""What is taken for generated clips that do not say it themselves: settings that library and shell share."""

from pydantic import Field

from gr00t_data.settings import Settings


class ClipsMade(Settings):
    """How clips came to be, where neither their names nor a manifest say it."""

    fps: float | None = Field(
        default=None,
        gt=0,
        description="Frames a second of the motion; by default the container's rate, which nobody verified.",
    )
    view: str | None = Field(default=None, description="single, grid_2x2 or gr1_crop; probed by default.")
    made: dict[str, str] = Field(default={}, description="Provenance, KEY=VALUE: model, adapter_sha256, seed, ...")
