"""Rotations: known values, round trips, and the numbers of the published transforms."""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np
import pytest

from gr00t_data.batches.rotations import WIDTHS, Rotate, convert

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


def _matrices(values: np.ndarray, name: str) -> np.ndarray:
    """Rotations compared as matrices, so that two names of one rotation are equal."""
    if name == "matrix":
        return values
    return convert(values, name, "matrix").reshape(*values.shape[:-1], 3, 3)


def test_published_rotations(recorded: Callable[[str], Any]) -> None:
    item = recorded("transforms_rotations")
    inputs, outputs = item.arrays("inputs"), item.arrays("outputs")
    compared = 0
    for key, expected in outputs.items():
        group, dtype, what, *names = key.split("/")
        if what != "forward":
            continue
        source, target = names[0].split("__to__")
        given = _input(inputs, outputs, group, dtype, source)
        flat = given.reshape(*given.shape[:-2], 9) if source == "matrix" else given
        found = convert(flat, source, target)
        assert found.dtype == expected.dtype
        found = found.reshape(*found.shape[:-1], 3, 3) if target == "matrix" else found
        if group == "special":
            # No turn, half turns and locked gimbals have several names.
            found, expected = _matrices(found, target), _matrices(expected, target)
        tolerance = {"f64": 1e-9, "f32": 1e-3 if group == "special" else 1e-5}[dtype]
        np.testing.assert_allclose(found, expected, atol=tolerance, rtol=0, err_msg=key)
        compared += 1
    assert compared > 100


def _input(inputs: dict, outputs: dict, group: str, dtype: str, source: str) -> np.ndarray:
    recorded_as = {"large": "large_axis_angle_f64", "nonunit": "nonunit_quaternion_wxyz_f64"}
    values = inputs[recorded_as[group]] if group in recorded_as else outputs[f"{group}/f64/rep/{source}"]
    return values.astype(np.float64 if dtype == "f64" else np.float32)
