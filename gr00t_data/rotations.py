"""Rotations in the representations GR00T-LeRobot names, converted through the rotation matrix.

Conventions (those of the published transforms, which follow PyTorch3D): quaternions are real-first ``(w, x, y, z)`` and
may have any non-zero length; ``rotation_6d`` is the first two rows of the matrix (Zhou et al., arXiv 1812.07035);
``euler_angles_abc`` is the intrinsic product ``R_a R_b R_c`` with r, p, y standing for the axes x, y, z, in radians;
axis-angle is the axis times the angle in radians. Arrays keep their float type.
"""

from collections.abc import Callable

import numpy as np

_AXES = {"r": 0, "p": 1, "y": 2}
_EULER = tuple(f"euler_angles_{letters}" for letters in ("rpy", "ryp", "pry", "pyr", "yrp", "ypr"))
WIDTHS = {"axis_angle": 3, "quaternion": 4, "rotation_6d": 6, "matrix": 9} | dict.fromkeys(_EULER, 3)
"""Number of values of each representation (a matrix is row-major when flat)."""


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12).astype(vectors.dtype)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1, keepdims=True)


def quaternion_to_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Real-first quaternions [..., 4] of any length to matrices [..., 3, 3]."""
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    s = 2 / (quaternion * quaternion).sum(-1)
    rows = (
        (1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
        (s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)),
        (s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quaternion(matrix: np.ndarray) -> np.ndarray:
    """Matrices [..., 3, 3] to unit quaternions [..., 4] with a non-negative real part.

    Of the four ways to divide, the one with the largest divisor is taken, so no digit is lost near half turns.
    """
    m = matrix
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = np.stack([1 + d0 + d1 + d2, 1 + d0 - d1 - d2, 1 - d0 + d1 - d2, 1 - d0 - d1 + d2], axis=-1)
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    products = (
        (squares[..., 0], wx, wy, wz),
        (wx, squares[..., 1], xy, xz),
        (wy, xy, squares[..., 2], yz),
        (wz, xz, yz, squares[..., 3]),
    )
    table = np.stack([np.stack(row, axis=-1) for row in products], axis=-2)
    best = squares.argmax(-1)[..., None, None]
    quaternion = _unit(np.take_along_axis(table, best, axis=-2)[..., 0, :])
    return np.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def axis_angle_to_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """Axis times angle (rad) [..., 3] to matrices [..., 3, 3]."""
    half = np.linalg.norm(axis_angle, axis=-1, keepdims=True) / 2
    return quaternion_to_matrix(np.concatenate([np.cos(half), axis_angle * _half_sine_over_angle(half)], axis=-1))


def matrix_to_axis_angle(matrix: np.ndarray) -> np.ndarray:
    """Matrices [..., 3, 3] to axis times angle (rad, 0 to pi) [..., 3]."""
    quaternion = matrix_to_quaternion(matrix)
    imaginary = quaternion[..., 1:]
    half = np.arctan2(np.linalg.norm(imaginary, axis=-1, keepdims=True), quaternion[..., :1])
    return imaginary / _half_sine_over_angle(half)


def _half_sine_over_angle(half: np.ndarray) -> np.ndarray:
    """sin(half) / (2 half), which is 1/2 at zero."""
    return (np.sinc(half / np.pi) / 2).astype(half.dtype)


def rotation_6d_to_matrix(rows: np.ndarray) -> np.ndarray:
    """Two rows [..., 6], made orthonormal in order (Gram-Schmidt), to matrices [..., 3, 3]."""
    first = _unit(rows[..., :3])
    second = _unit(rows[..., 3:] - _dot(first, rows[..., 3:]) * first)
    return np.stack([first, second, np.cross(first, second)], axis=-2)


def matrix_to_rotation_6d(matrix: np.ndarray) -> np.ndarray:
    """The first two rows of matrices [..., 3, 3], flat: [..., 6]."""
    return matrix[..., :2, :].reshape(*matrix.shape[:-2], 6)


def euler_to_matrix(angles: np.ndarray, letters: str) -> np.ndarray:
    """Angles (rad) [..., 3] about the axes named by ``letters`` (of r, p, y) to matrices [..., 3, 3]."""
    first, second, third = (_turn(angles[..., i], _AXES[letter]) for i, letter in enumerate(letters))
    return first @ second @ third


def _turn(angle: np.ndarray, axis: int) -> np.ndarray:
    matrix = np.zeros((*angle.shape, 3, 3), dtype=angle.dtype)
    j, k = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., j, j] = matrix[..., k, k] = np.cos(angle)
    matrix[..., k, j] = np.sin(angle)
    matrix[..., j, k] = -np.sin(angle)
    return matrix


def matrix_to_euler(matrix: np.ndarray, letters: str) -> np.ndarray:
    """Matrices [..., 3, 3] to angles (rad) [..., 3]; the middle one lies in [-pi/2, pi/2]."""
    i, j, k = (_AXES[letter] for letter in letters)
    # Even orders of the axes (xyz, yzx, zxy) have the sine of the middle angle at [i, k], odd ones minus it.
    sign = 1 if (j - i) % 3 == 1 else -1
    middle = np.arcsin(np.clip(sign * matrix[..., i, k], -1, 1))
    first = np.arctan2(-sign * matrix[..., j, k], matrix[..., k, k])
    third = np.arctan2(-sign * matrix[..., i, j], matrix[..., i, i])
    return np.stack([first, middle, third], axis=-1)


_TO_MATRIX: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "axis_angle": axis_angle_to_matrix,
    "quaternion": quaternion_to_matrix,
    "rotation_6d": rotation_6d_to_matrix,
    "matrix": lambda flat: flat.reshape(*flat.shape[:-1], 3, 3),
}
_FROM_MATRIX: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "axis_angle": matrix_to_axis_angle,
    "quaternion": matrix_to_quaternion,
    "rotation_6d": matrix_to_rotation_6d,
    "matrix": lambda matrix: matrix.reshape(*matrix.shape[:-2], 9),
}


def convert(values: np.ndarray, source: str, target: str) -> np.ndarray:
    """Rotations [..., WIDTHS[source]] to [..., WIDTHS[target]]; the same name gives the values unchanged.

    Raises:
        ValueError: an unknown representation, or a last axis of another width.
    """
    for name in (source, target):
        if name not in WIDTHS:
            raise ValueError(f"unknown rotation {name!r}; expected one of {', '.join(WIDTHS)}")
    if values.shape[-1] != WIDTHS[source]:
        raise ValueError(f"{source} has {WIDTHS[source]} values, found an array of shape {values.shape}")
    if source == target:
        return values
    letters = source.removeprefix("euler_angles_")
    matrix = euler_to_matrix(values, letters) if source in _EULER else _TO_MATRIX[source](values)
    letters = target.removeprefix("euler_angles_")
    return matrix_to_euler(matrix, letters) if target in _EULER else _FROM_MATRIX[target](matrix)
