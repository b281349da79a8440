# pyright: reportAttributeAccessIssue=false
# (mujoco is compiled and ships no stubs)
"""The robot's own view without a graphics library: rays through ``mj_multiRay``, Lambert shading, shadows on the table.

The camera does not move, so the table and the plate are drawn once a scene; rays are cast only inside the outlines of
what moves, first on every other pixel and then where neighbours disagree.
"""

import mujoco
import numpy as np

from gr00t_data.sources.sim.backdrop import CAMERA_M, CORNERS, backdrop, bounds, directions, pinhole
from gr00t_data.sources.sim.draw import Looks
from gr00t_data.sources.sim.scene import DYNAMIC_GROUP, TABLE_TOP_M
from gr00t_data.sources.sim.world import World

_SMALL_PX = 128
_FINER = 2
_SHADOW_EVERY_PX = 3
_SHADOW_DEPTH = 0.55
_NOTHING = -1


class EgoCamera:
    """Pictures of one world.

    Args:
        world: whose present is drawn by ``picture``.
        size: height and width in pixels; small pictures are cast twice as fine and averaged, like resized large ones.
    """

    def __init__(self, world: World, size: int) -> None:
        self._world = world
        self._finer = _FINER if size <= _SMALL_PX else 1
        size *= self._finer
        self.pinhole = pinhole(size)
        self._light_m = np.array(world.scene.looks.light_m)
        self._backdrop = backdrop(world.scene, size)
        self._geoms = np.flatnonzero(world.model.geom_group == DYNAMIC_GROUP)
        self._colours = _geom_colours(world)
        self._ids = np.full((size, size), _NOTHING, dtype=np.int32)

    def picture(self) -> np.ndarray:
        """Uint8 [size, size, 3], RGB: the world as it is now."""
        corners = self._corners()
        colour = self._shadowed(corners)
        self._draw_geoms(colour, self._outlines(self.pinhole.project(corners)))
        np.clip(colour, 0.0, 1.0, out=colour)
        if self._finer > 1:
            colour = _averaged(colour, self._finer)
        return (colour * 255 + 0.5).astype(np.uint8)

    def geoms_seen(self) -> np.ndarray:
        """Int32 [size, size] (twice as fine for small pictures): which geom each pixel of the last picture shows, -1
        for table, plate and floor."""
        return self._ids.copy()

    def target_share(self) -> float:
        """Share of the pixels of the last picture in which the named object is what is seen."""
        geom = mujoco.mj_name2id(self._world.model, mujoco.mjtObj.mjOBJ_GEOM, "object0")
        return float(np.mean(self._ids == geom))

    def _corners(self) -> np.ndarray:
        """Float64 [G, 8, 3]: the corners of the bounding boxes of what moves, in the world."""
        model, data = self._world.model, self._world.data
        centre, half = model.geom_aabb[self._geoms, :3], model.geom_aabb[self._geoms, 3:]
        local = centre[:, None] + half[:, None] * CORNERS
        turn = data.geom_xmat[self._geoms].reshape(-1, 3, 3)
        return local @ turn.transpose(0, 2, 1) + data.geom_xpos[self._geoms][:, None]

    def _outlines(self, projected: np.ndarray) -> np.ndarray:
        """Bool [h, w]: inside the bounding rectangle of any row of (column, row, depth) [G, 8, 3]."""
        size = self.pinhole.size
        mask = np.zeros((size, size), dtype=bool)
        low, high = (end.astype(int).clip(0, size) for end in bounds(projected))
        for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
            mask[top:bottom, left:right] = True
        return mask

    def _draw_geoms(self, colour: np.ndarray, mask: np.ndarray) -> None:
        ids, distance, normals = self._cast(mask)
        rows, columns = np.nonzero((ids != _NOTHING) & (distance < self._backdrop.distance))
        hit = ids[rows, columns]
        self._ids.fill(_NOTHING)
        self._ids[rows, columns] = hit
        rays = directions(self.pinhole.size)[rows, columns].astype(np.float32)
        points = np.array(CAMERA_M, dtype=np.float32) + rays * distance[rows, columns, None]
        looks = self._world.scene.looks
        colour[rows, columns] = self._colours[hit] * _lambert(points, normals[rows, columns], rays, looks)[:, None]

    def _cast(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Geom ids int32, distances float32 and normals float32 x 3 for the pixels in ``mask``; ids -1 elsewhere."""
        size = self.pinhole.size
        ids = np.full((size, size), _NOTHING, dtype=np.int32)
        distance = np.zeros((size, size), dtype=np.float32)
        normals = np.zeros((size, size, 3), dtype=np.float32)
        coarse = np.zeros_like(mask)
        coarse[::2, ::2] = mask[::2, ::2] | mask[1::2, ::2] | mask[::2, 1::2] | mask[1::2, 1::2]
        self._cast_at(coarse, ids, distance, normals)
        self._cast_at(_fill_agreeing(mask, coarse, ids, distance, normals), ids, distance, normals)
        return ids, distance, normals

    def _cast_at(self, where: np.ndarray, ids: np.ndarray, distance: np.ndarray, normals: np.ndarray) -> None:
        rays = directions(self.pinhole.size)[where]
        ids[where], distance[where], normals[where] = _multi_ray(self._world, np.array(CAMERA_M), rays)

    def _shadowed(self, corners: np.ndarray) -> np.ndarray:
        """Float32 [h, w, 3]: the backdrop, darkened where the light does not reach it."""
        colour = self._backdrop.colour.copy()
        away = corners - self._light_m
        reach = (TABLE_TOP_M - self._light_m[2]) / np.minimum(away[..., 2:], -1e-3)
        mask = self._outlines(self.pinhole.project(self._light_m + away * reach))
        grid = np.zeros_like(mask)
        grid[::_SHADOW_EVERY_PX, ::_SHADOW_EVERY_PX] = True
        grid &= mask
        if grid.any():
            dark = np.zeros(mask.shape, dtype=np.float32)
            ids, distance, _ = _multi_ray(self._world, self._light_m, self._backdrop.points[grid] - self._light_m)
            dark[grid] = (ids != _NOTHING) & (distance < 0.99)
            colour *= (
                1 - _SHADOW_DEPTH * _smooth(dark[::_SHADOW_EVERY_PX, ::_SHADOW_EVERY_PX], self.pinhole.size)[..., None]
            )
        return colour


def _multi_ray(world: World, origin_m: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest moving geom along rays [N, 3]: ids int32 [N] (-1 none), distance in ray lengths [N], normals [N, 3]."""
    count = len(rays)
    ids = np.full(count, _NOTHING, dtype=np.int32)
    distance, normals = np.zeros(count), np.zeros(3 * count)
    if count:
        group = np.zeros(6, dtype=np.uint8)
        group[DYNAMIC_GROUP] = 1
        flat = np.ascontiguousarray(rays, dtype=np.float64).reshape(-1)
        mujoco.mj_multiRay(
            world.model, world.data, origin_m, flat, group, True, -1, ids, distance, normals, count, mujoco.mjMAXVAL
        )
    return ids, distance, normals.reshape(-1, 3)


def _fill_agreeing(
    mask: np.ndarray, coarse: np.ndarray, ids: np.ndarray, distance: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """Fill pixels between equal neighbours of the coarse grid in place; returns bool [h, w]: what is left to cast."""
    left = mask & ~coarse
    size = len(mask) // 2 * 2 - 2
    corners = [(slice(r, size + r, 2), slice(c, size + c, 2)) for r in (0, 2) for c in (0, 2)]
    same = np.ones((size // 2, size // 2), dtype=bool)
    for corner in corners:
        same &= coarse[corner] & (ids[corner] == ids[corners[0]])
    for row, column in ((0, 1), (1, 0), (1, 1)):
        here = (slice(row, size + row, 2), slice(column, size + column, 2))
        between = [c for c in corners if abs(c[0].start - row) <= 1 and abs(c[1].start - column) <= 1]
        fill = same & left[here]
        ids[here][fill] = ids[corners[0]][fill]
        distance[here][fill] = np.mean([distance[c][fill] for c in between], axis=0)
        normals[here][fill] = np.mean([normals[c][fill] for c in between], axis=0)
        left[here][fill] = False
    return left


def _lambert(points_m: np.ndarray, normals: np.ndarray, rays: np.ndarray, looks: Looks) -> np.ndarray:
    """Float32 [N]: brightness of surfaces under a point light, with a little light from the viewer."""
    to_light = np.array(looks.light_m, dtype=np.float32) - points_m
    lit = np.einsum("nc,nc->n", normals, to_light) / np.linalg.norm(to_light, axis=-1)
    facing = -np.einsum("nc,nc->n", normals, rays)
    return (looks.ambient + (1.15 - looks.ambient) * np.maximum(lit, 0) * 0.85 + 0.15 * np.maximum(facing, 0)).astype(
        np.float32
    )


def _geom_colours(world: World) -> np.ndarray:
    """Float32 [number of geoms, 3]: objects in their colours, hands darker than arms."""
    looks, model = world.scene.looks, world.model
    colours = np.tile(np.array(looks.robot_rgb, dtype=np.float32), (model.ngeom, 1))
    colours[model.geom_contype == 0] = np.array(looks.robot_rgb, dtype=np.float32) * 0.5 + 0.35
    for index, rgb in enumerate(looks.object_rgb):
        colours[mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, f"object{index}")] = rgb
    return colours


def _averaged(colour: np.ndarray, times: int) -> np.ndarray:
    """Float32 [h, w, 3] to [h / times, w / times, 3] by averaging squares of pixels."""
    rows = np.add.reduce([colour[start::times] for start in range(times)])
    return np.add.reduce([rows[:, start::times] for start in range(times)]) / times**2


def _smooth(coarse: np.ndarray, size: int) -> np.ndarray:
    """Bilinear enlargement of float32 [n, n] by _SHADOW_EVERY_PX, cut to [size, size]."""
    at = np.minimum(np.arange(size, dtype=np.float32) / _SHADOW_EVERY_PX, len(coarse) - 1)
    low = at.astype(int)
    high = np.minimum(low + 1, len(coarse) - 1)
    part = at - low
    rows = coarse[low] * (1 - part)[:, None] + coarse[high] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, high] * part
