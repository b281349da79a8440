"""What a policy does at its bounds. Nothing heavy: the shell reads it for its help."""

from typing import Literal

from pydantic import Field

from gr00t_data.settings import Settings


class Bounds(Settings):
    """What a policy does at its bounds. Actions that are not finite are refused whatever is said here."""

    far_state: Literal["warn", "refuse"] = Field(
        default="warn", description="A state far outside what training saw (degrees for radians)."
    )
    far_spans: float = Field(
        default=1.0, ge=0, description="How far is far: beyond the smallest and largest value, in their distance."
    )
    blank: Literal["warn", "refuse"] = Field(
        default="warn", description="A state of zeros, or a picture of one colour."
    )
    action: Literal["clip", "refuse", "keep"] = Field(
        default="clip",
        description="An action beyond the robot's limits (where its YAML has none: far outside what training "
        "commanded): cut to them, no answer, or left as it is.",
    )
    action_margin: float = Field(
        default=0.01, ge=0, description="Share of a limit's range by which it may be exceeded without being counted."
    )
