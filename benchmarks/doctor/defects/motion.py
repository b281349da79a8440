"""Defects of what the robot did and was told: state and action."""

from functools import partial

import numpy as np

from benchmarks.doctor.anatomy import ACTION, STATE, Limb, Unplantable
from benchmarks.doctor.defects.defect import Defect, Planting, add, cut_rows, each, in_every, in_rows, late, put
from benchmarks.doctor.folder import Rows

_SENSOR_NOISE_RAD = 2e-3
"""Standard deviation of a resting joint's readings: 1.3 ticks of a servo with 4096 a turn."""


def _limb(p: Planting, rows: Rows) -> Limb:
    """The hand that moves, or the moving arm where the hands rest: a rest cannot be late."""
    try:
        return p.robot.moving_hand(rows)
    except Unplantable:
        return p.robot.moving_arm(rows)


def unreal(p: Planting, rows: Rows, column: str, value: float, count: int) -> Rows:
    """Some rows of one joint are not numbers."""
    at = p.start(len(rows[column]), count)
    return put(rows, column, p.robot.moving_joint(rows).dims(column), value, slice(at, at + count))


def stuck_encoder(p: Planting, rows: Rows) -> Rows:
    """The joint that moves most stays at its first measured value."""
    dims = p.robot.moving_joint(rows).dims(STATE)
    return put(rows, STATE, dims, rows[STATE][0, dims])


def all_zero(p: Planting, rows: Rows) -> Rows:
    """Nothing was measured: every state is zero."""
    return put(rows, STATE, slice(None), 0.0)


def clip(p: Planting, rows: Rows, column: str) -> Rows:
    """The joint that moves most is cut at a level that 25 % of the rows reach."""
    dims = p.robot.moving_joint(rows).dims(column)
    values = rows[column][:, dims]
    level = np.quantile(values, 1 - 0.25 * min(p.severity, 3))
    return put(rows, column, dims, np.minimum(values, level))


def spike(p: Planting, rows: Rows, column: str) -> Rows:
    """One sample is off by 30 standard deviations of the joint's steps."""
    dims = p.robot.moving_joint(rows).dims(column)
    step = np.diff(rows[column][:, dims], axis=0).std()
    at = p.start(len(rows[column]), 1)
    return put(rows, column, dims, rows[column][at, dims] + 30 * p.severity * step, slice(at, at + 1))


