"""What a stage needs of a lake, and the verb that makes it where it is missing."""

from pathlib import Path

from gr00t_data.lake import Lake


class MissingInput(ValueError):
    """A stage was asked for before the one that makes its input; the message says what to run."""


def needed(lake: Lake, name: str, verb: str) -> Path:
    """What the lake points to by ``name``; MissingInput names ``verb`` where there is nothing."""
    pointed = lake.pointed(name)
    if pointed is None:
        raise MissingInput(f"{lake.root}: has no {name} yet; run `{verb}` or materialize {name}")
    return pointed[0]
