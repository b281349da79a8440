"""The table of docs/integrity.md, from real damage: each kind of file with another byte, cut, and replaced."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.command import table
from benchmarks.rest.flips import Bench
from benchmarks.rest.kinds import KINDS, Kind

DAMAGES = ("one byte changed", "cut in the middle", "replaced by another of its kind")
_TITLES = ("kind of file", "use", *DAMAGES)
_CHANGING = ((re.compile(r"[0-9a-f]{8,64}"), "..."), (re.compile(r"\b\d{2,}\b"), "N"))
_WORDS = 150
NOBODY = "nobody"


def rows(bench: Bench, other: Path) -> Iterator[tuple[str, ...]]:
    """A row for each kind and its first use: the words that were said of each damage.

    Args:
        other: another lake, whose files replace those of ``bench``.
    """
    for kind in KINDS:
        name = bench.names(kind)[0]
        yield kind.name, kind.uses[0], *(_said(bench, kind, name, damage) for damage in _damages(name, other, kind))


def page_table(bench: Bench, other: Path) -> str:
    """The table as it stands in the page."""
    return "\n".join(table(_TITLES, rows(bench, other)))


def _damages(name: str, other: Path, kind: Kind) -> list[Callable[[bytes], bytes]]:
    theirs = sorted(
        path for pattern in kind.patterns for path in other.glob(pattern) if path.suffix == Path(name).suffix
    )
    same = [path for path in theirs if path.name == Path(name).name]
    replaced = (same or theirs)[0].read_bytes()
    return [_flipped, lambda content: content[: len(content) // 2], lambda content: replaced]


def _flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _said(bench: Bench, kind: Kind, name: str, damage: Callable[[bytes], bytes]) -> str:
    words = bench.damaged(name, damage, kind.uses[0])
    for pattern, short in _CHANGING:
        words = pattern.sub(short, words)
    return words.replace("|", "\\|")[:_WORDS].strip() or NOBODY
