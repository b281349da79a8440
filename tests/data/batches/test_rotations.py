"""Rotations: known values and round trips. (The published numbers: test_parity.py.)"""

from math import pi, sqrt

import numpy as np
import pytest

from gr00t_data.rotations import WIDTHS, Rotate, convert

# A quarter turn about z takes x to y.
QUARTER_Z = {
    "axis_angle": [0, 0, pi / 2],
    "quaternion": [sqrt(0.5), 0, 0, sqrt(0.5)],
    "rotation_6d": [0, -1, 0, 1, 0, 0],
    "matrix": [0, -1, 0, 1, 0, 0, 0, 0, 1],
    "euler_angles_rpy": [0, 0, pi / 2],
    "euler_angles_ypr": [pi / 2, 0, 0],
}


@pytest.mark.parametrize("source", QUARTER_Z)
@pytest.mark.parametrize("target", QUARTER_Z)
def test_a_quarter_turn_about_z(source: str, target: str) -> None:
    found = convert(np.array(QUARTER_Z[source], dtype=np.float64), source, target)
    np.testing.assert_allclose(found, QUARTER_Z[target], atol=1e-12)


@pytest.mark.parametrize("name", WIDTHS)
def test_there_and_back(name: str) -> None:
    turns = np.random.default_rng(0).normal(size=(50, 3))
    matrices = convert(turns, "axis_angle", "matrix")
    there = Rotate("matrix", name)
    assert there(matrices).shape == (50, WIDTHS[name])
    np.testing.assert_allclose(there.inverse(there(matrices)), matrices, atol=1e-12)


def test_euler_order_is_intrinsic() -> None:
    found = convert(np.array([pi / 2, pi / 2, 0]), "euler_angles_rpy", "matrix").reshape(3, 3)
    turn_x = convert(np.array([pi / 2, 0, 0]), "axis_angle", "matrix").reshape(3, 3)
    turn_y = convert(np.array([0, pi / 2, 0]), "axis_angle", "matrix").reshape(3, 3)
    np.testing.assert_allclose(found, turn_x @ turn_y, atol=1e-12)


def test_half_turns_and_no_turn() -> None:
    for turn in ([pi, 0, 0], [0, pi, 0], [0, 0, pi], [0, 0, 0]):
        matrix = convert(np.array(turn, dtype=np.float64), "axis_angle", "matrix")
        back = convert(convert(matrix, "matrix", "quaternion"), "quaternion", "matrix")
        np.testing.assert_allclose(back, matrix, atol=1e-12)


@pytest.mark.parametrize(("source", "width", "message"), [("turn", 3, "unknown rotation"), ("quaternion", 3, "has 4")])
def test_wrong_input(source: str, width: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert(np.zeros(width), source, "matrix")
