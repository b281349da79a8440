"""Defects of what the robot was told in words."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.doctor.anatomy import Unplantable
from benchmarks.doctor.defects.defect import Defect, Plant, Planting, Targets, each, in_json, in_rows, of_store
from benchmarks.doctor.folder import Rows

_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
_MOJIBAKE = "prendre la poÃªle et la poser dans l’assiette"
"""UTF-8 read as Latin-1, and in another language than the rest."""
_ONLY_SIMULATOR = ("simulator",)


def say(p: Planting, index: int, text: str) -> None:
    """Make ``text`` the instruction of an episode, in the rows, the list of tasks and the list of episodes."""
    tasks = p.folder.lines("tasks.jsonl")
    known = {line["task"]: line["task_index"] for line in tasks}
    if text not in known:
        known[text] = max(known.values()) + 1
        p.folder.write_lines("tasks.jsonl", [*tasks, {"task_index": known[text], "task": text}])
        p.folder.change_info(total_tasks=len(tasks) + 1)
    rows = p.folder.rows(index)
    for column in {"task_index", p.embodiment.language_column} & rows.keys():
        rows[column] = np.full(len(rows[column]), known[text], dtype=rows[column].dtype)
    p.folder.write_rows(index, rows)
    p.folder.change_line(index, tasks=[text, *p.folder.store.row(index).tasks[1:]])


def _kind(text: str) -> str:
    return "place" if "plate" in text else "push" if " to the left" in text or " to the right" in text else "reach"


def in_text(change: Callable[[Planting, str], str]) -> Plant:
    """A planter that replaces the instruction of each chosen episode."""
    return each(lambda p, index: say(p, index, change(p, p.folder.store.row(index).instruction)))


def placeholder(p: Planting, text: str) -> str:
    """The operator left the form as it was."""
    return str(p.generator.choice(["TODO", "<task description>", "test", "N/A"]))


def file_name(p: Planting, index: int) -> None:
    """A file name stands where the instruction belongs."""
    say(p, index, f"episode_{index:06d}.hdf5")


def cut_off(p: Planting, text: str) -> str:
    """The text ends in the middle: "pick up the"."""
    words = text.split()
    if "the" not in words[1:-1]:
        raise Unplantable("no text that could end in the middle")
    return " ".join(words[: max(words.index("the") + 1, 2)])


def other_task(p: Planting, text: str) -> str:
    """The instruction of an episode of another task (in a store of one task: of another object)."""
    texts = [row.instruction for row in p.folder.store.rows if row.instruction != text]
    if not texts:
        raise Unplantable("a single instruction")
    different = [other for other in texts if _kind(other) != _kind(text)]
    return str(p.generator.choice(different or texts))


def other_colour(p: Planting, text: str) -> str:
    """The instruction names the right thing in a wrong colour."""
    mine = next((colour for colour in _COLOURS if colour in text), None)
    if mine is None:
        raise Unplantable("no colour in the text")
    return text.replace(mine, str(p.generator.choice([c for c in _COLOURS if c != mine])))


def other_direction(p: Planting) -> Targets:
    """Left for right in the instructions of pushes."""
    pushes = [row for row in p.folder.store.rows if _kind(row.instruction) == "push"]
    if len(pushes) < 2:
        raise Unplantable("no push in a direction")
    chosen = [pushes[i] for i in p.generator.choice(len(pushes), 2, replace=False)]
    for row in chosen:
        side, other = ("left", "right") if "left" in row.instruction.split() else ("right", "left")
        say(p, row.index, row.instruction.replace(side, other))
    return [frozenset({row.index}) for row in chosen]


def _column(p: Planting, rows: Rows) -> str:
    """The column of the instruction's number. Raises Unplantable where the rows have none."""
    if p.embodiment.language_column not in rows:
        raise Unplantable("no column of instructions")
    return p.embodiment.language_column


def of_another_robot(p: Planting, text: str) -> str:
    """One episode has the instruction of quite another task."""
    return str(
        p.generator.choice(["open the microwave door", "wipe the whiteboard with the sponge", "unplug the charger"])
    )


def misspelt(p: Planting, text: str) -> str:
    """Two neighbouring letters of the longest word are exchanged."""
    word = max(text.split(), key=len)
    if len(word) < 4:
        raise Unplantable("no word of four letters")
    at = int(p.generator.integers(1, len(word) - 2))
    if word[at] == word[at + 1]:
        at -= 1
    return text.replace(word, f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}", 1)


def machine_name(p: Planting, index: int) -> None:
    """The name that a training script gives a data set stands where the instruction belongs."""
    names = ["PosttrainPnPNovelFromPlateToBowlSplitA", "pnp_cylinder_to_bin_v2", "task-0031-left"]
    say(p, index, str(p.generator.choice(names)))


def points_nowhere(p: Planting, rows: Rows) -> Rows:
    """The annotation column holds a number that tasks.jsonl does not list."""
    return rows | {_column(p, rows): np.full(len(rows["timestamp"]), 997)}


