"""Defects made by changing or leaving out pictures. Any recorded video can have them."""

import numpy as np

from gr00t_data.sources.neural.oracle.planting import Material, Plant, Planted, PlantError, every_row, middle_frame


def freeze(material: Material) -> Planted:
    """One picture for the middle third of the clip while the robot is meant to move on."""
    frames = material.frames
    first, count = len(frames) // 3, len(frames)
    last = min(first + max(round(material.strength * count / 3), 4), count) - 1
    shown = frames.copy()
    shown[first : last + 1] = frames[first]
    return Planted(shown, every_row(frames), (first + 1, last), float(last - first), "frames")


def scene_cut(material: Material) -> Planted:
    """The second half shows another episode, turned upside down so that no scene is like it."""
    frames, half = material.frames, len(material.frames) // 2
    rest = material.other[np.minimum(np.arange(len(frames) - half), len(material.other) - 1)]
    if rest.shape[1:] != frames.shape[1:]:
        raise PlantError(f"needs another episode with pictures of {frames.shape[1:3]}, found {rest.shape[1:3]}")
    shown = np.concatenate([frames[:half], 255 - rest[:, ::-1]])
    return Planted(shown, every_row(frames), (half, len(frames) - 1), 1.0, "share of the picture")


def teleport_box(material: Material) -> Planted:
    """From some frame on, a box of the picture stands somewhere else."""
    frames, at = material.frames, middle_frame(material)
    height, width = frames.shape[1:3]
    side = min(max(round(material.strength * height / 5), 4), height // 2)
    y, x = (int(material.generator.integers(height // 3, height - side)), int(material.generator.integers(0, side)))
    shown, piece = frames.copy(), frames[at, y : y + side, x : x + side].copy()
    shown[at:, y : y + side, x : x + side] = frames[0, :side, :side]
    shown[at:, y : y + side, x + width // 2 : x + width // 2 + side] = 255 - piece
    return Planted(shown, every_row(frames), (at, len(frames) - 1), side / height, "share of the height")


def blur(material: Material) -> Planted:
    """Sharp at first, more and more blurred later, as long generations are."""
    import cv2

    frames = material.frames
    most = material.strength * frames.shape[1] / 50
    wide = np.linspace(0.01, most, len(frames))
    shown = [cv2.GaussianBlur(frame, (0, 0), float(one)) for frame, one in zip(frames, wide, strict=True)]
    span = (len(frames) // 3, len(frames) - 1)
    return Planted(np.stack(shown).astype(np.uint8), every_row(frames), span, most, "pixels of standard deviation")


def bulge(material: Material) -> Planted:
    """What moves most swells up while the clip goes on, as limbs of generated robots do."""
    import cv2

    frames, at = material.frames, middle_frame(material)
    moved = np.abs(np.diff(frames.mean(-1), axis=0)).mean(0)
    heat = cv2.GaussianBlur(moved.astype(np.float32), (0, 0), frames.shape[1] / 16)
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    rows, columns = np.mgrid[: frames.shape[1], : frames.shape[2]].astype(np.float32)
    near = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (frames.shape[1] / 7) ** 2))
    shown = frames.copy()
    grown = np.linspace(0, min(0.5 * material.strength, 0.9), len(frames) - at)
    for number, share in enumerate(grown, start=at):
        pull = (1 - share * near).astype(np.float32)
        where = (x + (columns - x) * pull).astype(np.float32), (y + (rows - y) * pull).astype(np.float32)
        shown[number] = cv2.remap(frames[number], *where, cv2.INTER_LINEAR)
    return Planted(shown, every_row(frames), (at, len(frames) - 1), 1 / (1 - float(grown[-1])), "times as large")


def time_warp(material: Material) -> Planted:
    """Faster than the robot: frames are left out evenly (every second one at strength 1)."""
    factor = 1 + material.strength
    rows = np.floor(np.arange(0, len(material.frames), factor)).astype(np.int64)
    if len(rows) < 2:
        raise PlantError(f"leaves {len(rows)} of {len(material.frames)} frames")
    return Planted(material.frames[rows], rows, (0, len(rows) - 1), factor, "times as fast")


def idle_tail(material: Material) -> Planted:
    """The last picture for as long again."""
    count = len(material.frames)
    more = max(round(material.strength * count), 2)
    rows = np.concatenate([np.arange(count), np.full(more, count - 1)])
    return Planted(material.frames[rows], rows, (count, count + more - 1), float(more), "frames")


def truncation(material: Material) -> Planted:
    """The first two thirds; what was asked for is not done yet."""
    count = len(material.frames)
    left = min(max(round(count * (1 - material.strength / 3)), 2), count - 1)
    rows = np.arange(left)
    return Planted(material.frames[rows], rows, (left - 1, left - 1), 1 - left / count, "share left out")


def other_instruction(material: Material) -> Planted:
    """The clip of one task under the instruction of another."""
    if material.other_instruction == material.instruction:
        raise PlantError(f"needs an episode with another instruction than {material.instruction!r}")
    frames = material.frames
    span = (0, len(frames) - 1)
    return Planted(frames, every_row(frames), span, 1.0, "clips", material.other_instruction)


PICTURE_DEFECTS: dict[str, Plant] = {
    "freeze": freeze,
    "scene_cut": scene_cut,
    "teleport": teleport_box,
    "blur": blur,
    "arm_morph": bulge,
    "time_warp": time_warp,
    "idle_tail": idle_tail,
    "truncation": truncation,
    "wrong_object": other_instruction,
}
