"""The table of docs/integrity.md, from real damage: each kind of file with another byte, cut, and replaced."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.command import table
from benchmarks.rest.flips import Bench
from benchmarks.rest.kinds import KINDS, Kind

NOBODY = "nobody"
_TITLES = ("kind of file", "use", "one byte changed", "cut in the middle", "replaced by another of its kind")
_CHANGING = ((re.compile(r"\b[0-9a-f]{8,64}\b"), "..."), (re.compile(r"\b\d{2,}\b"), "N"))
"""What differs from one lake to the next."""
_WORDS = 140


def rows(bench: Bench, other: Path) -> Iterator[tuple[str, ...]]:
    """A row for each kind and its first use: what was said of each damage of its largest file.

    Args:
        other: another lake, whose files replace those of ``bench``.
    """
    for kind in KINDS:
        name = max(bench.names(kind), key=lambda name: (bench.whole / name).stat().st_size)
        yield (
            kind.name,
            kind.uses[0],
            *(_said(bench, kind, name, damage) for damage in _damages(bench, name, other, kind)),
        )


def page_table(bench: Bench, other: Path) -> str:
    """The table as it stands in the page."""
    return "\n".join(table(_TITLES, rows(bench, other)))


def _damages(bench: Bench, name: str, other: Path, kind: Kind) -> list[Callable[[bytes], bytes]]:
    every = sorted(path for pattern in kind.patterns for path in other.glob(pattern))
    alike = [path for path in every if path.suffix == Path(name).suffix]
    same = [path for path in alike if path.name == Path(name).name]
    replaced = (bench.whole / kind.like if kind.like else (same or alike)[0]).read_bytes()
    return [_flipped, lambda content: content[: len(content) // 2], lambda content: replaced]


def _flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _said(bench: Bench, kind: Kind, name: str, damage: Callable[[bytes], bytes]) -> str:
    words = bench.damaged(name, damage, kind.uses[0])
    for pattern, short in _CHANGING:
        words = pattern.sub(short, words)
    return words.replace("|", "\\|")[:_WORDS].strip() or NOBODY
