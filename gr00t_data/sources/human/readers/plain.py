"""A folder of plain videos, as phones and glasses write them, with an optional CSV of what is done when.

Columns of the CSV: ``video`` (path within the drop) and, each optional, ``text`` (or ``instruction``, ``narration``),
``start_s``, ``end_s`` (or ``start``, ``end``, ``start_timestamp``, ``stop_timestamp``; seconds or HH:MM:SS.ss),
``participant``, ``consent``, ``licence``, ``annotator``. A row without an end is a point in time; without both the text
is about the whole video. For a fisheye or a known camera: ``fx``, ``fy``, ``cx``, ``cy``, ``width_px``, ``height_px``
and ``k1`` to ``k4``.
"""

from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.sources.human.footage import Footage, Intrinsics, Narration
from gr00t_data.sources.human.readers.drop import (
    MOVIES,
    DropError,
    FootageReader,
    Found,
    movie_inside,
    need_columns,
    rows_of_videos,
    seconds,
    stated,
    table,
    visible,
)
from gr00t_data.store.provenance import Refusal

NAME = "folder"
UNKNOWN = "unknown"
_ALSO = {
    **{"instruction": "text", "narration": "text", "file": "video", "video_id": "video"},
    **{"start": "start_s", "start_timestamp": "start_s", "end": "end_s", "stop_s": "end_s", "stop": "end_s"},
    **{"end_timestamp": "end_s", "stop_timestamp": "end_s", "participant_id": "participant", "license": "licence"},
}
_PINHOLE = ("fx", "fy", "cx", "cy", "width_px", "height_px")
_FISHEYE = ("k1", "k2", "k3", "k4")
_TO_THE_END = float("inf")


def _footage(drop: Path, movie: Path, path: Path, lines: list[Any], refused: list[Refusal]) -> Footage:
    uid = movie.relative_to(drop).as_posix()
    narrations = []
    for number, row in lines:
        try:
            if row.get("text"):
                narrations.append(_narration(f"{uid}#{number}", row))
        except ValueError as error:
            refused.append(Refusal(f"{uid}#{number}", f"{path}:{number}: {error}"))
    return Footage(
        uid=uid,
        video=movie,
        dataset=NAME,
        narrations=tuple(sorted(narrations, key=lambda one: (one.start_s, one.uid))),
        participant=stated(lines, "participant"),
        consent=stated(lines, "consent"),
        licence=stated(lines, "licence") or UNKNOWN,
        intrinsics=_intrinsics(lines),
    )


def _narration(uid: str, row: dict[str, str]) -> Narration:
    start, end = row.get("start_s", ""), row.get("end_s", "")
    if not start and not end:
        return Narration(uid, row["text"], 0.0, _TO_THE_END, row.get("annotator", ""))
    if not start:
        raise ValueError("has an end and no start; give both, or only the start for a point in time")
    return Narration(uid, row["text"], seconds(start), seconds(end) if end else None, row.get("annotator", ""))


def _intrinsics(lines: list[Any]) -> Intrinsics | None:
    values = {name: stated(lines, name) for name in (*_PINHOLE, *_FISHEYE)}
    given = [name for name, value in values.items() if value is not None]
    if not given:
        return None
    if missing := [name for name in _PINHOLE if values[name] is None]:
        raise DropError(f"gives {', '.join(given)} of the camera and not {', '.join(missing)}; give all or none")
    try:
        fx, fy, cx, cy, width, height = (float(values[name] or 0) for name in _PINHOLE)
        fisheye = [float(values[name] or 0) for name in _FISHEYE] if any(values[name] for name in _FISHEYE) else None
    except ValueError as error:
        raise DropError(f"a number of the camera cannot be read ({error}); correct it") from error
    if not (fx > 0 and fy > 0 and 0 < width < 1e5 and 0 < height < 1e5):
        raise DropError(f"the camera has fx {fx:g}, fy {fy:g} and {width:g} x {height:g} pixels; all must be above 0")
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64)
    return Intrinsics(matrix, round(width), round(height), None if fisheye is None else np.array(fisheye))


class Plain(FootageReader):
    """Videos, with or without a table. See ``FootageReader``."""

    name = NAME

    def recognises(self, drop: Path) -> bool:
        """Whether there is a video at all."""
        return bool(visible(drop, MOVIES))

    def read(self, drop: Path) -> Found:
        """Every video of the folder, with the narrations of its CSV, if there is one.

        Raises:
            DropError: a CSV has no column ``video``, or cannot be read.
        """
        footage, refused, named = [], list[Refusal](), set[Path]()
        for path in visible(drop, (".csv",)):
            names, rows = table(path)
            need_columns(path, [_ALSO.get(name, name) for name in names], ["video"])
            rows = [(number, {_ALSO.get(key, key): value for key, value in row.items()}) for number, row in rows]
            for name, lines in rows_of_videos(rows, "video"):
                where = f"{path}:{lines[0][0]}"
                try:
                    movie = movie_inside(drop, name)
                    if movie in named:
                        raise DropError(f"names {name!r}, which another table describes already; keep one")
                    named.add(movie)
                    footage.append(_footage(drop, movie, path, lines, refused))
                except (DropError, ValueError) as error:
                    refused.append(Refusal(name or "(no video)", f"{where}: {error}"))
        for movie in visible(drop, MOVIES):
            if not movie.resolve().is_relative_to(drop.resolve()):
                refused.append(Refusal(movie.name, f"{movie}: is a link out of the drop; copy the file itself into it"))
            elif movie not in named:
                footage.append(_footage(drop, movie, drop, [], refused))
        return Found(NAME, tuple(sorted(footage, key=lambda one: one.uid)), tuple(refused))


READER = Plain()
