"""Writing that a kill cannot tear: write beside, fsync, rename. And the hashes that name what was written."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Any

from gr00t_data.beside import beside, claim_of
from gr00t_data.foreign_text import pointer_told
from gr00t_data.limits import JSON_BYTES, JSON_VALUES, LINES, LimitError, require_within
from gr00t_data.locks import locked

_COPY_BYTES = 1 << 18
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EFBIG: "the file would be larger than allowed: raise the file-size limit",
    errno.EROFS: "the file system is read-only: set GR00T_LAKE to a folder that can be written",
    errno.EACCES: "writing is not permitted: set GR00T_LAKE to a folder that can be written",
    errno.EPERM: "writing is not permitted: set GR00T_LAKE to a folder that can be written",
}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written$")
"""What numpy says when the disk takes a part of an array."""
_RUST = re.compile(r"\(os error (\d+)\)")
"""What libraries in Rust (safetensors, polars) end their messages with."""


class DiskError(OSError):
    """Nothing could be written; the message names the place and the remedy. No half-written file is left."""


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except DiskError:
        raise
    except Exception as error:  # libraries have classes of their own for a disk that takes no more
        number = _error_number(error)
        if number not in _REMEDIES:
            raise
        remedy = f"{_REMEDIES[number]}, then run again; nothing was left half-written"
        raise DiskError(number, remedy, str(path)) from error


def _error_number(error: BaseException) -> int | None:
    """The system's number for what went wrong, also where a library wraps it in an error of its own."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if isinstance(error, OSError) and _SHORT_WRITE.search(str(error)):
        return errno.ENOSPC
    found = _RUST.search(str(error))
    if found and int(found[1]) in _NO_ROOM:
        return int(found[1])
    cause = error.__cause__
    return number if cause and (number := _error_number(cause)) in _NO_ROOM else None


def fsync_folder(folder: Path) -> None:
    """Make the names inside ``folder`` durable (a rename is only durable after its folder is)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_file(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty temporary file; when the block ends well it takes the name ``path``, else it is removed.

    It has that name already (libav picks the container from it), in a hidden folder beside ``path``. What a killed
    process left of such files is removed by the next one that writes there.
    """
    with _explained(path), beside(path) as temporary:
        temporary.touch()
        yield temporary
        temporary.chmod(0o644)
        _fsync_file(temporary)
        temporary.replace(path)
        fsync_folder(path.parent)


