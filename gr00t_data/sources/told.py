"""What a person says of a drop because its files do not: by options, or in the marker of the drop."""

from dataclasses import dataclass
from typing import Literal

QuaternionOrder = Literal["wxyz", "xyzw"]
"""Whether the real part of a quaternion is written first or last."""


@dataclass(frozen=True)
class Told:
    """What was said; None where nothing was.

    Attributes:
        fps: rows a second of a recording without stamps.
        quaternions: the order in which its quaternions are written.
        instruction: what the robot was asked to do in episodes, or rows, that do not say it.
    """

    fps: float | None = None
    quaternions: QuaternionOrder | None = None
    instruction: str | None = None

    def over(self, other: "Told") -> "Told":
        """What this says, and what the other says of the rest."""
        instruction = self.instruction or other.instruction
        return Told(self.fps or other.fps, self.quaternions or other.quaternions, instruction)

    @property
    def options(self) -> str:
        """What is said of recordings only, as options of `gr00t ingest`; empty where nothing was said."""
        said = (("fps", self.fps and f"{self.fps:g}"), ("quaternions", self.quaternions))
        return " ".join(f"--{name} {value}" for name, value in said if value)
