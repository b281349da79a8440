"""LeRobot datasets that do not say what the robot was asked to do, and how a person's words are put in."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

from gr00t_data.disk import read_json, write_json, write_json_lines
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lerobot import v3
from gr00t_data.lerobot.v3_records import read_dataset
from gr00t_data.store.provenance import Facts
from gr00t_data.store.store import EpisodeStore, episode_lines, task_lines
from gr00t_data.store.texts import VALIDITY, each_text


def says_instructions(drop: Path, embodiment: Embodiment) -> bool:
    """Whether a dataset has an instruction at all: in the list of its tasks, in its episodes, or in its rows.

    Raises:
        StoreError: its metadata cannot be read.
    """
    if v3.recognises(drop):
        dataset = read_dataset(drop, untold=True)
        in_rows = dataset.features.get(embodiment.language_column)
        listed = [*dataset.tasks.values(), *(text for record in dataset.records for text in record.tasks)]
        return _any(listed) or (in_rows is not None and in_rows.dtype == "string")
    store = EpisodeStore.open(drop)
    listed = [text for row in store.rows for text in row.tasks]
    if (path := store.meta("tasks.jsonl")).is_file():
        listed += [text for _, text in task_lines(path)]
    return _any(listed) or _any(_first_rows(store, embodiment))


def _any(texts: Iterable[str]) -> bool:
    return any(text.strip() and text.strip().lower() not in VALIDITY for text in texts)


def _first_rows(store: EpisodeStore, embodiment: Embodiment) -> tuple[str, ...]:
    """The texts of the first episode that can be read."""
    for row in store.rows:
        try:
            return each_text(*store.texts(row.index, embodiment.language_column))
        except (LookupError, OSError, ValueError):
            continue
    return ()


def put_in(root: Path, text: str, embodiment: Embodiment) -> tuple[str, ...]:
    """Make ``text`` the instruction of what has none in a folder of v2.0 or v2.1: of numbers that tasks.jsonl gives no
    text to, and of episodes that list none. Rows stay as they are.

    Returns:
        the files that were written anew, by their names below ``root``.

    Raises:
        StoreError: the metadata cannot be read.
    """
    store, path = EpisodeStore.open(root), root / "meta/tasks.jsonl"
    tasks = dict(task_lines(path)) if path.is_file() else {}
    lines, used = episode_lines(root), {row.index: _numbers(store, row.index, embodiment) for row in store.rows}
    every = {*tasks, *(number for numbers in used.values() for number in numbers)} or {0}
    unsaid = {number for number in every if not tasks.get(number, "").strip()}
    changed = dict[int, Facts]()
    for index, line in lines.items():
        listed = [one for one in store.row(index).tasks if one.strip()]
        if not _any(listed) or (unsaid & used[index] and text not in listed):
            changed[index] = {**line, "tasks": [text, *listed]}
    if not changed and not unsaid:
        return ()
    tasks |= dict.fromkeys(unsaid, text)
    write_json_lines(path, [{"task_index": number, "task": said} for number, said in sorted(tasks.items())])
    write_json_lines(root / "meta/episodes.jsonl", [changed.get(index, line) for index, line in lines.items()])
    write_json(root / "meta/info.json", {**read_json(root / "meta/info.json"), "total_tasks": len(tasks)})
    return "meta/tasks.jsonl", "meta/episodes.jsonl", "meta/info.json"


def _numbers(store: EpisodeStore, index: int, embodiment: Embodiment) -> set[int]:
    """The numbers of tasks that the rows of an episode point at; none where they hold texts, or cannot be read."""
    try:
        there = parquet.read_schema(store.data_path(index)).names
        name = next(one for one in (embodiment.language_column, "task_index") if one in there)
        numbers = store.matrix(index, name)[:, 0]
    except (StopIteration, OSError, ValueError):
        return set()
    return set(np.unique(numbers[np.isfinite(numbers)]).astype(int).tolist())
