"""What a drop holds, by content, and the name of the store that is made of it."""

import hashlib
import re
from collections.abc import Collection
from pathlib import Path

from gr00t_data.disk import digest_file, digest_json, folder_digests
from gr00t_data.store.provenance import StoreSource
from gr00t_data.store.store import EpisodeStore, StoreError

MAPPING_FILE = "mapping.yaml"
"""A mapping that lies in the drop is used when none is given."""


COMPLETE_MARKER = "_SUCCESS"
"""Written by whoever copies a drop, when it is complete; not part of its content."""

_LONGEST_NAME = 180
"""Bytes of a store's name: files that are named after a store put up to 60 more before and behind it, of 255."""


def content_digest(drop: Path) -> str:
    """SHA-256 (hex) over names and bytes of a drop, its marker and its mapping left out; reads every file."""
    return digest_json(file_digests(drop))


def file_digests(drop: Path) -> dict[str, str]:
    """File of a drop -> SHA-256, without its marker and its mapping."""
    if drop.is_file():
        return {drop.name: digest_file(drop)}
    return without_about(folder_digests(drop))


def without_about(digests: dict[str, str]) -> dict[str, str]:
    """The digests of what a drop holds, less what only tells how to take it in."""
    return {name: value for name, value in digests.items() if name not in (COMPLETE_MARKER, MAPPING_FILE)}


def store_name(text: str) -> str:
    """``text`` as a folder name and partition key: letters, digits, ``._-``; what is too long ends in a hash."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "drop"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 9]}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def same_or_refuse(
    store: EpisodeStore, source: StoreSource, drop: Path, keys: Collection[str] | None = None
) -> EpisodeStore:
    """The sealed store, if it was made of the same.

    Args:
        keys: those of ``source`` that must be the same where it has them; None: all.

    Raises:
        StoreError: it was made of something else.
    """
    sealed, wanted = store.about.source.facts(), source.facts()
    if different := [key for key in keys or wanted if key in wanted and sealed.get(key) != wanted[key]]:
        raise StoreError(
            f"{store.root}: is a sealed store with another {' and '.join(different)} than {drop}; stores never change, "
            "so ingest this drop under another name (--name)"
        )
    return store
