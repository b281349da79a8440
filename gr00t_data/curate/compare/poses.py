"""Where an episode begins, ends and stands, against the other episodes: lost homes, and demonstrations that were cut.

A motor that was homed wrongly is off in state and command alike; nothing in the episode contradicts it. But the other
episodes begin in another pose, and their other joints say where this one should be.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.compare.row_evidence import RowEvidence
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import FEWEST, usual
from gr00t_data.curate.subject.signals import grips

_FEWEST_HOMED = 12
_FOLDS = 6
_RIDGE = 1e-2
_HOME_SHARE = 0.02
_HOME_SPREADS = 8.0
_HOME_TIMES = 2.0
_CERTAIN_SHARE = 0.05
_MOVES_SHARE = 0.02
_END_FLOOR = 0.01
_END_SPREADS = 3.0
_SHORT = 0.55


def compare_poses(rows: Rows) -> Iterator[tuple[int, Finding]]:
    """MOTION-16 and MOTION-17."""
    if len(rows.episodes) >= _FEWEST_HOMED:
        yield from _homes(rows)
    if len(rows.episodes) >= FEWEST:
        yield from _cut(rows.episodes)


def _homes(rows: Rows) -> Iterator[tuple[int, Finding]]:
    episodes = rows.episodes
    parts = [part for part in rows.embodiment.state if not grips(part)]
    parts = [part for part in parts if all(f"state.{part.name}" in e.levels for e in episodes.values())]
    if not parts:
        return
    names = [(part.name, joint) for part in parts for joint in part.joints]
    keys = [f"state.{part.name}" for part in parts]
    levels = np.stack([np.concatenate([e.levels[key] for key in keys]) for e in episodes.values()]).astype(np.float64)
    poses = [np.concatenate([e.poses[key] for key in keys], axis=1).astype(np.float64) for e in episodes.values()]
    offsets = [levels[:, :, 3] - np.median(levels[:, :, 3], axis=0), _residuals(poses)]
    shifted = _shifted_as_a_whole(levels, *offsets)
    for place, index in enumerate(episodes):
        found = [one for one in (_off(offset, place, shifted[place]) for offset in offsets) if one is not None]
        if not found:
            continue
        dim, off, spreads = max(found, key=lambda one: one[2])
        part, joint = names[dim]
        finding = MOTION_16.finding(
            f"part {part!r} joint {joint!r} stands {100 * off:+.1f} % of its range from where it does in the other "
            f"episodes when the rest of the robot is in the same pose ({spreads:.0f} usual distances), in state and "
            "command alike; it was homed wrongly: calibrate it and shift its columns, or leave the episode out",
            severity="error" if len(found) == 2 and abs(off) > _CERTAIN_SHARE else "warning",
        )
        yield index, finding


def _shifted_as_a_whole(levels: np.ndarray, starts: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """bool [E, S]: joints that move, and of which all values are off to one side alike, or the start by as much as the
    other joints say. A joint that only stands elsewhere may have been put there.

    Args:
        levels: float64 [E, S, 4], see ``FEATURES``.
        starts, residuals: float64 [E, S], how far a joint is off in its first row, and from what the others say.
    """
    both = np.abs(np.stack([starts, residuals]))
    agree = (starts * residuals > 0) & (both.min(0) > np.maximum(_HOME_SHARE, 0.4 * both.max(0)))
    off = levels - np.median(levels, axis=0)
    one_side = (off.min(2) > 0) | (off.max(2) < 0)
    alike = np.abs(off).min(2) > 0.4 * np.abs(off).max(2)
    return (agree | (one_side & alike)) & (levels[:, :, 2] - levels[:, :, 1] > _MOVES_SHARE)


def _residuals(poses: list[np.ndarray]) -> np.ndarray:
    """float64 [E, S]: median of each joint less what the other joints say, learnt from the other episodes."""
    result = np.zeros((len(poses), poses[0].shape[1]))
    folds = min(len(poses), _FOLDS)
    for fold in range(folds):
        held_out = range(fold, len(poses), folds)
        training = np.concatenate([pose for place, pose in enumerate(poses) if place not in held_out])
        mean, spread = training.mean(0), training.std(0)
        active = np.flatnonzero(spread > 2e-3)
        if len(active) < 3:
            continue
        scaled = (training[:, active] - mean[active]) / spread[active]
        # One inverse gives the regression of every joint on all others.
        precision = np.linalg.inv(scaled.T @ scaled / len(scaled) + _RIDGE * np.eye(len(active)))
        for place in held_out:
            own = (poses[place][:, active] - mean[active]) / spread[active]
            left = own @ precision / np.diag(precision)
            result[place, active] = np.median(left, axis=0) * spread[active]
    return result


def _off(offsets: np.ndarray, place: int, may: np.ndarray) -> tuple[int, float, float] | None:
    """(joint, how far, in usual distances) of one joint that is off alone; None when no joint is, or many are."""
    centre, spread = usual(offsets, 0.002)
    every = (offsets - centre) / spread
    far = np.abs(every[place])
    others = np.quantile(np.abs(np.delete(every, place, axis=0)), 0.8, axis=0)
    off = offsets[place] - centre[place]
    odd = (np.abs(off) > _HOME_SHARE) & (far > _HOME_SPREADS) & (far > _HOME_TIMES * others) & may
    if not odd.any() or odd.sum() > 0.34 * len(odd):
        return None
    dim = int(np.where(odd, np.abs(off), 0).argmax())
    return dim, float(off[dim]), float(far[dim])


def _cut(episodes: Mapping[int, RowEvidence]) -> Iterator[tuple[int, Finding]]:
    """MOTION-17: far shorter than the others, or over before the robot is where the others end."""
    lengths = np.array([evidence.rows for evidence in episodes.values()], dtype=np.float64)
    distance = _end_distances(episodes)
    for place, (index, evidence) in enumerate(episodes.items()):
        others, apart = np.delete(lengths, place), np.delete(distance, place)
        short = lengths[place] < _SHORT * np.median(others) and lengths[place] < 0.8 * np.quantile(others, 0.2)
        least = max(_END_SPREADS, 2.0 * float(np.quantile(apart, 0.8)))
        elsewhere = distance[place] > least and lengths[place] < np.median(others)
        moving = evidence.end_speed > 0 and evidence.end_speed > 3 * np.median([e.end_speed for e in episodes.values()])
        if short or (elsewhere and (moving or lengths[place] < 0.8 * np.median(others))):
            yield (
                index,
                MOTION_17.finding(
                    f"ends after {evidence.rows} rows (the others have {np.median(others):.0f}) in a pose that is "
                    f"{distance[place]:.1f} usual distances from where they end, theirs {np.median(apart):.1f}"
                    f"{', in full motion' if moving else ''}; the demonstration was cut off: leave it out",
                    (max(evidence.rows - 1, 0), max(evidence.rows - 1, 0)),
                    severity="error" if short and elsewhere and moving else "warning",
                ),
            )


def _end_distances(episodes: Mapping[int, RowEvidence]) -> np.ndarray:
    """float64 [E]: how far the last pose is from those of the others, in their spreads, mean over joints that move."""
    keys = [key for key in next(iter(episodes.values())).last if all(key in e.last for e in episodes.values())]
    if not keys:
        return np.zeros(len(episodes))
    last = np.stack([np.concatenate([e.last[key] for key in keys]) for e in episodes.values()]).astype(np.float64)
    levels = np.stack([np.concatenate([e.levels[key] for key in keys]) for e in episodes.values()])
    moves = np.median(levels[:, :, 2] - levels[:, :, 1], axis=0) > 2 * _END_FLOOR
    if not moves.any():
        return np.zeros(len(episodes))
    centre, spread = usual(last, _END_FLOOR)
    return np.minimum(np.abs(last - centre) / spread, 10.0)[:, moves].mean(1)


MOTION_16, MOTION_17 = Look(Rows, compare_poses, 2).finds(
    Check("MOTION-16", "error", "joint stands elsewhere than in the other episodes",
          "the policy reaches beside what it sees"),
    Check("MOTION-17", "warning", "demonstration cut off", "the policy learns to stop before the task is done"),
)  # fmt: skip
