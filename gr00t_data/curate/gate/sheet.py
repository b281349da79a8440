"""Pictures that show what the gate did: a strip of frames for each clip, its scores, and why it was rejected."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gr00t_data.curate.gate.gate import Judged
from gr00t_data.disk import replacing
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video

_FRAMES = 6
_SIDE_PX = 96
_TEXT_PX = 440
_GREEN, _RED, _INK = (20, 130, 60), (180, 30, 30), (30, 30, 30)
_LINE_PX, _LETTERS = 12, 70
_ROWS = 40
_LINES = 7


def write_sheets(folder: Path, store: EpisodeStore, judged: Sequence[Judged]) -> list[Path]:
    """PNGs ``sheet-1.png``, ``sheet-2.png``, ... with one row a clip, rejected ones first, 40 rows a picture."""
    rows = sorted(judged, key=lambda one: (one.accepted, one.episode))
    pages = [rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS)] or [[]]
    return [_page(folder / f"sheet-{number}.png", store, page) for number, page in enumerate(pages, start=1)]


def _page(path: Path, store: EpisodeStore, rows: Sequence[Judged]) -> Path:
    sheet = Image.new("RGB", (_FRAMES * _SIDE_PX + _TEXT_PX, max(len(rows), 1) * _SIDE_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for number, one in enumerate(rows):
        sheet.paste(Image.fromarray(_strip(store, one.episode)), (0, number * _SIDE_PX))
        for place, (text, colour) in enumerate(_lines(one, store.row(one.episode).instruction)):
            shown = text.encode("latin-1", "replace").decode("latin-1")  # the built-in letters know no others
            draw.text((_FRAMES * _SIDE_PX + 6, number * _SIDE_PX + 4 + place * _LINE_PX), shown, fill=colour)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")
    return path


def _strip(store: EpisodeStore, index: int) -> np.ndarray:
    frames = video.decode(store.video_path(index, store.cameras[0]), (_SIDE_PX, _SIDE_PX))
    return np.concatenate(list(frames[np.linspace(0, len(frames) - 1, _FRAMES).astype(int)]), axis=1)


def _lines(one: Judged, instruction: str) -> list[tuple[str, tuple[int, int, int]]]:
    """What stands beside a strip: the instruction, the decision, the scores; text and colour of each line."""
    scores = "  ".join(f"{name} {value:.2g}" for name, value in one.scores.items() if np.isfinite(value))
    decision = _RED if one.reasons else _GREEN
    lines = [(f"{one.episode}  {instruction}"[:_LETTERS], _INK)]
    lines += [(text, decision) for text in textwrap.wrap("; ".join(one.reasons) or "accepted", _LETTERS)[:3]]
    if one.opinion is not None and one.opinion.verdict is None:
        lines.append((f"no verdict of the judge: {one.opinion.problem}"[:_LETTERS], _RED))
    return lines + [(text, _INK) for text in textwrap.wrap(scores, _LETTERS)[: _LINES - len(lines)]]
