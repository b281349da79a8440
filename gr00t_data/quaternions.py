"""Unit quaternions (w, x, y, z): product, power, interpolation. Arrays are float64 [..., 4]."""

import numpy as np

from gr00t_data.rotations import convert


def as_quaternions(values: np.ndarray, rotation: str) -> np.ndarray:
    """Rotations of any representation to unit quaternions; neighbours in time lie on one hemisphere.

    Raises:
        ValueError: a quaternion of length zero.
    """
    quaternions = (
        values if rotation == "quaternion" else convert(convert(values, rotation, "matrix"), "matrix", "quaternion")
    )
    lengths = np.linalg.norm(quaternions, axis=-1, keepdims=True)
    if (lengths < 1e-6).any():
        raise ValueError(f"sample {int((lengths < 1e-6).argmax())} is a quaternion of length zero, expected length 1")
    return one_hemisphere(quaternions / lengths)


def one_hemisphere(quaternions: np.ndarray) -> np.ndarray:
    """Flip signs along the first axis [N, 4] so that no neighbour is more than a quarter turn of the sphere away."""
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1))
    signs = np.cumprod(np.concatenate([[1.0], np.where(flips < 0, -1.0, 1.0)]))
    return quaternions * signs[:, None]


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation that turns by ``b`` first, then by ``a``."""
    w, v = a[..., :1], a[..., 1:]
    x, u = b[..., :1], b[..., 1:]
    return np.concatenate([w * x - (v * u).sum(-1, keepdims=True), w * u + x * v + np.cross(v, u)], axis=-1)


def inverse(a: np.ndarray) -> np.ndarray:
    """The rotation back."""
    return a * np.array([1.0, -1.0, -1.0, -1.0])


def power(a: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The part ``share`` [...] of the shorter turn of ``a`` about its own axis."""
    a = np.where(a[..., :1] < 0, -a, a)
    sine = np.linalg.norm(a[..., 1:], axis=-1, keepdims=True)
    half = np.arctan2(sine, a[..., :1]) * share[..., None]
    axis = a[..., 1:] / np.where(sine > 0, sine, 1.0)
    return np.concatenate([np.cos(half), axis * np.sin(half)], axis=-1)


def slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """From ``a`` (share 0) to ``b`` (share 1) at constant angular speed, the shorter way (Shoemake 1985)."""
    between = product(a, power(product(inverse(a), b), share))
    return between / np.linalg.norm(between, axis=-1, keepdims=True)
