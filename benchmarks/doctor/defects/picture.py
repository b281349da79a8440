"""Defects of what the pictures show: light, focus, colour, and where the camera stands."""

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.doctor.defects.defect import Defect, Planting, each, in_frames
from gr00t_data.video import files as video


def blur(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Out of focus: a Gaussian of 2.5 px (at 256 px)."""
    sigma = 2.5 * p.severity * frames.shape[1] / 256
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def bands(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Mains flicker of a rolling shutter: three bands of +-25 levels that wander."""
    rows = np.arange(frames.shape[1]) / frames.shape[1]
    phase = np.arange(len(frames)) * 0.37
    wave = np.sin(2 * np.pi * (3 * rows[None, :] + phase[:, None]))
    return frames + 25 * p.severity * wave[:, :, None, None]


def posterise(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Eight levels a channel: a wrong bit depth."""
    step = 32 * p.severity
    return np.floor(frames / step) * step + step / 2


def grain(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Sensor noise with a standard deviation of 20 levels."""
    return frames + p.generator.normal(0, 20 * p.severity, frames.shape).astype(np.float32)


def flicker(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Every other frame 20 % darker."""
    gain = np.where(np.arange(len(frames)) % 2, 1 - 0.2 * min(p.severity, 4), 1.0)
    return frames * gain[:, None, None, None]


def crush(p: Planting, index: int) -> None:
    """Encoded with a quarter of the detail (x264 crf 44)."""
    camera = p.robot.camera
    p.folder.write_frames(index, camera, p.folder.frames(index, camera), crf=min(round(44 * p.severity), 51))


def lose_colour(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Grey pictures."""
    return np.repeat(frames.mean(-1, keepdims=True), 3, axis=-1)


def _moved(frames: np.ndarray, degrees: float, shift_px: tuple[float, float], zoom: float = 1.0) -> np.ndarray:
    height, width = frames.shape[1:3]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    turn[:, 2] += shift_px
    border = cv2.BORDER_REPLICATE
    return np.stack([cv2.warpAffine(f, turn, (width, height), borderMode=border) for f in np.ascontiguousarray(frames)])


def knock(p: Planting, frames: np.ndarray) -> np.ndarray:
    """The camera is hit in the middle of the episode: 5 degrees and 6 % of the width away from there on."""
    at = p.start(len(frames), 1)
    shift = 0.06 * p.severity * frames.shape[2]
    return np.concatenate([frames[:at], _moved(frames[at:], 5 * p.severity, (shift, shift / 2), 1.08)])


def displaced(p: Planting, frames: np.ndarray) -> np.ndarray:
    """The camera stands 8 degrees and 10 % of the width away during the whole episode."""
    shift = 0.10 * p.severity * frames.shape[2]
    return _moved(frames, 8 * p.severity, (shift, -shift / 2), 1.15)


def zoom(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Another lens: 1.4 times as large."""
    return _moved(frames, 0, (0, 0), 1 + 0.4 * p.severity)


def dirt(p: Planting, frames: np.ndarray) -> np.ndarray:
    """A cable in front of the lens hides 30 % of the picture."""
    width = frames.shape[2]
    left = int(p.generator.uniform(0.1, 0.5) * width)
    frames[:, :, left : left + round(0.3 * p.severity * width)] = (25, 24, 28)
    return frames


def object_teleport(p: Planting, frames: np.ndarray) -> np.ndarray:
    """From one frame on, the most colourful thing is 22 % of the width away from where it was."""
    at = p.start(len(frames), 1)
    size = frames.shape[1] // 7
    row, column = _colourful(frames[at], size)
    shift = round(0.22 * p.severity * frames.shape[2])
    target = column + shift if column + shift + size < frames.shape[2] else column - shift
    patch = frames[at:, row : row + size, column : column + size].copy()
    frames[at:, row : row + size, column : column + size] = frames[at:, row : row + size, target : target + size]
    frames[at:, row : row + size, target : target + size] = patch
    return frames


def _colourful(frame: np.ndarray, size: int) -> tuple[int, int]:
    """Top left corner (row, column) of the square with the most saturated pixels, away from the borders."""
    colour = np.ptp(frame.astype(np.float32), axis=-1)
    mean = cv2.boxFilter(colour, -1, (size, size))
    edge = size
    inner = mean[edge:-edge, edge:-edge]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return int(row) + edge - size // 2, int(column) + edge - size // 2


def melt(p: Planting, frames: np.ndarray) -> np.ndarray:
    """The middle of the picture swirls by up to 100 degrees and back, as hands in generated videos do."""
    height, width = frames.shape[1:3]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    dx, dy = x - width / 2, y - height / 2
    near = np.clip(1 - np.hypot(dx, dy) / (0.35 * width), 0, 1)
    melted = []
    for number, frame in enumerate(frames):
        angle = np.deg2rad(100 * p.severity) * np.sin(np.pi * number / len(frames)) * near
        source_x = width / 2 + dx * np.cos(angle) - dy * np.sin(angle)
        source_y = height / 2 + dx * np.sin(angle) + dy * np.cos(angle)
        melted.append(cv2.remap(frame, source_x.astype(np.float32), source_y.astype(np.float32), cv2.INTER_LINEAR))
    return np.stack(melted)


def quarter_turn(p: Planting, frames: np.ndarray) -> np.ndarray:
    """90 degrees; the picture keeps its size, or the size alone would betray it."""
    turned = np.rot90(frames, axes=(1, 2))
    return turned if turned.shape == frames.shape else video.resize(turned, frames.shape[1:3])


Change = Callable[[Planting, np.ndarray], np.ndarray]
"""Frames uint8 [T, H, W, 3] to the same or other values; floats are rounded, and all is cut at 0 and 255."""


def _seen(name: str, magnitude: str, code: str, consequence: str, change: Change) -> Defect:
    return Defect(name, magnitude, code, consequence, in_frames(change), "picture")


def _mounted(name: str, magnitude: str, code: str, change: Change) -> Defect:
    """Of a camera that stands still: one that an arm carries sees another view in every episode."""
    plant = in_frames(change, lambda robot: robot.standing_camera)
    return Defect(name, magnitude, code, _VIEW, plant, "picture")


_BLIND = "the policy cannot see what it must act on"
_VIEW = "the policy learns another geometry"
_MAGIC = "no such physics exists"
_COLOUR = "colour words lose their meaning"
PICTURE_DEFECTS = (
    _seen("image-blurred", "Gaussian of 2.5 px at 256 px", "IMAGE-01", _BLIND, blur),
    _seen("image-dark", "1/8 of the light", "IMAGE-02", _BLIND, lambda p, f: f * (0.125 ** min(p.severity, 2))),
    _seen("image-overexposed", "3 times the light", "IMAGE-03", _BLIND, lambda p, f: f * (1 + 2.0 * p.severity)),
    _seen("image-fog", "1/4 of the contrast", "IMAGE-04", _BLIND, lambda p, f: 128 + (f - 128.0) * 0.25 / p.severity),
    _seen("image-bands", "3 bands of +-25 levels", "IMAGE-05", _BLIND, bands),
    _seen("image-posterised", "8 levels a channel", "IMAGE-06", _BLIND, posterise),
    _seen("image-grain", "noise of 20 levels", "IMAGE-07", _BLIND, grain),
    _seen("image-flicker", "20 % every other frame", "IMAGE-08", _BLIND, flicker),
    Defect("image-crushed", "x264 crf 44", "IMAGE-09", _BLIND, each(crush), "picture"),
    _seen("image-mirrored", "left and right", "IMAGE-10", _VIEW, lambda p, frames: frames[:, :, ::-1]),
    _seen("image-upside-down", "180 degrees", "IMAGE-10", _VIEW, lambda p, frames: frames[:, ::-1, ::-1]),
    _seen("image-quarter-turn", "90 degrees", "IMAGE-10", _VIEW, quarter_turn),
    _seen("image-colours-swapped", "red and blue", "IMAGE-11", _COLOUR, lambda p, frames: frames[..., ::-1]),
    _seen("image-grey", "no colour", "IMAGE-12", _COLOUR, lose_colour),
    _mounted("camera-knocked", "5 degrees and 6 % in the middle", "IMAGE-13", knock),
    _mounted("camera-displaced", "8 degrees and 10 % all along", "IMAGE-14", displaced),
    _mounted("camera-zoomed", "x 1.4", "IMAGE-14", zoom),
    _seen("camera-hidden", "30 % of the picture", "IMAGE-15", _BLIND, dirt),
    _seen("object-teleport", "22 % of the width in a frame", "IMAGE-16", _MAGIC, object_teleport),
    _seen("picture-melting", "a swirl of 100 degrees", "IMAGE-16", _MAGIC, melt),
)
