"""Bags, before a library opens them: their metadata, what they unpack to, and what their database would run."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gr00t_data.disk import refuse_links_out
from gr00t_data.limits import CHUNK_BYTES, LOG_RATIO, require_within
from gr00t_data.plain_yaml import require_plain_yaml
from gr00t_data.sources.formats.logs.chunks import unpacked
from gr00t_data.sources.recordings.streams import StreamError

_READ_BYTES = 1 << 20


def require_bounded_bag(path: Path) -> None:
    """Check a bag as far as its library does not, and bound how far that unpacks a chunk.

    Raises:
        StreamError: its metadata or its database hold what no recorder writes. LimitError: it unpacks to too much.
    """
    _bound_chunks()
    if path.is_file():
        return
    refuse_links_out(path)
    metadata = path / "metadata.yaml"
    if metadata.is_symlink():
        raise StreamError(f"{metadata}: is a link, and is not read; put the file itself in its place")
    try:
        require_plain_yaml(metadata.read_bytes())
    except ValueError as error:
        raise StreamError(f"{metadata}: {error}") from error
    for file in sorted(path.iterdir()):
        if file.suffix == ".zstd":
            _require_bounded_file(file)
        elif file.suffix == ".db3":
            _require_plain_database(file)


def _bound_chunks() -> None:
    """The library keeps its decompressors in two tables; those put there unpack a chunk no further than its limit."""
    from rosbags.rosbag1 import reader as ros1
    from rosbags.rosbag2 import storage_mcap as ros2

    ros1.decompressors |= {name: lambda data, name=name: unpacked(name, data) for name in ("bz2", "lz4")}
    ros2.DECOMPRESSORS |= {name: lambda data, _, name=name: unpacked(name, data) for name in ("zstd", "lz4")}


def _require_bounded_file(path: Path) -> None:
    """A file that was packed as a whole is unpacked to a temporary one by the library: once before, to count it."""
    import zstandard

    most, found = CHUNK_BYTES + LOG_RATIO * path.stat().st_size, 0
    with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as stream:
        while content := stream.read(_READ_BYTES):
            require_within(found := found + len(content), most, f"{path}: bytes, unpacked up to here")


def _require_plain_database(path: Path) -> None:
    """Only tables whose rows are stored: views, triggers and computed columns run what the file says.

    Raises:
        StreamError: there is another thing, or the file is no database.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            made: list[tuple[str, str, str]] = database.execute("select type, name, sql from sqlite_master").fetchall()
            strange = [name for kind, name, sql in made if kind not in ("table", "index") or _is_virtual(sql)]
            for kind, name, _ in made:
                columns: list[Any] = database.execute("select hidden from pragma_table_xinfo(?)", (name,)).fetchall()
                strange += [name] if kind == "table" and any(hidden for (hidden,) in columns) else []
    except (sqlite3.Error, UnicodeError) as error:
        raise StreamError(
            f"{path}: cannot be read ({error}); it may be cut off: copy it again, or rebuild its index "
            "(`ros2 bag reindex`)"
        ) from error
    if strange:
        raise StreamError(
            f"{path}: {strange[0][:99]!r} is no table of stored rows, which no recorder writes; leave it out"
        )


def _is_virtual(sql: str | None) -> bool:
    return sql is not None and sql.split()[1:2] != [] and sql.split()[1].lower() == "virtual"
