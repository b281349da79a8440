"""A part's rotation, converted from the representation it is stored in to the one the model sees."""

from dataclasses import dataclass

import numpy as np

from gr00t_data.rotations import WIDTHS, convert

__all__ = ["WIDTHS", "Rotate", "convert"]


@dataclass(frozen=True)
class Rotate:
    """Convert a part from the rotation it is stored in to the one the model sees; ``inverse`` goes back."""

    source: str
    target: str

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """[..., WIDTHS[source]] to [..., WIDTHS[target]]."""
        return convert(values, self.source, self.target)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """[..., WIDTHS[target]] to [..., WIDTHS[source]]."""
        return convert(values, self.target, self.source)
