"""A trained inverse dynamics model as a folder: weights, sizes, timing, the robot and its statistics.

``config.json`` and ``model.safetensors`` have the published layout; ``idm.json`` adds what a published folder does not
say and labelling cannot do without.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from safetensors.torch import save_file
from torch import Tensor

from gr00t_data.batches.statistics import NormStats
from gr00t_data.batches.transforms import VectorTransform, vector_transform
from gr00t_data.disk import digest_json, folder_digests, read_json, replacing_folder, write_json, write_text
from gr00t_data.embodiment import Embodiment, Part, load_embodiment
from gr00t_model.groot.nvidia_weights import WeightsError
from gr00t_model.idm.config import IMAGE_TOKEN, IdmConfig
from gr00t_model.idm.model import Idm, IdmBatch
from gr00t_model.idm.timing import Timing
from gr00t_model.idm.weights import load

FORMAT = 1
_FACTS = "idm.json"


@dataclass(frozen=True)
class Robot:
    """What a model reads and predicts.

    Attributes:
        selection: of the embodiment: which cameras, which parts of the action, normalised how.
        statistics: of the training episodes' actions.
    """

    embodiment: Embodiment
    selection: str | None
    statistics: NormStats

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
        return vector_transform(self.parts, modes, {}, self.statistics.action, padded)


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
    if images > config.max_num_views:
        raise ValueError(
            f"{images} images a row, the model has places for {config.max_num_views}; choose fewer cameras"
        )
    pixels = (pictures.flatten(0, 1).permute(0, 3, 1, 2).float() - 127.5) / 127.5
    device = pictures.device
    return IdmBatch(
        images=pixels,
        view_ids=torch.arange(images, device=device).repeat(rows),
        token_ids=torch.full((rows, images * config.tokens_per_image), IMAGE_TOKEN, device=device),
        embodiment_id=torch.full((rows,), slot, device=device),
        action=action,
        action_mask=action_mask,
    )


def save_artifact(artifact: Artifact, folder: Path) -> Path:
    """Write everything in one step."""
    with replacing_folder(folder) as temporary:
        write_json(temporary / "config.json", artifact.model.config.to_dict())
        tensors = {
            name: tensor.detach().cpu().contiguous().clone() for name, tensor in artifact.model.state_dict().items()
        }
        save_file(tensors, temporary / "model.safetensors")
        write_text(temporary / "embodiment.yaml", artifact.robot.embodiment.text)
        artifact.robot.statistics.save(temporary / "statistics.json")
        own = {"format": FORMAT, "timing": artifact.timing.to_dict(), "selection": artifact.robot.selection}
        write_json(temporary / _FACTS, {**artifact.facts, **own, "embodiment": artifact.robot.embodiment.name})
    return folder


def load_artifact(folder: Path | str) -> Artifact:
    """Read a folder that ``gr00t idm train`` left, in eval mode.

    Raises:
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
    robot = Robot(embodiment, facts.get("selection"), NormStats.load(folder / "statistics.json"))
    names = ("config.json", "model.safetensors", "embodiment.yaml", "statistics.json", _FACTS)
    files = {name: value for name, value in folder_digests(folder).items() if name in names}
    return Artifact(load(folder), timing, robot, facts, digest_json(files))
