"""A landing on a remote file system (any URL that fsspec knows): which drops lie there, and their files.

Credentials come from the environment, as each file system documents them. What is shown of a URL, in messages, records
and metadata, never holds user names, passwords or queries; the texts of errors are rid of them too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from gr00t_data.disk import digest_json
from gr00t_data.foreign_text import one_line
from gr00t_data.lake import LANDING_VARIABLE, Lake
from gr00t_data.sources.landing.drop import (
    Drop,
    key_of,
    left_out,
    passed_over,
    require_utf8,
    shape_of,
    still_copied,
)
from gr00t_data.sources.landing.marker import MARKER, Said, require_small, said_in
from gr00t_data.store.store import StoreError
from gr00t_data.terms.secret_urls import hidden, secrets_of, without_credentials

_STAMPS = ("ETag", "etag", "e_tag", "md5Hash", "generation", "VersionId", "uid")
_STAMPS += ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
"""What file systems call the mark that changes with the content, the surest first; the last ones are times."""
T = TypeVar("T")


class LandingError(StoreError):
    """A remote landing that cannot be read, or a file of it that did not arrive whole; the message names it."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a remote drop.

    Attributes:
        name: within the drop, parts separated by ``/``.
        path: on its file system.
        stamp: changes when the content does.
        facts: what the file system says about it.
    """

    name: str
    path: str
    size_bytes: int
    stamp: str
    facts: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class RemoteLanding:
    """A folder of drops on a remote file system.

    Attributes:
        shown: its URL without credentials.
        secrets: what must not be seen in any message.
    """

    lake: Lake
    files: AbstractFileSystem = field(repr=False)
    root: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    def entries(self) -> dict[str, dict[str, Any]]:
        """Name -> what the file system says, of every drop.

        Raises:
            LandingError: the landing cannot be listed.
        """
        self.files.invalidate_cache()
        listed = self.ask("cannot be listed", lambda: self.files.ls(self.root, detail=True))
        found = {_last(entry["name"]): entry for entry in listed}
        return {name: found[name] for name in sorted(found) if name and not passed_over(name)}

    def files_of(self, name: str, entry: Mapping[str, Any]) -> list[RemoteFile]:
        """Every file of a drop, hidden ones too, by name."""
        if entry["type"] != "directory":
            return [_file(name, entry["name"], entry)]
        top = entry["name"].rstrip("/")
        below = self.ask(f"{name} cannot be listed", lambda: self.files.find(top, detail=True))
        listed = below.items() if isinstance(below, dict) else ()
        return sorted((_file(path[len(top) + 1 :], path, facts) for path, facts in listed), key=lambda file: file.name)

    def describe(self, name: str, files: list[RemoteFile]) -> Drop:
        """The drop of these files."""
        seen = [file for file in files if not left_out(file.name)]
        under_way = [file.name for file in files if still_copied(_last(file.name))]
        markers = [file for file in files if file.name == MARKER]
        said, fault = self._said(markers[0]) if markers else (Said(), "")
        return Drop(
            key=key_of(name),
            path=self.lake.landing / name,
            signature=digest_json([(_written(file.name), file.size_bytes, file.stamp) for file in seen]),
            shape=shape_of(
                [(_written(file.name), file.size_bytes) for file in seen], is_folder=[f.name for f in files] != [name]
            ),
            files=len(seen),
            size_bytes=sum(file.size_bytes for file in seen),
            marked=bool(markers),
            under_way=under_way[0] if under_way else None,
            kind=said.kind,
            url=f"{self.shown.rstrip('/')}/{name}",
            refused=refusal(name, files),
            marker_fault=fault,
        )

    def drops(self) -> list[Drop]:
        """Every drop, by name; one that cannot be listed says why in ``refused``.

        Raises:
            LandingError: the landing cannot be listed.
        """
        return [self._drop(name, entry) for name, entry in self.entries().items()]

    def _drop(self, name: str, entry: Mapping[str, Any]) -> Drop:
        try:
            return self.describe(name, self.files_of(name, entry))
        except ValueError as error:
            path, url = self.lake.landing / name, f"{self.shown.rstrip('/')}/{name}"
            why = one_line(error)
            return Drop(key_of(name), path, "", "", 0, 0, marked=False, under_way=None, url=url, refused=why)

    def _said(self, marker: RemoteFile) -> tuple[Said, str]:
        """What a marker says, and why it cannot be read."""
        try:
            require_small(marker.size_bytes, f"{self.shown}: {marker.path}")
            content = self.ask("marker cannot be read", lambda: self.files.cat_file(marker.path))
            return (said_in(content, self.shown) if isinstance(content, bytes) else Said()), ""
        except StoreError as error:  # complained about when the drop is taken in
            return Said(), str(error)

    def ask(self, what: str, question: Callable[[], T]) -> T:
        """The answer of the file system; whatever goes wrong there becomes one error without secrets.

        Raises:
            LandingError: it cannot answer.
        """
        try:
            return question()
        except Exception as error:  # every file system has errors of its own
            reason = hidden(self.secrets, f"{type(error).__name__}: {error}")
            raise LandingError(f"{self.shown}: {what} ({reason}); check the address and the credentials") from None


def remote_landing(lake: Lake) -> RemoteLanding | None:
    """The remote landing of a lake; None when drops land on this machine.

    Raises:
        LandingError: no such kind of file system, or its package is not installed.
    """
    url = lake.remote_url
    if not url:
        return None
    shown, secrets = without_credentials(url), secrets_of(url)
    try:
        files, root = url_to_fs(url)
    except Exception as error:  # a file system may fail in its own ways when it is made
        reason = hidden(secrets, f"{type(error).__name__}: {error}")
        raise LandingError(
            f"{LANDING_VARIABLE} is {shown}, which cannot be opened ({reason}); give a folder, or a URL that fsspec "
            "knows, and install the package it names"
        ) from None
    return RemoteLanding(lake, files, str(root), shown, secrets)


def refusal(drop: str, files: list[RemoteFile]) -> str | None:
    """Why the names of a drop cannot become files here; None when they can."""
    if any(mark in drop for mark in ("/", "\\", "\0")) or drop in (".", ".."):
        return f"its name {drop!r} is no name of a folder"
    names = {file.name for file in files}
    for name in (drop, *sorted(names)):
        try:
            require_utf8(name)
        except ValueError as error:
            return str(error)
        parts = name.split("/")
        if {"", ".", ".."} & set(parts) or "\0" in name or "\\" in name:
            return f"the name {name!r} leads out of the drop or is no path; give the file another name"
        if any(len(part.encode()) > 255 for part in parts):
            return f"the name {name[:60]!r}... has a part longer than 255 bytes; give the file a shorter name"
        if any("/".join(parts[:depth]) in names for depth in range(1, len(parts))):
            return f"{name!r} lies below another file of the drop; one of the two needs another name"
    return None


def _file(name: str, path: str, facts: Mapping[str, Any]) -> RemoteFile:
    stamp = next((str(facts[key]) for key in _STAMPS if facts.get(key) not in (None, "")), "")
    return RemoteFile(name, path, int(facts.get("size") or 0), stamp, facts)


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _written(name: str) -> str:
    """A name that can be hashed; its drop is refused anyway where the name itself cannot."""
    return name.encode("utf-8", "backslashreplace").decode()
