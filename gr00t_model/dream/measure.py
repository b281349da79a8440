"""How like the truth a world model's clips are: held-out first frames continued, beside a copy of the first frame."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from gr00t_data.disk import replacing
from gr00t_data.progress import Progress
from gr00t_model.dream.windows import Films, Window
from gr00t_model.dream.world_model import ClipShape, WorldModel

_QUIET_ERROR = 0.25
"""Squared error of a level that rounding alone could make: equal pictures get a finite ratio."""
_SHOWN_CLIPS, _SHOWN_FRAMES = 6, 6


def psnr_db(found: UInt8[np.ndarray, "t h w 3"], true: UInt8[np.ndarray, "t h w 3"]) -> Float[np.ndarray, " t"]:
    """Peak signal-to-noise ratio of each frame, decibels; at most 54."""
    error = np.square(found.astype(np.float64) - true).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(error, _QUIET_ERROR))


def measure(
    model: WorldModel, windows: Sequence[Window], films: Films, shape: ClipShape, seed: int, progress: Progress
) -> tuple[dict[str, Any], list[tuple[np.ndarray, np.ndarray]]]:
    """Continue the first frame of every window.

    Returns:
        the report, and (true, dreamed) frames of the first few clips. ``psnr_db`` and ``copy_psnr_db`` are means over
        the frames after the first; ``better`` is the share of clips that beat the copy; ``motion`` is how much the
        dreamed clips change against how much the true ones do (mean absolute difference from the first frame).
    """
    found, copied, moved, shown = [], [], [], []
    for number, window in enumerate(windows):
        true = films(window)
        dreamt = model.generate(true[:1], [window.instruction], [seed + number], shape)[0]
        found.append(psnr_db(dreamt[1:], true[1:]))
        copied.append(psnr_db(np.broadcast_to(true[:1], true[1:].shape), true[1:]))
        moved.append((_motion(dreamt), _motion(true)))
        shown += [(true, dreamt)] if len(shown) < _SHOWN_CLIPS else []
        progress(number + 1, len(windows))
    by_clip = np.mean(found, axis=1), np.mean(copied, axis=1)
    by_frame = [
        {"frame": frame + 1, "time_s": round((frame + 1) / shape.fps, 3), "psnr_db": round(float(a), 2),
         "copy_psnr_db": round(float(b), 2)}
        for frame, (a, b) in enumerate(zip(np.mean(found, axis=0), np.mean(copied, axis=0), strict=True))
    ]  # fmt: skip
    dreamt_motion, true_motion = np.sum(moved, axis=0)
    report = {
        "clips": len(windows),
        "psnr_db": round(float(by_clip[0].mean()), 3),
        "copy_psnr_db": round(float(by_clip[1].mean()), 3),
        "better": round(float((by_clip[0] > by_clip[1]).mean()), 3),
        "motion": round(float(dreamt_motion / max(true_motion, 1e-9)), 3),
        "by_frame": by_frame,
    }
    return report, shown


def _motion(film: np.ndarray) -> float:
    return float(np.abs(film[1:].astype(np.float64) - film[:1]).mean())


def write_sheet(path: Path, shown: Sequence[tuple[np.ndarray, np.ndarray]]) -> Path:
    """A PNG: for each clip a row of true frames over a row of dreamed ones, evenly chosen from first to last."""
    rows = []
    for pair in shown:
        for film in pair:
            chosen = film[np.linspace(0, len(film) - 1, _SHOWN_FRAMES).round().astype(int)]
            rows.append(np.concatenate(list(chosen), axis=1))
        rows.append(np.zeros((4, rows[-1].shape[1], 3), dtype=np.uint8))
    with replacing(path) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary, format="PNG")
    return path
