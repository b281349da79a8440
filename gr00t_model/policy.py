"""Policy: a checkpoint that acts. Observations and actions have the published GR00T keys; values are in their units."""

import operator
import threading
import warnings
from dataclasses import dataclass, replace
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
from gr00t_model.acting import bounds as bounding
from gr00t_model.acting.bounds import ActingWarning, ActionError
from gr00t_model.acting.observation import Observation, Seen, read_observation
from gr00t_model.acting.onnx.folder import Robot, open_exported
from gr00t_model.acting.onnx.layout import OnnxError, is_onnx
from gr00t_model.acting.onnx.model import PartsModel
from gr00t_model.acting.report import ActingReport, Answer, Session
from gr00t_model.acting.running import Running, RunningError
from gr00t_model.acting.settings import Bounds
from gr00t_model.acting.values import ObservationError
from gr00t_model.groot.denoising import whole_steps
from gr00t_model.groot.flow import Overlap
from gr00t_model.groot.model import Groot
from gr00t_model.groot.packed import pack_linears
from gr00t_model.groot.prompt import Prompt, PromptError
from gr00t_model.groot.weights.eval_transform import centre_crop_of
from gr00t_model.groot.weights.published_folder import is_published, open_published
from gr00t_model.lineage.digests import require_unchanged
from gr00t_model.training.checkpoint import Checkpoint

Actions = dict[str, np.ndarray]

__all__ = ["ActionError", "Actions", "Bounds", "Observation", "ObservationError", "Policy", "Running", "RunningError"]


def _name_of(embodiment: str | Path | Embodiment | None) -> str | None:
    if embodiment is None or isinstance(embodiment, Embodiment):
        return None if embodiment is None else embodiment.name
    if isinstance(embodiment, Path) or embodiment.endswith((".yaml", ".yml")):
        return load_embodiment(embodiment).name
    return embodiment


@dataclass(frozen=True)
class _Opened:
    """What a folder holds that acts."""

    model: Groot | PartsModel
    prompt: Prompt
    robot: Robot
    centre_crop: bool
    verified: bool


def _opened(
    folder: Path,
    embodiment: str | Path | Embodiment | None,
    selection: str | None,
    tag: str | None,
    tokenizer: Path | str | None,
    device: torch.device,
    dtype: torch.dtype | None,
) -> _Opened:
    """Arguments and errors as of ``Policy.from_checkpoint``."""
    if is_onnx(folder):
        if device.type != "cpu" or (dtype, tag, tokenizer) != (None, None, None):
            raise OnnxError(f"{folder}: acts on the CPU as it was exported, without device, dtype, tag, tokenizer")
        exported = open_exported(folder)
        robot = exported.robot(_name_of(embodiment), selection)
        return _Opened(exported.model, exported.prompt, robot, exported.centre_crop, verified=True)
    checkpoint = None if is_published(folder) else Checkpoint.load(folder)
    crop, verified = centre_crop_of(folder), require_unchanged(folder)
    if checkpoint is None:
        found = open_published(folder, embodiment, selection, tag=tag, tokenizer=tokenizer, dtype=dtype)
        model, prompt = found.model.to(device), found.prompt
        robot = Robot(found.embodiment, found.statistics, selection, None)
    else:
        one = checkpoint.member(_name_of(embodiment), selection)
        robot = Robot(one.embodiment, one.statistics, one.manifest.selection, one.acting_steps)
        prompt, model = checkpoint.prompt(), checkpoint.model(device)
        if dtype is not None:
            model.to(dtype)
    pack_linears(model)
    return _Opened(model, prompt, robot, crop, verified)


