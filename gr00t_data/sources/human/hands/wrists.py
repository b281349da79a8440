"""Wrist poses in one camera: rigid transforms, and their path through short gaps.

A pose is a float64 [4, 4] matrix. ``camera`` matrices take points of the camera (x right, y down, z forward, metres)
to a fixed frame; its inverse takes points of that frame to the camera.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import PchipInterpolator

from gr00t_data.rates import between
from gr00t_data.rotations import as_quaternions, matrix_to_quaternion, one_hemisphere, quaternion_to_matrix, slerp

Poses = Float[np.ndarray, "*batch 4 4"]

_NS = 1e9


def inverse(poses: Poses) -> Poses:
    """The transforms back; exact for rigid ones."""
    turned = np.swapaxes(poses[..., :3, :3], -1, -2)
    found = np.zeros_like(poses)
    found[..., :3, :3] = turned
    found[..., :3, 3] = -(turned @ poses[..., :3, 3:])[..., 0]
    found[..., 3, 3] = 1
    return found


def pose_of(rotations: Float[np.ndarray, "*batch 3 3"], places: Float[np.ndarray, "*batch 3"]) -> Poses:
    """Matrices from their rotation and place."""
    found = np.zeros((*places.shape[:-1], 4, 4))
    found[..., :3, :3], found[..., :3, 3], found[..., 3, 3] = rotations, places, 1
    return found


def rigid(poses: Poses, tolerance: float = 1e-3) -> Bool[np.ndarray, " *batch"]:
    """Whether each matrix is finite, its rotation orthonormal and right-handed, and its last row 0 0 0 1."""
    turn = poses[..., :3, :3]
    off = np.abs(turn @ np.swapaxes(turn, -1, -2) - np.eye(3)).max((-1, -2))
    last = np.abs(poses[..., 3, :] - np.array([0.0, 0.0, 0.0, 1.0])).max(-1)
    finite = np.isfinite(poses).all((-1, -2))
    return finite & (off < tolerance) & (last < tolerance) & (np.linalg.det(np.nan_to_num(turn)) > 0)


def in_one_camera(wrists: Float[np.ndarray, "t h 4 4"], cameras: Float[np.ndarray, "t 4 4"], first: Poses) -> Poses:
    """Poses in the camera of their own frame, moved to the camera ``first`` [4, 4]; NaN stays NaN."""
    return (inverse(first) @ cameras)[:, None] @ wrists


def projected(points: np.ndarray, world_to_camera: Poses, intrinsics: np.ndarray, present: np.ndarray) -> np.ndarray:
    """float32 [T, 2, 21, 2] in pixels; NaN behind the camera and where the hand is absent."""
    seen = np.einsum("tij,thkj->thki", world_to_camera[:, :3, :3], points) + world_to_camera[:, None, None, :3, 3]
    pixels = np.einsum("ij,thkj->thki", intrinsics, seen)
    ahead = (seen[..., 2:] > 0) & present[..., None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ahead, pixels[..., :2] / pixels[..., 2:], np.nan).astype(np.float32)


@dataclass(frozen=True)
class Track:
    """The path of one hand through the frames in which it was found.

    Attributes:
        times_s: float64 [N], increasing.
        values: float64 [N, D], interpolated by monotone cubics (PCHIP, Fritsch and Carlson 1980): no overshoot.
        quaternions: float64 [N, 4], interpolated along the shorter turn.
        begins: bool [N], where the path does not go on from the frame before.
        frame_s: for so long a frame is shown: the first and the last pose hold as long before and after.
    """

    times_s: np.ndarray
    values: np.ndarray
    quaternions: np.ndarray
    begins: np.ndarray
    frame_s: float = 0.0

    @classmethod
    def of(
        cls,
        times_s: np.ndarray,
        poses: np.ndarray,
        others: np.ndarray,
        begins: np.ndarray,
        longest_gap_s: float,
        frame_s: float = 0.0,
    ) -> Self:
        """Of the frames in which the hand is there; N may be 0.

        Args:
            times_s: float64 [N].
            poses: float64 [N, 4, 4].
            others: float64 [N, K], further values.
            begins: bool [N], where the path is known not to go on.
            longest_gap_s: between two frames further apart than this it does not go on either.
        """
        turns = matrix_to_quaternion(poses[:, :3, :3])
        values = np.concatenate([poses[:, :3, 3], others], axis=1)
        far = np.diff(times_s, prepend=times_s[:1]) > longest_gap_s + 1e-6
        return cls(times_s, values, one_hemisphere(turns) if len(turns) else turns, begins | far, frame_s)

    def at(self, wanted_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The path at any times.

        Returns:
            values: float64 [T, D];  rotations: float64 [T, 3, 3];  known: bool [T], False in long gaps and outside,
            where values and rotations are those of the nearest known frame (zeros and no turn without any).
        """
        if not len(self.times_s):
            unknown = np.zeros(len(wanted_s), dtype=bool)
            return np.zeros((len(wanted_s), self.values.shape[1])), np.tile(np.eye(3), (len(wanted_s), 1, 1)), unknown
        left, right, share = between(_ns(self.times_s), _ns(wanted_s))
        on = np.minimum(np.abs(wanted_s - self.times_s[left]), np.abs(wanted_s - self.times_s[right])) < 1e-6
        slack_s = max(self.frame_s, 1e-6)
        inside = (wanted_s > self.times_s[0] - slack_s) & (wanted_s < self.times_s[-1] + slack_s)
        known = inside & (~self.begins[right] | on)
        turns = slerp(self.quaternions[left], self.quaternions[right], share)
        nearest = np.where(share < 0.5, left, right)
        values = np.where(known[:, None], self._smooth(wanted_s, nearest), self.values[nearest])
        turns = np.where(known[:, None], turns, self.quaternions[nearest])
        return values, quaternion_to_matrix(turns), known

    def _smooth(self, wanted_s: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """PCHIP within each stretch that goes on; stretches of one frame stay at it."""
        found = self.values[nearest]
        for piece in np.split(np.arange(len(self.times_s)), np.flatnonzero(self.begins[1:]) + 1):
            times_s = self.times_s[piece]
            inside = (wanted_s > times_s[0] - 1e-6) & (wanted_s < times_s[-1] + 1e-6)
            if len(piece) > 1 and inside.any():
                held = np.clip(wanted_s[inside], times_s[0], times_s[-1])
                found[inside] = PchipInterpolator(times_s, self.values[piece])(held)
        return found


def pose_at(times_s: np.ndarray, poses: Float[np.ndarray, "t 4 4"], when_s: float) -> Poses:
    """One pose of a path without gaps, on the straight line and the shorter turn between its neighbours. [4, 4]"""
    left, right, share = between(_ns(times_s), _ns(np.array([when_s])))
    quaternions = as_quaternions(matrix_to_quaternion(poses[:, :3, :3]), "quaternion")
    place = poses[left, :3, 3] + share[:, None] * (poses[right, :3, 3] - poses[left, :3, 3])
    return pose_of(quaternion_to_matrix(slerp(quaternions[left], quaternions[right], share)), place)[0]


def _ns(times_s: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(times_s) * _NS).astype(np.int64)
