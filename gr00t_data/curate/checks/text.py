"""Checks of what was said about an episode: the instruction, and whether the demonstration succeeded."""

import string
from collections.abc import Iterator

import pyarrow as pa

from gr00t_data.curate.codes import PLACEHOLDERS
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Subject

_VALIDITY = frozenset({"valid", "invalid"})
"""Texts that GR00T-LeRobot data lists among an episode's tasks as its validity label."""


def instruction_of(subject: Subject) -> str:
    """What the language column of the first row points to; without that column, the first task listed."""
    column = subject.embodiment.language_column
    if column not in subject.columns:
        return subject.row.instruction
    try:
        return subject.store.instruction(subject.row.index, column)
    except (ValueError, IndexError, AttributeError, OSError, pa.ArrowException):
        return subject.row.instruction


def check_instruction(subject: Subject, instruction: str) -> Iterator[Finding]:
    """TEXT-01, TEXT-02 and TEXT-03."""
    table = subject.store.root / "meta/tasks.jsonl"
    source = f"{subject.where}: column {subject.embodiment.language_column!r} and {table}"
    if not instruction.strip():
        yield Finding("TEXT-01", "error", f"{source}: no instruction; write what the robot was asked to do")
    elif is_placeholder(instruction):
        message = f"{source}: found {instruction!r}, expected an instruction; write what the robot was asked to do"
        yield Finding("TEXT-02", "error", message)
    texts = subject.row.tasks
    if len(texts) > 1:
        yield Finding(
            "TEXT-03",
            "info",
            f"{subject.where}: meta/episodes.jsonl lists {len(texts)} texts ({', '.join(map(repr, texts))}), "
            f"expected one; {instruction!r} is used",
        )


def is_placeholder(text: str) -> bool:
    """Whether the text stands where an instruction should: a known filler, or no word of letters at all."""
    plain = text.strip().lower().strip(string.punctuation + string.whitespace)
    return plain in PLACEHOLDERS or not any(character.isalpha() for character in plain)


def check_success(subject: Subject) -> Iterator[Finding]:
    """SUCCESS-01: the record says the goal was missed. SUCCESS-02: the validity label is not ``valid``."""
    row = subject.row
    said = [row.success, row.source.success]
    if False in said:
        yield Finding(
            "SUCCESS-01",
            "error",
            f"{subject.store.root}/meta/episodes.jsonl: episode {row.index}: success is false, expected true; "
            "it stays on disk and out of the mixture",
        )
    labels = _VALIDITY & {text.strip().lower() for text in row.tasks}
    if "invalid" in labels:
        yield Finding(
            "SUCCESS-02",
            "error",
            f"{subject.store.root}/meta/episodes.jsonl: episode {row.index}: labelled 'invalid', expected 'valid'; "
            "it stays on disk and out of the mixture",
        )
