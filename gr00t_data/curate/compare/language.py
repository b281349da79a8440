"""Language of a store: annotation columns resolved by name, garbled, inconsistent and ill-fitting instructions."""

import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import pyarrow.parquet as parquet

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.compare.instruction_match import against_colours, against_directions, against_motion
from gr00t_data.curate.copies.duplicates import Contents
from gr00t_data.curate.copies.fingerprints import Fingerprint
from gr00t_data.curate.finding import Finding
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.episode import EpisodeRow
from gr00t_data.store.store import EpisodeStore, task_lines
from gr00t_data.store.texts import VALIDITY, each_text

_LAST_WORDS = """
a an the and or of to at on in into onto from with for near by
"""
_DANGLING = frozenset(_LAST_WORDS.split())
"""An English instruction does not end with one of these."""
_MOJIBAKE = re.compile("[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|\ufffd|&[a-z]{2,6};|\\\\u[0-9a-f]{4}")
"""UTF-8 read as Latin-1 or Windows-1252, the replacement character, HTML entities, escapes left as text."""
_FILE_NAME = re.compile(r"^\S+\.(hdf5|h5|mp4|avi|mkv|parquet|bag|db3|mcap|json|npz|pkl|csv|txt|zarr)$", re.IGNORECASE)


def check_language(contents: Contents) -> Iterator[tuple[int | None, Finding]]:
    """TEXT-04 to TEXT-11; without fingerprints the instructions are not compared with what was done."""
    store, embodiment = contents.store, contents.embodiment
    texts = {row.index: said for row in store.rows if (said := _spoken(store, row, embodiment)) is not None}
    for row in store.rows:
        for text in texts.get(row.index, (row.instruction,)):
            yield from ((row.index, found) for found in _garbled(store, row, text.strip()))
        yield from ((row.index, found) for found in _disagreeing(store, row, texts.get(row.index, ())))
    yield from _changing(store, texts)
    yield from _ill_fitting(store, texts, contents.fingerprints)
    for found in (*check_annotations(store, embodiment), *_listed_twice(store), *_one_for_all(store, texts)):
        yield None, found


def _spoken(store: EpisodeStore, row: EpisodeRow, embodiment: Embodiment) -> tuple[str, ...] | None:
    """The texts that the rows are under, each once, in order; None when they cannot be read."""
    try:
        return each_text(*store.texts(row.index, embodiment.language_column))
    except (LookupError, ValueError, OSError):
        return None


def _garbled(store: EpisodeStore, row: EpisodeRow, text: str) -> Iterator[Finding]:
    words = text.lower().strip(string.punctuation + " ").split()
    fault = None
    if _MOJIBAKE.search(text):
        fault = "was written in one encoding and read in another; read the source as UTF-8"
    elif _FILE_NAME.match(text) or (text and "/" in text and " " not in text and len(PurePath(text).parts) > 2):
        fault = "is the name of a file; write what the robot was asked to do"
    elif words and words[-1] in _DANGLING:
        fault = f"ends with {words[-1]!r}; write the rest of it"
    if fault:
        yield TEXT_04.finding(f"{_where(store, row.index)}: the instruction {text!r} {fault}")


def _disagreeing(store: EpisodeStore, row: EpisodeRow, spoken: Sequence[str]) -> Iterator[Finding]:
    said = [text for text in spoken if text.strip()]
    listed = [text for text in row.tasks if text.strip().lower() not in VALIDITY]
    if said and listed and not set(said) & set(listed):
        message = (
            f"{_where(store, row.index)}: lists {listed[0]!r}, its rows point at {said[0]!r} in meta/tasks.jsonl; "
            "the rows are what the loader reads: correct the one that is wrong"
        )
        yield TEXT_06.finding(message)


def _changing(store: EpisodeStore, texts: Mapping[int, Sequence[str]]) -> Iterator[tuple[int, Finding]]:
    """Rows of one episode with several instructions that its line does not all list, as who records subtasks does;
    where most episodes have several, it is how the set was made.
    """
    changing = {index: said for index, said in texts.items() if len(said) > 1}
    if len(changing) * 2 > len(texts):
        return
    for index, said in changing.items():
        if set(said) <= set(store.row(index).tasks):
            continue
        listed = ", ".join(map(repr, said[:3]))
        message = (
            f"{_where(store, index)}: its rows point at {len(said)} instructions ({listed}), those of most episodes at "
            "one; find out which is right"
        )
        yield index, TEXT_05.finding(message)


def _ill_fitting(
    store: EpisodeStore, spoken: Mapping[int, Sequence[str]], fingerprints: Sequence[Fingerprint]
) -> Iterator[tuple[int, Finding]]:
    """A motion and its first and last picture belong to all texts of an episode together."""
    texts = {row.index: "; ".join(spoken.get(row.index, (row.instruction,))) for row in store.rows}
    remedy = "watch the episode, then correct its instruction"
    for index, reason in against_motion(texts, fingerprints).items():
        message = f"{_where(store, index)}: the instruction {texts[index]!r} {reason}; {remedy}"
        yield index, TEXT_10.finding(message)
    for reasons in (against_colours(texts, fingerprints), against_directions(texts, fingerprints)):
        for index, reason in reasons.items():
            message = f"{_where(store, index)}: the instruction {texts[index]!r} {reason}; {remedy}"
            yield index, TEXT_11.finding(message)


