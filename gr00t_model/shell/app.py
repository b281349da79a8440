"""What every verb shares: common options, the lake, and how facts, rows and progress are shown. Nothing heavy.

A file of verbs imports cyclopts, settings and this; what a verb works with is imported when it runs, so that help and
mistyped options cost nothing.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from pydantic import Field

from gr00t_data.foreign_text import printable, printable_json, printable_lines
from gr00t_data.lake import Lake
from gr00t_data.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from gr00t_data.embodiment.robot import Embodiment

StoresOption = Annotated[list[str], Parameter(help="Pattern of store names; repeat for several.")]
StoreArgument = Annotated[
    str, Parameter(help="A store of the lake, by name or path, or any GR00T-LeRobot v2.0/v2.1 folder.")
]
DryRunOption = Annotated[bool, Parameter(help="Print what would be done, and stop.")]
EVERY = ["*"]


class Shown(Settings):
    """For whom a verb prints."""

    as_json: bool = Field(default=False, description="Print one JSON object for machines instead of a table.")

    def show(self, facts: Mapping[str, object], rows: Sequence[Mapping[str, object]] | None = None) -> None:
        """Print facts and rows: JSON on standard output, or facts and a table for people."""
        if self.as_json:
            print_json({**facts, **({"rows": rows} if rows is not None else {})})
            return
        for name, fact in facts.items():
            tell(f"{name}: {fact}")
        if rows:
            from rich.table import Column, Table

            table = Table(*(Column(printable(name), overflow="fold") for name in rows[0]))  # a path is never cut
            for row in rows:
                table.add_row(*map(printable, row.values()))
            console(width=None if sys.stdout.isatty() else 160).print(table)


class InLake(Shown):
    """And which lake it works on."""

    lake: Annotated[Path | None, Parameter(env_var="GR00T_LAKE", show_env_var=False)] = Field(
        default=None, description="Folder of the lake (default: ./lake)."
    )

    @property
    def where(self) -> Lake:
        """The lake of the option, or of the environment."""
        lake = Lake.from_environment()
        return Lake(self.lake.absolute(), lake.landing_at) if self.lake else lake


class OfRobot(InLake):
    """And which robot it is about."""

    embodiment: str = Field(default="gr1", description="Name of a bundled embodiment, or path of your own YAML.")

    @property
    def robot(self) -> "Embodiment":
        """As its YAML describes it."""
        from gr00t_data.embodiment.robot import load_embodiment

        return load_embodiment(self.embodiment)


def console(**how: Any) -> "Console":
    """The one way to rich: text is text, neither markup nor the name of an emoji. ``printable`` is left to the caller.

    Args:
        how: as rich has it; by default, standard output.
    """
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, **how)


def errors() -> "Console":
    """Standard error. What does not fit is never broken inside a word where nobody looks at a terminal."""
    return console(stderr=True, soft_wrap=not sys.stderr.isatty())


def say(line: object, style: str | None = None) -> None:
    """A line of progress on standard error; a message of several lines goes on indented."""
    errors().print(printable_lines(line, "  "), style=style)


def _bar() -> "Progress":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    said = TextColumn("{task.description}", markup=False)
    columns = (said, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors())


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is done, on standard error; yields ``progress(what, done, total)``."""
    with _bar() as bar:
        tasks: dict[str, TaskID] = {}

        def told(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(printable(what), total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield told


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with count, elapsed and remaining time on standard error; yields ``progress(done, total)``."""
    with _bar() as bar:
        task = bar.add_task(printable(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_json(value: object) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(printable_json(json.dumps(value, indent=1, ensure_ascii=False)) + "\n")


def tell(line: str) -> None:
    """One line on standard output: what was asked for."""
    sys.stdout.write(f"{printable(line)}\n")