def chatter(p: Planting, rows: Rows) -> Rows:
    """The fingers of a hand are told to open and close five times a second, for 1 s, by 1.2 rad within their reach."""
    hand = p.robot.moving_hand(rows)
    count = min(p.count(1.0), len(rows[ACTION]) - 6)
    at = p.start(len(rows[ACTION]), count)
    half = max(round(p.folder.store.fps / 10), 1)
    open_now = (np.arange(count) // half % 2)[:, None] - 0.5
    middle = (hand.low + hand.high) / 2
    return put(rows, ACTION, hand.dims(ACTION), middle + 1.2 * hand.radian * open_now, slice(at, at + count))


def copy_state(p: Planting, rows: Rows) -> Rows:
    """The action is the state of the same row."""
    for limb in p.robot.limbs:
        rows = put(rows, ACTION, limb.dims(ACTION), rows[STATE][:, limb.dims(STATE)])
    return rows


def relative(p: Planting, rows: Rows) -> Rows:
    """The actions of the arms are how far to go from the state of the row, not where to."""
    for limb in p.robot.arms:
        rows = put(
            rows, ACTION, limb.dims(ACTION), rows[ACTION][:, limb.dims(ACTION)] - rows[STATE][:, limb.dims(STATE)]
        )
    return rows


def _shifted(rows: Rows, column: str, dims: slice | list[int], count: int) -> Rows:
    """Some dimensions of a column come ``count`` rows late (early when negative); the rest is cut to fit."""
    others, own = late(count)
    return put(cut_rows(rows, others), column, dims, rows[column][own][:, dims])


def delay_actions(p: Planting, index: int, rows: int) -> None:
    """Every action is that of so many rows before (later when negative)."""
    count = round(rows * p.severity)
    p.robot.moving_joint(p.folder.rows(index))
    p.folder.change_rows(index, lambda own: _shifted(own, ACTION, slice(None), count))
    p.change_cameras(index, lambda frames: frames[late(count)[0]])


def delay_one_hand(p: Planting, index: int) -> None:
    """The measurements of the moving hand come 0.3 s late; of the arm, where the hand rests."""
    count = p.count(0.3)
    dims = _limb(p, p.folder.rows(index)).dims(STATE)
    p.folder.change_rows(index, lambda rows: _shifted(rows, STATE, dims, count))
    p.change_cameras(index, lambda frames: frames[late(count)[0]])


def reverse_rows(p: Planting, rows: Rows) -> Rows:
    """State and action run backwards; counters and stamps do not."""
    return {name: values[::-1] if name in (STATE, ACTION) else values for name, values in rows.items()}


def reverse_all(p: Planting, index: int) -> None:
    """Rows and frames run backwards."""
    p.folder.change_rows(index, lambda rows: reverse_rows(p, rows))
    p.change_cameras(index, lambda frames: frames[::-1])


def insert_idle(p: Planting, index: int, seconds: float, at_end: bool, noise_rad: float = 2e-4) -> None:
    """Rows of a robot at rest come before or after the motion; the pictures keep their noise."""
    count = p.count(seconds)
    rows = p.folder.rows(index)
    total = len(rows["timestamp"])
    order = [*range(total), *[total - 1] * count] if at_end else [*[0] * count, *range(total)]
    longer = {name: values[order] for name, values in rows.items()}
    for name in ("frame_index", "index"):
        if name in rows:
            longer[name] = rows[name][0] + np.arange(total + count)
    longer["timestamp"] = rows["timestamp"][0] + np.arange(total + count) / p.folder.store.fps
    where = slice(total, None) if at_end else slice(0, count)
    for limb in p.robot.limbs:
        noise = p.generator.normal(0, noise_rad, (count, len(limb.state)))
        longer = add(longer, STATE, limb, noise, where)
    p.folder.write_rows(index, longer)
    p.change_cameras(index, lambda old: grainy(p, old[order]))


def grainy(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Frames with noise of 2 levels, one by one: as many float pictures would not fit into memory."""
    for frame in frames:
        frame[:] = np.clip(frame + p.generator.normal(0, 2, frame.shape), 0, 255)
    return frames


def stop_early(p: Planting, index: int) -> None:
    """The demonstration breaks off after a third of it."""
    kept = slice(0, max(round(len(p.folder.rows(index)["timestamp"]) / 3 / p.severity), 25))
    p.folder.change_rows(index, lambda rows: cut_rows(rows, kept))
    p.change_cameras(index, lambda frames: frames[kept])


def _on_the_way(p: Planting, rows: Rows, count: int) -> int:
    """A row to begin at, so that a joint moves in the ``count`` rows from there. Raises Unplantable without one."""
    limb = p.robot.moving_arm(rows)
    positions = rows[ACTION][:, limb.dims(ACTION)] / limb.radian
    free = len(positions) - count
    reach = np.array([np.ptp(positions[at : at + count], axis=0).max() for at in range(max(free, 0))])
    if not len(reach) or reach.max() < 0.05:
        raise Unplantable("nothing moves for so long")
    return int(p.generator.choice(np.flatnonzero(reach >= np.quantile(reach, 0.6))))


def freeze_action(p: Planting, rows: Rows) -> Rows:
    """The command stream stalls: 0.6 s repeat the same command while the robot was moving."""
    count = min(p.count(0.6), len(rows[ACTION]) - 4)
    at = _on_the_way(p, rows, count)
    return put(rows, ACTION, slice(None), rows[ACTION][at : at + 1], slice(at, at + count))


def lose_link(p: Planting, rows: Rows) -> Rows:
    """The link to the robot is lost for 1.5 s: readings and commands stay what they were, the video goes on."""
    count = min(p.count(1.5), len(rows[ACTION]) // 2)
    at = _on_the_way(p, rows, count)
    for column in (STATE, ACTION):
        rows = put(rows, column, slice(None), rows[column][at : at + 1], slice(at, at + count))
    return rows


def hold(p: Planting, rows: Rows, hz: float, *columns: str) -> Rows:
    """Columns were taken at so many Hz and written at the rate of the rows: each value stands several times."""
    every = max(round(p.folder.store.fps / hz * p.severity), 2)
    return rows | {name: rows[name][np.arange(len(rows[name])) // every * every] for name in columns}


def hold_everywhere(p: Planting, index: int) -> None:
    """The state was measured at half of the rate, in every episode."""
    p.folder.change_rows(index, lambda rows: hold(p, rows, p.folder.store.fps / 2, STATE))


def hold_limb(p: Planting, rows: Rows) -> Rows:
    """The readings of one arm are refreshed every third or fourth row only."""
    dims = p.robot.moving_arm(rows).dims(STATE)
    every = max(round(int(p.generator.integers(3, 5)) * p.severity), 2)
    return put(rows, STATE, dims, rows[STATE][np.arange(len(rows[STATE])) // every * every][:, dims])


def zero_action(p: Planting, rows: Rows) -> Rows:
    """The commands of the moving arm are zero."""
    return put(rows, ACTION, p.robot.moving_arm(rows).dims(ACTION), 0.0)


def jerk(p: Planting, rows: Rows) -> Rows:
    """State and action tremble by 0.03 rad (standard deviation) from row to row."""
    arm = p.robot.moving_arm(rows)
    for column in (STATE, ACTION):
        noise = p.generator.normal(0, 0.03 * p.severity, (len(rows[column]), len(arm.state)))
        rows = add(rows, column, arm, noise)
    return rows


def chunk_seams(p: Planting, rows: Rows) -> Rows:
    """Actions labelled chunk by chunk: each chunk of 16 rows is off by its own 0.08 rad (standard deviation)."""
    count, arm = len(rows[ACTION]), p.robot.moving_arm(rows)
    offsets = p.generator.normal(0, 0.08 * p.severity, (count // 16 + 1, len(arm.action)))
    return add(rows, ACTION, arm, np.repeat(offsets, 16, 0)[:count])


def teleport(p: Planting, rows: Rows) -> Rows:
    """State and action of an arm jump by 0.5 rad from one row on (two takes glued together)."""
    at, arm = p.start(len(rows[STATE]), 2), p.robot.moving_arm(rows)
    for column in (STATE, ACTION):
        rows = add(rows, column, arm, 0.5 * p.severity, slice(at, None))
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
    _defect("action-delayed", "5 rows", "MOTION-09", "the policy reacts late", each(delay_actions, 5)),
    _defect("action-early", "3 rows", "MOTION-09", "steps are skipped", each(delay_actions, -3)),
    _defect("hand-late", "0.3 s, state", "MOTION-09", "grasps at the wrong time", each(delay_one_hand)),
    _defect("episode-reversed", "rows and frames", "MOTION-10", "undoes what it should do", each(reverse_all)),
    _defect(
        "rows-reversed", "rows only", "MOTION-10 SYNC-04", "images and actions do not belong", in_rows(reverse_rows)
    ),
    _defect("idle-start", "1.5 s", "IDLE-01", "the robot does not begin", each(insert_idle, 1.5, False)),
    _defect("idle-end", "15 s", "IDLE-02", "the robot learns to wait", each(insert_idle, 15, True)),
    _defect("action-stalled", "0.6 s", "MOTION-05", "the robot stops on the way", in_rows(freeze_action)),
    _defect("state-held", "5 Hz", "MOTION-05", "the state is up to 150 ms old", in_rows(hold, 5, STATE)),
    _defect("action-zero", "one arm", "MOTION-04 MOTION-15", "the arm falls to zero", in_rows(zero_action)),
    _defect("motion-trembling", "0.03 rad a row", "MOTION-11", "jerky motion", in_rows(jerk)),
    _defect(
        "action-seams", "0.08 rad every 16 rows", "MOTION-12 MOTION-02", "jumps between chunks", in_rows(chunk_seams)
    ),
    _defect("state-zero", "every row", "MOTION-04 MOTION-15", "nothing was measured", in_rows(all_zero)),
    _defect("action-relative", "arms, every row", "MOTION-18", "the robot goes to zero", in_rows(relative)),
    _defect(
        "idle-start-noisy",
        "1.5 s under 2 mrad of noise",
        "IDLE-01",
        "the robot does not begin",
        each(insert_idle, 1.5, False, _SENSOR_NOISE_RAD),
    ),
    _defect("demonstration-cut", "after a third", "MOTION-17", "the task is never finished", each(stop_early)),
    _defect("link-lost", "1.5 s, both", "MOTION-05", "the robot stops on the way", in_rows(lose_link)),
    _defect("rows-held", "10 Hz, both", "MOTION-05", "every other row is no row", in_rows(hold, 10, STATE, ACTION)),
    _defect("state-slow", "half of the rate, every episode", "MOTION-05", "old", in_every(hold_everywhere), rig=True),
    _defect("arm-held", "every 3rd or 4th row, state", "MOTION-05", "the state is old", in_rows(hold_limb)),
    _defect("arm-teleport", "0.5 rad in one row", "MOTION-02", _SPEED, in_rows(teleport)),
)