def check_annotations(store: EpisodeStore, embodiment: Embodiment) -> Iterator[Finding]:
    """TEXT-09: the annotation that a data configuration asks for does not lead to a column of the rows."""
    path = store.meta("modality.json")
    if not path.is_file() or not store.rows:
        return
    annotations = read_json(path).get("annotation", {})
    columns = _columns(store)
    for selection in embodiment.selections.values():
        if fault := explain_annotation(annotations, columns, selection.language):
            used = selection.name == embodiment.default_selection
            message = f"{path}: data configuration {selection.name!r} asks for {selection.language!r}: {fault}"
            yield TEXT_09.finding(message, severity="warning" if used else "info")


def explain_annotation(annotations: Mapping[str, Any], columns: Sequence[str], key: str) -> str | None:
    """Why the published loader finds no instruction under ``key``; None when it does.

    The loader takes ``annotation.X``, looks up X in the ``annotation`` part of modality.json, and reads the column that
    its ``original_key`` names, or ``annotation.X`` without one.

    Args:
        annotations: that part of modality.json.
        columns: of the rows.
        key: with ``annotation.``, as data configurations write it.
    """
    name = key.removeprefix("annotation.")
    readable = {f"annotation.{n}": _column(n, entry) for n, entry in annotations.items()}
    good = [given for given, column in readable.items() if column in columns and "validity" not in given]
    if name not in annotations:
        offered = ", ".join(map(repr, readable)) or "none"
        source = (
            readable[good[0]]
            if good
            else next((c for c in columns if c.startswith("annotation.") and "validity" not in c), None)
        )
        remedy = f'add "{name}": {{"original_key": "{source}"}}' if source else "add the column and its entry"
        return f"modality.json offers {offered}; the names differ, not the data: {remedy}, or ask for a name it offers"
    if readable[f"annotation.{name}"] not in columns:
        there = ", ".join(repr(c) for c in columns if c.startswith("annotation.")) or "no annotation column"
        return f"it leads to column {readable[f'annotation.{name}']!r}, the rows hold {there}; correct original_key"
    return None


def _column(name: str, entry: Any) -> str:
    given = entry.get("original_key") if isinstance(entry, dict) else None
    return str(given or f"annotation.{name}")


def _columns(store: EpisodeStore) -> list[str]:
    for row in store.rows:
        try:
            return parquet.read_schema(store.data_path(row.index)).names
        except (OSError, ValueError, KeyError):
            continue
    return list(store.features)


def _listed_twice(store: EpisodeStore) -> Iterator[Finding]:
    """TEXT-08. ``store.tasks`` holds one text a number, so the file is read again."""
    path = store.meta("tasks.jsonl")
    lines = task_lines(path)
    numbers = Counter(number for number, _ in lines)
    for number, count in numbers.items():
        if count > 1:
            texts = ", ".join(repr(text) for n, text in lines if n == number)
            message = f"{path}: gives number {number} to {count} texts ({texts}); give each its own, as the rows use it"
            yield TEXT_08.finding(message)
    plain: dict[str, list[str]] = {}
    for _, text in lines:
        plain.setdefault(_plain(text), []).append(text)
    for texts in plain.values():
        if len(texts) > 1:
            listed = ", ".join(map(repr, texts))
            message = f"{path}: lists one instruction {len(texts)} times ({listed}); keep one and point the rows at it"
            yield TEXT_08.finding(message)


def _plain(text: str) -> str:
    return " ".join(text.lower().translate(str.maketrans("", "", string.punctuation)).split())


def _one_for_all(store: EpisodeStore, spoken: Mapping[int, Sequence[str]]) -> Iterator[Finding]:
    texts = {text for row in store.rows for text in spoken.get(row.index, (row.instruction,))}
    if len(texts) == 1 and len(store.rows) > 2 and next(iter(texts)).strip():
        message = (
            f"{store.root}/meta/episodes.jsonl: all {len(store.rows)} episodes have the instruction "
            f"{next(iter(texts))!r}; right for a set of one task, else nobody wrote the others"
        )
        yield TEXT_07.finding(message)


def _where(store: EpisodeStore, index: int) -> str:
    return f"{store.root}/meta/episodes.jsonl: episode {index}"


TEXT_04, TEXT_05, TEXT_06, TEXT_07, TEXT_08, TEXT_09, TEXT_10, TEXT_11 = Look(Contents, check_language, 1).finds(
    Check("TEXT-04", "warning", "instruction garbled, cut off, or a file name",
          "the words say nothing to the language model", explains="TEXT-13"),
    Check("TEXT-05", "warning", "rows of one episode have several instructions",
          "half of the motion is learnt under wrong words"),
    Check("TEXT-06", "warning", "rows and episodes.jsonl give another instruction",
          "what is read depends on the reader"),
    Check("TEXT-07", "info", "every episode has the same instruction", "the policy learns to ignore language"),
    Check("TEXT-08", "warning", "tasks.jsonl lists a text or a number twice", "one task counts as two, or two as one"),
    Check("TEXT-09", "warning", "the annotation asked for leads to no column",
          "the published GR00T loader stops at the start"),
    Check("TEXT-10", "warning", "instruction of another task than the motion",
          "the policy learns wrong words for what it does"),
    Check("TEXT-11", "warning", "colour or direction that the pictures do not show",
          "the policy learns wrong words for things"),
)  # fmt: skip
