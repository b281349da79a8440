"""Rotations in the representations GR00T-LeRobot names, converted through the rotation matrix; turns in parts.

Conventions (those of the published transforms, which follow PyTorch3D): quaternions are real-first ``(w, x, y, z)`` and
may have any non-zero length; ``rotation_6d`` is the first two rows of the matrix (Zhou et al., arXiv 1812.07035);
``euler_angles_abc`` is the intrinsic product ``R_a R_b R_c`` with r, p, y standing for the axes x, y, z, in radians;
axis-angle is the axis times the angle in radians. Arrays keep their float type.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

_EULER = tuple(f"euler_angles_{letters}" for letters in ("rpy", "ryp", "pry", "pyr", "yrp", "ypr"))
WIDTHS = {"axis_angle": 3, "quaternion": 4, "rotation_6d": 6, "matrix": 9} | dict.fromkeys(_EULER, 3)
"""Number of values of each representation (a matrix is row-major when flat)."""
_SHORTEST = 1e-6


def scipy_rotation() -> "type[Rotation]":
    """The class of scipy. It takes longer to import than all that a worker needs besides, and few need it."""
    from scipy.spatial.transform import Rotation

    return Rotation


def quaternion_to_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Real-first quaternions [..., 4] of any length to matrices [..., 3, 3]; NaN for those of length zero or NaN."""
    usable = (np.linalg.norm(quaternion, axis=-1) > 0)[..., None]
    matrix = of_quaternions(np.where(usable, quaternion, [1.0, 0.0, 0.0, 0.0])).as_matrix()
    return np.where(usable[..., None], matrix, np.nan).astype(quaternion.dtype)


def matrix_to_quaternion(matrix: np.ndarray) -> np.ndarray:
    """Matrices [..., 3, 3] to unit quaternions [..., 4] with a non-negative real part."""
    return _of_matrix(matrix).as_quat(canonical=True, scalar_first=True).astype(matrix.dtype)


def axis_angle_to_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """Axis times angle (rad) [..., 3] to matrices [..., 3, 3]."""
    return scipy_rotation().from_rotvec(axis_angle).as_matrix().astype(axis_angle.dtype)


def matrix_to_axis_angle(matrix: np.ndarray) -> np.ndarray:
    """Matrices [..., 3, 3] to axis times angle (rad, 0 to pi) [..., 3]."""
    return _of_matrix(matrix).as_rotvec().astype(matrix.dtype)


def rotation_6d_to_matrix(rows: np.ndarray) -> np.ndarray:
    """Two rows [..., 6], made orthonormal in order (Gram-Schmidt), to matrices [..., 3, 3]."""
    first = _unit(rows[..., :3])
    along = (first * rows[..., 3:]).sum(-1, keepdims=True)
    second = _unit(rows[..., 3:] - along * first)
    return np.stack([first, second, np.cross(first, second)], axis=-2)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12).astype(vectors.dtype)


def matrix_to_rotation_6d(matrix: np.ndarray) -> np.ndarray:
    """The first two rows of matrices [..., 3, 3], flat: [..., 6]."""
    return matrix[..., :2, :].reshape(*matrix.shape[:-2], 6)


def matrix_to_euler(matrix: np.ndarray, axes: str) -> np.ndarray:
    """Matrices [..., 3, 3] to angles (rad) [..., 3] about ``axes`` (of XYZ); the middle one lies in [-pi/2, pi/2].

    By the published formula: of the names that a half turn and a locked gimbal have, scipy chooses others.
    """
    i, j, k = ("XYZ".index(axis) for axis in axes)
    sign = 1 if (j - i) % 3 == 1 else -1  # of the sine of the middle angle, which stands at [i, k]
    middle = np.arcsin(np.clip(sign * matrix[..., i, k], -1, 1))
    first = np.arctan2(-sign * matrix[..., j, k], matrix[..., k, k])
    third = np.arctan2(-sign * matrix[..., i, j], matrix[..., i, i])
    return np.stack([first, middle, third], axis=-1)


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
    return values if source == target else _from_matrix(_to_matrix(values, source), target)


