"""What a drop holds, by content, and the name of the store that is made of it."""

import hashlib
import os
import re
from collections.abc import Collection
from pathlib import Path

from gr00t_data.disk import PathError, digest_file, digest_json, own_files, refuse_links_out, visible
from gr00t_data.store.provenance import Refusal, StoreSource
from gr00t_data.store.store import EpisodeStore, StoreError

MAPPING_FILE = "mapping.yaml"
"""A mapping that lies in the drop is used when none is given."""


COMPLETE_MARKER = "_SUCCESS"
"""Written by whoever copies a drop, when it is complete; not part of its content."""

MOVIES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
"""Endings of files that are videos."""
RECORDINGS = (".mcap", ".bag", ".db3", ".hdf5", ".h5", ".hdf")
"""Endings of files that hold demonstrations."""

_LONGEST_NAME = 180
"""Bytes of a store's name: files that are named after a store put up to 60 more before and behind it, of 255."""


def content_digest(drop: Path) -> str:
    """SHA-256 (hex) over names and bytes of a drop, its marker and its mapping left out; reads every file."""
    return digest_json(file_digests(drop))


def file_digests(drop: Path) -> dict[str, str]:
    """File of a drop -> SHA-256, without its marker and its mapping."""
    if drop.is_file():
        return {drop.name: digest_file(drop)}
    return without_about({path.relative_to(drop).as_posix(): digest_file(path) for path in own_files(drop)})


def without_about(digests: dict[str, str]) -> dict[str, str]:
    """The digests of what a drop holds, less what only tells how to take it in."""
    return {name: value for name, value in digests.items() if name not in (COMPLETE_MARKER, MAPPING_FILE)}


def store_name(text: str) -> str:
    """``text`` as a folder name and partition key: letters, digits, ``._-``; what is too long ends in a hash."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "drop"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 9]}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def require_no_links_out(drop: Path) -> None:
    """See ``refuse_links_out``. Raises StoreError: a link leads out of the drop."""
    try:
        refuse_links_out(drop)
    except PathError as error:
        raise StoreError(str(error)) from error


def require_no_link(path: Path) -> None:
    """Check that a file that says something about a drop (mapping, annotation, label, calibration) is no link: what it
    names may be another drop's tomorrow, or none of the drop's.

    Raises:
        StoreError: it is one.
    """
    if path.is_symlink():
        raise StoreError(f"{path}: is a link, and is not read; put the file itself in its place")


def counts(store: EpisodeStore) -> dict[str, int]:
    """How many episodes a drop held, how many became those of the store, and how many were left out with a reason."""
    taken, refused = len(store.rows), len(store.about.source.refused or ())
    return {"found": taken + refused, "taken in": taken, "refused": refused}


def acted(store: EpisodeStore) -> dict[str, str | int]:
    """Of rollouts: which policies acted, how the episodes ended, in how many rows a person took over; else nothing."""
    if store.kind != "rollout":
        return {}
    sources = [row.source for row in store.rows]
    ends = [str(row.success) for row in store.rows]
    policies = {f"{one.policy.get('checkpoint')} {str(one.policy.get('digest'))[:16]}" for one in sources if one.policy}
    return {
        "policies": ", ".join(sorted(policies)),
        "succeeded": ends.count("True"),
        "failed": ends.count("False"),
        "success not told": ends.count("None"),
        "rows of interventions": sum(one.interventions or 0 for one in sources),
    }


def unusable(drop: Path, taken: Collection[str], endings: Collection[str] = ()) -> list[Refusal]:
    """What lies in a drop and became no episode without anybody saying so: links that lead nowhere or to folders, what
    is no file, and recordings that are none of those that were taken.

    Args:
        taken: names of the episodes, each that of a file or folder below the drop.
        endings: of the files that are episodes; others may lie there for whatever reason.

    Raises:
        OSError: a folder cannot be looked into, so nobody can say what it holds.
    """
    if not drop.is_dir() or "." in taken or not all(os.path.lexists(drop / name) for name in taken):
        return []  # the drop is one episode
    around = {str(parent) for name in taken for parent in Path(name).parents}
    found = dict[str, str]()
    for path in visible(drop):
        name = path.relative_to(drop)
        if not {name.as_posix(), *map(str, name.parents)} & set(taken) and path.name != COMPLETE_MARKER:
            found[name.as_posix()] = _why_unusable(path, name.as_posix() in around, endings)
    return [Refusal(name, f"{drop / name}: {reason}") for name, reason in sorted(found.items()) if reason]


def _why_unusable(path: Path, around_others: bool, endings: Collection[str]) -> str:
    """Why an entry is no episode; empty where nobody would expect one."""
    if path.is_dir():
        if path.is_symlink():
            return "is a link to a folder, which is not followed; copy the folder itself"
        return "is a folder, expected a file" if path.suffix.lower() in endings and not around_others else ""
    if path.is_symlink() and not path.exists():
        return "is a link that leads nowhere; copy the file itself"
    if not path.is_file():
        return "is no file (a pipe, a socket or a device); take it out"
    return "is none of the episodes of this drop; ingest it by itself" if path.suffix.lower() in endings else ""


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
            "so ingest this drop under another name (--name), or put it in the place of that one (--replace)"
        )
    return store
