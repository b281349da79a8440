"""Cameras of a LeRobot folder that nobody encoded: pictures in the rows, or files below ``images/``, become videos.

LeRobot leaves the first with ``use_videos=False``, the second when its encoder was not run. One picture is held at a
time, and its size is looked at before it is unpacked.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.disk import path_inside, read_json, replacing, write_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lerobot.video_facts import with_video_facts
from gr00t_data.limits import TABLE_BYTES, require_within
from gr00t_data.pictures import opened, opened_file
from gr00t_data.sources.recordings.images import decoded, even_size
from gr00t_data.sources.recordings.streams import StreamError
from gr00t_data.store import layout
from gr00t_data.store.notes import Note
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.tables import opened_table, read_table
from gr00t_data.video.files import VideoError, encode_stream
from gr00t_data.video.foreign import watched

_ROWS_AT_ONCE = 4
_FILE_BYTES = 16 * TABLE_BYTES
"""An episode of an hour with two cameras in PNG; it is read a few rows at a time."""
_DEEP = ("I", "F")
"""How the modes of pictures with more than 8 bits begin in Pillow: depth maps."""
_NUMBER = re.compile(r"(\d+)$")


Shot = tuple[int, str]
"""An episode and a camera column."""


def encode_pictures(root: Path, drop: Path, embodiment: Embodiment) -> tuple[list[Note], set[Shot]]:
    """Encode what ``root``, a v2 folder that was just made of ``drop``, holds as pictures.

    The rows lose the columns of pictures that became videos. A camera whose pictures are deeper than 8 bits stays as it
    is; an episode with a picture that cannot be read has no video of that camera, which its checks reject.

    Returns:
        what was done and what could not be, and what has a video now.
    """
    store, notes, done = EpisodeStore.open(root), list[Note](), set[Shot]()
    cameras = [name for name, feature in store.features.items() if feature.dtype in ("image", "video")]
    kept = {name for name in cameras if _too_deep(store, name, notes)}
    for row in store.rows:
        for column in (name for name in cameras if name not in kept):
            target, data = _target(store, row.index, column), store.data_place(row.index)
            if target.is_file():
                continue
            try:
                if watched(data, _encoded, root, row.index, column, drop, target, pictures=row.length):
                    done.add((row.index, column))
            except VideoError as error:
                notes.append(Note(f"no video could be made of its pictures: {error}", row.index, column))
    if columns := {column for _, column in done}:
        _declare(store, columns, embodiment)
        for row in store.rows:
            _without(store.data_place(row.index), columns)
        notes += [Note("its pictures were encoded as h264", camera=column) for column in sorted(columns)]
    return notes, done


def _encoded(root: Path, index: int, column: str, drop: Path, target: Path) -> bool:
    """Encode the pictures of one episode and camera; whether there are any. Raises VideoError: one cannot be read."""
    store = EpisodeStore.open(root)
    if not (pictures := _pictures(store, index, column, drop)):
        return False
    try:
        encode_stream(target, map(even_size, pictures), store.fps)
    except (StreamError, ValueError) as error:
        raise VideoError(str(error)) from error
    return True


def _target(store: EpisodeStore, index: int, column: str) -> Path:
    template = store.info.get("video_path") or layout.VIDEO_PATH
    place = {"episode_chunk": index // store.chunks_size, "episode_index": index, "video_key": column}
    return path_inside(store.root, str(template), **place)


def _pictures(store: EpisodeStore, index: int, column: str, drop: Path) -> Iterator[np.ndarray] | None:
    """The pictures of one episode and camera, uint8 [H, W, 3] each; None where there are none."""
    data = store.data_place(index)
    if _holds_pictures(data, column):
        return _in_rows(data, column, drop)
    rows = store.row(index).length
    folders = (drop / "images" / column / f"episode{sign}{index:06d}" for sign in "_-")
    return next((_in_folder(folder, rows) for folder in folders if folder.is_dir()), None)


def _holds_pictures(path: Path, column: str) -> bool:
    if not path.is_file():
        return False
    with opened_table(path, _FILE_BYTES, joined=True) as file:
        schema = file.schema_arrow
        return column in schema.names and _is_picture(schema.field(column).type)


def _is_picture(kind: pa.DataType) -> bool:
    """A struct of ``bytes`` and ``path`` as the library datasets writes it, or the bytes alone."""
    if pa.types.is_struct(kind):
        return "bytes" in {kind.field(number).name for number in range(kind.num_fields)}
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _in_rows(path: Path, column: str, drop: Path) -> Iterator[np.ndarray]:
    for number, content in enumerate(_contents(path, column, drop)):
        try:
            yield decoded(content)
        except ValueError as error:
            raise StreamError(f"{path}: row {number}: {error}") from error


def _contents(path: Path, column: str, drop: Path) -> Iterator[bytes]:
    """The bytes of the picture of each row; a path without bytes names a file of the drop."""
    with opened_table(path, _FILE_BYTES, joined=True) as file:
        for group in range(file.metadata.num_row_groups):
            chunks = [file.metadata.row_group(group).column(n) for n in range(file.metadata.num_columns)]
            require_within(max(one.total_uncompressed_size for one in chunks), TABLE_BYTES, f"{path}: bytes a column")
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=[column]):
            for value in batch.column(0).to_pylist():
                content = value.get("bytes") if isinstance(value, dict) else value
                if content is None and isinstance(value, dict) and value.get("path"):
                    named = path_inside(drop, "{path}", path=value["path"])
                    opened_file(named)
                    content = named.read_bytes()
                yield content or b""


def _in_folder(folder: Path, rows: int) -> Iterator[np.ndarray]:
    """The pictures of ``frame_000000.png`` and so on, as many as there are rows."""
    files = {int(n[1]): path for path in sorted(folder.iterdir()) if (n := _NUMBER.search(path.stem))}
    if sorted(files) != list(range(rows)):
        missing = next((number for number in range(rows) if number not in files), rows)
        raise StreamError(f"{folder}: holds {len(files)} pictures for {rows} rows, and none or more of row {missing}")
    for number in range(rows):
        opened_file(files[number])
        yield decoded(files[number].read_bytes())


def _too_deep(store: EpisodeStore, column: str, notes: list[Note]) -> bool:
    """Whether the first picture in the rows has more than 8 bits, which no colour video holds."""
    for row in store.rows[:1]:
        if not _holds_pictures(path := store.data_place(row.index), column):
            continue
        try:
            mode = next((opened(content).mode for content in _contents(path, column, store.root)), "")
        except ValueError:
            return False
        if mode.startswith(_DEEP):
            notes.append(Note("its pictures have more than 8 bits and stay in the rows as they are", camera=column))
            return True
    return False


def _declare(store: EpisodeStore, columns: set[str], embodiment: Embodiment) -> None:
    """Say in info.json and modality.json that these columns are videos now."""
    info: dict[str, Any] = dict(read_json(store.root / "meta/info.json"))
    features: Mapping[str, Mapping[str, Any]] = info["features"]
    info["features"] = {
        name: {**feature, "dtype": "video", "shape": None, "names": None} if name in columns else feature
        for name, feature in features.items()
    }
    info["video_path"] = info.get("video_path") or layout.VIDEO_PATH
    info = dict(with_video_facts(info, store.root))
    info["total_videos"] = sum(1 for _ in (store.root / "videos").rglob("*.mp4"))
    write_json(store.root / "meta/info.json", info)
    if (path := store.root / "meta/modality.json").is_file():
        modality: dict[str, Any] = read_json(path)
        views = modality.setdefault("video", {})
        known = {entry.get("original_key", name) for name, entry in views.items()}
        names = {camera.column: camera.name for camera in embodiment.cameras}
        views |= {names.get(c, c.rpartition(".")[2]): {"original_key": c} for c in sorted(columns - known)}
        write_json(path, modality)
    for column in columns:
        shutil.rmtree(store.root / "images" / column, ignore_errors=True)


def _without(path: Path, columns: set[str]) -> None:
    if not path.is_file():
        return
    with opened_table(path, _FILE_BYTES, joined=True) as file:
        names = file.schema_arrow.names
    if not (rest := [name for name in names if name not in columns]) or len(rest) == len(names):
        return
    table = read_table(path, rest, _FILE_BYTES)
    with replacing(path) as temporary:
        parquet.write_table(table.replace_schema_metadata(None), temporary, compression="snappy")
