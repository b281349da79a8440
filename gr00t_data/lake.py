"""Where things lie: the lake is one folder, named by ``GR00T_LAKE`` (default ``./lake``)."""

import os
from dataclasses import dataclass
from pathlib import Path

from gr00t_data.disk import read_json, write_json


@dataclass(frozen=True)
class Lake:
    """The folders of a lake. Each property is a path; none is created by asking for it."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Lake":
        """The lake named by ``GR00T_LAKE``, else ``./lake``."""
        return cls(Path(os.environ.get("GR00T_LAKE") or "lake").absolute())

    @property
    def landing(self) -> Path:
        """Drops as they land, one folder each."""
        return self.root / "landing"

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
