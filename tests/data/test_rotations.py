"""Rotations by property: round trips, types, lengths, hemispheres. (Known values: batches/test_rotations.py.)"""

from math import pi, sqrt

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gr00t_data.rotations import (
    WIDTHS,
    as_quaternions,
    convert,
    matrix_to_axis_angle,
    matrix_to_euler,
    matrix_to_quaternion,
    of_quaternions,
    one_hemisphere,
    part_of,
    quaternion_to_matrix,
    rotation_6d_to_matrix,
    slerp,
)

SEEDS = (31337, 86_400, 1_618_033)
TYPES = (np.float32, np.float64)


def matrices(seed: int, count: int = 40) -> np.ndarray:
    """float64 [count, 9], rotations spread evenly over all."""
    return Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix().reshape(count, 9)


def apart(one: np.ndarray, two: np.ndarray) -> float:
    """The largest angle between rotation matrices [N, 9], rad."""
    first, second = (Rotation.from_matrix(m.reshape(-1, 3, 3).astype(np.float64)) for m in (one, two))
    return float((first.inv() * second).magnitude().max())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", WIDTHS)
def test_there_and_back_keeps_rotation_shape_and_type(name: str, dtype: type, seed: int) -> None:
    whole = matrices(seed).astype(dtype).reshape(5, 8, 9)
    there = convert(whole, "matrix", name)
    back = convert(there, name, "matrix")
    assert there.shape == (5, 8, WIDTHS[name]) and there.dtype == back.dtype == dtype
    assert apart(whole.reshape(-1, 9), back.reshape(-1, 9)) < (2e-3 if dtype == np.float32 else 1e-6)


@pytest.mark.parametrize("name", [one for one in WIDTHS if one.startswith("euler")])
def test_euler_angles_are_the_product_in_the_order_of_the_name(name: str) -> None:
    angles = np.random.default_rng(2_718_281).uniform(-1.5, 1.5, (20, 3))
    axes = {"r": [1, 0, 0], "p": [0, 1, 0], "y": [0, 0, 1]}
    product = Rotation.identity(20)
    for place, letter in enumerate(name.removeprefix("euler_angles_")):
        product = product * Rotation.from_rotvec(angles[:, place, None] * np.array(axes[letter]))
    assert apart(convert(angles, name, "matrix"), product.as_matrix()) < 1e-7
    np.testing.assert_allclose(convert(convert(angles, name, "matrix"), "matrix", name), angles, atol=1e-9)


@pytest.mark.parametrize("name", [one for one in WIDTHS if one.startswith("euler")])
@pytest.mark.parametrize("middle", [pi / 2, -pi / 2])
def test_a_locked_gimbal_still_gives_that_rotation(name: str, middle: float) -> None:
    locked = convert(np.array([[0.0, middle, 0.0]]), name, "matrix")
    again = convert(convert(locked, "matrix", name), name, "matrix")
    assert apart(locked, again) < 1e-6


def test_the_middle_angle_lies_within_a_quarter_turn() -> None:
    angles = matrix_to_euler(matrices(577_215).reshape(-1, 3, 3), "ZYX")
    assert np.abs(angles[:, 1]).max() <= pi / 2 and np.abs(angles).max() <= pi


@pytest.mark.parametrize("length", [1e-5, 0.5, 3.0, 1e6])
def test_a_quaternion_may_have_any_length(length: float) -> None:
    unit = np.array([[sqrt(0.5), sqrt(0.5), 0, 0], [0.5, 0.5, 0.5, 0.5]])
    np.testing.assert_allclose(quaternion_to_matrix(length * unit), quaternion_to_matrix(unit), atol=1e-12)
    np.testing.assert_allclose(as_quaternions(length * unit, "quaternion"), unit, atol=1e-12)


def test_a_quaternion_of_length_zero_or_nan_gives_nan_and_spoils_no_other() -> None:
    whole = quaternion_to_matrix(np.array([[0, 0, 0, 0], [np.nan, 0, 0, 1], [1, 0, 0, 0]], dtype=np.float32))
    assert np.isnan(whole[:2]).all() and whole.dtype == np.float32
    np.testing.assert_array_equal(whole[2], np.eye(3))