@contextmanager
def claimed(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the name ``path`` while the block makes what lies there. Another process that wants it waits and says so;
    whether something lies there then is to be looked at inside the block.

    Raises:
        Busy: another process holds it and ``wait`` is False.
        DiskError: its folder cannot be written.
    """
    with ExitStack() as held:
        with _explained(path):
            held.enter_context(locked(claim_of(path), wait=wait, passing=True, what=path))
        yield


_READABLE = 0o444


@contextmanager
def replacing_folder(path: Path, *, over: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; when the block ends well it takes the name ``path``, which is claimed.

    Everybody may read what lies in it, whatever the library that wrote a file thought of that.

    Args:
        over: ``path`` may be an older version, which is thrown away; else it must not exist, or be empty.

    Raises:
        DiskError: it exists, or cannot be written.
    """
    with claimed(path), _explained(path), beside(path, folder=True) as temporary:
        if not over and path.exists() and any(path.iterdir()):
            raise DiskError(errno.EEXIST, "exists already and is not replaced; choose another name", str(path))
        yield temporary
        temporary.chmod(0o755)
        for file in temporary.rglob("*"):
            if file.is_file():
                if file.stat().st_mode & _READABLE != _READABLE:
                    file.chmod(0o644)
                _fsync_file(file)
        with beside(path) if over and path.exists() else nullcontext() as aside:
            if aside is not None:
                path.replace(aside)
            temporary.replace(path)  # the system refuses to replace a folder that holds something
        fsync_folder(path.parent)


def reserve(path: Path) -> None:
    """Take all the room that a sparse file says it has. A full disk is an error here, and no bus error later on, when
    its map in memory is written to. A file that cannot have its room is removed.

    Raises:
        DiskError: the disk has no room for it.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with _explained(path), path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    except DiskError:
        path.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` (UTF-8) in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Replace ``path`` by ``value`` as indented JSON with sorted keys: equal values give equal bytes."""
    write_text(path, json_text(value))


def json_text(value: object) -> str:
    """Indented JSON with sorted keys and a line end: equal values give equal text."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json_lines(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """Replace ``path`` by one line of JSON for each value, keys sorted."""
    write_text(path, "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines))


def read_json(path: Path) -> Any:
    """Read JSON; a broken file is named in the error.

    Raises:
        ValueError: the file is not JSON, larger than it may be, or nested deeper than any file of ours.
    """
    try:
        return parse_json(json_bytes(path))
    except ValueError as error:
        raise ValueError(pointer_told(path) or f"{path}: not valid JSON ({error})") from error


def json_bytes(path: Path) -> bytes:
    """The content of a file of JSON. Raises LimitError: it is larger than it may be."""
    require_within(path.stat().st_size, JSON_BYTES, "bytes of JSON")
    return path.read_bytes()


def parse_json(content: bytes) -> Any:
    """JSON in UTF-8, a byte-order mark left aside; its values are counted before one is made: 3 bytes of text become an
    object of 70.

    Raises:
        ValueError: it is not JSON, has more values than it may, or is nested deeper than any of ours.
    """
    require_few_values(content)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("is nested deeper than any file of ours") from error


def require_few_values(content: bytes) -> None:
    """Raises LimitError: a text of JSON has more values than it may."""
    require_within(sum(map(content.count, (b",", b"[", b"{"))), JSON_VALUES, "values of JSON")


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that hold something, numbered from 1; counted before they are made.

    Raises:
        LimitError: it is larger than it may be.
    """
    require_within(path.stat().st_size, JSON_BYTES, f"{path}: bytes")
    content = path.read_bytes()
    require_within(content.count(b"\n") + content.count(b"\r"), LINES, f"{path}: lines")
    yield from ((number, line) for number, line in enumerate(content.splitlines(), start=1) if line.strip())


def json_records(path: Path) -> list[tuple[int, object]]:
    """The values of a file with one JSON value a line, each with the number of its line (from 1).

    People also write such files as one list, or with each value over several lines: both are read.

    Raises:
        LimitError: it is larger than it may be.
        ValueError: it is not JSON; the message begins with the number of the line.
    """
    records, wrong = list[tuple[int, object]](), ""
    for number, line in numbered_lines(path):
        try:
            records.append((number, parse_json(line)))
        except LimitError:
            raise
        except ValueError as error:
            wrong = f"{number}: {error}"
            break
    try:
        records = _records_over_lines(path) if wrong else records
    except ValueError as error:
        raise ValueError(wrong) from error
    if len(records) == 1 and isinstance(records[0][1], list):
        return [(records[0][0], value) for value in records[0][1]]
    return records


_VALUE = re.compile(r"[^\s,]")
"""How the next value begins."""


def _records_over_lines(path: Path) -> list[tuple[int, object]]:
    content = json_bytes(path)
    require_within(sum(map(content.count, (b",", b"[", b"{"))), JSON_VALUES, "values of JSON")
    text, decoder, place, records = content.decode("utf-8-sig"), json.JSONDecoder(), 0, list[tuple[int, object]]()
    number = 1
    try:
        while begin := _VALUE.search(text, place):
            start = begin.start()
            number += text.count("\n", place, start)
            value, place = decoder.raw_decode(text, start)
            records.append((number, value))
            number += text.count("\n", start, place)
    except RecursionError as error:
        raise ValueError("is nested deeper than any file of ours") from error
    return records


def digest_json(value: object) -> str:
    """SHA-256 (hex, 64 characters) of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 (hex) of the bytes of one file."""
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_file(source: Path, target: Path) -> str:
    """Copy the bytes of one file, its folder made as needed.

    Returns:
        their SHA-256 (hex), so that nobody reads them twice.
    """
    sha = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with _explained(target), source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        buffer = memoryview(bytearray(_COPY_BYTES))  # one for all: fresh memory for each chunk costs more than the hash
        while count := reading.readinto(buffer):
            sha.update(buffer[:count])
            written = 0
            while written < count:  # a disk that fills up takes a part first and complains at the next write
                written += writing.write(buffer[written:count])
    return sha.hexdigest()


def link_or_copy(source: str, target: str) -> None:
    """A second name for the same file; a copy where the file system does not allow that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def visible_files(root: Path, pattern: str = "*") -> list[Path]:
    """The files below ``root`` whose names match, sorted; hidden files, and those in hidden folders, are left out.

    Raises:
        OSError: a folder cannot be listed, whose files would vanish without a word.
    """
    return sorted(path for path in visible(root) if fnmatchcase(path.name, pattern) and path.is_file())


def visible(root: Path) -> Iterator[Path]:
    """Everything below ``root`` that is not hidden, folders too; links are not followed. Raises OSError: see above."""
    for folder, folders, names in os.walk(root, onerror=_cannot_be_listed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in (*folders, *names) if not name.startswith("."))


def _cannot_be_listed(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def own_files(root: Path, pattern: str = "*") -> list[Path]:
    """The visible files that lie below ``root``: those behind a link out of it are left out."""
    outside = tuple(f"{path}{os.sep}" for path in links_out(root))
    return [path for path in visible_files(root, pattern) if not f"{path}{os.sep}".startswith(outside)]


def folder_digests(root: Path, known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Relative name -> SHA-256 of every file under ``root``; hidden files and folders are left out.

    Args:
        known: digests that need not be computed again.
    """
    named = ((path.relative_to(root).as_posix(), path) for path in visible_files(root))
    return {name: known.get(name) or digest_file(path) for name, path in named}


_PLAIN = re.compile(r"0?\d{0,2}d?")
"""How a number may be written: {episode_index:06d}. Other paddings fill the memory: {episode_index:9999999999d}."""
_LONGEST = 1_000
"""Characters of a template; no path is longer on any disk."""


class PathError(ValueError):
    """A path or link in a dataset that leads out of it, or cannot be made; the message names it."""


def path_inside(root: Path, template: str, **values: object) -> Path:
    """Fill a path template of info.json; the result must lie inside ``root``.

    Raises:
        PathError: the template is malformed, absolute, or climbs out of the dataset.
    """
    try:
        _require_plain(template, values)
        relative = template.format(**values)
        if "\0" in relative:
            raise ValueError("a zero byte is in no path")
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise PathError(f"{root}/meta/info.json: path template {template!r} cannot be filled ({error!r})") from error
    path = root / relative
    if not path.resolve().is_relative_to(root.resolve()):
        raise PathError(
            f"{root}/meta/info.json: path template {template!r} leads out of the dataset (to {path.resolve()}); "
            "paths must stay inside the dataset's folder"
        )
    return path


def _require_plain(template: str, values: Mapping[str, object]) -> None:
    """A template may name values, as they are or padded by up to 99 zeros, and nothing else.

    Raises:
        ValueError: it is long, looks into a value, converts one, or has another format.
    """
    if len(template) > _LONGEST:
        raise ValueError(f"it has {len(template)} characters, at most {_LONGEST} can be a path")
    for _, name, form, conversion in Formatter().parse(template):
        if name is not None and name not in values:
            raise KeyError(name)
        if conversion or not _PLAIN.fullmatch(form or ""):
            raise ValueError(f"{{{name}}} may be padded to two digits of width, as {{{name}:06d}}, and in no other way")


def refuse_links_out(root: Path) -> None:
    """Check that every symbolic link below ``root`` leads to something below ``root``.

    Raises:
        PathError: a link leads out; named, with what to do.
    """
    for path in links_out(root):
        raise PathError(f"{path}: {link_refusal(root, path)}")


def links_out(root: Path) -> list[Path]:
    """The symbolic links below ``root`` that lead to something which is not below ``root``."""
    top = root.resolve()
    found = (path for path in root.rglob("*") if path.is_symlink() and path.exists())
    return sorted(path for path in found if not path.resolve().is_relative_to(top))


def link_refusal(root: Path, path: Path) -> str:
    """Why a link out of ``root`` is not followed, and what to do."""
    return (
        f"is a link out of the dataset (to {path.resolve()}); if you trust it, copy the dataset with the files its "
        f"links name (`cp -rL {root} COPY`) and give the copy"
    )
