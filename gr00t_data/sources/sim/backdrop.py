"""What stands still in the robot's own view: the camera, the table and the plate, in closed form."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gr00t_data.sources.sim.draw import Scene
from gr00t_data.sources.sim.scene import PLATE_RADIUS_M, PLATE_TOP_M, TABLE_HALF_WIDTH_M, TABLE_TOP_M, TABLE_X_M

CAMERA_M = (0.07, 0.0, 1.56)
CAMERA_PITCH_RAD = np.deg2rad(66.0)
FIELD_OF_VIEW_RAD = np.deg2rad(50.0)
_FLOOR_RGB = (0.2, 0.2, 0.23)
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)


@dataclass(frozen=True)
class Pinhole:
    """A square picture's geometry. ``axes`` float64 [3, 3]: rows are right, down, forward in the world."""

    size: int
    axes: np.ndarray
    focal_px: float

    def project(self, points_m: np.ndarray) -> np.ndarray:
        """Points float64 [..., 3] in the world to (column, row, depth): pixels, pixels, metres; [..., 3]."""
        local = (np.asarray(points_m) - CAMERA_M) @ self.axes.T
        depth = np.maximum(local[..., 2:], 1e-6)
        return np.concatenate([local[..., :2] / depth * self.focal_px + self.size / 2, local[..., 2:]], axis=-1)

    def normalised(self, points_m: np.ndarray) -> np.ndarray:
        """Points [..., 3] to picture coordinates float32 [..., 2]: (column, row), 0..1 from the top left corner."""
        return (self.project(points_m)[..., :2] / self.size).astype(np.float32)


@lru_cache(maxsize=8)
def pinhole(size: int) -> Pinhole:
    """The ego camera for a picture of ``size`` by ``size`` pixels."""
    forward = np.array([np.cos(CAMERA_PITCH_RAD), 0.0, -np.sin(CAMERA_PITCH_RAD)])
    right = np.array([0.0, -1.0, 0.0])
    axes = np.stack([right, np.cross(forward, right), forward])
    return Pinhole(size, axes, size / 2 / float(np.tan(FIELD_OF_VIEW_RAD / 2)))


@lru_cache(maxsize=8)
def directions(size: int) -> np.ndarray:
    """Float64 [size, size, 3]: unit vectors through the pixel centres, in the world."""
    camera = pinhole(size)
    offsets = (np.arange(size) + 0.5 - size / 2) / camera.focal_px
    columns, rows = np.meshgrid(offsets, offsets)
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ camera.axes
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


@lru_cache(maxsize=8)
def _table_points(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where pixels meet the plane of the table: points [h, w, 3], distances [h, w], and whether it is on it [h, w]."""
    rays = directions(size)
    distance = (TABLE_TOP_M - CAMERA_M[2]) / np.minimum(rays[..., 2], -1e-3)
    points = np.array(CAMERA_M) + rays * distance[..., None]
    inside = (points[..., 0] > TABLE_X_M[0]) & (points[..., 0] < TABLE_X_M[1])
    inside &= (np.abs(points[..., 1]) < TABLE_HALF_WIDTH_M) & (rays[..., 2] < -1e-3)
    return points.astype(np.float32), distance.astype(np.float32), inside


@dataclass(frozen=True)
class Backdrop:
    """What does not move: colour float32 [h, w, 3], distance float32 [h, w], points float32 [h, w, 3]."""

    colour: np.ndarray
    distance: np.ndarray
    points: np.ndarray


def backdrop(scene: Scene, size: int) -> Backdrop:
    points, distance, on_table = _table_points(size)
    looks = scene.looks
    grain = 1 + 0.03 * np.sin(points[..., 1] * 90 + 2 * np.sin(points[..., 0] * 9 + looks.grain_phase))
    to_light = np.array(looks.light_m, dtype=np.float32) - points
    lit = to_light[..., 2] / np.sqrt(np.einsum("hwc,hwc->hw", to_light, to_light))
    shade = looks.ambient + (1.1 - looks.ambient) * lit**2
    wood = np.array(looks.table_rgb, dtype=np.float32) * (grain * shade)[..., None]
    colour = np.where(on_table[..., None], wood, np.array(_FLOOR_RGB, dtype=np.float32))
    if scene.plate_m is not None:
        _paint_plate(colour, points, scene, shade, size)
    return Backdrop(colour.astype(np.float32), distance, points)


def _paint_plate(colour: np.ndarray, points: np.ndarray, scene: Scene, shade: np.ndarray, size: int) -> None:
    """A disc with a ring drawn on it, and its edge, as seen from the camera; in place."""
    assert scene.plate_m is not None
    around = np.array([*scene.plate_m, PLATE_TOP_M]) + CORNERS * (PLATE_RADIUS_M, PLATE_RADIUS_M, 0.015)
    low, high = (end.astype(int).clip(0, size) for end in bounds(pinhole(size).project(around)))
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    foot_m = points[window][..., :2]
    # The point of the plate's upper face that hides a point of the table.
    fall = np.float32((PLATE_TOP_M - CAMERA_M[2]) / (TABLE_TOP_M - CAMERA_M[2]))
    upper_m = (foot_m - np.array(CAMERA_M[:2], dtype=np.float32)) * fall + np.array(CAMERA_M[:2], dtype=np.float32)
    foot = _radii(foot_m, scene.plate_m)
    radius = _radii(upper_m, scene.plate_m)
    brightness = np.select([(radius < 0.72) & (radius > 0.66), radius < 1, foot < 1], [0.72, 1.0, 0.5], 0.0)
    painted = np.array(scene.looks.plate_rgb, dtype=np.float32) * (brightness * shade[window])[..., None]
    colour[window] = np.where(brightness[..., None] > 0, painted, colour[window])


def _radii(points_m: np.ndarray, centre_m: tuple[float, float]) -> np.ndarray:
    """Distances of points [..., 2] from the plate's centre in plate radii, [...]."""
    away = points_m - np.array(centre_m, dtype=np.float32)
    return np.hypot(away[..., 0], away[..., 1]) / PLATE_RADIUS_M


def bounds(projected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and one past the last (column, row) that points [..., N, 3] of (column, row, depth) span; [..., 2] each."""
    return np.floor(projected[..., :2].min(axis=-2)), np.ceil(projected[..., :2].max(axis=-2)) + 1
