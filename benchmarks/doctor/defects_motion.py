"""Defects of what the robot did and was told: state and action."""

from functools import partial

import numpy as np

from benchmarks.doctor.defect import ACTION, CAMERA, STATE, Defect, Planting, cut_rows, each, in_rows, late
from benchmarks.doctor.folder import Rows


def put(rows: Rows, column: str, dims: slice | int | list[int], values: np.ndarray, at: slice = slice(None)) -> Rows:
    """Rows with some dimensions of a column replaced."""
    changed = np.array(rows[column], dtype=np.float64)
    changed[at, dims] = values
    return rows | {column: changed}


def _hand(p: Planting, rows: Rows) -> slice:
    return p.part(f"{p.moving_side(rows)}_hand").slice


def _limb(p: Planting, rows: Rows) -> slice:
    """The hand of the moving side, or its arm when the fingers move by less than 0.1 rad: a rest cannot be late."""
    hand = _hand(p, rows)
    moves = float(np.ptp(rows[STATE][:, hand], axis=0).max()) > 0.1
    return hand if moves else p.part(f"{p.moving_side(rows)}_arm").slice


def unreal(p: Planting, rows: Rows, column: str, value: float, count: int) -> Rows:
    """Some rows of one joint are not numbers."""
    at = p.start(len(rows[column]), count)
    return put(rows, column, p.moving_joint(rows), np.full(count, value), slice(at, at + count))


def stuck_encoder(p: Planting, rows: Rows) -> Rows:
    """The joint that moves most stays at its first measured value."""
    joint = p.moving_joint(rows)
    return put(rows, STATE, joint, np.full(len(rows[STATE]), rows[STATE][0, joint]))


def clip(p: Planting, rows: Rows, column: str) -> Rows:
    """The joint that moves most is cut at a level that 25 % of the rows reach."""
    joint = p.moving_joint(rows)
    values = rows[column][:, joint]
    level = np.quantile(values, 1 - 0.25 * min(p.severity, 3))
    return put(rows, column, joint, np.minimum(values, level))


def spike(p: Planting, rows: Rows, column: str) -> Rows:
    """One sample is off by 30 standard deviations of the joint's steps."""
    joint = p.moving_joint(rows)
    step = np.diff(rows[column][:, joint]).std()
    at = p.start(len(rows[column]), 1)
    value = rows[column][at, joint] + 30 * p.severity * step
    return put(rows, column, joint, np.array([value]), slice(at, at + 1))


