"""What an mp4 or mov says it holds, read from its boxes before a library makes lists of it.

A few bytes can declare a billion samples of one size, and an edit list multiplies the samples by its entries.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gr00t_data.limits import EDITS, VIDEO_FRAMES, require_within

_FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"pnot", b"uuid")
_HOLDS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf")
_MOST_BOXES = 200_000
_DEEPEST = 10
_RUN_FIELDS = (0x100, 0x200, 0x400, 0x800)
"""Flags of a ``trun`` for what is written of each sample, 4 bytes each."""


def require_bounded(path: Path) -> None:
    """Refuse an mp4 or mov whose tables declare more samples or edits than they hold, or than a video has.

    Other containers write a header for each packet, so they can declare no more than they are long.

    Raises:
        ValueError: it does (says how many).
    """
    size, samples = path.stat().st_size, 0
    with path.open("rb") as stream:
        if stream.read(8)[4:] not in _FIRST:
            return
        for number, (kind, start, end) in enumerate(_boxes(stream, 0, size)):
            require_within(number, _MOST_BOXES, "boxes")
            stream.seek(start)
            if kind == b"cmov":
                raise ValueError("its index is packed (cmov), which no camera writes; write the file anew")
            if kind in (b"stsz", b"stz2"):
                samples += _listed(kind, stream.read(12), end - start, size)
            if kind == b"trun":
                samples += _in_run(stream.read(8), end - start)
            if kind == b"elst":
                require_within(int.from_bytes(stream.read(8)[4:]), EDITS, "entries of an edit list")
            require_within(samples, VIDEO_FRAMES, "samples")


def _boxes(stream: BinaryIO, start: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, where it ends) of each box, those within boxes too."""
    if depth > _DEEPEST:
        raise ValueError(f"its boxes are nested deeper than {_DEEPEST}; copy it again")
    while end - start >= 8:
        stream.seek(start)
        length, kind = struct.unpack(">I4s", stream.read(8))
        head = 8
        if length == 1:
            length, head = int.from_bytes(stream.read(8)), 16
        length = length or end - start
        if length < head:
            return
        stop = min(start + length, end)
        yield kind, start + head, stop
        if kind in _HOLDS:
            yield from _boxes(stream, start + head, stop, depth + 1)
        start += length


def _listed(kind: bytes, content: bytes, length: int, size: int) -> int:
    """Samples that a table of sizes lists: sizes of their own lie behind it, one for all must fit into the file."""
    if len(content) < 12:
        return 0
    _, each, count = struct.unpack(">III", content)
    held = 8 * length // (each & 0xFF or 8) if kind == b"stz2" else (size // each if each else length // 4)
    if count > held:
        raise ValueError(f"its table lists {count:,} samples and the file has room for {held:,}; copy it again")
    return count


def _in_run(content: bytes, length: int) -> int:
    if len(content) < 8:
        return 0
    flags, count = struct.unpack(">II", content)
    written = 4 * sum(bool(flags & one) for one in _RUN_FIELDS)
    if written and count > length // written:
        raise ValueError(f"a fragment lists {count:,} samples and has room for {length // written:,}; copy it again")
    return count
