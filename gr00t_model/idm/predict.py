"""Windows of clips to predicted action chunks, whatever the size of a batch."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from gr00t_model.idm.artifact import Artifact, batch_of_seen, pixels_of

_STREAM = 20_250_519
"""Of the noise: no other use of the same seed draws the same numbers."""

Chunks = Float[np.ndarray, "w h d"]


@dataclass(frozen=True)
class Clip:
    """Pictures, and the windows that are asked for.

    Attributes:
        pictures: uint8 [L, V, S, S, 3].
        starts: the first frame of each window.
        seed: names the clip; the noise of a window depends on it and on the window's first frame alone.
    """

    pictures: UInt8[np.ndarray, "l v s s 3"]
    starts: Int[np.ndarray, " w"]
    seed: tuple[int, ...] = (0,)


@torch.no_grad()
def predict_windows(
    artifact: Artifact,
    pictures: UInt8[np.ndarray, "l v s s 3"],
    starts: Int[np.ndarray, " w"],
    *,
    seed: Sequence[int] = (0,),
    batch_size: int = 32,
    frame_gap: int | None = None,
) -> Chunks:
    """``predict_clips`` of one clip."""
    clip = Clip(pictures, starts, tuple(seed))
    return next(predict_clips(artifact, [clip], batch_size=batch_size, frame_gap=frame_gap))


@torch.no_grad()
def predict_clips(
    artifact: Artifact, clips: Iterable[Clip], *, batch_size: int = 32, frame_gap: int | None = None
) -> Iterator[Chunks]:
    """For each clip in order the actions from each of its starts on, float64, in units, the parts side by side.

    A batch holds windows of several clips where they are short. Each picture is looked at once, although it is the
    first of one window and the second of another. Neither the batch nor the order nor the device shows in the result,
    beyond rounding: matrix products of other sizes differ in the last bits.

    Args:
        frame_gap: distance of the two pictures; other than that of training only to show what goes wrong.

    Raises:
        ValueError: a window's second picture lies beyond the end.
    """
    gap = artifact.timing.frame_gap if frame_gap is None else frame_gap
    begun: deque[_Begun] = deque()
    waiting: list[tuple[_Begun, int]] = []
    for clip in clips:
        begun.append(_begin(artifact, clip, gap, batch_size))
        waiting += [(begun[-1], number) for number in range(len(clip.starts))]
        while len(waiting) >= batch_size:
            _predict(artifact, waiting[:batch_size], gap, batch_size)
            del waiting[:batch_size]
        while begun and begun[0].missing == 0:
            yield begun.popleft().chunks
    if waiting:
        _predict(artifact, waiting, gap, batch_size)
    yield from (one.chunks for one in begun)


@dataclass
class _Begun:
    """A clip on its way: what the model saw in each picture, [L, V, Q, W], and the chunks so far."""

    clip: Clip
    seen: Tensor
    chunks: np.ndarray
    missing: int = field(default=0)


def _begin(artifact: Artifact, clip: Clip, gap: int, batch_size: int) -> _Begun:
    if len(clip.starts) and int(clip.starts.max()) + gap >= len(clip.pictures):
        raise ValueError(
            f"a window starts at frame {int(clip.starts.max())}, but {len(clip.pictures)} frames leave none {gap} later"
        )
    config, parts = artifact.model.config, artifact.robot.parts
    chunks = np.empty((len(clip.starts), config.action_horizon, sum(part.dim for part in parts)))
    return _Begun(clip, _look(artifact, clip.pictures, 2 * batch_size), chunks, len(clip.starts))


def _look(artifact: Artifact, pictures: np.ndarray, at_once: int) -> Tensor:
    device = next(artifact.model.parameters()).device
    flat = pictures.reshape(-1, *pictures.shape[2:])
    pieces = [torch.from_numpy(flat[first : first + at_once]) for first in range(0, len(flat), at_once)]
    seen = torch.cat([artifact.model.look(pixels_of(piece.to(device))) for piece in pieces])
    return seen.unflatten(0, pictures.shape[:2])


def _predict(artifact: Artifact, rows: Sequence[tuple[_Begun, int]], gap: int, batch_size: int) -> None:
    """Fill in the chunks of these windows.

    The last batch is filled up with its last window: products of one size round a window alike whatever is beside it,
    so that a labelling that was killed and goes on writes the same bytes.
    """
    model, config = artifact.model, artifact.model.config
    full = [*rows, *[rows[-1]] * (batch_size - len(rows))]
    frames = [int(one.clip.starts[number]) for one, number in full]
    pairs = [torch.cat([one.seen[f], one.seen[f + gap]]) for (one, _), f in zip(full, frames, strict=True)]
    shape = config.action_horizon, config.action_dim
    noise = [_noise(one.clip.seed, frame, shape) for (one, _), frame in zip(full, frames, strict=True)]
    batch = batch_of_seen(config, artifact.robot.embodiment.slot, torch.stack(pairs))
    device = batch.token_ids.device
    first = config.inference_noise * torch.from_numpy(np.stack(noise)).to(device)
    normalised = model.get_action(batch, noise=first).float().cpu().numpy()
    parts = artifact.transform.inverse(normalised.astype(np.float64))
    actions = np.concatenate([parts[part.name] for part in artifact.robot.parts], axis=-1)
    for (one, number), chunk in zip(rows, actions[: len(rows)], strict=True):
        one.chunks[number] = chunk
        one.missing -= 1


def _noise(seed: Sequence[int], start: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng([_STREAM, *seed, start]).standard_normal(shape).astype(np.float32)