def chatter(p: Planting, rows: Rows) -> Rows:
    """The fingers of a hand are told to open and close five times a second, for 1 s."""
    hand = _hand(p, rows)
    count = min(round(20 * p.severity), len(rows[ACTION]) - 6)
    at = p.start(len(rows[ACTION]), count)
    open_now = (np.arange(count) // 2 % 2)[:, None]
    return put(rows, ACTION, hand, 1.2 * open_now - 0.6, slice(at, at + count))


def copy_state(p: Planting, rows: Rows) -> Rows:
    """The action is the state of the same row."""
    return rows | {ACTION: np.array(rows[STATE])}


def _shifted(rows: Rows, column: str, dims: slice, count: int) -> Rows:
    """Some dimensions of a column come ``count`` rows late (early when negative); the rest is cut to fit."""
    others, own = late(count)
    return put(cut_rows(rows, others), column, dims, rows[column][own][:, dims])


def delay_actions(p: Planting, index: int, rows: int) -> None:
    """Every action is that of so many rows before (later when negative)."""
    count = round(rows * p.severity)
    p.folder.change_rows(index, lambda own: _shifted(own, ACTION, slice(None), count))
    p.folder.change_frames(index, CAMERA, lambda frames: frames[late(count)[0]])


def delay_one_hand(p: Planting, index: int) -> None:
    """The measurements of the moving hand come 6 rows (300 ms) late; of the arm, where the hand rests."""
    count = round(6 * p.severity)
    p.folder.change_rows(index, lambda rows: _shifted(rows, STATE, _limb(p, rows), count))
    p.folder.change_frames(index, CAMERA, lambda frames: frames[late(count)[0]])


def reverse_rows(p: Planting, rows: Rows) -> Rows:
    """State and action run backwards; counters and stamps do not."""
    return {name: values[::-1] if name in (STATE, ACTION) else values for name, values in rows.items()}


def reverse_all(p: Planting, index: int) -> None:
    """Rows and frames run backwards."""
    p.folder.change_rows(index, lambda rows: reverse_rows(p, rows))
    p.folder.change_frames(index, CAMERA, lambda frames: frames[::-1])


def insert_idle(p: Planting, index: int, more: int, at_end: bool) -> None:
    """Rows of a robot at rest come before or after the motion; the pictures keep their noise."""
    count = round(more * p.severity)
    rows, frames = p.folder.rows(index), p.folder.frames(index, CAMERA)
    total = len(frames)
    order = [*range(total), *[total - 1] * count] if at_end else [*[0] * count, *range(total)]
    longer = {name: values[order] for name, values in rows.items()}
    for name in ("frame_index", "index"):
        if name in rows:
            longer[name] = rows[name][0] + np.arange(total + count)
    longer["timestamp"] = rows["timestamp"][0] + np.arange(total + count) / p.folder.store.fps
    noise = p.generator.normal(0, 2e-4, (count, rows[STATE].shape[1]))
    where = slice(total, None) if at_end else slice(0, count)
    p.folder.write_rows(index, put(longer, STATE, slice(None), longer[STATE][where] + noise, where))
    grain = p.generator.normal(0, 2, frames[order].shape).astype(np.float32)
    p.folder.change_frames(index, CAMERA, lambda old: old[order] + grain)


def freeze_action(p: Planting, rows: Rows) -> Rows:
    """The command stream stalls: 0.6 s repeat the same command while the robot was moving."""
    count = min(round(12 * p.severity), len(rows[ACTION]) - 4)
    at = p.start(len(rows[ACTION]), count)
    return put(rows, ACTION, slice(None), np.repeat(rows[ACTION][at : at + 1], count, 0), slice(at, at + count))


def hold_state(p: Planting, rows: Rows) -> Rows:
    """The state was measured at 5 Hz and written at 20: each value stands four times."""
    every = max(round(4 * p.severity), 2)
    return rows | {STATE: rows[STATE][np.arange(len(rows[STATE])) // every * every]}


def zero_action(p: Planting, rows: Rows) -> Rows:
    """The commands of the moving arm are zero."""
    return put(rows, ACTION, p.part(f"{p.moving_side(rows)}_arm").slice, np.zeros(1))


def jerk(p: Planting, rows: Rows) -> Rows:
    """State and action tremble by 0.03 rad (standard deviation) from row to row."""
    for column in (STATE, ACTION):
        arm = p.part(f"{p.moving_side(rows)}_arm").slice
        noise = p.generator.normal(0, 0.03 * p.severity, rows[column][:, arm].shape)
        rows = put(rows, column, arm, rows[column][:, arm] + noise)
    return rows


def chunk_seams(p: Planting, rows: Rows) -> Rows:
    """Actions labelled chunk by chunk: each chunk of 16 rows is off by its own 0.08 rad (standard deviation)."""
    count = len(rows[ACTION])
    offsets = p.generator.normal(0, 0.08 * p.severity, (count // 16 + 1, 7))
    arm = p.part(f"{p.moving_side(rows)}_arm").slice
    return put(rows, ACTION, arm, rows[ACTION][:, arm] + np.repeat(offsets, 16, 0)[:count])


def teleport(p: Planting, rows: Rows) -> Rows:
    """State and action of an arm jump by 0.5 rad from one row on (two takes glued together)."""
    at = p.start(len(rows[STATE]), 2)
    arm = p.part(f"{p.moving_side(rows)}_arm").slice
    for column in (STATE, ACTION):
        rows = put(rows, column, arm, rows[column][at:, arm] + 0.5 * p.severity, slice(at, None))
    return rows


_defect = partial(Defect, group="motion")
_SPEED = "the policy learns motions that the robot cannot make"
_CLIP = "the policy never reaches the goal"
MOTION_DEFECTS = (
    _defect("action-nan", "3 values", "NAN-01", "the loss becomes NaN", in_rows(unreal, ACTION, np.nan, 3)),
    _defect("state-infinite", "1 value", "NAN-01", "the loss becomes NaN", in_rows(unreal, STATE, np.inf, 1)),
    _defect("joint-stuck", "whole episode", "MOTION-04", "the policy is blind to a joint", in_rows(stuck_encoder)),
    _defect("action-clipped", "25 % of the rows", "MOTION-03", _CLIP, in_rows(clip, ACTION)),
    _defect("state-clipped", "25 % of the rows", "MOTION-03", _CLIP, in_rows(clip, STATE)),
    _defect("state-spike", "30 sigma of the steps, 1 row", "MOTION-01", _SPEED, in_rows(spike, STATE)),
    _defect("action-spike", "30 sigma of the steps, 1 row", "MOTION-01", _SPEED, in_rows(spike, ACTION)),
    _defect("hand-chatter", "5 Hz for 1 s, 1.2 rad", "MOTION-13", "the grasp is lost", in_rows(chatter)),
    _defect("action-is-state", "every row", "MOTION-08", "the robot stands still", in_rows(copy_state)),
    _defect("action-delayed", "5 rows (250 ms)", "MOTION-09", "the policy reacts late", each(delay_actions, 5)),
    _defect("action-early", "3 rows (150 ms)", "MOTION-09", "steps are skipped", each(delay_actions, -3)),
    _defect("hand-late", "6 rows (300 ms), state", "MOTION-09", "grasps at the wrong time", each(delay_one_hand)),
    _defect("episode-reversed", "rows and frames", "MOTION-10", "undoes what it should do", each(reverse_all)),
    _defect(
        "rows-reversed", "rows only", "MOTION-10 SYNC-04", "images and actions do not belong", in_rows(reverse_rows)
    ),
    _defect("idle-start", "30 rows (1.5 s)", "IDLE-01", "the robot does not begin", each(insert_idle, 30, False)),
    _defect("idle-end", "15 s", "IDLE-02", "the robot learns to wait", each(insert_idle, 300, True)),
    _defect("action-stalled", "0.6 s", "MOTION-05", "the robot stops on the way", in_rows(freeze_action)),
    _defect("state-held", "5 Hz in 20 Hz rows", "MOTION-05", "the state is up to 150 ms old", in_rows(hold_state)),
    _defect("action-zero", "one arm", "MOTION-04 MOTION-15", "the arm falls to zero", in_rows(zero_action)),
    _defect("motion-trembling", "0.03 rad a row", "MOTION-11", "jerky motion", in_rows(jerk)),
    _defect(
        "action-seams", "0.08 rad every 16 rows", "MOTION-12 MOTION-02", "jumps between chunks", in_rows(chunk_seams)
    ),
    _defect("arm-teleport", "0.5 rad in one row", "MOTION-02", _SPEED, in_rows(teleport)),
)
