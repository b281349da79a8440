"""Defects of what the robot was told in words."""

import numpy as np

from benchmarks.doctor.defect import Defect, Plant, Planting, Targets, each, of_store

_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
_MOJIBAKE = "prendre la poÃªle et la poser dans l’assiette"
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
        rows[column] = np.full(len(rows[column]), known[text])
    p.folder.write_rows(index, rows)
    p.folder.change_line(index, tasks=[text, *p.folder.store.row(index).tasks[1:]])


def _kind(text: str) -> str:
    return "place" if "plate" in text else "push" if " to the left" in text or " to the right" in text else "reach"


def empty(p: Planting, index: int) -> None:
    """Nothing was typed."""
    say(p, index, "")


def placeholder(p: Planting, index: int) -> None:
    """The operator left the form as it was."""
    say(p, index, str(p.generator.choice(["TODO", "<task description>", "test", "N/A"])))


def file_name(p: Planting, index: int) -> None:
    """A file name stands where the instruction belongs."""
    say(p, index, f"episode_{index:06d}.hdf5")


def cut_off(p: Planting, index: int) -> None:
    """The text ends in the middle: "pick up the"."""
    words = p.folder.store.row(index).instruction.split()
    say(p, index, " ".join(words[: max(words.index("the") + 1, 2)]))


def mojibake(p: Planting, index: int) -> None:
    """UTF-8 read as Latin-1, and in another language than the rest."""
    say(p, index, _MOJIBAKE)


def other_task(p: Planting, index: int) -> None:
    """The instruction of an episode of another task (in a store of one task: of another object)."""
    rows = p.folder.store.rows
    mine = p.folder.store.row(index).instruction
    texts = [row.instruction for row in rows if row.instruction != mine]
    different = [text for text in texts if _kind(text) != _kind(mine)]
    say(p, index, str(p.generator.choice(different or texts)))


def other_colour(p: Planting, index: int) -> None:
    """The instruction names the right thing in a wrong colour."""
    text = p.folder.store.row(index).instruction
    mine = next(colour for colour in _COLOURS if colour in text)
    say(p, index, text.replace(mine, str(p.generator.choice([c for c in _COLOURS if c != mine]))))


def other_direction(p: Planting) -> Targets:
    """Left for right in the instructions of pushes."""
    pushes = [row for row in p.folder.store.rows if _kind(row.instruction) == "push"]
    chosen = [pushes[i] for i in p.generator.choice(len(pushes), 2, replace=False)]
    for row in chosen:
        side, other = ("left", "right") if "left" in row.instruction.split() else ("right", "left")
        say(p, row.index, row.instruction.replace(side, other))
    return [frozenset({row.index}) for row in chosen]


def points_nowhere(p: Planting, index: int) -> None:
    """The annotation column holds a number that tasks.jsonl does not list."""
    rows = p.folder.rows(index)
    rows[p.embodiment.language_column] = np.full(len(rows["timestamp"]), 997)
    p.folder.write_rows(index, rows)


def changes_midway(p: Planting, index: int) -> None:
    """The rows of the second half point at another instruction."""
    rows = p.folder.rows(index)
    column = rows[p.embodiment.language_column].copy()
    others = [line["task_index"] for line in p.folder.lines("tasks.jsonl") if line["task_index"] != column[0]]
    column[len(column) // 2 :] = int(p.generator.choice(others))
    p.folder.write_rows(index, rows | {p.embodiment.language_column: column})


def list_disagrees(p: Planting, index: int) -> None:
    """episodes.jsonl says something else than the rows."""
    other = p.folder.store.row(p.others()[0]).instruction + " and then wave"
    p.folder.change_line(index, tasks=[other, *p.folder.store.row(index).tasks[1:]])


def one_for_all(p: Planting) -> None:
    """Every episode has the instruction of the first one: copied and never edited."""
    first = p.folder.store.rows[0].instruction
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
    tasks[-1]["task_index"] = tasks[0]["task_index"]
    p.folder.write_lines("tasks.jsonl", tasks)


def wrong_key(p: Planting) -> None:
    """modality.json offers the instruction under another name than the data configuration asks for."""
    modality = p.folder.json("modality.json")
    kept = {k: v for k, v in modality["annotation"].items() if k == "human.validity"}
    column = p.embodiment.language_column
    modality["annotation"] = {"human.action.task": {"original_key": column}, **kept}
    p.folder.write_json("modality.json", modality)


def key_to_nowhere(p: Planting) -> None:
    """modality.json points the instruction at a column that the rows do not have."""
    modality = p.folder.json("modality.json")
    key = p.embodiment.language_key.removeprefix("annotation.")
    modality["annotation"][key] = {"original_key": "annotation.human.coarse_action_description"}
    p.folder.write_json("modality.json", modality)


_DEAF = "the policy learns to ignore language"
_WRONG = "the policy learns the wrong word for what it does"


def _defect(
    name: str, magnitude: str, codes: tuple[str, ...], plant: Plant, consequence: str = _DEAF, **more
) -> Defect:
    return Defect(name, "language", magnitude, codes, consequence, plant, **more)


LANGUAGE_DEFECTS = (
    _defect("text-empty", "no text", ("TEXT-01",), each(empty)),
    _defect("text-placeholder", "TODO, <task description>, test, N/A", ("TEXT-02",), each(placeholder)),
    _defect("text-file-name", "episode_000003.hdf5", ("TEXT-04",), each(file_name)),
    _defect("text-cut-off", '"pick up the"', ("TEXT-04",), each(cut_off)),
    _defect("text-mojibake", "UTF-8 read as Latin-1", ("TEXT-04",), each(mojibake)),
    _defect("text-other-task", "of another episode", ("TEXT-10", "TEXT-11"), each(other_task), _WRONG),
    _defect("text-other-colour", "one word", ("TEXT-11",), each(other_colour), _WRONG, stores=_ONLY_SIMULATOR),
    _defect("text-other-direction", "left and right", ("TEXT-11",), other_direction, _WRONG, stores=_ONLY_SIMULATOR),
    _defect("text-points-nowhere", "number 997", ("TEXT-01",), each(points_nowhere), "no instruction or a crash"),
    _defect("text-changes-midway", "half of the rows", ("TEXT-05",), each(changes_midway), _WRONG),
    _defect("text-list-disagrees", "episodes.jsonl", ("TEXT-06",), each(list_disagrees), _WRONG),
    _defect("text-one-for-all", "every episode", ("TEXT-07",), of_store(one_for_all)),
    _defect("tasks-doubled", "case and full stop", ("TEXT-08",), of_store(double_tasks), refresh=False),
    _defect("tasks-number-twice", "two texts", ("TEXT-08",), of_store(one_number_twice), refresh=False),
    _defect("annotation-wrong-key", "another name", ("TEXT-09",), of_store(wrong_key), refresh=False),
    _defect("annotation-no-column", "another column", ("TEXT-09",), of_store(key_to_nowhere), refresh=False),
)
