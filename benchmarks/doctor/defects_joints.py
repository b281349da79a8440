"""Defects of what a number stands for: its unit, its zero, its sign, its joint."""

from functools import partial

import numpy as np

from benchmarks.doctor.defect import ACTION, SIDES, STATE, Defect, Planting, in_rows
from benchmarks.doctor.defects_motion import put
from benchmarks.doctor.folder import Rows

_PERMUTED = [3, 2, 5, 4, 1, 0]


def joint_in_degrees(p: Planting, rows: Rows) -> Rows:
    """One joint of state and action is written in degrees."""
    joint = p.moving_joint(rows)
    for column in (STATE, ACTION):
        rows = put(rows, column, joint, np.rad2deg(rows[column][:, joint]))
    return rows


def arm_in_degrees(p: Planting, rows: Rows) -> Rows:
    """One arm of the action is written in degrees, the state in radians."""
    arm = p.part(f"{p.moving_side(rows)}_arm").slice
    return put(rows, ACTION, arm, np.rad2deg(rows[ACTION][:, arm]))


def zero_offset(p: Planting, rows: Rows) -> Rows:
    """The encoder of one joint lost its zero: the state is off by 0.35 rad."""
    joint = p.moving_joint(rows)
    return put(rows, STATE, joint, rows[STATE][:, joint] + 0.35 * p.severity)


def invert_hands(p: Planting, rows: Rows, *columns: str) -> Rows:
    """Both hands have the other sign (0 is open, 1 closed, taken the other way)."""
    for side in SIDES:
        hand = p.part(f"{side}_hand").slice
        for column in columns:
            rows = put(rows, column, hand, -rows[column][:, hand])
    return rows


def permute_fingers(p: Planting, rows: Rows, *columns: str) -> Rows:
    """The six motors of each hand stand in another order than elsewhere."""
    for side in SIDES:
        hand = p.part(f"{side}_hand")
        dims = [hand.start + i for i in _PERMUTED]
        for column in columns:
            rows = put(rows, column, hand.slice, rows[column][:, dims])
    return rows


def swap_arms(p: Planting, rows: Rows, *columns: str) -> Rows:
    """The left arm stands where the right belongs, and the other way round."""
    left, right = p.part("left_arm").slice, p.part("right_arm").slice
    for column in columns:
        mirrored = (rows[column][:, right], rows[column][:, left])
        rows = put(put(rows, column, left, mirrored[0]), column, right, mirrored[1])
    return rows


_defect = partial(Defect, group="joints")
_WRONG_JOINT, _SIGN, _CODES = "the policy moves the wrong joint", "opens where it should close", "MOTION-07 LIMIT-01"
_BOTH = STATE, ACTION
JOINT_DEFECTS = (
    _defect("joint-degrees", "x 57.3", "LIMIT-01", "wrong unit", in_rows(joint_in_degrees)),
    _defect("arm-degrees", "x 57.3, action only", "LIMIT-01", "wrong unit", in_rows(arm_in_degrees)),
    _defect("joint-zero-lost", "0.35 rad", "MOTION-15", "the state is wrong all along", in_rows(zero_offset)),
    _defect("hands-inverted-commands", "sign", "MOTION-06", _SIGN, in_rows(invert_hands, ACTION)),
    _defect("hands-inverted", "sign, state and action", "MOTION-06", _SIGN, in_rows(invert_hands, *_BOTH)),
    _defect("fingers-permuted-commands", "6 motors", _CODES, _WRONG_JOINT, in_rows(permute_fingers, ACTION)),
    _defect("fingers-permuted", "6 motors, state and action", _CODES, _WRONG_JOINT, in_rows(permute_fingers, *_BOTH)),
    _defect("arms-swapped-commands", "left and right", _CODES, _WRONG_JOINT, in_rows(swap_arms, ACTION)),
    _defect("arms-swapped", "left and right, state and action", _CODES, _WRONG_JOINT, in_rows(swap_arms, *_BOTH)),
)
