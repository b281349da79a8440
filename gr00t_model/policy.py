"""Policy: a checkpoint that acts. Observations and actions have the published GR00T keys; values are in their units."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.published_video import PublishedVideo
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.batches.transforms.transforms import build_transforms
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.horizon import chunk_steps
from gr00t_data.video import files as video
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import Prompt
from gr00t_model.groot.weights.published_folder import is_published, open_published
from gr00t_model.training.checkpoint import Checkpoint

Observation = Mapping[str, Any]
Actions = dict[str, np.ndarray]

_VIDEO_NDIM = 4


class ObservationError(ValueError):
    """An observation the policy cannot act on; the message names the key, what was found and what is expected."""


def _name_of(embodiment: str | Path | Embodiment | None) -> str | None:
    if embodiment is None or isinstance(embodiment, Embodiment):
        return None if embodiment is None else embodiment.name
    if isinstance(embodiment, Path) or embodiment.endswith((".yaml", ".yml")):
        return load_embodiment(embodiment).name
    return embodiment


@dataclass(frozen=True)
class _Rows:
    """An observation with its batch dimension made explicit."""

    images: np.ndarray  # uint8 [B, V, H, W, 3], at the size of the model
    state: dict[str, np.ndarray]  # part -> float64 [B, D]
    instructions: list[str]
    single: bool


class Policy:
    """Maps an observation to the next chunk of actions.

    Keys of an observation (``T`` is 1; the leading ``B`` may be left out, and is then left out of the answer too):

    - ``video.<camera>``: uint8 [B, T, H, W, 3] RGB of any size, resized as in training.
    - ``state.<part>``: float [B, T, D] in the unit of the part.
    - ``annotation.<...>``: the instruction, a list of B texts (or one text for all rows).

    Keys of an answer: ``action.<part>``: float32 [B, horizon, D] in the unit of the part.
    """

    def __init__(
        self,
        model: Groot,
        prompt: Prompt,
        embodiment: Embodiment,
        statistics: NormStats,
        selection: str | None = None,
        *,
        acting_steps: int | None = None,
        denoising_steps: int | None = None,
        seed: int = 0,
        centre_crop: bool = False,
    ) -> None:
        """Args:
        acting_steps: steps of a chunk that were learnt, the first ones; None is all that the embodiment has.
        centre_crop: take the middle 0.95 of a picture, for a model that was trained on random crops.
        """
        self.model = model.eval()
        self.prompt = prompt
        self.embodiment = embodiment
        self.selection = embodiment.selection(selection)
        self.denoising_steps = denoising_steps
        self.seed = seed
        side = model.config.backbone.vision.image_size
        self._crop = PublishedVideo(size=(side, side)) if centre_crop else None
        head = model.config.action_head
        self.horizon = chunk_steps(embodiment, head.action_horizon, acting_steps)
        self._state, self._action = build_transforms(
            embodiment, self.selection.name, statistics, head.max_state_dim, head.action_dim
        )

    @classmethod
    def from_checkpoint(
        cls,
        folder: Path | str,
        *,
        embodiment: str | Path | Embodiment | None = None,
        selection: str | None = None,
        tag: str | None = None,
        tokenizer: Path | str | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        denoising_steps: int | None = None,
        seed: int = 0,
        published_behaviour: bool = False,
    ) -> Self:
        """The policy of a checkpoint folder: of a run of ours, or as published (nvidia/GR00T-N1.5-3B).

        Args:
            embodiment: which robot acts. A run on several embodiments holds all of them (None: the first); a published
                folder needs it.
            selection: parts and cameras of that robot; None: those the run was trained on, or the robot's default.
            tag: published folders: which statistics and slot to use; None is the robot's name.
            tokenizer: published folders: where the tokenizer lies; None looks inside the folder.
            dtype: of the weights (bfloat16 is the published choice on a GPU); None keeps what is stored.
            published_behaviour: write the instruction as the published policy does, ``['text']`` with brackets.

        Raises:
            CheckpointError: the folder is not a checkpoint, not one of this version, or does not know the embodiment.
            MetadataError: a published folder without statistics of the embodiment.
            PromptError: a published folder without a tokenizer.
        """
        settings: dict[str, Any] = {"denoising_steps": denoising_steps, "seed": seed}
        if is_published(folder):
            found = open_published(folder, embodiment, selection, tag=tag, tokenizer=tokenizer, dtype=dtype)
            found.prompt.published_behaviour = published_behaviour
            model = found.model.to(device)
            return cls(model, found.prompt, found.embodiment, found.statistics, selection, **settings)
        checkpoint = Checkpoint.load(folder)
        member = checkpoint.member(_name_of(embodiment), selection)
        prompt = checkpoint.prompt()
        prompt.published_behaviour = published_behaviour
        model = checkpoint.model(device)
        if dtype is not None:
            model.to(dtype)
        return cls(
            model,
            prompt,
            member.embodiment,
            member.statistics,
            member.manifest.selection,
            acting_steps=member.acting_steps,
            centre_crop=checkpoint.train_config.data.augment,
            **settings,
        )

    @property
    def units(self) -> dict[str, str]:
        """The unit of each ``action.<part>``."""
        return {f"action.{name}": self.embodiment.action_part(name).unit for name in self.selection.action}

    @torch.no_grad()
    def get_action(
        self, observation: Observation, *, seed: int | None = None, denoising_steps: int | None = None
    ) -> Actions:
        """The next chunk. The same observation, seed and steps give the same actions.

        Args:
            seed: of the noise the actions are denoised from; default: the policy's own, the same at every call.
            denoising_steps: Euler steps; default: the policy's, else the model's.

        Raises:
            ObservationError: a key is missing or of a wrong shape or type.
        """
        rows = self._rows(observation)
        batch = self._batch(rows).to(self.model.device)
        generator = torch.Generator(device=self.model.device)
        generator.manual_seed(self.seed if seed is None else seed)
        normalised = self.model.get_action(batch, denoising_steps or self.denoising_steps, generator)
        parts = self._action.inverse(normalised[:, : self.horizon].float().cpu().numpy().astype(np.float64))
        answer = {f"action.{name}": values.astype(np.float32) for name, values in parts.items()}
        return {key: values[0] for key, values in answer.items()} if rows.single else answer

    def batch_of(self, observation: Observation) -> Batch:
        """What the model is given for an observation, on its device; ObservationError as in ``get_action``."""
        return self._batch(self._rows(observation)).to(self.model.device)

    def _batch(self, rows: _Rows) -> Batch:
        state = torch.from_numpy(self._state(rows.state).astype(np.float32))[:, None]
        ids, mask = self.prompt(rows.instructions, len(self.selection.cameras))
        real = torch.from_numpy(np.broadcast_to(self._state.pad.mask, state.shape).copy())
        slots = torch.full((len(state),), self.embodiment.slot, dtype=torch.int64)
        images = torch.from_numpy(rows.images)
        return Batch(
            state=state, state_mask=real, embodiment_id=slots, images=images, input_ids=ids, attention_mask=mask
        )

    def _rows(self, observation: Observation) -> _Rows:
        self._check_keys(observation)
        frames = {name: np.asarray(observation[f"video.{name}"]) for name in self.selection.cameras}
        single = next(iter(frames.values())).ndim == _VIDEO_NDIM
        images = np.stack([self._image(name, array, single) for name, array in frames.items()], axis=1)
        state = {name: self._part(name, observation[f"state.{name}"], single) for name in self.selection.state}
        rows = {f"state.{name}": len(values) for name, values in state.items()} | {"video": len(images)}
        texts = self._instructions(observation[self.selection.language], len(images))
        if len(set(rows.values())) != 1:
            raise ObservationError(f"all keys must have the same number of rows, found {rows}")
        return _Rows(images, state, texts, single)

    def _check_keys(self, observation: Observation) -> None:
        wanted = [f"video.{name}" for name in self.selection.cameras]
        wanted += [f"state.{name}" for name in self.selection.state]
        wanted.append(self.selection.language)
        if missing := [key for key in wanted if key not in observation]:
            raise ObservationError(
                f"the observation lacks {', '.join(missing)}; the selection {self.selection.name!r} of "
                f"{self.embodiment.name!r} needs {', '.join(wanted)}"
            )

    def _image(self, name: str, frames: np.ndarray, single: bool) -> np.ndarray:
        """uint8 [B, size, size, 3]."""
        frames = frames[None] if single else frames
        if frames.dtype != np.uint8 or frames.ndim != _VIDEO_NDIM + 1 or frames.shape[1] != 1 or frames.shape[-1] != 3:
            raise ObservationError(
                f"video.{name}: expected uint8 [1, H, W, 3], or [B, 1, H, W, 3] for B rows, "
                f"found {frames.dtype} {list(frames.shape[1:] if single else frames.shape)}"
            )
        side = self.model.config.backbone.vision.image_size
        if self._crop is not None:
            return self._crop(torch.from_numpy(np.ascontiguousarray(frames)))[:, 0].numpy()
        return frames[:, 0] if frames.shape[2:4] == (side, side) else video.resize(frames[:, 0], (side, side))

    def _part(self, name: str, values: Any, single: bool) -> np.ndarray:
        """float64 [B, D]."""
        found = np.asarray(values, dtype=np.float64)
        array = found[None] if single else found
        width = self.embodiment.state_part(name).dim
        if array.ndim != 3 or array.shape[1:] != (1, width):
            expected = f"[1, {width}]" if single else f"[B, 1, {width}]"
            raise ObservationError(f"state.{name}: expected {expected} as the video has, found {list(found.shape)}")
        if not np.isfinite(array).all():
            raise ObservationError(f"state.{name}: holds NaN or infinity; check the sensor before acting on it")
        return array[:, 0]

    def _instructions(self, given: Any, rows: int) -> list[str]:
        texts = [given] if isinstance(given, str) else [str(text) for text in given]
        if len(texts) == 1:
            texts = texts * rows
        if len(texts) != rows or not all(text.strip() for text in texts):
            raise ObservationError(
                f"{self.selection.language}: expected {rows} non-empty texts, found {list(map(str, texts))!r}"
            )
        return texts
