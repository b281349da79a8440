"""Egocentric video made for tests: a textured room seen through a window that turns at a known speed."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from tests.data.films import film

HEIGHT, WIDTH = 180, 240
FPS = 30


def room(seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3]: blobs of many sizes, so that corners can be followed everywhere; wide enough to turn in."""
    generator = np.random.default_rng(seed)
    picture = np.zeros((HEIGHT + 40, 12 * WIDTH, 3), dtype=np.float32)
    for size in (2, 5, 11):
        noise = generator.normal(size=picture.shape).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), size)
        picture += smooth / smooth.std()
    return np.clip(118 + 40 * picture / picture.std(), 0, 255).astype(np.uint8)


def turning(speeds: Sequence[tuple[float, float]], fps: float = FPS, seed: int = 0) -> np.ndarray:
    """uint8 [T, H, W, 3]: the view turns right at given speeds.

    Args:
        speeds: (seconds, picture widths a second), one after the other.
    """
    world, frames, at = room(seed), [], 20.0
    for seconds, speed in speeds:
        for _ in range(round(seconds * fps)):
            shift = np.array([[1, 0, -at], [0, 1, -20]], dtype=np.float32)
            frames.append(cv2.warpAffine(world, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR))
            at += speed * WIDTH / fps
    assert at + WIDTH < world.shape[1], "the room is too small for so much turning"
    return np.stack(frames)


def calm_film(path: Path, seconds: float = 4.0, fps: Fraction | int = FPS, seed: int = 0, **options) -> Path:
    """A slow view all along."""
    return film(path, turning([(seconds, 0.05)], float(fps), seed), fps=fps, **options)


def epic_csv(path: Path, rows: Sequence[tuple[str, str, float, float, str]]) -> Path:
    """The 15 columns of EPIC-KITCHENS-100; rows are (narration_id, video_id, start, stop, narration)."""
    names = "narration_id participant_id video_id narration_timestamp start_timestamp stop_timestamp start_frame"
    names += " stop_frame narration verb verb_class noun noun_class all_nouns all_noun_classes"
    lines = [",".join(names.split())]
    for uid, video, start, stop, text in rows:
        stamps = [f"00:00:{time:05.2f}" for time in (start, start, stop)]
        numbers = [str(round(time * FPS)) for time in (start, stop)]
        lines.append(",".join([uid, "P07", video, *stamps, *numbers, text, "pick-up", "0", "cup", "13", '"[]"', "[]"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path
