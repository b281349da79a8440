"""Ego4D: narrations as points in time, written by two annotators in two passes (Grauman et al., CVPR 2022)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gr00t_data.disk import read_json
from gr00t_data.sources.content import require_no_link
from gr00t_data.sources.human.footage import Footage, Narration
from gr00t_data.sources.human.readers.drop import DropError, FootageReader, Found, movies_by_stem, visible
from gr00t_data.store.provenance import Refusal

NAME = "ego4d"
LICENCE = "Ego4D"
PASSES = ("narration_pass_1", "narration_pass_2")
_LARGEST_PEEK_BYTES = 4096
_MOST_NAMED = 20
_KEPT = ("fb_participant_id", "university_video_folder_path", "device", "video_source", "scenarios", "origin_video_id")


def _narration_files(drop: Path) -> list[Path]:
    """By name, else by what the first bytes say; a file of hundreds of megabytes is not read to find out."""
    found = []
    for path in visible(drop, (".json",)):
        with path.open("rb") as stream:
            begins = stream.read(_LARGEST_PEEK_BYTES)
        named = path.name.startswith("narration") or b'"narration_pass_' in begins
        found += [path] if named and begins.lstrip()[:1] == b"{" else []
    return found


def _videos(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(video_uid, its passes); newer files have all of it under ``videos``, as an object or as a list."""
    value = _json(path)
    inner = value.get("videos", value)
    if isinstance(inner, list):
        inner = {str(one.get("video_uid")): one for one in inner if isinstance(one, dict)}
    if not isinstance(inner, dict):
        raise DropError(f"{path}: `videos` is {type(inner).__name__}, expected an object or a list; copy it again")
    for uid, passes in inner.items():
        if isinstance(passes, dict) and any(name.startswith("narration_pass") for name in passes):
            yield str(uid), passes


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except ValueError as error:
        raise DropError(f"{error}; copy it again") from error
    if not isinstance(value, dict):
        raise DropError(f"{path}: holds {type(value).__name__}, expected an object; copy it again")
    return value


def _master(drop: Path) -> dict[str, dict[str, Any]]:
    """video_uid -> facts, from ``ego4d.json`` where it lies in the drop."""
    path = next(iter(sorted(drop.rglob("ego4d.json"))), None)
    if path is None:
        return {}
    require_no_link(path)
    listed = _json(path).get("videos", [])
    return {str(one.get("video_uid")): one for one in listed if isinstance(one, dict)}


def _footage(
    uid: str, video: Path, path: Path, passes: dict[str, Any], facts: dict[str, Any], refused: list[Refusal]
) -> Footage:
    narrations = []
    for name in (one for one in PASSES if isinstance(passes.get(one), dict)):
        listed = passes[name].get("narrations") or []
        for number, one in enumerate(listed if isinstance(listed, list) else []):
            key = f"{uid}/{name.removeprefix('narration_')}/{number}"
            try:
                narrations.append(Narration(key, str(one["narration_text"]), _time(one), None, name))
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                refused.append(Refusal(key, f"{path}: {key}: has no usable {error}; copy the file again"))
    participant = facts.get("fb_participant_id")
    return Footage(
        uid=uid,
        video=video,
        dataset=NAME,
        narrations=tuple(sorted(narrations, key=lambda one: (one.start_s, one.annotator, one.uid))),
        participant=None if participant is None else str(participant),
        consent=None,
        licence=LICENCE,
        extra={name: facts[name] for name in _KEPT if name in facts},
    )


def _time(one: dict[str, Any]) -> float:
    time_s = float(one["timestamp_sec"])
    if not abs(time_s) < 1e7:
        raise ValueError(f"timestamp_sec ({time_s})")
    return time_s


class Ego4D(FootageReader):
    """Videos and their narration passes. See ``FootageReader``."""

    name = NAME

    def recognises(self, drop: Path) -> bool:
        """Whether a JSON file of the drop holds a narration pass."""
        return bool(_narration_files(drop))

    def read(self, drop: Path) -> Found:
        """Every narrated video that the drop holds; ``ego4d.json`` beside it adds who wore the camera.

        Raises:
            DropError: a file of narrations is not JSON, or has another structure.
        """
        movies, refused = movies_by_stem(drop)
        master = _master(drop)
        footage, absent, seen = [], list[str](), set[str]()
        for path in _narration_files(drop):
            for uid, passes in _videos(path):
                seen.add(uid)
                if uid not in movies:
                    absent.append(uid)
                    continue
                footage.append(_footage(uid, movies[uid], path, passes, master.get(uid, {}), refused))
        named = ", ".join(sorted(absent)[:_MOST_NAMED]) + (", ..." if len(absent) > _MOST_NAMED else "")
        findings = (f"{len(absent)} narrated videos are not in the drop: left out ({named})",) if absent else ()
        silent = sorted(movies.keys() - seen)
        refused += [Refusal(stem, f"{movies[stem]}: nobody narrated it") for stem in silent]
        return Found(NAME, tuple(sorted(footage, key=lambda one: one.uid)), tuple(refused), findings)


READER = Ego4D()
