"""Defects of what a number stands for: its unit, its zero, its sign, its joint."""

import math
from functools import partial

import numpy as np

from benchmarks.doctor.anatomy import ACTION, STATE, Limb, Unplantable
from benchmarks.doctor.defects.defect import Defect, Planting, add, in_every, in_rows, put
from benchmarks.doctor.folder import Rows

_OTHER_UNIT = {"rad": (math.degrees(1), 0.0), "deg": (math.radians(1), 0.0), "ticks": (360 / 4096, 2048.0)}
"""Factor and zero of the unit that people confuse it with: degrees for radians and ticks, radians for degrees."""
_SHARES = (0.01, 0.0)
"""Shares of one where hundreds belong, for every other unit."""


def _in_another_unit(rows: Rows, limb: Limb, *columns: str) -> Rows:
    factor, zero = _OTHER_UNIT.get(limb.unit, _SHARES)
    for column in columns:
        dims = limb.dims(column)
        rows = put(rows, column, dims, (rows[column][:, dims] - zero) * factor)
    return rows


def joint_in_degrees(p: Planting, rows: Rows) -> Rows:
    """One joint of state and action is written in another unit."""
    return _in_another_unit(rows, p.robot.moving_joint(rows), STATE, ACTION)


def arm_in_degrees(p: Planting, rows: Rows) -> Rows:
    """One arm of the action is written in another unit than the state."""
    return _in_another_unit(rows, p.robot.moving_arm(rows), ACTION)


def store_in_degrees(p: Planting, index: int) -> None:
    """Every arm of every episode is in another unit than the robot's file says. Raises Unplantable without arms."""
    if not p.robot.arms:
        raise Unplantable("no arm")
    rows = p.folder.rows(index)
    for limb in p.robot.arms:
        rows = _in_another_unit(rows, limb, STATE, ACTION)
    p.folder.write_rows(index, rows)


def zero_offset(p: Planting, rows: Rows, offset_rad: float, *columns: str) -> Rows:
    """One joint lost its zero: what is measured (and told, after a wrong homing) is off."""
    joint = p.robot.moving_joint(rows)
    for column in columns:
        rows = add(rows, column, joint, offset_rad * p.severity)
    return rows


def invert_hands(p: Planting, rows: Rows, *columns: str) -> Rows:
    """All hands have the other sign."""
    for hand in p.robot.hands:
        for column in columns:
            rows = put(rows, column, hand.dims(column), -rows[column][:, hand.dims(column)])
    return rows


def flip_hands(p: Planting, rows: Rows, *columns: str) -> Rows:
    """0 is open and 1 closed, taken the other way: ``low + high - x`` within the reach of each motor."""
    for hand in p.robot.hands:
        for column in columns:
            rows = put(rows, column, hand.dims(column), hand.low + hand.high - rows[column][:, hand.dims(column)])
    return rows


def permute_fingers(p: Planting, rows: Rows, *columns: str) -> Rows:
    """The motors of each hand stand in another order than elsewhere."""
    hands = [hand for hand in p.robot.hands if len(hand.state) > 1]
    if not hands:
        raise Unplantable("no hand of several motors")
    for hand in hands:
        order = _another_order(len(hand.state))
        for column in columns:
            dims = np.array(hand.dims(column))
            rows = put(rows, column, dims.tolist(), rows[column][:, dims[order]])
    return rows


def _another_order(count: int) -> list[int]:
    """Of six motors 3 2 5 4 1 0; of others the reverse."""
    return [3, 2, 5, 4, 1, 0] if count == 6 else [*range(count)][::-1]


def swap_arms(p: Planting, rows: Rows, *columns: str) -> Rows:
    """The left arm stands where the right belongs, and the other way round."""
    pairs = [pair for pair in p.robot.pairs() if not pair[0].is_hand]
    if not pairs:
        raise Unplantable("no left and right arm")
    for column in columns:
        for left, right in pairs:
            mirrored = rows[column][:, right.dims(column)], rows[column][:, left.dims(column)]
            rows = put(rows, column, left.dims(column), mirrored[0])
            rows = put(rows, column, right.dims(column), mirrored[1])
    return rows


_defect = partial(Defect, group="joints")
_WRONG_JOINT, _SIGN, _CODES = "the policy moves the wrong joint", "opens where it should close", "MOTION-07 LIMIT-01"
_BOTH = STATE, ACTION
_OFF = "the same pose has two names"
_third = partial(_defect, share=1 / 3)
JOINT_DEFECTS = (
    _defect("joint-degrees", "x 57.3, or another unit", "LIMIT-01 UNIT-02", "wrong unit", in_rows(joint_in_degrees)),
    _defect("arm-degrees", "action only", "LIMIT-01 UNIT-02", "wrong unit", in_rows(arm_in_degrees)),
    _defect("store-degrees", "every arm", "UNIT-01", "one scale for two", in_every(store_in_degrees), rig=True),
    _defect(
        "joint-zero-lost", "0.35 rad", "MOTION-15", "the state is wrong all along", in_rows(zero_offset, 0.35, STATE)
    ),
    _defect("joint-homing", "0.35 rad, state and action", "MOTION-16", _OFF, in_rows(zero_offset, 0.35, *_BOTH)),
    _defect("hands-inverted-commands", "sign", "MOTION-06 LIMIT-01", _SIGN, in_rows(invert_hands, ACTION)),
    _defect("hands-inverted", "sign, state and action", "MOTION-06 LIMIT-01", _SIGN, in_rows(invert_hands, *_BOTH)),
    _defect("hands-flipped-commands", "1 - x", "MOTION-06", _SIGN, in_rows(flip_hands, ACTION)),
    _defect("hands-flipped", "1 - x, state and action", "MOTION-06", _SIGN, in_rows(flip_hands, *_BOTH)),
    _defect("fingers-permuted-commands", "all motors", _CODES, _WRONG_JOINT, in_rows(permute_fingers, ACTION)),
    _defect("fingers-permuted", "state and action", _CODES, _WRONG_JOINT, in_rows(permute_fingers, *_BOTH)),
    _third("fingers-permuted-often", "in a third", _CODES, _WRONG_JOINT, in_rows(permute_fingers, *_BOTH)),
    _defect("arms-swapped-commands", "left and right", _CODES, _WRONG_JOINT, in_rows(swap_arms, ACTION)),
    _defect("arms-swapped", "left and right, state and action", _CODES, _WRONG_JOINT, in_rows(swap_arms, *_BOTH)),
)
