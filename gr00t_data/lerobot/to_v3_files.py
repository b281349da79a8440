"""The parquet and mp4 files of a LeRobot v3.0 folder: many episodes each, begun anew at a size."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.disk import path_inside
from gr00t_data.lerobot import v3_layout as layout_v3
from gr00t_data.lerobot.v3_layout import Place
from gr00t_data.store.store import StoreError
from gr00t_data.video.cutting import concat, groups
from gr00t_data.video.packets import Packets


class RotatingTables:
    """Writes tables one after the other, one row group each, and begins a new file when one would pass the limit."""

    def __init__(self, root: Path, template: str, limit_bytes: int) -> None:
        self.root = root
        self.template = template
        self.limit_bytes = limit_bytes
        self.place = Place()
        self._writer: parquet.ParquetWriter | None = None
        self._rows = 0

    def __enter__(self) -> "RotatingTables":
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    @property
    def path(self) -> Path:
        """The file being written."""
        return path_inside(self.root, self.template, **self.place.values)

    def place_for(self, rows: int) -> Place:
        """Where the next ``rows`` rows go; begins the next file when they would make this one too large."""
        if self._writer is not None:
            written = self.path.stat().st_size
            if written + written / max(self._rows, 1) * rows >= self.limit_bytes:
                self._close()
                self.place = self.place.next()
        return self.place

    def write(self, table: pa.Table) -> None:
        """Add the rows of a table to the file that ``place_for`` named."""
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = parquet.ParquetWriter(self.path, table.schema, compression="snappy", use_dictionary=True)
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._rows += table.num_rows

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._rows = None, 0


def write_videos(
    tracks: Sequence[Packets], first_rows_s: Sequence[float], root: Path, camera: str, fps: float, limit_bytes: int
) -> Iterator[dict[str, float]]:
    """Join the videos of one camera, an episode each, into as few files as the limit and their coding allow.

    LeRobot looks for the frame of a row at ``from_timestamp + timestamp``, so an episode whose rows do not start at
    time 0 begins earlier by as much.

    Yields:
        what the line of each episode says of its video, in order: file, and seconds in it.
    """
    place = Place()
    for group in groups(tracks, fps, limit_bytes):
        target = path_inside(root, layout_v3.VIDEO_PATH, video_key=camera, **place.values)
        inside = [tracks[number] for number in group]
        for number, first in zip(group, concat(inside, target, fps), strict=True):
            track, zero_s = tracks[number], first_rows_s[number]
            if len(group) > 1:
                begin_s, end_s = first / fps, (first + track.frames) / fps
            else:
                begin_s, end_s = float(track.pts_s[0]), float(track.pts_s[-1]) + 1 / fps
            yield place.values | {"from_timestamp": begin_s - zero_s, "to_timestamp": end_s - zero_s}
        place = place.next()


def one_schema(reference: pa.Schema | None, table: pa.Table, where: str) -> pa.Schema:
    """The schema that every episode must have: that of the first one, without what pandas noted about its own index.

    Raises:
        StoreError: this episode has other columns or types (named).
    """
    kept = {key: value for key, value in (table.schema.metadata or {}).items() if key != b"pandas"}
    schema = table.schema.with_metadata(kept or None)
    if reference is None or schema.equals(reference):
        return reference or schema
    fields = {f.name: str(f.type) for f in schema}, {f.name: str(f.type) for f in reference}
    odd = sorted(name for name in fields[0].keys() | fields[1].keys() if fields[0].get(name) != fields[1].get(name))
    name = odd[0] if odd else "the order of the columns"
    raise StoreError(
        f"{where}: column {name!r} is {fields[0].get(name, 'missing')}, the first episode has "
        f"{fields[1].get(name, 'none')}; one LeRobot v3.0 dataset has one type a column: write them alike"
    )