def test_a_quaternion_of_length_zero_is_refused_with_its_number() -> None:
    values = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1e-7, 0]])
    with pytest.raises(ValueError, match=r"^sample 2 is a quaternion of length zero, expected length 1$"):
        as_quaternions(values, "quaternion")
    with pytest.raises(ValueError, match="zero"):
        of_quaternions(np.zeros((1, 4)))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_real_part_is_never_negative(seed: int) -> None:
    quaternions = matrix_to_quaternion(matrices(seed).reshape(-1, 3, 3))
    assert (quaternions[:, 0] >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_six_numbers_are_made_orthonormal(seed: int) -> None:
    """Also of what a network gives, which is neither of unit length nor at right angles; scale does not matter."""
    rows = np.random.default_rng(seed).normal(size=(30, 6))
    whole = rotation_6d_to_matrix(rows)
    np.testing.assert_allclose(whole @ whole.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (30, 3, 3)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(whole), 1, atol=1e-9)
    np.testing.assert_allclose(rotation_6d_to_matrix(rows * 7), whole, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_angles_lie_between_none_and_half_a_turn(seed: int) -> None:
    vectors = matrix_to_axis_angle(matrices(seed).reshape(-1, 3, 3))
    assert np.linalg.norm(vectors, axis=1).max() <= pi + 1e-12
    beyond = convert(np.array([[0, 0, 1.5 * pi]]), "axis_angle", "matrix")  # the shorter way round
    np.testing.assert_allclose(convert(beyond, "matrix", "axis_angle"), [[0, 0, -pi / 2]], atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_neighbours_lie_on_one_hemisphere_and_turn_as_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = Rotation.from_rotvec(np.cumsum(0.4 * rng.normal(size=(60, 3)), axis=0)).as_quat(scalar_first=True)
    flipped = path * rng.choice([-1.0, 1.0], 60)[:, None]
    smooth = one_hemisphere(flipped)
    assert ((smooth[1:] * smooth[:-1]).sum(1) >= 0).all()
    np.testing.assert_array_equal(smooth[0], flipped[0])
    np.testing.assert_allclose(np.abs((smooth * path).sum(1)), 1, atol=1e-12)


@pytest.mark.parametrize("rotation", ["axis_angle", "rotation_6d", "matrix", "euler_angles_rpy"])
def test_every_representation_becomes_the_same_quaternions(rotation: str) -> None:
    whole = matrices(999_331, 12)
    wanted = one_hemisphere(matrix_to_quaternion(whole.reshape(-1, 3, 3)))
    np.testing.assert_allclose(as_quaternions(convert(whole, "matrix", rotation), rotation), wanted, atol=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
def test_slerp_has_its_ends_its_middle_and_a_constant_speed(seed: int) -> None:
    a, b = Rotation.random(2, rng=np.random.default_rng(seed)).as_quat(scalar_first=True)
    shares = np.linspace(0, 1, 6)
    path = Rotation.from_quat(slerp(np.tile(a, (6, 1)), np.tile(b, (6, 1)), shares), scalar_first=True)
    whole = (of_quaternions(a).inv() * of_quaternions(b)).magnitude()
    np.testing.assert_allclose((path[:-1].inv() * path[1:]).magnitude(), whole / 5, atol=1e-9)
    assert (path[0].inv() * of_quaternions(a)).magnitude() < 1e-9
    assert (path[5].inv() * of_quaternions(b)).magnitude() < 1e-9


def test_slerp_goes_the_shorter_way() -> None:
    none, turned = np.array([[1.0, 0, 0, 0]]), Rotation.from_rotvec([[0, 0, 1.0]]).as_quat(scalar_first=True)
    for sign in (1, -1):
        middle = of_quaternions(slerp(none, sign * turned, np.array([0.5])))
        np.testing.assert_allclose(middle.as_rotvec(), [[0, 0, 0.5]], atol=1e-12)


def test_a_part_of_a_turn() -> None:
    turns = Rotation.from_rotvec([[0.8, 0, 0], [0, -0.4, 0], [0, 0, 0]])
    parts = part_of(turns, np.array([0.25, 1.0, 0.5])).as_rotvec()
    np.testing.assert_allclose(parts, [[0.2, 0, 0], [0, -0.4, 0], [0, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("name", WIDTHS)
def test_an_array_of_another_width_is_refused_with_both(name: str) -> None:
    width = WIDTHS[name] + 1
    with pytest.raises(ValueError, match=rf"^{name} has {WIDTHS[name]} values, found an array of shape \(2, {width}\)"):
        convert(np.zeros((2, width)), name, "matrix")


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="unknown rotation 'quat'; expected one of axis_angle, quaternion, rotation_6d"
    ):
        convert(np.zeros((1, 3)), "axis_angle", "quat")


def test_the_same_name_gives_the_values_unchanged() -> None:
    values = np.array([[2.0, 0, 0, 0]])  # not even made a unit one
    assert convert(values, "quaternion", "quaternion") is values
