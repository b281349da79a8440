"""What every benchmark shares: its command line, its exit status, and how its tables look."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from cyclopts import App, CycloptsError, Parameter

Main = TypeVar("Main", bound=Callable[..., bool | None])
Json = Annotated[bool, Parameter(name="--json", negative=(), help="One JSON object instead of what people read.")]


def command(main: Main) -> Main:
    """Run ``main`` with the words of the command line if its module is what ``python -m`` runs; the last in its file.

    The exit status is 1 when ``main`` returns False (a bound is broken), and 2 when a word cannot be read.
    """
    if main.__module__ == "__main__":
        sys.exit(status(main, sys.argv[1:]))
    return main


def status(main: Callable[..., bool | None], words: list[str]) -> int:
    """The exit status of ``main`` with these words."""
    app = App(
        default_parameter=Parameter(negative_iterable=()),
        help_format="plaintext",
        version_flags=(),
        result_action="return_value",
    )
    app.default(main)
    try:
        return int(app(words, exit_on_error=False, print_error=False) is False)
    except CycloptsError as error:
        say(f"error: {error}")
        return 2


def say(line: str) -> None:
    """To standard error, where progress does not mix with the figures."""
    print(line, file=sys.stderr, flush=True)


def show(found: object, lines: Iterable[str], as_json: bool, indent: int | None = 1) -> None:
    """Print what was found as one JSON object, or the lines about it."""
    print(json.dumps(found, indent=indent) if as_json else "\n".join(lines))


def row(*cells: object) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def heading(*titles: str) -> str:
    """The titles of a Markdown table, and the line below them."""
    return f"{row(*titles)}\n{'|---' * len(titles)}|"


def table(titles: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """The lines of a whole Markdown table."""
    return [heading(*titles), *(row(*cells) for cells in rows)]
