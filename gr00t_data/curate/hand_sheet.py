"""One picture that shows what is in a store of human video: for each clip a strip of frames with its hands drawn in.

Only the stored video is read, in which faces are hidden already, and the landmarks that were kept with each episode.
"""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from gr00t_data.disk import replacing
from gr00t_data.foreign_text import printable
from gr00t_data.store.episode import EpisodeRow
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video

FINGERS = tuple((0, *range(first, first + 4)) for first in (1, 5, 9, 13, 17))
"""Landmarks from the wrist to each tip, thumb first."""

FRAMES = 6
Line = tuple[str, tuple[int, int, int]]
"""Text and colour."""
_SIDE_PX = 160
_TEXT_PX = 330
_LEFT, _RIGHT = (70, 200, 255), (255, 160, 40)
GREEN, RED, INK = (20, 130, 60), (180, 30, 30), (30, 30, 30)
_LINE_PX, _LETTERS = 12, 52


def write_hand_sheet(
    path: Path,
    store: EpisodeStore,
    *,
    reasons: Mapping[int, tuple[str, ...]] | None = None,
    most: int = 60,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """A PNG with one row a clip, rejected ones first.

    Args:
        reasons: episode -> codes that rejected it, empty for accepted ones; None when nobody judged.
        most: rows; of more clips, evenly many are left out.
        progress: called with (clips drawn, clips in all).

    Raises:
        VideoError: a stored video cannot be read.
    """
    rows = _chosen(store, reasons or {}, most)

    def drawn() -> Iterator[tuple[Image.Image, list[Line]]]:
        for number, row in enumerate(rows):
            progress(number, len(rows))
            yield _strip(store, row), _lines(row, None if reasons is None else reasons.get(row.index, ()))

    write_rows(path, drawn(), len(rows), _SIDE_PX, _TEXT_PX)
    progress(len(rows), len(rows))
    return path


def write_rows(
    path: Path, rows: Iterable[tuple[Image.Image, Sequence[Line]]], count: int, side_px: int, text_px: int
) -> None:
    """A PNG of ``count`` rows, each a strip of FRAMES frames of ``side_px`` and the lines that stand beside it."""
    sheet = Image.new("RGB", (FRAMES * side_px + text_px, max(count, 1) * side_px), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (strip, lines) in enumerate(rows):
        sheet.paste(strip, (0, number * side_px))
        for place, (text, colour) in enumerate(lines):
            shown = (
                printable(text).encode("latin-1", "replace").decode("latin-1")
            )  # the built-in letters know no others
            draw.text((FRAMES * side_px + 6, number * side_px + 4 + place * _LINE_PX), shown, fill=colour)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _chosen(store: EpisodeStore, reasons: Mapping[int, tuple[str, ...]], most: int) -> list[EpisodeRow]:
    ordered = sorted(store.rows, key=lambda row: (not reasons.get(row.index), row.index))
    if len(ordered) <= most:
        return ordered
    return [ordered[at] for at in np.linspace(0, len(ordered) - 1, most).round().astype(int)]


def _strip(store: EpisodeStore, row: EpisodeRow) -> Image.Image:
    """Frames side by side, with hands where landmarks were kept."""
    overlay = _hands(row).get("overlay") or {}
    rows = overlay.get("rows") or np.linspace(0, row.length - 1, FRAMES).round().astype(int).tolist()
    frames = video.decode_at(store.video_path(row.index, store.cameras[0]), rows[:FRAMES])
    strip = Image.new("RGB", (FRAMES * _SIDE_PX, _SIDE_PX), "black")
    for place, frame in enumerate(frames):
        picture = Image.fromarray(frame).resize((_SIDE_PX, _SIDE_PX))
        if overlay:
            _draw_hands(picture, overlay["hands"][place], overlay["picture_px"], frame.shape[:2])
        strip.paste(picture, (place * _SIDE_PX, 0))
    return strip


def _draw_hands(picture: Image.Image, hands: Mapping[str, Any], picture_px: list[int], stored: tuple[int, ...]) -> None:
    """Lines from the wrist to each finger tip.

    Args:
        picture_px: width and height of the picture that the landmarks lie in.
        stored: height and width of the stored picture, which holds the whole one with bars where it is longer.
    """
    draw = ImageDraw.Draw(picture)
    height, width = stored
    scale = min(width / picture_px[0], height / picture_px[1])
    bars = (width - scale * picture_px[0]) / 2, (height - scale * picture_px[1]) / 2
    for side, colour in (("left", _LEFT), ("right", _RIGHT)):
        if hands.get(side):
            points = [
                ((bars[0] + scale * x) * _SIDE_PX / width, (bars[1] + scale * y) * _SIDE_PX / height)
                for x, y in hands[side]
            ]
            for finger in FINGERS:
                draw.line([points[at] for at in finger], fill=colour, width=1)
            x, y = points[0]
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)


def _hands(row: EpisodeRow) -> Mapping[str, Any]:
    return row.source.hands or {}


def _lines(row: EpisodeRow, judged: tuple[str, ...] | None) -> list[Line]:
    """What stands beside a strip: the instruction, the decision, the hands."""
    said = _hands(row)
    lines = [(text, INK) for text in textwrap.wrap(f"{row.index}  {row.instruction}", _LETTERS)[:2]]
    if judged is not None:
        text, colour = (f"rejected: {', '.join(judged)}", RED) if judged else ("accepted", GREEN)
        lines += [(line, colour) for line in textwrap.wrap(text, _LETTERS)[:2]]
    if shares := said.get("shares"):
        lines.append((f"left hand (blue) in {100 * shares['left']:.0f} % of {said['rows']} rows", INK))
        lines.append((f"right hand (orange) in {100 * shares['right']:.0f} %", INK))
        found = {"exchanged": len(said["swaps"]), "jumps": len(said["jumps"]), "crowded rows": said["crowd"]["rows"]}
        lines.append((", ".join(f"{name} {count}" for name, count in found.items()), INK))
    labels = f"labels: {said.get('mode', 'none')}" + (
        f", slowed {said['slow_down']:g} times" if "slow_down" in said else ""
    )
    return [*lines, (labels, INK), *((text, INK) for text in textwrap.wrap(row.source.video or "", _LETTERS)[:1])]
