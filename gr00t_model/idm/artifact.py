"""A trained inverse dynamics model as a folder: weights, sizes, timing, the robot and its statistics.

``config.json`` and ``model.safetensors`` have the published layout; ``idm.json`` adds what a published folder does not
say and labelling cannot do without.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import save_file
from torch import Tensor

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.batches.transforms.transforms import VectorTransform, require_switches, vector_transform
from gr00t_data.disk import digest_json, read_json, replacing_folder, write_json, write_text
from gr00t_data.embodiment.robot import Embodiment, Part, load_embodiment
from gr00t_data.integrity import digests_of, require_intact, write_record
from gr00t_model.groot.weights.nvidia import WeightsError
from gr00t_model.idm.config import IMAGE_TOKEN, IdmConfig
from gr00t_model.idm.model import Idm, IdmBatch
from gr00t_model.idm.timing import Timing
from gr00t_model.idm.weights import load

FORMAT = 1
_FACTS = "idm.json"
_REPORT = "report.json"
"""Of its evaluation, written beside it afterwards."""


@dataclass(frozen=True)
class Robot:
    """What a model reads and predicts.

    Attributes:
        selection: of the embodiment: which cameras, which parts of the action, normalised how.
        statistics: of the training episodes' actions.
        standardised: values that the embodiment scales by their extremes have mean 0 and standard deviation 1 instead.
            Noise is as wide as that: by their extremes, angles that mostly rest somewhere drown in it.
    """

    embodiment: Embodiment
    selection: str | None
    statistics: NormStats
    standardised: bool = False

    @property
    def cameras(self) -> tuple[str, ...]:
        """The views, in order."""
        return self.embodiment.selection(self.selection).cameras

    @property
    def parts(self) -> list[Part]:
        """The predicted parts of the action, side by side in this order."""
        return [self.embodiment.action_part(name) for name in self.embodiment.selection(self.selection).action]

    def transform(self, padded: int) -> VectorTransform:
        """Actions in their units to the model's ``padded`` values, and back. Rotations keep their representation."""
        modes = self.embodiment.selection(self.selection).action_normalization
        statistics = self.statistics.action
        require_switches("action", self.parts, modes, statistics)
        if self.standardised:
            # Bounds one standard deviation from the mean: the same numbers, and constants stay constants.
            statistics = {name: _one_std_around(one) for name, one in statistics.items()}
        return vector_transform(self.parts, modes, {}, statistics, padded)


def _one_std_around(values: PartStatistics) -> PartStatistics:
    mean, std = np.array(values.mean), np.array(values.std)
    return replace(values, min=tuple((mean - std).tolist()), max=tuple((mean + std).tolist()))


@dataclass(frozen=True)
class Artifact:
    """A model ready to label.

    Attributes:
        facts: how it was made: stores, held-out episodes, steps, seed.
    """

    model: Idm
    timing: Timing
    robot: Robot
    facts: dict[str, Any]
    digest: str = ""

    @cached_property
    def transform(self) -> VectorTransform:
        """Of the action."""
        return self.robot.transform(self.model.config.action_dim)

    @property
    def image_size(self) -> int:
        """Pixels of a side."""
        return self.model.config.vision.image_size


def pixels_of(pictures: UInt8[Tensor, "n s s 3"]) -> Float[Tensor, "n 3 s s"]:
    """Pictures as the model sees them, in [-1, 1]."""
    return (pictures.permute(0, 3, 1, 2).float() - 127.5) / 127.5


def batch_of(
    config: IdmConfig,
    slot: int,
    pictures: UInt8[Tensor, "b i s s 3"],
    action: Tensor | None = None,
    action_mask: Tensor | None = None,
) -> IdmBatch:
    """Rows of images (time-major, then cameras) as the model sees them.

    ValueError when a row has more images than the model has places for; the published code drops them in silence.
    """
    rows, images = pictures.shape[:2]
    places = _places(config, slot, rows, images, pictures.device)
    return IdmBatch(images=pixels_of(pictures.flatten(0, 1)), action=action, action_mask=action_mask, **places)


def batch_of_seen(config: IdmConfig, slot: int, seen: Float[Tensor, "b i q w"]) -> IdmBatch:
    """The same rows when the model has looked at their images before (``Idm.look``)."""
    rows, images = seen.shape[:2]
    return IdmBatch(images=None, seen=seen.flatten(0, 1), **_places(config, slot, rows, images, seen.device))


def _places(config: IdmConfig, slot: int, rows: int, images: int, device: torch.device) -> dict[str, Tensor]:
    if images > config.max_num_views:
        raise ValueError(
            f"{images} images a row, the model has places for {config.max_num_views}; choose fewer cameras"
        )
    return {
        "view_ids": torch.arange(images, device=device).repeat(rows),
        "token_ids": torch.full((rows, images * config.tokens_per_image), IMAGE_TOKEN, device=device),
        "embodiment_id": torch.full((rows,), slot, device=device),
    }


def choose_device(name: str) -> torch.device:
    """``auto`` is the first GPU where there is one, else the CPU.

    Raises:
        ValueError: no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} is not there ({error}); use cpu, or auto") from error
    return device


def save_artifact(artifact: Artifact, folder: Path) -> Path:
    """Write everything in one step."""
    with replacing_folder(folder, over=True) as temporary:
        write_json(temporary / "config.json", artifact.model.config.to_dict())
        tensors = {
            name: tensor.detach().cpu().contiguous().clone() for name, tensor in artifact.model.state_dict().items()
        }
        save_file(tensors, temporary / "model.safetensors")
        write_text(temporary / "embodiment.yaml", artifact.robot.embodiment.text)
        artifact.robot.statistics.save(temporary / "statistics.json")
        robot = artifact.robot
        own = {"format": FORMAT, "timing": asdict(artifact.timing), "selection": robot.selection}
        own |= {"standardised": robot.standardised, "embodiment": robot.embodiment.name}
        write_json(temporary / _FACTS, {**artifact.facts, **own})
        write_record(temporary, free=(_REPORT,))
    return folder


def load_artifact(folder: Path | str, device: str = "cpu") -> Artifact:
    """Read a folder that ``gr00t idm train`` left, in eval mode.

    Args:
        device: where the model computes: cpu, cuda, cuda:1, auto (``choose_device``).

    Raises:
        ValueError: no such device.
        IntegrityError: a file is not the one that was recorded when the model was made.
        WeightsError: files are missing or do not fit each other; a published folder, which has no ``idm.json``.
        TimingError: it does not say its time step.
    """
    folder = Path(folder)
    if not (folder / _FACTS).is_file():
        raise WeightsError(
            f"{folder}: has no {_FACTS}, so nobody knows its robot, statistics and time step; give a folder that "
            "`gr00t idm train` left (published checkpoints state none of them)"
        )
    facts = read_json(folder / _FACTS)
    timing = Timing.from_dict(facts.get("timing", {}), str(folder / _FACTS))
    embodiment = load_embodiment(folder / "embodiment.yaml")
    statistics = NormStats.load(folder / "statistics.json")
    robot = Robot(embodiment, facts.get("selection"), statistics, bool(facts.get("standardised")))
    names = ("config.json", "model.safetensors", "embodiment.yaml", "statistics.json", _FACTS)
    model = load(folder).to(choose_device(device))
    require_intact(folder, asked=True)  # after reading, which says more exactly what is wrong with what cannot be read
    files = {name: value for name, value in digests_of(folder).items() if name in names}
    return Artifact(model, timing, robot, facts, digest_json(files))
