"""One attack: what is built, which public verb meets it, and what must be said; and the list of all attacks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CANARY = "canary-5a0f9c"
"""Text of the files outside the drop; it must never be found in the lake or in what a verb prints."""


@dataclass(frozen=True)
class Place:
    """The folder of one case.

    Attributes:
        root: everything of the case lies in it.
    """

    root: Path

    @property
    def drop(self) -> Path:
        """What the verb is given."""
        return self.root / "drop"

    @property
    def lake(self) -> Path:
        """The lake that the verb works on."""
        return self.root / "lake"

    @property
    def outside(self) -> Path:
        """Files that belong to somebody else; nobody may open them."""
        return self.root / "outside"

    @property
    def secret(self) -> Path:
        """One of them, a text."""
        return self.outside / "secret.txt"


Words = Callable[[Place], list[str]]
"""The words of the command line: a verb of ``gr00t``, its arguments and options."""
Check = Callable[[Place], str]
"""What is wrong with the healthy item beside the attack; an empty text when it is in."""


@dataclass(frozen=True)
class Case:
    """An attack.

    Attributes:
        kind: the line of the table that it counts for.
        name: of the variant.
        build: writes the attack, and the healthy item beside it, into the place.
        words: of the public verb.
        reason: pattern that must be found in what the verb prints; empty: the attack is harmless and must succeed.
        beside: whether the healthy item is in; None where there can be none, as for a file that is given alone.
        runs: called in place of the verb, with the words, for what has no verb; it prints, and returns the status.
        imports: modules that the process has before the attack, beside those of every case.
    """

    kind: str
    name: str
    build: Callable[[Place], object]
    words: Words
    reason: str
    beside: Check | None = None
    runs: Callable[[list[str]], int] | None = None
    imports: tuple[str, ...] = ()


CASES: list[Case] = []


def attacks(
    kind: str,
    words: Words,
    *variants: tuple[str, Callable[[Place], object], str],
    beside: Check | None = None,
    runs: Callable[[list[str]], int] | None = None,
    imports: tuple[str, ...] = (),
) -> None:
    """Add the variants of a kind: (name, what builds it, pattern of the reason) each. See ``Case``."""
    CASES.extend(Case(kind, name, build, words, reason, beside, runs, imports) for name, build, reason in variants)
