"""The seal of a store, ``meta/seal.json``: the SHA-256 of every file of it when it was complete.

``digest``, the name of the store, is the hash of those. Files of people who withdrew may have gone or been rewritten
since: ``files`` says what is there now, ``purged`` what was there before, empty for what was not.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

from pydantic import ConfigDict, TypeAdapter

from gr00t_data.disk import digest_json, folder_digests
from gr00t_data.integrity import IntegrityError, digest_of, is_sealed, stamp_of, write_sealed
from gr00t_data.store.provenance import read_as

SEAL = "meta/seal.json"
_REMEDY = "copy the store again, or ingest the drop under another name and make the mixture again"


@dataclass(frozen=True)
class Seal:
    """What ``meta/seal.json`` says.

    Attributes:
        digest: of the store, as manifests and records name it.
        files: relative name -> SHA-256 of what is there.
        purged: relative name -> SHA-256 of what was there when it was sealed.
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


_JSON = TypeAdapter(Seal)


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
    return _read(os.fspath(path), stamp)


@lru_cache(maxsize=256)
def _read(path: str, stamp: tuple[int, ...]) -> Seal:
    seal = read_as(_JSON, Path(path), "not the seal of a store", _REMEDY)
    if not is_sealed(Path(path)) and seal.fault:  # one that is, is what was written
        raise IntegrityError(f"{path}: {seal.fault}")
    return seal


def store_digests(root: Path, known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Relative name -> SHA-256 of every file of a store, without the seal and without hidden files."""
    return {name: value for name, value in folder_digests(root, known).items() if name != SEAL}


def refuse_changed(path: Path, sealed: str | None, where: str) -> None:
    """Compare a file with the digest it was sealed with, None for one that was not there. A missing one is for its
    reader.

    Raises:
        IntegrityError: it has another digest.
    """
    try:
        found = digest_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if found == sealed:
        return
    what = "changed" if sealed else "added"
    told = f"digest {found[:12]}, sealed {f'with {sealed[:12]}' if sealed else 'without it'}"
    raise IntegrityError(f"{path}: {where}was {what} after sealing ({told}); {_REMEDY}")
