"""What the future tokens foresee, on episodes that training never drew; and whether their targets say anything.

A future frame looks much like the present one, so a high cosine alone means little: the prediction is judged beside
copying the embedding of the present frame. And targets that are the same for every frame are easy to predict and teach
nothing: their variance and their effective rank tell.

The prediction is made at denoising time 0, where the action tokens hold noise only: at a later time they would give the
recorded action away.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.values.masks import read_parts
from gr00t_data.horizon import future_row
from gr00t_data.progress import Progress, silent
from gr00t_data.rates import pace_of
from gr00t_data.video import files as video
from gr00t_model.evaluate.open_loop import EvaluationError, Held, held_out
from gr00t_model.groot import flow
from gr00t_model.groot.model import Groot
from gr00t_model.policy import Policy
from gr00t_model.training.checkpoint import Checkpoint

COLLAPSED_RANK = 2.0
"""Fewer directions than this, and the targets move along one line."""
COLLAPSED_VARIANCE = 0.01
"""If less than this share of the targets' energy changes from frame to frame, any two of them have a cosine of about
0.99 or more."""
_ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Variety:
    """How much targets differ from frame to frame; each of the M tokens is compared with itself only.

    Attributes:
        variance: per dimension, over frames and averaged over tokens.
        share: variance of all dimensions over the mean square, 0 (all frames alike) to 1.
        effective_rank: exp of the entropy of the normalised singular values (Roy and Vetterli 2007), 1 to E; 0 when
            nothing differs at all.
    """

    variance: tuple[float, ...]
    share: float
    effective_rank: float

    @property
    def collapsed(self) -> bool:
        """The alarm: below COLLAPSED_RANK directions, or below COLLAPSED_VARIANCE of the energy."""
        return self.effective_rank < COLLAPSED_RANK or self.share < COLLAPSED_VARIANCE


@dataclass(frozen=True)
class Alignment:
    """Mean cosines over held-out pairs of a frame and its future frame.

    Attributes:
        episodes: that had a pair; pairs: number of them.
        horizon_frames: between the two frames, at the rate of the embodiment.
        target: kind of the target.
        predicted: cosine of the predicted and the true embedding of the future frame.
        copied: cosine of the present frame's embedding with it, the baseline.
        variety: of the true embeddings.
    """

    episodes: int
    pairs: int
    horizon_frames: int
    target: str
    predicted: float
    copied: float
    variety: Variety

    @property
    def skill(self) -> float | None:
        """Share of the baseline's gap to 1 that the prediction closes: 1 is perfect, 0 no better than copying, below 0
        worse. None when copying is perfect already.
        """
        return skill(self.predicted, self.copied)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with what follows from the numbers."""
        variety = asdict(self.variety) | {"collapsed": self.variety.collapsed}
        return asdict(self) | {"skill": self.skill, "variety": variety}

    def __str__(self) -> str:
        alarm = "; ALARM: the targets have collapsed" if self.variety.collapsed else ""
        worth = "copying is perfect" if self.skill is None else f"closes {100 * self.skill:.0f}% of the gap"
        rank = f"effective rank {self.variety.effective_rank:.1f} of {len(self.variety.variance)}"
        return (
            f"cosine {self.predicted:.3f} to the frame {self.horizon_frames} ahead, copying the present "
            f"{self.copied:.3f} ({worth}); targets: {rank}, {100 * self.variety.share:.0f}% of the energy varies{alarm}"
        )


def skill(predicted: float, copied: float) -> float | None:
    """(predicted - copied) / (1 - copied); None when the baseline leaves no gap (float32 rounding allowed for)."""
    gap = 1 - copied
    return (predicted - copied) / gap if gap > 1e-6 else None


def mean_cosine(one: Float[Tensor, "n m e"], other: Float[Tensor, "n m e"]) -> float:
    """Over all tokens of all rows."""
    return float(F.cosine_similarity(one, other, dim=-1).mean())


def variety(targets: Float[Tensor, "n m e"]) -> Variety:
    """Measure targets of n frames."""
    centred = (targets - targets.mean(dim=0)).double()
    variance = centred.square().mean(dim=(0, 1))
    energy = float(targets.double().square().mean(dim=(0, 1)).sum())
    singular = torch.linalg.svdvals(centred.flatten(0, 1))
    shares = singular / singular.sum().clamp(min=torch.finfo(torch.float64).tiny)
    rank = float(torch.special.entr(shares).sum().exp()) if float(singular.sum()) > 0 else 0.0
    return Variety(tuple(variance.tolist()), float(variance.sum()) / energy if energy else 0.0, rank)


