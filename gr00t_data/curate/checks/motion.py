"""Checks of what the robot did and was told, one part of an episode on its own: glitches, jumps, clipping, chatter.

Sizes are shares of a joint's range and speeds are compared with those of the same joint in the same episode, so that
no threshold depends on a unit. What only the other episodes can tell is in ``compare/motion.py``.
"""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.signals import Signal, pairs_of, runs_of
from gr00t_data.curate.subject.subject import Subject

GLITCH_SHARE = 0.01
"""A step below this share of the range is not a glitch or a jump, whatever the joint did before."""

_NEAR_ROWS = 8
_SPIKE_TIMES = 4.0
_JUMP_TIMES = 6.0
_CLIP_ROWS_SHARE = 0.12
_CHATTER_SHARE = 0.08
_TREMBLING_SHARE = 2e-3


def check_motion(subject: Subject) -> Iterator[Finding]:
    """All of this file, part by part."""
    for signal in subject.signals:
        yield from check_spikes(subject, signal)
        yield from check_clipping(subject, signal)
        yield from check_chatter(subject, signal)
        yield from check_quaternion(subject, signal)
        yield from check_trembling(subject, signal)
        yield from check_seams(subject, signal)


def other_steps(sizes: np.ndarray, near: int = _NEAR_ROWS, rank: int = 0) -> np.ndarray:
    """float64 [T, D]: the largest step within ``near`` rows of each step, leaving out the step itself and, for a
    ``rank`` of one, its larger neighbour.
    """
    padded = np.pad(sizes, ((near, near), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * near + 1, axis=0).copy()
    windows[:, :, near] = 0
    if rank:
        beside = np.where(windows[:, :, near + 1] >= windows[:, :, near - 1], near + 1, near - 1)
        np.put_along_axis(windows, beside[:, :, None], 0.0, axis=2)
    return windows.max(2)


def check_spikes(subject: Subject, signal: Signal) -> Iterator[Finding]:
    """MOTION-01: one or two rows leave the motion and come back at once, further than any step around them."""
    sizes, steps = signal.sizes, signal.steps
    if len(sizes) < 6 or sizes.max() <= GLITCH_SHARE:
        return
    returns = (steps[:-1] * steps[1:] < 0) & (
        np.minimum(sizes[:-1], sizes[1:]) > 0.4 * np.maximum(sizes[:-1], sizes[1:])
    )
    around = other_steps(sizes, rank=1)
    usual = np.maximum(around[:-1], around[1:])
    smaller = np.minimum(sizes[:-1], sizes[1:])
    spikes = returns & (smaller > GLITCH_SHARE) & (smaller > _SPIKE_TIMES * usual)
    if not spikes.any():
        return
    row, dim = np.unravel_index(int(np.where(spikes, smaller, 0).argmax()), spikes.shape)
    rows = np.flatnonzero(spikes.any(1)) + 1
    frame = int(row) + 1
    yield MOTION_01.finding(
        f"{subject.where} frame {frame}: {signal.side} part {signal.part.name!r} joint {signal.joint(int(dim))!r} is "
        f"{signal.values[frame, dim]:.4g} {signal.part.unit} between {signal.values[frame - 1, dim]:.4g} and "
        f"{signal.values[frame + 1, dim]:.4g}, {smaller[row, dim] / max(usual[row, dim], 1e-6):.0f} times the steps "
        f"around it ({len(rows)} such rows); chunks with it are left out of the keep ranges",
        (int(rows[0]), int(rows[-1])),
    )


def jumps(signal: Signal, gaps: np.ndarray) -> np.ndarray:
    """bool [T - 1, D]: steps far beyond every other step around them and beyond most of the episode, without return."""
    sizes = signal.sizes
    if sizes.max(initial=0) <= 2 * GLITCH_SHARE:
        return np.zeros(sizes.shape, dtype=bool)
    usual = np.maximum(other_steps(sizes), np.quantile(sizes, 0.9, axis=0))
    far = (sizes > 2 * GLITCH_SHARE) & (sizes > _JUMP_TIMES * usual)
    far[gaps[gaps < len(far)]] = False
    # Controllers engage with a leap; near the ends there is nothing to compare a step with.
    far[:_NEAR_ROWS] = far[-_NEAR_ROWS:] = False
    return far


def check_clipping(subject: Subject, signal: Signal) -> Iterator[Finding]:
    """MOTION-03: a joint stops dead at its highest or lowest value and stays there exactly while the part moves on."""
    shares = signal.shares
    for dim in np.flatnonzero(np.ptp(shares, axis=0) >= 2 * GLITCH_SHARE).tolist():
        for level, name in ((shares[:, dim].max(), "highest"), (shares[:, dim].min(), "lowest")):
            at = np.abs(shares[:, dim] - level) < 1e-6
            if at.mean() < _CLIP_ROWS_SHARE:
                continue
            clipped = [run for run in runs_of(at) if _stops_dead(signal, dim, run, subject.signals)]
            if (signal.grips or signal.side == "action") and not _passed(subject.signals, signal, dim, at, name):
                continue
            rows = sum(last - first + 1 for first, last in clipped)
            if rows < max(_CLIP_ROWS_SHARE * len(shares), 5):
                continue
            yield MOTION_03.finding(
                f"{subject.where} frame {clipped[0][0]}: {signal.side} part {signal.part.name!r} joint "
                f"{signal.joint(dim)!r} runs into {signal.values[clipped[0][0], dim]:.4g} {signal.part.unit}, the "
                f"{name} value of the episode, and stays there exactly for {rows} of {len(shares)} rows; "
                "its readings are cut off: look for a limit that the recorder or the controller sets",
                (clipped[0][0], clipped[-1][1]),
                severity="error" if rows > 0.5 * len(shares) else "warning",
            )


def _stops_dead(signal: Signal, dim: int, run: tuple[int, int], signals: list[Signal]) -> bool:
    """Whether the joint came or left at its own pace (no slowing down) while the other side or part kept moving."""
    first, last = run
    sizes = signal.sizes[:, dim]
    usual = np.median(sizes[sizes > signal.rest_step]) if (sizes > signal.rest_step).any() else np.inf
    came = sizes[first - 1] if first else 0.0
    left = sizes[last] if last < len(sizes) else 0.0
    if last - first < 2 or max(came, left) < 0.3 * usual:
        return False
    others = [one.sizes[first:last].max(1) for one in signals if one.key != signal.key]
    own = np.delete(signal.sizes[first:last], dim, axis=1)
    others += [own.max(1)] if own.shape[1] else []
    return bool(others) and float((np.max(others, axis=0) > 2 * signal.rest_step).mean()) > 0.5 and varied(signal, dim)


def _passed(signals: list[Signal], signal: Signal, dim: int, at: np.ndarray, name: str) -> bool:
    """Whether a joint is measured beyond the level at which its command is cut off. Commands rest where people do, and
    a hand that stops at its command, or before it, is closed or holds a thing.
    """
    for state, action in pairs_of(signals):
        if (
            action.side == signal.side
            and action.part.name == signal.part.name
            and signal.joint(dim) in action.part.joints
        ):
            own = action.part.joints.index(signal.joint(dim))
            beside = state.shares[:, own] - action.shares[:, own]
            beyond = (beside - np.median(beside))[at] * (1 if name == "highest" else -1)
            return float(np.quantile(beyond, 0.9)) > GLITCH_SHARE
    return False


def varied(signal: Signal, dim: int) -> bool:
    """False for a joint that only knows a few levels, such as an open-or-close command."""
    return float((signal.sizes[:, dim] > 1e-6).mean()) > 0.3


def check_chatter(subject: Subject, signal: Signal) -> Iterator[Finding]:
    """MOTION-13: a joint is thrown back and forth, at least three times a second, each way over 8 % of its range."""
    window = round(signal.control_hz)
    smooth = signal.shares
    worst = 0
    for dim in range(smooth.shape[1]):
        reach = max(_CHATTER_SHARE, 0.3 * float(np.ptp(smooth[:, dim])))
        turns = _turning_points(smooth[:, dim], reach)
        most = max((sum(1 for other in turns if at <= other < at + window) for at in turns), default=0)
        if most > worst:
            worst, where, joint = most, turns, dim
    if worst >= 4:
        yield MOTION_13.finding(
            f"{subject.where} frame {where[0]}: {signal.side} part {signal.part.name!r} joint {signal.joint(joint)!r} "
            f"turns {worst} times within a second over 8 % of its range or more; no hand follows that: smooth the "
            "command or leave these frames out",
            (where[0], where[-1]),
        )


def _turning_points(values: np.ndarray, reach: float) -> list[int]:
    """Rows where the signal has come back by ``reach`` from its last extreme."""
    turns, extreme, rising = [], values[0], None
    for row, value in enumerate(values):
        if rising is None and abs(value - extreme) > reach:
            rising, extreme = value > extreme, value
        elif rising is not None and (value > extreme) == rising:
            extreme = value
        elif rising is not None and abs(value - extreme) > reach:
            turns.append(row)
            rising, extreme = not rising, value
    return turns


def check_quaternion(subject: Subject, signal: Signal) -> Iterator[Finding]:
    """MOTION-14: a quaternion has length one and does not change its sign from row to row."""
    if signal.part.rotation != "quaternion" or signal.values.shape[1] != 4:
        return
    length = np.linalg.norm(signal.values, axis=1)
    off = np.flatnonzero(np.abs(length - 1) > 0.01)
    flips = np.flatnonzero((signal.values[1:] * signal.values[:-1]).sum(1) < -0.5 * length[1:] * length[:-1])
    for rows, what in ((off, "has length"), (flips + 1, "changes its sign; its length is")):
        if rows.size:
            yield MOTION_14.finding(
                f"{subject.where} frame {int(rows[0])}: {signal.side} part {signal.part.name!r}: the quaternion {what} "
                f"{length[rows[0]]:.4g} ({rows.size} rows); normalise it, and keep it on one side of the sphere",
                (int(rows[0]), int(rows[-1])),
                severity="error" if rows is off else "warning",
            )


def check_trembling(subject: Subject, signal: Signal) -> Iterator[Finding]:
    """MOTION-11: noise from row to row. Third differences of smooth motion vanish; those of noise are 4.5 times it."""
    if len(signal.steps) < 12:
        return
    noise = np.median(np.abs(np.diff(signal.steps, n=2, axis=0)), axis=0) / (0.6745 * np.sqrt(20))
    usual = np.median(signal.sizes, axis=0)
    trembling = (noise > _TREMBLING_SHARE) & (noise > 0.3 * usual) & ((signal.sizes > 1e-6).mean(0) > 0.8)
    if trembling.sum() >= max(0.3 * (usual > signal.rest_step).sum(), 1):
        dim = int(np.where(trembling, noise, 0).argmax())
        yield MOTION_11.finding(
            f"{subject.where}: {signal.side} part {signal.part.name!r} joint {signal.joint(dim)!r} trembles by "
            f"{noise[dim] * signal.span[dim]:.3g} {signal.part.unit} from row to row, its usual step is "
            f"{usual[dim] * signal.span[dim]:.3g}; filter the sensor or the command before training"
        )


def check_seams(subject: Subject, signal: Signal) -> Iterator[Finding]:
    """MOTION-12: the command jumps at regular intervals, as if glued from chunks that do not meet."""
    if signal.side != "action" or len(signal.sizes) < 30 or not varied(signal, int(signal.sizes.sum(0).argmax())):
        return
    size = signal.sizes.mean(1)
    around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(size, 6, mode="reflect"), 13), axis=1)
    peaks = np.flatnonzero((size > 2.5 * around) & (size > signal.rest_step))
    for period in range(4, len(size) // 3 + 1) if len(peaks) >= 3 else ():
        counts = np.bincount(peaks % period, minlength=period)
        phase, hits = int(counts.argmax()), int(counts.max())
        lattice = len(range(phase, len(size), period))
        if hits >= 3 and hits >= 0.75 * lattice and hits >= 0.6 * len(peaks):
            yield MOTION_12.finding(
                f"{subject.where} frame {phase}: action part {signal.part.name!r} jumps every {period} rows "
                f"({hits} of {lattice} times, over 2.5 times the steps around it); the chunks it was made of do not "
                "meet: label the episode again with overlapping chunks",
                (int(peaks[0]), int(peaks[-1]) + 1),
            )
            return


MOTION_01, MOTION_03, MOTION_11, MOTION_12, MOTION_13, MOTION_14 = Look(Subject, check_motion, 3).finds(
    Check("MOTION-01", "warning", "isolated spike", "the policy learns a jerk that no robot made", leaves_out="chunks"),
    Check("MOTION-03", "warning", "values cut off at a level", "the policy never learns to go further"),
    Check("MOTION-11", "warning", "joint trembles", "the policy imitates noise"),
    Check("MOTION-12", "warning", "regular jumps between action chunks", "the policy learns the seams of its labels"),
    Check("MOTION-13", "warning", "chatter", "the policy opens and closes a hand without reason"),
    Check("MOTION-14", "warning", "quaternion not of length one, or changing sign",
          "rotations are averaged to nonsense"),
)  # fmt: skip
