"""What a planted defect works on, and what is known about it afterwards."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from gr00t_data.sources.neural.rollout import Rollout

Frames = UInt8[np.ndarray, "t h w 3"]


class PlantError(ValueError):
    """A defect that this episode cannot have; the message says what it would need."""


@dataclass(frozen=True)
class Material:
    """One clean clip and what may be done with it.

    Attributes:
        frames: what the camera saw.
        other: the frames of another episode of the store, another scene.
        instruction, other_instruction: what the two were asked.
        rollout: the same episode in the simulator; None when it was not recorded there.
        strength: multiplies the stated size of every defect; 1 is what a poor generation shows.
        generator: the only source of chance.
    """

    frames: Frames
    other: Frames
    instruction: str
    other_instruction: str
    rollout: Rollout | None
    strength: float
    generator: np.random.Generator

    def staged(self) -> Rollout:
        """The roll-out. PlantError when there is none."""
        if self.rollout is None:
            raise PlantError("is planted by drawing the scene again, and the episode was not recorded in the simulator")
        return self.rollout


@dataclass(frozen=True)
class Planted:
    """A clip with a defect, and the truth about it.

    Attributes:
        frames: what the clip shows now.
        rows: int64 [T], the row of the episode that each frame shows: what the true actions are.
        span: first and last frame that are wrong.
        severity: how much, in ``unit``.
        instruction: what the clip is now said to show; None: as before.
        action: float64 [T, A], the actions it shows when they are no longer those of the episode; None: ``rows``.
    """

    frames: Frames
    rows: Int[np.ndarray, " t"]
    span: tuple[int, int]
    severity: float
    unit: str
    instruction: str | None = None
    action: Float[np.ndarray, "t a"] | None = None


Plant = Callable[[Material], Planted]


def every_row(frames: np.ndarray) -> np.ndarray:
    """int64 [T]: each frame shows its own row."""
    return np.arange(len(frames))


def middle_frame(material: Material) -> int:
    """A frame of the second or third quarter."""
    count = len(material.frames)
    return int(material.generator.integers(max(count // 4, 1), max(3 * count // 4, 2)))
