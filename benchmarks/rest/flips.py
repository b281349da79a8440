"""One byte of one file changed, the thing used, everything put back; and whether somebody noticed."""

import contextlib
import io
import logging
import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.rest.further import PUBLISHED
from benchmarks.rest.kinds import KINDS, Kind
from benchmarks.rest.uses import STATUS, USES
from gr00t_data.integrity import read_sealed
from gr00t_data.lake import Lake
from gr00t_data.seal import SEAL

MADE_AGAIN = "made again"
_FAILED = (2, 3)
"""Exit status of a verb that could not do what it was asked for; 1 is its finding."""
VERIFY = "verify"


@dataclass
class Tally:
    """What became of the flips of one kind.

    Attributes:
        believed: use -> flips that it did not notice, as ``file @ byte``.
        words: what was said of one of them.
    """

    kind: str
    uses: tuple[str, ...]
    flips: int = 0
    noticed: int = 0
    believed: dict[str, list[str]] = field(default_factory=dict)
    words: str = ""


class Bench:
    """A working copy of a lake that is always put back. Its files keep their stamps while nobody touches them, so that
    what the process remembers of them is put to the test."""

    def __init__(self, whole: Path, work: Path) -> None:
        self.whole, self.lake = whole, Lake(work)
        shutil.copytree(whole, work)
        self.stamps = {name: _stamp(work / name) for name in _files(whole)}
        manifest = read_sealed(next(whole.glob("mixtures/*.json")))
        self.held_out = {f"{episode:06d}" for _, episode in manifest["held_out"]}
        self.undisturbed = dict[str, set[str]]()
        os.environ["GR00T_LAKE"] = str(work)

    def restore(self) -> None:
        """Bring every file back whose stamp is another, and remove what came."""
        root = self.lake.root
        for name in _files(root) - self.stamps.keys():
            (root / name).unlink()
        for name, stamp in self.stamps.items():
            if _stamp(root / name) != stamp:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.whole / name, root / name)
                self.stamps[name] = _stamp(root / name)
        for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()

    def lines_of(self, use: str) -> set[str]:
        """What a use says where nothing is wrong.

        Raises:
            RuntimeError: it fails, or says that something is wrong.
        """
        if use not in self.undisturbed:
            said, error = self.used(use)
            self.restore()
            if error or any(said.startswith(f"{STATUS}{number}") for number in _FAILED):
                raise RuntimeError(f"{use}: fails on a whole lake: {error or said}")
            self.undisturbed[use] = set(said.splitlines())
        return self.undisturbed[use]

    def used(self, use: str) -> tuple[str, str]:
        """Everything that was said, and the error that ended it."""
        with _listening() as heard:
            try:
                heard.write(USES[use](self.lake) + "\n")
            except Exception as error:  # whatever stops a use is told with its class
                return heard.getvalue(), f"{type(error).__name__}: {error}"
        return heard.getvalue(), ""

    def names(self, kind: Kind) -> list[str]:
        """The files of a kind that hold something."""
        fits = (name for name in sorted(self.stamps) if any(Path(name).match(one) for one in kind.patterns))
        read = [name for name in fits if not (kind.trained and Path(name).stem in self.held_out)]
        return [name for name in read if (self.whole / name).stat().st_size]

    def damaged(self, name: str, damage: Callable[[bytes], bytes], use: str) -> str:
        """The line that names a damaged file when it is used; empty when nobody noticed. All is put back then."""
        control, path = self.lines_of(use), self.lake.root / name
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        said, error = self.used(use)
        again = path.is_file() and path.read_bytes() == whole
        self.restore()
        lines = (line for line in (*error.splitlines(), *said.splitlines()) if line not in control)
        named = [line.replace(str(self.lake.root), "LAKE") for line in lines if _names(line, path)]
        return named[0] if named else MADE_AGAIN if again else ""


def tried(bench: Bench, kind: Kind, flips: int, seed: int, every: bool = False) -> Tally:
    """Flip random bytes of random files of a kind.

    Args:
        every: each before every use of it; else before `gr00t verify` and before one other, in turn.
    """
    found, rng = Tally(kind.name, kind.uses), random.Random(f"{kind.name} {seed}")
    names = bench.names(kind)
    own = tuple(use for use in kind.uses if use != VERIFY)
    for number in range(flips if names else 0):
        name = rng.choice(names)
        at, mask = rng.randrange((bench.whole / name).stat().st_size), rng.randrange(1, 256)
        turn = {own[number % len(own)], VERIFY} if own and not every else set(kind.uses)
        uses = [use for use in kind.uses if use in turn]
        said = {use: bench.damaged(name, partial(changed, at=at, mask=mask), use) for use in uses}
        found.flips += 1
        found.noticed += all(said.values())
        found.words = found.words or said[uses[0]]
        for use in (use for use, words in said.items() if not words):
            found.believed.setdefault(use, []).append(f"{name} @ {at}")
    return found


def changed(content: bytes, at: int, mask: int) -> bytes:
    """The content with bits of one byte turned over."""
    return content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]


def _names(line: str, path: Path) -> bool:
    """Whether a line names a file, or the folder that is one thing with it; of a seal, what lies beside it."""
    whole = len(path.parent.name) > _FOLDERS or path.name == Path(SEAL).name
    one = any(str(above) in line for above in path.parents if above.as_posix().endswith(PUBLISHED))
    return path.name in line or one or (whole and str(path.parent) in line)


_FOLDERS = 7
"""Letters of the names of folders that hold many things; digests, steps and names of runs are longer."""


def _files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def _stamp(path: Path) -> tuple[int, ...]:
    if not path.is_file():
        return ()
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


@contextlib.contextmanager
def _listening() -> Iterator[io.StringIO]:
    """Everything that is printed, logged and warned of."""
    heard, logger = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(heard)
    logger.addHandler(handler)
    with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard), warnings.catch_warnings():
        warnings.simplefilter("always")
        try:
            yield heard
        finally:
            logger.removeHandler(handler)


_benches: list[Bench] = []


def begin(folder: Path) -> None:
    """Give this process its working copy of the lake in ``folder``."""
    _benches.append(Bench(folder / "lake", Path(tempfile.mkdtemp(dir=folder)) / "lake"))


def one_kind(number: int, flips: int, seed: int, every: bool) -> Tally:
    """``tried`` with the kind of that number."""
    return tried(_benches[0], KINDS[number], flips, seed, every)