class Policy:
    """Maps an observation to the next chunk of actions.

    Keys of an observation (``T`` is 1; the leading ``B`` may be left out, and is then left out of the answer too):

    - ``video.<camera>``: uint8 [B, T, H, W, 3] RGB of any size, as the camera gives it: cropped where the weights were
      trained on crops (published ones were), and resized.
    - ``state.<part>``: float [B, T, D] in the unit of the part.
    - ``annotation.<...>``: the instruction, a list of B texts (or one text for all rows).

    Keys of an answer: ``action.<part>``: float32 [B, horizon, D] in the unit of the part.

    What is odd about an observation, and how many actions lay beyond the robot's limits, stands in the report of each
    call (``act``, ``report``) and in the counts of the ``session``; the first time, it is a warning.
    """

    def __init__(
        self,
        model: Groot | PartsModel,
        prompt: Prompt,
        embodiment: Embodiment,
        statistics: NormStats,
        selection: str | None = None,
        *,
        acting_steps: int | None = None,
        denoising_steps: int | None = None,
        seed: int = 0,
        centre_crop: bool = False,
        bounds: Bounds = Bounds(),
        squeeze: bool = False,
        verified: bool = False,
    ) -> None:
        """Args:
        acting_steps: steps of a chunk that were learnt, the first ones; None is all that the embodiment has.
        centre_crop: take the middle 0.95 of a picture, for a model that was trained on random crops.
        bounds: what is done about odd observations and about actions beyond the robot's limits.
        squeeze: drop every axis of length one of an answer without batch dimension, as the published policy does: a
            gripper of one value is [horizon].
        verified: whether the files of the model were compared with their recorded digests.
        """
        self.model = model.eval()
        self.prompt = prompt
        self.embodiment = embodiment
        self.selection = embodiment.selection(selection)
        self.denoising_steps = None if denoising_steps is None else whole_steps(denoising_steps)
        self.seed = _whole_seed(seed)
        self.bounds, self.squeeze, self.verified = bounds, squeeze, verified
        self.report: ActingReport | None = None
        self._session, self._lock, self._warned = Session(), threading.Lock(), set[str]()
        self._seen = statistics.state
        self._commanded = {name: embodiment.action_part(name) for name in self.selection.action}
        self._limits = bounding.action_limits(self._commanded, statistics.action, bounds.far_spans)
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
        squeeze: bool | None = None,
        bounds: Bounds = Bounds(),
        centre_crop: bool | None = None,
    ) -> Self:
        """The policy of a checkpoint folder: of a run of ours, as published (nvidia/GR00T-N1.5-3B), or an exported one.

        Args:
            embodiment: which robot acts. A run on several embodiments holds all of them (None: the first); a published
                folder needs it.
            selection: parts and cameras of that robot; None: those the run was trained on, or the robot's default.
            tag: published folders: which statistics and slot to use; None is the robot's name.
            tokenizer: published folders: where the tokenizer lies; None looks inside the folder.
            dtype: of the weights (bfloat16 is the published choice on a GPU); None keeps what is stored.
            published_behaviour: write the instruction as the published policy does, ``['text']`` with brackets.
            squeeze: single answers without any axis of length one, as published; None: as ``published_behaviour``.
            bounds: what is done about odd observations and about actions beyond the robot's limits.
            centre_crop: act on the middle 0.95 of a picture; None: as the weights were trained (published ones: yes).

        Raises:
            IntegrityError: a file is not the one that was recorded when the checkpoint was made.
            CheckpointError: the folder is not a checkpoint, not one of this version, or does not know the embodiment.
            MetadataError: a published folder without statistics of the embodiment.
            PromptError: a published folder without a tokenizer.
            OnnxError: a part of an exported folder is missing, unreadable or of another checkpoint, or it has no such
                robot, or is asked for what it was not exported as.
        """
        opened = _opened(Path(folder), embodiment, selection, tag, tokenizer, torch.device(device), dtype)
        opened.prompt.published_behaviour = published_behaviour
        robot = opened.robot
        return cls(
            opened.model,
            opened.prompt,
            robot.embodiment,
            robot.statistics,
            robot.selection,
            acting_steps=robot.acting_steps,
            denoising_steps=denoising_steps,
            seed=seed,
            centre_crop=opened.centre_crop if centre_crop is None else centre_crop,
            bounds=bounds,
            squeeze=published_behaviour if squeeze is None else squeeze,
            verified=opened.verified,
        )

    @classmethod
    def from_onnx(cls, folder: Path | str, **settings: Any) -> Self:
        """``from_checkpoint`` with its arguments, but only of what ``gr00t export CHECKPOINT --onnx FOLDER`` left; run
        by onnxruntime on the CPU with as many threads as torch has when it is opened. OnnxError: it is none.
        """
        if not is_onnx(folder):
            raise OnnxError(f"{folder}: is no exported folder; make one: gr00t export CHECKPOINT --onnx {folder}")
        return cls.from_checkpoint(folder, **settings)

    @property
    def units(self) -> dict[str, str]:
        """The unit of each ``action.<part>``."""
        return {f"action.{name}": self.embodiment.action_part(name).unit for name in self.selection.action}

    @property
    def session(self) -> Session:
        """Counts over all calls since the policy was made."""
        return self._session

    def get_action(
        self,
        observation: Observation,
        *,
        seed: int | None = None,
        denoising_steps: int | None = None,
        running: Running | None = None,
    ) -> Actions:
        """The next chunk, which ``report`` then tells about. The same observation, seed and steps give the same one.

        Args:
            seed: of the noise the actions are denoised from; default: the policy's own, the same at every call.
            denoising_steps: Euler steps; default: the policy's, else the model's.
            running: the chunk that is being executed, for real-time chunking: the answer goes on from it, and its
                frozen steps come first in it unchanged.

        Raises:
            ObservationError: a key is missing or of a wrong kind, shape or type, or the bounds refuse it.
            ActionError: the actions are not finite, or the bounds refuse them.
            DenoisingError: not a whole number of steps from 1 on.
            RunningError: the running chunk has other parts, rows or widths, or its overlap is too long.
        """
        return self.act(observation, seed=seed, denoising_steps=denoising_steps, running=running).actions

    def act(
        self,
        observation: Observation,
        *,
        seed: int | None = None,
        denoising_steps: int | None = None,
        running: Running | None = None,
    ) -> Answer:
        """``get_action`` with the report of this call beside the actions, for those who call from several threads."""
        try:
            answer = self._answer(observation, seed, denoising_steps, running)
        except (ObservationError, ActionError, RunningError):
            self._count(Session(refused=1))
            raise
        self._count(Session.of(answer.report))
        self.report = answer.report
        return answer

    def _count(self, counts: Session) -> None:
        with self._lock:
            self._session += counts

    @torch.no_grad()
    def _answer(
        self, observation: Observation, seed: int | None, denoising_steps: int | None, running: Running | None
    ) -> Answer:
        chosen = self.denoising_steps if denoising_steps is None else denoising_steps
        steps = whole_steps(self.model.config.action_head.num_inference_timesteps if chosen is None else chosen)
        seed = self.seed if seed is None else _whole_seed(seed)
        rows = self._rows(observation)
        report = self._noticed(rows, seed, steps)
        batch = self._batch(rows).to(self.model.device)
        overlap, frozen = self._going_on(running, rows)
        generator = torch.Generator(device=self.model.device)
        generator.manual_seed(seed)
        normalised = self.model.get_action(batch, steps, generator, overlap)
        actions, beyond = self._restored(normalised[:, : self.horizon].float().cpu().numpy().astype(np.float64), frozen)
        report = replace(report, beyond_limits=beyond, clipped=bool(beyond) and self.bounds.action == "clip")
        answer = {f"action.{name}": self._shaped(values, rows.single) for name, values in actions.items()}
        return Answer(answer, report)

    def _going_on(self, running: Running | None, rows: Seen) -> tuple[Overlap | None, Actions]:
        """The running chunk as the model sees actions (None when nothing overlaps), and its frozen steps by part."""
        if running is None:
            return None, {}
        widths = {name: part.dim for name, part in self._commanded.items()}
        parts = running.parts(widths, len(rows.instructions), rows.single, self.horizon)
        if not running.overlap:
            return None, {}
        actions = torch.from_numpy(self._action(parts).astype(np.float32)).to(self.model.device)
        freedom = torch.from_numpy(running.freedom()).to(self.model.device)
        return Overlap(actions, freedom), {name: values[:, : running.frozen] for name, values in parts.items()}

    def _noticed(self, rows: Seen, seed: int, steps: int) -> ActingReport:
        """What is odd about an observation: refused where the bounds say so, else warned about once."""
        parts = {name: self.embodiment.state_part(name) for name in self.selection.state}
        far = bounding.far_states(rows.state, parts, self._seen, self.bounds.far_spans)
        empty = bounding.blank(rows.state, rows.video, self._seen)
        bounding.refuse_odd(far, empty, self.bounds)
        self._warn({f"state.{name}": f"state.{name} is far outside: {text}" for name, text in far.items()})
        self._warn({text: f"{text}; is it connected?" for text in empty})
        return ActingReport(
            rows=len(rows.instructions),
            single=rows.single,
            seed=seed,
            denoising_steps=steps,
            far_states=far,
            blank=empty,
            converted=rows.converted,
            ignored=rows.ignored,
            verified=self.verified,
        )

    def _restored(self, normalised: np.ndarray, frozen: Actions) -> tuple[Actions, dict[str, int]]:
        """Part -> float32 [B, T, D] in its unit, and how many of its values lay beyond its limits.

        The frozen steps are put in as they were given: not every normalisation brings back what lies beyond its data.
        """
        remedy = "verify the weights, and look at the state and the pictures"
        bounding.require_finite(self._action.concat.inverse(self._action.pad.inverse(normalised)), remedy)
        actions = {name: values.astype(np.float32) for name, values in self._action.inverse(normalised).items()}
        bounding.require_finite(actions, remedy)
        for name, steps in frozen.items():
            actions[name][:, : steps.shape[1]] = steps
        bounds, limits = self.bounds, self._limits
        if bounds.action == "refuse":
            bounding.refuse_beyond(actions, self._commanded, limits, bounds.action_margin)
        beyond = bounding.beyond_limits(actions, limits, bounds.action_margin)
        done = "cut to them" if bounds.action == "clip" else "left as they are"
        said = "actions lie beyond the robot's limits"
        self._warn({f"action.{name}": f"action.{name}: {said}, {done}" for name in beyond})
        return (bounding.within_limits(actions, limits) if bounds.action == "clip" else actions), beyond

    def _warn(self, lines: dict[str, str]) -> None:
        for key in lines.keys() - self._warned:
            self._warned.add(key)
            warnings.warn(f"{lines[key]} (told once; policy.session counts)", ActingWarning, stacklevel=7)

    def _shaped(self, values: np.ndarray, single: bool) -> np.ndarray:
        if not single:
            return values
        return values.squeeze() if self.squeeze else values[0]

    def batch_of(self, observation: Observation) -> Batch:
        """What the model is given for an observation, on its device; ObservationError as in ``get_action``."""
        return self._batch(self._rows(observation)).to(self.model.device)

    def _rows(self, observation: Observation) -> Seen:
        return read_observation(observation, self.embodiment, self.selection)

    def _batch(self, rows: Seen) -> Batch:
        with np.errstate(over="ignore"):
            state = torch.from_numpy(self._state(rows.state).astype(np.float32))[:, None]
        if not torch.isfinite(state).all():
            raise ObservationError("the state is so far outside what training saw that it is infinite to the model")
        try:
            ids, mask = self.prompt(rows.instructions, len(self.selection.cameras))
        except PromptError as error:
            raise ObservationError(f"{self.selection.language}: {error}") from error
        real = torch.from_numpy(np.broadcast_to(self._state.pad.mask, state.shape).copy())
        slots = torch.full((len(state),), self.embodiment.slot, dtype=torch.int64)
        images = torch.from_numpy(np.stack([self._sized(frames) for frames in rows.video.values()], axis=1))
        return Batch(
            state=state, state_mask=real, embodiment_id=slots, images=images, input_ids=ids, attention_mask=mask
        )

    def _sized(self, frames: np.ndarray) -> np.ndarray:
        """uint8 [B, H, W, 3] to [B, size, size, 3], as training sees them."""
        side = self.model.config.backbone.vision.image_size
        if self._crop is not None:
            return self._crop(torch.from_numpy(frames)[:, None])[:, 0].numpy()
        return frames if frames.shape[1:3] == (side, side) else video.resize(frames, (side, side))


def _whole_seed(seed: object) -> int:
    """ValueError unless it is a whole number that torch takes."""
    try:
        number = operator.index(seed)  # type: ignore[arg-type] - what has no __index__ is refused below
    except TypeError:
        number = -1
    if isinstance(seed, bool) or not 0 <= number < 2**63:
        raise ValueError(f"seed: expected a whole number from 0 on, found {seed!r}")
    return number
