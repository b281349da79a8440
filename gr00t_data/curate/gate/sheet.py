"""Pictures that show what the gate did: a strip of frames for each clip, its scores, and why it was rejected."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gr00t_data.curate.gate.gate import Judged
from gr00t_data.curate.hand_sheet import FRAMES, GREEN, INK, RED, Line, write_rows
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video

_SIDE_PX = 96
_TEXT_PX = 440
_LETTERS = 70
_ROWS = 40
_LINES = 7


def write_sheets(folder: Path, store: EpisodeStore, judged: Sequence[Judged]) -> list[Path]:
    """PNGs ``sheet-1.png``, ``sheet-2.png``, ... with one row a clip, rejected ones first, 40 rows a picture."""
    rows = sorted(judged, key=lambda one: (one.accepted, one.episode))
    pages = [rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS)] or [[]]
    paths = [folder / f"sheet-{number}.png" for number in range(1, len(pages) + 1)]
    for path, page in zip(paths, pages, strict=True):
        drawn = ((_strip(store, one.episode), _lines(one, store.row(one.episode).instruction)) for one in page)
        write_rows(path, drawn, len(page), _SIDE_PX, _TEXT_PX)
    return paths


def _strip(store: EpisodeStore, index: int) -> Image.Image:
    frames = video.decode(store.video_path(index, store.cameras[0]), (_SIDE_PX, _SIDE_PX))
    shown = frames[np.linspace(0, len(frames) - 1, FRAMES).astype(int)]
    return Image.fromarray(np.concatenate(list(shown), axis=1))


def _lines(one: Judged, instruction: str) -> list[Line]:
    """What stands beside a strip: the instruction, the decision, the scores."""
    scores = "  ".join(f"{name} {value:.2g}" for name, value in one.scores.items() if np.isfinite(value))
    decision = RED if one.reasons else GREEN
    lines = [(f"{one.episode}  {instruction}"[:_LETTERS], INK)]
    lines += [(text, decision) for text in textwrap.wrap("; ".join(one.reasons) or "accepted", _LETTERS)[:3]]
    if one.opinion is not None and one.opinion.verdict is None:
        lines.append((f"no verdict of the judge: {one.opinion.problem}"[:_LETTERS], RED))
    return lines + [(text, INK) for text in textwrap.wrap(scores, _LETTERS)[: _LINES - len(lines)]]
