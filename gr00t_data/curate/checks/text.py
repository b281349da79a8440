"""Checks of what was said about an episode: the instruction, and whether the demonstration succeeded."""

import string
from collections.abc import Iterator

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.identifiers import is_identifier
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.store.texts import VALIDITY, each_text, spans

_WORDS = """
todo tbd fixme n/a na none null nan unknown untitled test testing task instruction placeholder description valid invalid
xxx default prompt dummy foo
"""
_PHRASES = ("task description", "your task here", "no instruction", "do something", "enter text", "lorem ipsum")
_PLACEHOLDERS = frozenset([*_WORDS.split(), *_PHRASES])
"""Texts (lower case, without punctuation at the ends) that stand where an instruction should."""


def check_instruction(subject: Subject) -> Iterator[Finding]:
    """TEXT-01, TEXT-02, TEXT-03 and TEXT-12, of every text that its rows are under."""
    table = subject.store.root / "meta/tasks.jsonl"
    source = f"{subject.where}: column {subject.embodiment.language_column!r} and {table}"
    spoken = spans(*subject.spoken, max(subject.rows or 0, 1))
    useless = [(first, end - 1, text) for first, end, text in spoken if is_placeholder(text)]
    if len(useless) < len(spoken):
        for first, last, text in useless:
            message = f"{source}: rows {first} to {last} are under {text!r}; write what the robot does there"
            yield TEXT_12.finding(f"{message}; they are left out", (first, last))
    elif not "".join(text for *_, text in spoken).strip():
        yield TEXT_01.finding(f"{source}: no instruction; write what the robot was asked to do")
    else:
        found = next(text for *_, text in spoken if text.strip())
        message = f"{source}: found {found!r}, expected an instruction; write what the robot was asked to do"
        yield TEXT_02.finding(message)
    texts = subject.row.tasks
    if len(texts) > 1 and not set(texts) <= {text for *_, text in spoken}:
        yield TEXT_03.finding(
            f"{subject.where}: meta/episodes.jsonl lists {len(texts)} texts ({', '.join(map(repr, texts))}), "
            f"expected one; {subject.instruction!r} is used"
        )


def check_identifiers(subject: Subject) -> Iterator[Finding]:
    """TEXT-13, for each text that its rows are under."""
    for text in each_text(*subject.spoken):
        if is_identifier(text):
            yield TEXT_13.finding(
                f"{subject.where}: found {text!r} as an instruction, the name of a task, class or recording; write in "
                "words what the robot was asked to do"
            )


def is_placeholder(text: str) -> bool:
    """Whether the text stands where an instruction should: a known filler, or no word of letters at all."""
    plain = text.strip().lower().strip(string.punctuation + string.whitespace)
    return plain in _PLACEHOLDERS or not any(character.isalpha() for character in plain)


def check_success(subject: Subject) -> Iterator[Finding]:
    """SUCCESS-01: the record says the goal was missed. SUCCESS-02: the validity label is not ``valid``. SUCCESS-03: a
    policy acted, and the record says nothing."""
    row = subject.row
    said = [row.success, row.source.success]
    if False in said:
        yield SUCCESS_01.finding(
            f"{subject.store.root}/meta/episodes.jsonl: episode {row.index}: success is false, expected true; "
            "it stays on disk and out of the mixture"
        )
    if subject.store.kind == "rollout" and not any(isinstance(one, bool) for one in said):
        yield SUCCESS_03.finding(
            f"{subject.store.root}/meta/episodes.jsonl: episode {row.index}: a policy acted in it and success is not "
            "said, expected true; it stays on disk and out of the mixture: tell it when the episode ends "
            "(`end_episode`), or write it into that file of the drop, less its meta/seal.json, before it is taken in"
        )
    labels = VALIDITY & {text.strip().lower() for text in row.tasks}
    if "invalid" in labels:
        yield SUCCESS_02.finding(
            f"{subject.store.root}/meta/episodes.jsonl: episode {row.index}: labelled 'invalid', expected 'valid'; "
            "it stays on disk and out of the mixture"
        )


TEXT_01, TEXT_02, TEXT_03, TEXT_12 = Look(Subject, check_instruction, 6).finds(
    Check("TEXT-01", "error", "no instruction", "the policy learns to ignore language", spoils=False),
    Check("TEXT-02", "error", "placeholder instead of an instruction", "the policy learns to ignore language",
          spoils=False),
    Check("TEXT-03", "info", "several texts listed for one episode",
          "a reader may take the wrong one as the instruction"),
    Check("TEXT-12", "warning", "some rows have no instruction", "a part of the motion is learnt under no words",
          leaves_out="rows"),
)  # fmt: skip
(TEXT_13,) = Look(Subject, check_identifiers, 6).finds(
    Check("TEXT-13", "warning", "an identifier instead of an instruction",
          "the policy hears names that nobody will say to it"),
)  # fmt: skip
SUCCESS_01, SUCCESS_02, SUCCESS_03 = Look(Subject, check_success, 7).finds(
    Check("SUCCESS-01", "error", "demonstration marked unsuccessful", "the policy imitates a failure", spoils=False),
    Check("SUCCESS-02", "error", "demonstration labelled not valid", "the policy imitates a failure", spoils=False),
    Check("SUCCESS-03", "error", "rollout of which nobody said whether it succeeded",
          "the policy imitates its own failures", spoils=False),
)  # fmt: skip
