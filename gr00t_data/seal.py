"""The seal of a store: the SHA-256 of every file of it when it was complete, and what people took out of it since."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from os.path import normpath
from pathlib import Path
from types import MappingProxyType

from pydantic import ConfigDict, TypeAdapter

from gr00t_data.disk import digest_json, folder_digests
from gr00t_data.integrity import IntegrityError, digest_of, is_sealed, read_as, stamp_of, write_sealed

SEAL = "meta/seal.json"
_REMEDY = "copy the store again, or ingest the drop under another name and make the mixture again"


@dataclass(frozen=True)
class Seal:
    """What ``meta/seal.json`` says.

    Files of people who withdrew may have gone or been rewritten since the store was complete.

    Attributes:
        digest: of the store, as manifests and records name it: the hash of all that it was sealed with.
        files: relative name -> SHA-256 of what is there.
        purged: relative name -> SHA-256 of what was there when it was sealed, empty for what was not.
    """

    digest: str
    files: dict[str, str]
    purged: dict[str, str] = field(default_factory=dict)
    __pydantic_config__ = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, files: Mapping[str, str]) -> "Seal":
        """That of a store which holds these files."""
        return cls(digest_json(files), dict(files))

    @cached_property
    def fault(self) -> str:
        """How ``digest`` is not that of the files that there were when the store was sealed; empty where it is."""
        files = {name: digest for name, digest in (self.files | self.purged).items() if digest}
        found = digest_json(files)
        told = f"its files have digest {found[:12]}, it says {self.digest[:12]}"
        return "" if found == self.digest else f"is not the seal that was written ({told}); {_REMEDY}"

    def write(self, root: Path) -> None:
        """Replace the seal of a store."""
        plain = {"digest": self.digest, "files": self.files}
        write_sealed(root / SEAL, plain | ({"purged": self.purged} if self.purged else {}))


_FORM = TypeAdapter(Seal)


def read_seal(root: Path) -> Seal | None:
    """The seal of a store, read once in a process while its stamp stays; None where there is none.

    Raises:
        IntegrityError: it is not what was written.
        ValueError: it is no seal.
    """
    path = root / SEAL
    try:
        stamp = stamp_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _read_seal(os.fspath(path), stamp)


@lru_cache(maxsize=256)
def _read_seal(path: str, stamp: tuple[int, ...]) -> Seal:
    seal = read_as(_FORM, Path(path), "not the seal of a store", _REMEDY)
    if not is_sealed(Path(path)) and seal.fault:  # one that is, is what was written
        raise IntegrityError(f"{path}: {seal.fault}")
    return seal


def store_digests(root: Path, known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Relative name -> SHA-256 of every file of a store, without the seal and without hidden files."""
    return {name: value for name, value in folder_digests(root, known).items() if name != SEAL}


def require_sealed(root: Path, path: Path, seal: Seal, where: str = "") -> None:
    """Compare a file of a store with its seal. One of rows or pictures that is gone is for its reader.

    Args:
        where: what the file is of, for the message.

    Raises:
        IntegrityError: it has another digest, was added, or is one of ``meta/`` that is gone.
        OSError: it cannot be read.
    """
    sealed = seal.files.get(name := normpath(path.relative_to(root)))
    try:
        found = digest_of(path)
    except (FileNotFoundError, NotADirectoryError):
        if sealed and name.startswith("meta/"):
            raise IntegrityError(f"{path}: is gone after sealing; copy the store again") from None
        return
    if found != sealed:
        what = "changed" if sealed else "added"
        told = f"digest {found[:12]}, sealed {f'with {sealed[:12]}' if sealed else 'without it'}"
        raise IntegrityError(f"{path}: {where}was {what} after sealing ({told}); {_REMEDY}")