def bound(name: str) -> float:
    """What no value of a representation exceeds: 1 for quaternions, rows and matrices, pi for angles."""
    return np.pi if name == "axis_angle" or name in _EULER else 1.0


@dataclass(frozen=True)
class Rotate:
    """Convert a part from the rotation it is stored in to the one the model sees; ``inverse`` goes back."""

    source: str
    target: str

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """[..., WIDTHS[source]] to [..., WIDTHS[target]]."""
        return convert(values, self.source, self.target)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """[..., WIDTHS[target]] to [..., WIDTHS[source]]."""
        return convert(values, self.target, self.source)


def _to_matrix(values: np.ndarray, source: str) -> np.ndarray:
    if source == "matrix":
        return values.reshape(*values.shape[:-1], 3, 3)
    if source in _EULER:
        return scipy_rotation().from_euler(_axes(source), values).as_matrix().astype(values.dtype)
    to_matrix = {
        "axis_angle": axis_angle_to_matrix,
        "quaternion": quaternion_to_matrix,
        "rotation_6d": rotation_6d_to_matrix,
    }
    return to_matrix[source](values)


def _from_matrix(matrix: np.ndarray, target: str) -> np.ndarray:
    if target == "matrix":
        return matrix.reshape(*matrix.shape[:-2], 9)
    if target in _EULER:
        return matrix_to_euler(matrix, _axes(target))
    from_matrix = {
        "axis_angle": matrix_to_axis_angle,
        "quaternion": matrix_to_quaternion,
        "rotation_6d": matrix_to_rotation_6d,
    }
    return from_matrix[target](matrix)


def _axes(name: str) -> str:
    """scipy's name of an order of axes; capitals are intrinsic."""
    return name.removeprefix("euler_angles_").translate(str.maketrans("rpy", "XYZ"))


def _of_matrix(matrix: np.ndarray) -> "Rotation":
    """As the published transforms read a matrix: what float32 took from its orthonormality is not put back first."""
    return scipy_rotation().from_matrix(matrix, assume_valid=True)


def of_quaternions(quaternions: np.ndarray) -> "Rotation":
    """Real-first quaternions [..., 4] as rotations. Raises ValueError: one of length zero."""
    return scipy_rotation().from_quat(quaternions, scalar_first=True)


def as_quaternions(values: np.ndarray, rotation: str) -> np.ndarray:
    """Rotations [N, D] of any representation to unit quaternions [N, 4]; neighbours in time lie on one hemisphere.

    Raises:
        ValueError: a quaternion of length zero.
    """
    quaternions = values
    if rotation != "quaternion":
        quaternions = convert(convert(values, rotation, "matrix"), "matrix", "quaternion")
    lengths = np.linalg.norm(quaternions, axis=-1, keepdims=True)
    if (short := lengths < _SHORTEST).any():
        raise ValueError(f"sample {int(short.argmax())} is a quaternion of length zero, expected length 1")
    return one_hemisphere(quaternions / lengths)


def one_hemisphere(quaternions: np.ndarray) -> np.ndarray:
    """Flip signs along the first axis [N, 4] so that no neighbour is more than a quarter turn of the sphere away."""
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1))
    signs = np.cumprod(np.concatenate([[1.0], np.where(flips < 0, -1.0, 1.0)]))
    return quaternions * signs[:, None]


def part_of(turns: "Rotation", share: np.ndarray) -> "Rotation":
    """The part ``share`` [...] of the shorter way of each turn, about its own axis."""
    return scipy_rotation().from_rotvec(turns.as_rotvec() * share[..., None])


def slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Unit quaternions from ``a`` (share 0) to ``b`` (share 1) at constant speed, the shorter way (Shoemake 1985)."""
    start = of_quaternions(a)
    return (start * part_of(start.inv() * of_quaternions(b), share)).as_quat(scalar_first=True)
