"""What may happen to a file: one byte changes, its end is missing, another file of its kind stands in its place."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path


def flips(path: Path, count: int, seed: int = 0) -> Iterator[str]:
    """One bit of the file differs while the caller looks, ``count`` times, each time another one; it is as it was in
    between, under another inode. Yields what was done."""
    content, draw = path.read_bytes(), random.Random(f"{path.name} {seed}")
    for _ in range(count):
        place, bit = draw.randrange(len(content)), draw.randrange(8)
        _write(path, content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        yield f"bit {bit} of byte {place} of {path.name}"
    _write(path, content)


def damages(path: Path, other: Path | None = None, count: int = 3) -> Iterator[str]:
    """Flips, then a file cut in the middle, an empty one, and where there is one, another file of its kind."""
    content = path.read_bytes()
    yield from flips(path, count)
    for said, damaged in (("half of it", content[: len(content) // 2]), ("nothing of it", b"")):
        _write(path, damaged)
        yield f"{said}: {path.name}"
    if other is not None:
        path.unlink()
        shutil.copyfile(other, path)
        yield f"another {path.name}"
    _write(path, content)


def _write(path: Path, content: bytes) -> None:
    """A file of its own: hard links to the former one keep their bytes."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
