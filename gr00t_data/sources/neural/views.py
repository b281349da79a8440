"""What a generated picture is made of: one view, a grid of four, black bars around either. Probed, not assumed."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from gr00t_data.video import files as video

Box = tuple[float, float, float, float]
"""Top, bottom, left, right, as shares (0..1) of the picture."""

GR1_CROP: Box = (310 / 800, 770 / 800, 110 / 1280, 1130 / 1280)
"""What the published preparation of GR-1 video keeps of the 1280x800 picture (GR00T-Dreams, preprocess_video)."""
_GR1_SIZE = (480, 720)

LAYOUTS = ("single", "grid_2x2", "gr1_crop")
"""single: one view. grid_2x2: the first three cameras of the default selection in the order top left, top right, bottom
left. gr1_crop: one view, of which only ``GR1_CROP`` is kept."""

_BLACK_LEVEL = 24
"""Luma of what an encoder makes of black."""
_BLACK_SHARE = 0.995
_LARGEST_BAR_SHARE = 0.45
_PROBED_FRAMES = 8


class ViewError(ValueError):
    """A picture whose layout does not fit the embodiment or what the drop says of it."""


@dataclass(frozen=True)
class Layout:
    """How a picture is to be cut.

    Attributes:
        name: one of LAYOUTS.
        content: the picture without the black bars around it.
        bars: whether there were any.
        camera: whose one view it is, where the drop says so; else that of the first camera.
    """

    name: str
    content: Box
    bars: bool
    camera: str | None = None


def probe_layout(frames: UInt8[np.ndarray, "t h w 3"]) -> Layout:
    """Find black bars and a grid whose bottom right is black, as tiled multi-view clips are written.

    What is black in all of eight evenly spaced frames is black; a dark corner of a room has some brighter pixels.
    """
    chosen = frames[np.linspace(0, len(frames) - 1, min(_PROBED_FRAMES, len(frames))).astype(int)]
    black = chosen.max(axis=(0, 3)) < _BLACK_LEVEL
    top, bottom = _between_bars(black.mean(1))
    left, right = _between_bars(black.mean(0))
    height, width = black.shape
    inner = black[top:bottom, left:right]
    half = inner.shape[0] // 2, inner.shape[1] // 2
    quarters = (inner[: half[0], : half[1]], inner[: half[0], half[1] :], inner[half[0] :, : half[1]])
    empty = float(inner[half[0] :, half[1] :].mean())
    # The seam of the tiles may be blurred by a pixel or two, so a hair less than all of it must be black.
    grid = empty > 0.97 and max(float(quarter.mean()) for quarter in quarters) < 0.8
    content = (top / height, bottom / height, left / width, right / width)
    return Layout("grid_2x2" if grid else "single", content, content != (0.0, 1.0, 0.0, 1.0))


def _between_bars(black: np.ndarray) -> tuple[int, int]:
    """First and past-the-last line that is not black; everything when nothing, or too much, is."""
    lit = np.flatnonzero(black < _BLACK_SHARE)
    count = len(black)
    if not lit.size:
        return 0, count
    first, end = int(lit[0]), int(lit[-1]) + 1
    first, end = (first if first > 1 else 0), (end if count - end > 1 else count)
    return (first, end) if max(first, count - end) <= _LARGEST_BAR_SHARE * count else (0, count)


def choose_layout(frames: UInt8[np.ndarray, "t h w 3"], said: str | None, cameras: tuple[str, ...]) -> Layout:
    """The probed layout, checked against what the drop says and what the robot has.

    Args:
        said: a name of LAYOUTS, the name of a camera (one view), or None.

    Raises:
        ViewError: the drop says something else than the picture shows, or the robot has fewer cameras.
    """
    found = probe_layout(frames)
    wanted = "single" if said in cameras else said
    if said in cameras and found.name == "single":
        return replace(found, camera=said)
    if wanted is not None and wanted not in LAYOUTS:
        raise ViewError(f"the view {said!r} is none of {', '.join((*LAYOUTS, *cameras))}; correct the manifest")
    if wanted == "gr1_crop":
        return Layout("gr1_crop", found.content, found.bars)
    if wanted is not None and wanted != found.name:
        raise ViewError(
            f"the drop says {said!r}, but the picture looks like {found.name!r} (a grid has a black bottom right "
            "quarter); correct the manifest, or leave the view out of it"
        )
    if found.name == "grid_2x2" and len(cameras) < 3:
        raise ViewError(
            f"the picture is a grid of three views, but the embodiment has {len(cameras)} camera(s) in its default "
            f"selection ({', '.join(cameras)}); choose the embodiment whose views these are"
        )
    return found


def cut_views(
    frames: UInt8[np.ndarray, "t h w 3"], layout: Layout, cameras: tuple[str, ...], size: tuple[int, int]
) -> dict[str, UInt8[np.ndarray, "t h w 3"]]:
    """Camera -> its picture in ``size`` (height, width), its shape kept by black bars where it is not square.

    Odd sizes and letterboxed grids are fine: bars are cut off first, then halves are taken.
    """
    inner = _boxed(frames, layout.content)
    if layout.name == "grid_2x2":
        rows, columns = inner.shape[1] // 2, inner.shape[2] // 2
        tiles = (inner[:, :rows, :columns], inner[:, :rows, columns:], inner[:, rows:, :columns])
        return {camera: video.fit(tile, size) for camera, tile in zip(cameras[:3], tiles, strict=True)}
    if layout.name == "gr1_crop":
        inner = video.resize(_boxed(inner, GR1_CROP), _GR1_SIZE)
    return {layout.camera or cameras[0]: video.fit(inner, size)}


def _boxed(frames: np.ndarray, box: Box) -> np.ndarray:
    height, width = frames.shape[1:3]
    top, bottom, left, right = (
        round(edge * side) for edge, side in zip(box, (height, height, width, width), strict=True)
    )
    return frames[:, top:bottom, left:right]
