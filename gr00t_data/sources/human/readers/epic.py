"""EPIC-KITCHENS-100: a CSV of 15 columns, one narrated interval a row (Damen et al., IJCV 2022)."""

from pathlib import Path
from typing import Any

from gr00t_data.sources.human.footage import Footage, Narration
from gr00t_data.sources.human.readers.drop import (
    DropError,
    FootageReader,
    Found,
    movies_by_stem,
    need_columns,
    rows_of_videos,
    seconds,
    stated,
    table,
    visible,
)
from gr00t_data.store.provenance import Refusal

NAME = "epic-kitchens-100"
LICENCE = "CC-BY-NC-4.0"
NEEDED = ("narration_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp", "narration")
"""Without these columns a row says nothing that could be used; the other nine are kept as provenance."""
KEPT = ("narration_timestamp", "start_frame", "stop_frame", "verb", "verb_class", "noun", "noun_class")
KEPT += ("all_nouns", "all_noun_classes")
_MARKS = {"narration_id", "start_timestamp"}


def _tables(drop: Path) -> list[Path]:
    found = []
    for path in visible(drop, (".csv",)):
        with path.open("rb") as stream:
            names = {
                name.strip().strip('"') for name in stream.readline(4096).decode("utf-8-sig", "replace").split(",")
            }
        found += [path] if names >= _MARKS else []
    return found


def _footage(video: str, path: Path, lines: list[Any], refused: list[Refusal]) -> Footage:
    narrations, facts, seen = [], {}, set[str]()
    for where, row in lines:
        uid = row["narration_id"]
        try:
            if not uid or uid in seen:
                raise ValueError(f"narration_id {uid!r} is {'there twice' if uid else 'empty'}; give each row its own")
            start_s, end_s = seconds(row["start_timestamp"]), seconds(row["stop_timestamp"])
        except ValueError as error:
            refused.append(Refusal(uid or video, f"{where}: {error}"))
            continue
        seen.add(uid)
        narrations.append(Narration(uid, row["narration"], start_s, end_s))
        facts[uid] = {name: row[name] for name in KEPT if row.get(name)}
    return Footage(
        uid=video,
        video=path,
        dataset=NAME,
        narrations=tuple(sorted(narrations, key=lambda one: (one.start_s, one.uid))),
        participant=stated(lines, "participant_id"),
        consent=stated(lines, "consent"),
        licence=stated(lines, "licence") or LICENCE,
        extra={"narrations": facts},
    )


class Epic(FootageReader):
    """Videos and their tables of narrated intervals. See ``FootageReader``."""

    name = NAME

    def recognises(self, drop: Path) -> bool:
        """Whether a CSV of the drop has the columns that only these annotations have."""
        return bool(_tables(drop))

    def read(self, drop: Path) -> Found:
        """Every video that the tables name and the drop holds; further columns ``consent`` and ``licence`` are read.

        Raises:
            DropError: a column is missing (says which).
        """
        movies, refused = movies_by_stem(drop)
        rows = []
        for path in _tables(drop):
            names, lines = table(path)
            need_columns(path, names, NEEDED)
            rows += [(f"{path}:{number}", row) for number, row in lines]
        footage, narrated = [], set[str]()
        for video, lines in rows_of_videos(rows, "video_id"):
            narrated.add(video)
            if video not in movies:
                reason = (
                    f"{lines[0][0]}: names video {video!r} {len(lines)} times, and the drop has no such file; copy it"
                )
                refused.append(Refusal(video or "(no video_id)", reason))
                continue
            try:
                footage.append(_footage(video, movies[video], lines, refused))
            except DropError as error:
                refused.append(Refusal(video, f"{lines[0][0]}: {error}"))
        silent = sorted(movies.keys() - narrated)
        refused += [Refusal(stem, f"{movies[stem]}: no row of the tables names it") for stem in silent]
        return Found(NAME, tuple(sorted(footage, key=lambda one: one.uid)), tuple(refused))


READER = Epic()
