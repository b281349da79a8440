"""Episodes that a LeRobot folder holds or declares and its list does not: without a word they would be gone."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from gr00t_data.disk import PathError
from gr00t_data.store.provenance import Refusal
from gr00t_data.store.store import EpisodeStore

_MOST_NAMED = 100
"""A part of a published dataset keeps the totals of the whole: its thousands are not named one by one."""
_NUMBER = re.compile(r"(\d+)$")


def unlisted(store: EpisodeStore) -> list[Refusal]:
    """Of a v2 folder: data files that no line of ``meta/episodes.jsonl`` is about, and episodes that only info.json
    counts."""
    listed = {row.index for row in store.rows}
    try:
        files = {store.data_place(index) for index in listed}
    except PathError:
        return []  # no path of it can be believed, which is the finding of every episode
    left = [path for path in sorted((store.root / "data").rglob("*.parquet")) if path not in files]
    left = [path for path in left if not path.name.startswith(".")]
    remedy = f"and no line of {store.root}/meta/episodes.jsonl lists it; copy that file again, or take this one out"
    found = [Refusal(path.relative_to(store.root).as_posix(), f"{path}: is a data file, {remedy}") for path in left]
    held = {int(number[1]) for path in left if (number := _NUMBER.search(path.stem))}
    return found + not_there(store.root, store.info, listed | held, len(listed) + len(left))


def orphans(store: EpisodeStore) -> list[Path]:
    """Data and video files of a v2 folder that no episode of its list and no declared camera leads to, sorted."""
    columns = {*store.video_columns, *store.camera_columns.values()}
    try:
        led = {store.data_place(row.index) for row in store.rows}
        led |= {store.video_column_place(row.index, column) for row in store.rows for column in columns}
    except (PathError, KeyError):
        return []  # no path of it can be believed, which is the finding of every episode
    held = (*(store.root / "data").rglob("*.parquet"), *(store.root / "videos").rglob("*.mp4"))
    return sorted(path for path in held if path not in led and not path.name.startswith("."))


def not_there(root: Path, info: Mapping[str, object], numbers: Collection[int], found: int) -> list[Refusal]:
    """Episodes that ``total_episodes`` of info.json counts beyond those found, by their numbers where they are few."""
    declared = info.get("total_episodes")
    if not isinstance(declared, int) or (missing := declared - found) <= 0:
        return []
    reason = f"{root}/meta/info.json: declares {declared} episodes, {found} were found"
    reason += "; copy the dataset again with all its files, or correct total_episodes"
    if missing > _MOST_NAMED:
        return [Refusal(f"{missing} episodes", reason)]
    absent = [number for number in range(declared) if number not in numbers][:missing]
    return [Refusal(f"episode {number}", reason) for number in absent]
