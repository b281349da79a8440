"""Windows of a clip to predicted action chunks, whatever the size of a batch."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from gr00t_model.idm.artifact import Artifact, batch_of

_STREAM = 20_250_519
"""Of the noise: no other use of the same seed draws the same numbers."""


@torch.no_grad()
def predict_windows(
    artifact: Artifact,
    pictures: UInt8[np.ndarray, "l v s s 3"],
    starts: Int[np.ndarray, " w"],
    *,
    seed: Sequence[int] = (0,),
    batch_size: int = 32,
    frame_gap: int | None = None,
) -> Float[np.ndarray, "w h d"]:
    """The actions from each of ``starts`` on, float64, in the units of the parts, side by side.

    The noise of a window depends on ``seed`` and the window's first frame alone, so that neither the batch nor the
    order shows in the result (beyond rounding: matrix products of other sizes differ in the last bits).

    Args:
        seed: names the clip.
        frame_gap: distance of the two pictures; other than that of training only to show what goes wrong.

    Raises:
        ValueError: a window's second picture lies beyond the end.
    """
    gap = artifact.timing.frame_gap if frame_gap is None else frame_gap
    if len(starts) and int(starts.max()) + gap >= len(pictures):
        raise ValueError(
            f"a window starts at frame {int(starts.max())}, but {len(pictures)} frames leave none {gap} later"
        )
    model, config = artifact.model, artifact.model.config
    device = next(model.parameters()).device
    chunks = [np.empty((0, config.action_horizon, sum(part.dim for part in artifact.robot.parts)))]
    for first in range(0, len(starts), batch_size):
        rows = starts[first : first + batch_size]
        seen = np.concatenate([pictures[rows], pictures[rows + gap]], axis=1)
        noise = np.stack([_noise(seed, int(row), (config.action_horizon, config.action_dim)) for row in rows])
        batch = batch_of(config, artifact.robot.embodiment.slot, torch.from_numpy(seen).to(device))
        normalised = model.get_action(batch, noise=torch.from_numpy(noise).to(device)).float().cpu().numpy()
        parts = artifact.transform.inverse(normalised.astype(np.float64))
        chunks.append(np.concatenate([parts[part.name] for part in artifact.robot.parts], axis=-1))
    return np.concatenate(chunks)


def _noise(seed: Sequence[int], start: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng([_STREAM, *seed, start]).standard_normal(shape).astype(np.float32)
