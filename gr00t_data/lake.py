"""Where things lie: the lake is one folder, named by ``GR00T_LAKE`` (default ``./lake``).

Drops land in its folder ``landing``, or where ``GR00T_LANDING`` says: a folder, or the URL of a remote file system.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from gr00t_data.integrity import IntegrityError, read_sealed, write_sealed
from gr00t_data.locks import alone, locked, sharing

LANDING_VARIABLE = "GR00T_LANDING"
_ON_THIS_MACHINE = ("file://", "local://")


@dataclass(frozen=True)
class Lake:
    """The folders of a lake. Each property is a path; none is created by asking for it.

    Attributes:
        landing_at: where drops land, a folder or a URL; empty for ``landing`` of the lake. A URL may hold credentials,
            so it is never shown as it is.
    """

    root: Path
    landing_at: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls) -> "Lake":
        """The lake named by ``GR00T_LAKE``, else ``./lake``; its landing is named by ``GR00T_LANDING``."""
        root = Path(os.environ.get("GR00T_LAKE") or "lake").absolute()
        return cls(root, os.environ.get(LANDING_VARIABLE, ""))

    @property
    def landing(self) -> Path:
        """Drops as they land, one folder each; drops of a remote landing once they are copied here."""
        prefix = next((one for one in _ON_THIS_MACHINE if self.landing_at.startswith(one)), "")
        folder = "" if self.remote_url else self.landing_at.removeprefix(prefix)
        return Path(folder).absolute() if folder else self.root / "landing"

    @property
    def remote_url(self) -> str:
        """The URL where drops land when that is no folder of this machine, else an empty text. May hold secrets."""
        at = self.landing_at
        on_this_machine = at.startswith(_ON_THIS_MACHINE) or "://" not in at
        return "" if on_this_machine and "::" not in at else at

    @property
    def embodiments(self) -> Path:
        """Robots of its own, one YAML each; known by name like those that come with the package."""
        return self.root / "embodiments"

    @property
    def stores(self) -> Path:
        """Sealed stores, one folder a drop."""
        return self.root / "stores"

    @property
    def index(self) -> Path:
        """Verdicts, one JSON a store and rule set: ``<store digest 16>-<rules digest 8>.json``."""
        return self.root / "index"

    @property
    def statistics(self) -> Path:
        """Normalization statistics, ``<digest 16>.json``."""
        return self.root / "statistics"

    @property
    def mixtures(self) -> Path:
        """Manifests, ``<digest 16>.json``."""
        return self.root / "mixtures"

    @property
    def cache(self) -> Path:
        """Decoded frames and frozen features: may be deleted at any time."""
        return self.root / "cache"

    @property
    def bases(self) -> Path:
        """Base models (for nano: the grounded vision-language model), one folder each."""
        return self.root / "bases"

    @property
    def runs(self) -> Path:
        """Training runs, one folder each, keyed by manifest + configuration + code version."""
        return self.root / "runs"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints that stand on their own, one folder each."""
        return self.root / "checkpoints"

    @property
    def evaluations(self) -> Path:
        """Evaluation reports, one folder each."""
        return self.root / "evaluations"

    def at_work(self) -> AbstractContextManager[None]:
        """While something is made of the stores. A purge waits until nobody is at work, and who would begin waits for
        it: what is being made could hold what was just deleted."""
        return sharing(self.root / "locks" / "people", f"the stores of {self.root}")

    def purging(self) -> AbstractContextManager[None]:
        """While files of people are deleted: nobody is at work then."""
        return alone(self.root / "locks" / "people", f"the stores of {self.root}")

    def turn(self, name: str) -> AbstractContextManager[None]:
        """While what ``name`` means is made anew, by one process at a time: statistics, a mixture, a release."""
        return locked(self.root / "locks" / name, what=f"{name} of {self.root}")

    def point(self, name: str, path: Path, digest: str) -> None:
        """Record that ``path`` (inside the lake) is now what ``name`` means, for example ``mixture_gr1``."""
        relative = path.absolute().relative_to(self.root).as_posix()
        write_sealed(self.root / "current" / f"{name}.json", {"name": name, "path": relative, "digest": digest})

    def pointed(self, name: str) -> tuple[Path, str] | None:
        """(path, digest) of what ``name`` means now; None when nothing was made yet or it was deleted.

        Raises:
            IntegrityError: the pointer is not the one that was written.
        """
        pointer = self.root / "current" / f"{name}.json"
        if not pointer.is_file():
            return None
        value = read_sealed(pointer, _POINTER_REMEDY)
        if (found := value.get("name", name)) != name:  # those of before do not say it
            raise IntegrityError(f"{pointer}: is the pointer {found}, copied or renamed; {_POINTER_REMEDY}")
        path = self.root / value["path"]
        return (path, value["digest"]) if path.exists() else None


_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")


def working(stage: Callable[Concatenate[Lake, _Given], _Made]) -> Callable[Concatenate[Lake, _Given], _Made]:
    """``stage``, which does its work while at work on its lake (``Lake.at_work``)."""

    @wraps(stage)
    def work(lake: Lake, /, *arguments: _Given.args, **named: _Given.kwargs) -> _Made:
        with lake.at_work():
            return stage(lake, *arguments, **named)

    return work


_POINTER_REMEDY = "make again what it names: `dagster asset materialize --select NAME`"
_SIGNS = ("stores", "current", "mixtures")
"""Folders by which the root of a lake is known."""


def root_above(file: Path) -> Path | None:
    """The lake that a file lies in; None where it lies in none."""
    return next((one for one in file.absolute().parents if any((one / name).is_dir() for name in _SIGNS)), None)


def portable(path: str, file: Path) -> str:
    """How ``file`` writes a path: relative to the lake that both lie in, so that it may be moved; else as it is."""
    root = root_above(file)
    inside = root is not None and path.startswith("/") and Path(path).is_relative_to(root)
    return Path(path).relative_to(root).as_posix() if root and inside else path


def located(path: str, file: Path) -> str:
    """Where a path lies that ``file`` holds: in the lake of the file, else in the one that GR00T_LAKE names.

    An absolute path where nothing is any more, as files of before hold, is looked for at the same place of these lakes.
    A path that is nowhere is given back as it is.
    """
    absolute = path.startswith("/")
    if not path or (absolute and Path(path).exists()):
        return path
    roots = [root for root in (root_above(file), Lake.from_environment().root) if root is not None]
    parts = Path(path).parts
    tails = [parts[start:] for start in range(1, len(parts) - 1)] if absolute else [parts]
    found = (root.joinpath(*tail) for tail in tails for root in roots)
    return next((str(one) for one in found if one.exists()), path)
