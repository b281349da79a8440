"""Figures about data, as PNG bytes at most 350 px wide. matplotlib is imported when one is drawn."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_PX = 350
_DPI = 100


def canvas(height_px: int = 220, rows: int = 1) -> "tuple[Figure, list[Axes]]":
    """A matplotlib figure ``WIDTH_PX`` wide with ``rows`` axes, drawn without a display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_PX / _DPI, height_px / _DPI), dpi=_DPI, layout="constrained")
    axes: list[Axes] = figure.subplots(rows, 1, squeeze=False)[:, 0].tolist()
    for axis in axes:
        axis.tick_params(labelsize=6)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def png(figure: "Figure") -> bytes:
    """The figure as PNG, without the library's version in its metadata: equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def episode_durations(seconds: Sequence[float]) -> bytes:
    """Histogram of episode durations in seconds."""
    figure, (axis,) = canvas(180)
    axis.hist(seconds, bins=min(20, max(len(set(seconds)), 1)), color="#4c78a8")
    axis.set_xlabel("episode duration, s", fontsize=7)
    axis.set_ylabel("episodes", fontsize=7)
    return png(figure)


def action_histograms(actions: Mapping[str, np.ndarray]) -> bytes:
    """One histogram a part over all its dimensions: part name -> float [T, D] in the part's unit."""
    figure, axes = canvas(110 * len(actions), rows=len(actions))
    for axis, (name, values) in zip(axes, actions.items(), strict=True):
        for dimension in values.T:
            axis.hist(dimension, bins=40, histtype="step", linewidth=0.7)
        axis.set_title(name, fontsize=7, loc="left", pad=2, parse_math=False)
        axis.set_yscale("log")
    return png(figure)


def thumbnail(picture: Path, most_high_px: int = 700) -> bytes:
    """A picture of any size, ``WIDTH_PX`` wide; the top of it where it is very long."""
    from PIL import Image

    with Image.open(picture) as image:
        height = max(round(image.height * WIDTH_PX / image.width), 1)
        small = image.convert("RGB").resize((WIDTH_PX, height)).crop((0, 0, WIDTH_PX, min(height, most_high_px)))
    buffer = io.BytesIO()
    small.save(buffer, format="PNG")
    return buffer.getvalue()
