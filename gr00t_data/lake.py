"""Where things lie: the lake is one folder, named by ``GR00T_LAKE`` (default ``./lake``).

Drops land in its folder ``landing``, or where ``GR00T_LANDING`` says: a folder, or the URL of a remote file system.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from gr00t_data.disk import read_json, write_json

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

    def point(self, name: str, path: Path, digest: str) -> None:
        """Record that ``path`` (inside the lake) is now what ``name`` means, for example ``mixture_gr1``."""
        relative = path.absolute().relative_to(self.root).as_posix()
        write_json(self.root / "current" / f"{name}.json", {"path": relative, "digest": digest})

    def pointed(self, name: str) -> tuple[Path, str] | None:
        """(path, digest) of what ``name`` means now; None when nothing was made yet or it was deleted."""
        pointer = self.root / "current" / f"{name}.json"
        if not pointer.is_file():
            return None
        value = read_json(pointer)
        path = self.root / value["path"]
        return (path, value["digest"]) if path.exists() else None
