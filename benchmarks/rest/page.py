"""The table of docs/integrity.md, from real damage: each kind of file with another byte, cut, and replaced."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.command import table
from benchmarks.rest.flips import Bench, changed
from benchmarks.rest.kinds import KINDS, Kind

NOBODY, ALIKE = "nobody", "every one is alike"
_TITLES = ("kind of file", "one byte changed", "cut in the middle", "replaced by another of its kind")
_CHANGING = (
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "..."),
    (re.compile(r"(?<![\w-])\d{2,}\b"), "N"),
    (re.compile(r'^\W*"\w+": '), ""),
)
"""What differs from one lake to the next, and the name of a field of JSON."""
_WORDS = 140


def rows(bench: Bench, other: Path) -> Iterator[tuple[str, ...]]:
    """A row for each kind: who noticed each damage of its largest file, and in which words.

    Args:
        other: another lake, whose files replace those of ``bench``.
    """
    for kind in KINDS:
        name, damages = _damages(bench, other, kind)
        found = [_noticed(bench, kind, name, damage) for damage in damages]
        if kind.passed_over and found[2:] == [NOBODY]:
            found[2] = kind.passed_over
        yield kind.name, *found, *([ALIKE] if len(found) < len(_TITLES) - 1 else [])


def page_table(bench: Bench, other: Path) -> str:
    """The table as it stands in the page."""
    return "\n".join(table(_TITLES, rows(bench, other)))


def _damages(bench: Bench, other: Path, kind: Kind) -> tuple[str, list[Callable[[bytes], bytes]]]:
    """The largest file for which there is another one of its kind, and what is done to it; where every lake has the
    same, it is not replaced."""
    every = sorted(path for pattern in kind.patterns for path in other.glob(pattern))
    for name in sorted(bench.names(kind), key=lambda name: (bench.whole / name).stat().st_size, reverse=True):
        own = (bench.whole / name).read_bytes()
        alike = [bench.whole / kind.like] if kind.like else _like(Path(name), every)
        if theirs := next((content for path in alike if (content := path.read_bytes()) != own), None):
            return name, [_flipped, _cut, lambda content: theirs]
    if not every:
        raise ValueError(f"{kind.name}: {other} has no file of it")
    return bench.names(kind)[0], [_flipped, _cut]


def _like(name: Path, every: list[Path]) -> list[Path]:
    """Those of the same suffix, the one of the same name first."""
    return sorted((path for path in every if path.suffix == name.suffix), key=lambda path: path.name != name.name)


def _flipped(content: bytes) -> bytes:
    return changed(content, at=len(content) // 2, mask=1)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _noticed(bench: Bench, kind: Kind, name: str, damage: Callable[[bytes], bytes]) -> str:
    """The first use that noticed, and its words."""
    for use in kind.uses:
        if words := bench.damaged(name, damage, use):
            for pattern, short in _CHANGING:
                words = pattern.sub(short, words)
            return f"*{use}*: {words.replace('|', '/').strip()[:_WORDS]}"
    return NOBODY
