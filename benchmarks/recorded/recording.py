"""The folder of recorded numbers, and what comparing with it means.

The folder is named by ``GR00T_PARITY`` (default: ``../shared/parity`` beside the repository), real demonstrations by
``GR00T_SHARED_DATA`` (default: ``../shared/data``). Sizes, names and seeds are read from there, so another recording of
the same layout works too.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file as load_tensors
from torch import Tensor

from gr00t_data.store.store import EpisodeStore

SHARED = Path(__file__).parents[3] / "shared"
TENSOR, LOSS, NORM = 1e-5, 2e-6, 2e-5
"""Largest difference over the largest recorded magnitude, about ten times the rounding of float32 measured when the
numbers were recorded (1.3e-6 for outputs); losses are sums of many terms and keep more digits."""
ZERO_GRADIENT = 1e-6
"""Absolute. A bias of keys shifts all scores of a query alike and has no gradient in exact arithmetic."""
NO_GRADIENT = ("attn1.to_k.bias", "k_proj.bias")
EXACT = 0.0


class Absent(Exception):
    """What a comparison needs is not here; the message says what, and where it was looked for."""


@dataclass(frozen=True)
class Comparison:
    """One recorded vector against ours.

    Attributes:
        vector: file and name in it, for example ``outputs/train.loss``.
        group: the line of the table it is counted in.
        error: what ``tolerance`` bounds: relative, absolute or (tolerance 0) the number of elements that differ.
        note: why the tolerance is another one, or which part was compared.
    """

    vector: str
    group: str
    error: float
    tolerance: float
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        return f"{self.vector}: error {self.error:.2e}, tolerance {self.tolerance:.0e} {self.note}".rstrip()


Comparisons = Iterator[Comparison]


@dataclass(frozen=True)
class Item:
    """One folder of recorded numbers."""

    folder: Path

    def tensors(self, name: str) -> dict[str, Tensor]:
        return load_tensors(self.folder / f"{name}.safetensors")

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        return load_arrays(self.folder / f"{name}.safetensors")

    def json(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())

    @property
    def recorded(self) -> list[str]:
        """The names of the recorded outputs."""
        path = self.folder / "outputs.safetensors"
        if not path.is_file():
            return []
        with safe_open(path, "np") as file:
            return [f"outputs/{name}" for name in file.keys()]  # noqa: SIM118 (a file, not a mapping)


@dataclass(frozen=True)
class Recordings:
    """All recorded items, and the demonstration that some of them were recorded on."""

    root: Path
    data: Path

    @classmethod
    def from_environment(cls) -> "Recordings":
        root = os.environ.get("GR00T_PARITY", SHARED / "parity")
        return cls(Path(root), Path(os.environ.get("GR00T_SHARED_DATA", SHARED / "data")))

    def item(self, name: str) -> Item:
        """Raises Absent when the recording does not have it."""
        if not (self.root / name).is_dir():
            raise Absent(f"no recorded numbers at {self.root / name} (set GR00T_PARITY)")
        return Item(self.root / name)

    def demonstration(self) -> EpisodeStore:
        """The published PickNPlace demonstration. Raises Absent when it is not here."""
        folder = self.data / "teleop/robot_sim.PickNPlace"
        if not folder.is_dir():
            raise Absent(f"no real data at {folder} (set GR00T_SHARED_DATA)")
        return EpisodeStore.open(folder)


def close(found: Any, recorded: Any, vector: str, group: str, tolerance: float = TENSOR, note: str = "") -> Comparison:
    """Largest difference over the largest recorded magnitude; infinite for another shape."""
    ours, theirs = _numbers(found), _numbers(recorded)
    if ours.shape != theirs.shape:
        note = f"shape {list(ours.shape)}, recorded {list(theirs.shape)}"
        return Comparison(vector, group, float("inf"), tolerance, note)
    scale = float(np.abs(theirs).max(initial=0)) or 1.0
    error = float(np.abs(ours - theirs).max(initial=0)) / scale
    return Comparison(vector, group, error if np.isfinite(error) else float("inf"), tolerance, note)


def within(found: Any, recorded: Any, vector: str, group: str, tolerance: float, note: str = "") -> Comparison:
    """Largest absolute difference; infinite for another shape."""
    ours, theirs = _numbers(found), _numbers(recorded)
    same = ours.shape == theirs.shape
    error = float(np.abs(ours - theirs).max(initial=0)) if same else float("inf")
    return Comparison(vector, group, error if np.isfinite(error) else float("inf"), tolerance, note)


def equal(found: Any, recorded: Any, vector: str, group: str, note: str = "") -> Comparison:
    """How many elements differ (of a text, a list or an array); all of them for another shape."""
    if isinstance(recorded, str | bool | int | tuple | list | dict | set):
        return Comparison(vector, group, float(found != recorded), EXACT, note)
    ours, theirs = np.asarray(found), np.asarray(recorded)
    differing = (ours != theirs).sum() if ours.shape == theirs.shape else max(theirs.size, 1)
    return Comparison(vector, group, float(differing), EXACT, note)


def _numbers(values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().to(torch.float64).cpu()
    return np.asarray(values, dtype=np.float64)


def uncompared(item: Item, comparisons: Iterable[Comparison]) -> list[str]:
    """Recorded outputs that no comparison looked at."""
    seen = {comparison.vector for comparison in comparisons}
    return [name for name in item.recorded if name not in seen]