def changes_midway(p: Planting, rows: Rows) -> Rows:
    """The rows of the second half point at another instruction."""
    column = rows[_column(p, rows)].copy()
    others = [line["task_index"] for line in p.folder.lines("tasks.jsonl") if line["task_index"] != column[0]]
    if not others:
        raise Unplantable("a single instruction")
    column[len(column) // 2 :] = int(p.generator.choice(others))
    return rows | {p.embodiment.language_column: column}


def list_disagrees(p: Planting, index: int) -> None:
    """episodes.jsonl says something else than the rows."""
    other = p.folder.store.row(p.others()[0]).instruction + " and then wave"
    p.folder.change_line(index, tasks=[other, *p.folder.store.row(index).tasks[1:]])


def one_for_all(p: Planting) -> None:
    """Every episode has the instruction of the first one: copied and never edited."""
    first = p.folder.store.rows[0].instruction
    if all(row.instruction == first for row in p.folder.store.rows):
        raise Unplantable("a single instruction")
    for row in p.folder.store.rows:
        say(p, row.index, first)


def double_tasks(p: Planting) -> None:
    """tasks.jsonl lists an instruction again, with another case and a full stop."""
    tasks = p.folder.lines("tasks.jsonl")
    again = {"task_index": len(tasks) + 3, "task": tasks[0]["task"].capitalize() + "."}
    p.folder.write_lines("tasks.jsonl", [*tasks, again])
    p.folder.change_info(total_tasks=len(tasks) + 1)


def one_number_twice(p: Planting) -> None:
    """tasks.jsonl gives two texts the same number."""
    tasks = p.folder.lines("tasks.jsonl")
    if len(tasks) < 2:
        raise Unplantable("a single instruction")
    tasks[-1]["task_index"] = tasks[0]["task_index"]
    p.folder.write_lines("tasks.jsonl", tasks)


def wrong_key(p: Planting, modality: Any) -> None:
    """modality.json offers the instruction under another name than the data configuration asks for."""
    kept = {k: v for k, v in modality["annotation"].items() if k == "human.validity"}
    modality["annotation"] = {"human.action.task": {"original_key": p.embodiment.language_column}, **kept}


def key_to_nowhere(p: Planting, modality: Any) -> None:
    """modality.json points the instruction at a column that the rows do not have."""
    key = p.embodiment.language_key.removeprefix("annotation.")
    modality["annotation"][key] = {"original_key": "annotation.human.coarse_action_description"}


_DEAF = "the policy learns to ignore language"
_WRONG = "the policy learns the wrong word for what it does"


_defect = partial(Defect, group="language")
_list = partial(_defect, refresh=False)
LANGUAGE_DEFECTS = (
    _defect("text-empty", "no text", "TEXT-01", _DEAF, in_text(lambda p, text: "")),
    _defect("text-placeholder", "TODO, <task description>, test, N/A", "TEXT-02", _DEAF, in_text(placeholder)),
    _defect("text-file-name", "episode_000003.hdf5", "TEXT-04 TEXT-13", _DEAF, each(file_name)),
    _defect("text-machine-name", "PnPNovelSplitA", "TEXT-04 TEXT-13", _DEAF, each(machine_name)),
    _defect("text-misspelt", "two letters", "TEXT-14", _WRONG, in_text(misspelt)),
    _defect("text-foreign-task", "of another project", "TEXT-10 TEXT-11 TEXT-15", _WRONG, in_text(of_another_robot)),
    _defect("text-cut-off", '"pick up the"', "TEXT-04", _DEAF, in_text(cut_off)),
    _defect("text-mojibake", "UTF-8 read as Latin-1", "TEXT-04", _DEAF, in_text(lambda p, text: _MOJIBAKE)),
    _defect("text-other-task", "of another episode", "TEXT-10 TEXT-11 TEXT-15", _WRONG, in_text(other_task)),
    _defect("text-other-colour", "one word", "TEXT-11", _WRONG, in_text(other_colour), stores=_ONLY_SIMULATOR),
    _defect("text-other-direction", "left and right", "TEXT-11", _WRONG, other_direction, stores=_ONLY_SIMULATOR),
    _defect("text-points-nowhere", "number 997", "TEXT-01", "no instruction or a crash", in_rows(points_nowhere)),
    _defect("text-changes-midway", "half of the rows", "TEXT-05", _WRONG, in_rows(changes_midway)),
    _defect("text-list-disagrees", "episodes.jsonl", "TEXT-06", _WRONG, each(list_disagrees)),
    _defect("text-one-for-all", "every episode", "TEXT-07", _DEAF, of_store(one_for_all)),
    _list("tasks-doubled", "case and full stop", "TEXT-08", _DEAF, of_store(double_tasks)),
    _list("tasks-number-twice", "two texts", "TEXT-08", _DEAF, of_store(one_number_twice)),
    _list("annotation-wrong-key", "another name", "TEXT-09", _DEAF, in_json("modality.json", wrong_key)),
    _list("annotation-no-column", "another column", "TEXT-09", _DEAF, in_json("modality.json", key_to_nowhere)),
)