def alignment(
    checkpoint: Checkpoint | Path | str,
    *,
    stride_frames: int = 8,
    most_episodes: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Alignment:
    """Measure a checkpoint's alignment on the held-out episodes of its mixture, at every ``stride_frames``-th frame.

    Args:
        seed: of the noise in the action tokens.

    Raises:
        EvaluationError: the checkpoint has no FLARE, or no held-out episode is longer than the horizon.
    """
    opened = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.load(checkpoint)
    if not opened.config.flare.enabled:
        raise EvaluationError(f"{opened.folder}: was trained without FLARE, so there is no alignment to measure")
    policy, horizon = Policy.from_checkpoint(opened.folder), opened.config.flare.horizon_frames
    held = held_out(opened.manifest)[:most_episodes]
    generator, measured, episodes = torch.Generator().manual_seed(seed), [], 0
    for done, episode in enumerate(held, start=1):
        pace = pace_of(episode.store, opened.embodiment)
        ahead = {row: future_row(row, episode.end, pace, horizon) for row in range(0, episode.end, stride_frames)}
        pairs = [(row, later) for row, (later, real) in ahead.items() if real]
        measured += _episode(policy, opened, episode, pairs, generator)
        episodes += bool(pairs)
        progress(done, len(held))
    if not measured:
        raise EvaluationError(
            f"mixture {opened.manifest.name!r}: none of its {len(held)} held-out episodes is longer than the horizon "
            f"of {horizon} frames"
        )
    predicted, present, future = (torch.cat(parts) for parts in zip(*measured, strict=True))
    cosines = mean_cosine(predicted, future), mean_cosine(present, future)
    return Alignment(episodes, len(future), horizon, opened.config.flare.target, *cosines, variety(future))


def _episode(
    policy: Policy, checkpoint: Checkpoint, held: Held, pairs: list[tuple[int, int]], generator: torch.Generator
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """(predicted, present, future) embeddings, float32 [n, M, E] each, in pieces, of (frame, future frame) pairs."""
    chosen, needed = policy.selection, sorted({frame for pair in pairs for frame in pair})
    if not pairs:
        return []
    paths = {name: held.store.video_path(held.episode, name) for name in chosen.cameras}
    views = {name: video.decode_at(path, needed) for name, path in paths.items()}  # as the camera gave them
    place = {frame: number for number, frame in enumerate(needed)}
    parts = [checkpoint.embodiment.state_part(name) for name in chosen.state]
    states = read_parts(held.store, held.episode, parts)

    def batch(rows: list[int], shown: list[int]) -> Batch:
        seen = [place[frame] for frame in shown]
        observation: dict[str, Any] = {f"video.{name}": view[seen][:, None] for name, view in views.items()}
        observation |= {f"state.{name}": values[rows][:, None] for name, values in states.items()}
        return policy.batch_of({**observation, chosen.language: held.texts(rows)})

    measured = []
    for start in range(0, len(pairs), _ROWS_AT_ONCE):
        rows, later = (list(frames) for frames in zip(*pairs[start : start + _ROWS_AT_ONCE], strict=True))
        measured.append(_embeddings(policy, batch(rows, rows), batch(rows, later), generator))
    return measured


@torch.no_grad()
def _embeddings(
    policy: Policy, now: Batch, later: Batch, generator: torch.Generator
) -> tuple[Float[Tensor, "n m e"], Float[Tensor, "n m e"], Float[Tensor, "n m e"]]:
    model, head = policy.model, policy.model.config.action_head
    assert isinstance(model, Groot)  # of a checkpoint: exported parts know nothing of the future
    assert now.images is not None and later.images is not None
    assert now.input_ids is not None and now.attention_mask is not None
    features, mask, present = model.encode_with_target(now.images, now.input_ids, now.attention_mask)
    future = model.flare_target(later.images, now.input_ids, now.attention_mask)
    noise = flow.sample_noise((len(now), head.action_horizon, head.action_dim), generator, model.device)
    predicted = model.foresee(replace(now, vl_features=features, attention_mask=mask), noise)
    return predicted.float().cpu(), present.float().cpu(), future.float().cpu()
