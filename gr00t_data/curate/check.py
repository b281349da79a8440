"""A check: all that is to be said about one code, in one entry beside the code that finds it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from gr00t_data.curate.finding import Finding, Severity

On = TypeVar("On")


@dataclass(frozen=True, eq=False)
class Check:
    """One code. It is found by being there: a module in a folder that ``catalogue`` searches holds it by any name.

    Attributes:
        code: stable name; never given another meaning.
        severity: what a finding is unless its function says otherwise.
        title: what is wrong, in a few words.
        consequence: what happens to training when it is ignored.
        explains: patterns of the codes that follow from it and are not reported beside it, with spaces between.
        leaves_out: which frames of an accepted episode are not sampled: the ``rows`` of the finding, those with all
            ``chunks`` that reach into them, or those at its ``start`` or ``end`` but half a second.
        fact: it holds whatever the other episodes are, though it is found by comparing them.
        spoils: an error says that rows or pictures are wrong: other episodes are not judged by this one.
        rig: when most episodes of a store have it, it is one warning about the store and leaves them alone.
        look: how it is found; ``Look.finds`` says so.
    """

    code: str
    severity: Severity
    title: str
    consequence: str
    explains: str = ""
    leaves_out: Literal["nothing", "rows", "chunks", "start", "end"] = "nothing"
    fact: bool = False
    spoils: bool = True
    rig: bool = False
    look: "Look[Any] | None" = None

    @property
    def explanation(self) -> str:
        """What it means, in two sentences."""
        return f"{self.title}. If it is ignored, {self.consequence}."

    def finding(
        self, message: str, frames: tuple[int, int] | None = None, *, severity: Severity | None = None
    ) -> Finding:
        """What was found in one place; see ``Finding``."""
        return Finding(self.code, severity or self.severity, message, frames)


@dataclass(frozen=True)
class Look(Generic[On]):
    """A function that looks at something and finds what one or several checks are about.

    Attributes:
        on: what it is given: ``Whole`` (a store), ``Subject`` (an episode), ``Sight`` (a camera), or what is compared.
        function: yields findings; with the number of its episode before each where episodes are compared.
        order: looks at the same thing follow each other by this number, and their findings stand in that order.
    """

    on: type[On]
    function: Callable[[On], Iterable[Any]]
    order: int = 100

    def finds(self, *checks: Check) -> tuple[Check, ...]:
        """The checks that it looks for, to be named in its module."""
        return tuple(replace(check, look=self) for check in checks)
