"""A copy of a clean store that may be damaged: hard links, except for the files that a defect writes anew."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from gr00t_data.disk import link_or_copy, read_json, write_json, write_text
from gr00t_data.store import layout
from gr00t_data.store.store import SEAL, EpisodeStore
from gr00t_data.store.tables import column_matrix
from gr00t_data.video import files as video

Rows = dict[str, np.ndarray]
"""Column name -> values: [T] for numbers, [T, D] for lists of numbers."""

_UNREADABLE = (OSError, ValueError, KeyError, pa.ArrowException)


class Folder:
    """The files of one store, to be changed. Every write replaces the file, so that hard links to it keep theirs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def copy(cls, clean: Path, root: Path) -> "Folder":
        """Link every file of ``clean`` into ``root``, without the seal: a folder as a stranger would hand it over."""
        shutil.copytree(clean, root, copy_function=link_or_copy, ignore=shutil.ignore_patterns(Path(SEAL).name))
        return cls(root)

    @property
    def store(self) -> EpisodeStore:
        """The folder as it is now."""
        return EpisodeStore.open(self.root)

    def rows(self, index: int) -> Rows:
        """Every column of one episode."""
        table = parquet.ParquetFile(self.store.data_path(index)).read()
        return {name: _values(table, name) for name in table.column_names}

    def write_rows(self, index: int, rows: Rows) -> None:
        """Replace the rows of one episode; columns keep the types they have in the file."""
        path = self.store.data_path(index)
        schema = parquet.read_schema(path)
        arrays = [pa.array(values.tolist()).cast(schema.field(name).type) for name, values in rows.items()]
        self.write_table(path, pa.Table.from_arrays(arrays, names=list(rows)))

    def change_rows(self, index: int, change: Callable[[Rows], Rows]) -> None:
        """Replace the rows of one episode by ``change`` of them."""
        self.write_rows(index, change(self.rows(index)))

    @staticmethod
    def write_table(path: Path, table: pa.Table, compression: str = "snappy") -> None:
        """Write a parquet file in place of another."""
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, path, compression=compression)

    def frames(self, index: int, camera: str) -> np.ndarray:
        """uint8 [T, H, W, 3] of one camera."""
        return video.decode(self.store.video_path(index, camera))

    def write_frames(
        self, index: int, camera: str, frames: np.ndarray, fps: float | None = None, crf: int = 20
    ) -> None:
        """Encode frames in place of a video."""
        store = self.store
        video.encode(store.video_path(index, camera), np.ascontiguousarray(frames), fps or store.fps, crf)

    def change_frames(self, index: int, camera: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Replace the video of one camera by ``change`` of its frames (float or uint8; clipped to 0..255)."""
        changed = change(self.frames(index, camera))
        self.write_frames(index, camera, np.clip(np.rint(changed), 0, 255).astype(np.uint8))

    def json(self, name: str) -> Any:
        """A JSON file below ``meta/``."""
        return read_json(self.root / "meta" / name)

    def write_json(self, name: str, value: Any) -> None:
        """Replace a JSON file below ``meta/``."""
        write_json(self.root / "meta" / name, value)

    def change_info(self, **changes: Any) -> None:
        """Set entries of ``meta/info.json``."""
        self.write_json("info.json", {**self.json("info.json"), **changes})

    def lines(self, name: str) -> list[dict[str, Any]]:
        """A JSON-lines file below ``meta/``."""
        return [json.loads(line) for line in (self.root / "meta" / name).read_text().splitlines() if line.strip()]

    def write_lines(self, name: str, lines: list[dict[str, Any]]) -> None:
        """Replace a JSON-lines file below ``meta/``."""
        write_text(self.root / "meta" / name, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))

    def change_line(self, index: int, **changes: Any) -> None:
        """Set entries of the line of one episode in ``meta/episodes.jsonl``."""
        lines = self.lines("episodes.jsonl")
        self.write_lines("episodes.jsonl", [x | (changes if x["episode_index"] == index else {}) for x in lines])

    def refresh(self) -> None:
        """Make the metadata true again: running numbers, lengths, totals and statistics as the rows are now.

        A defect of the rows must be found in the rows; without this the statistics would betray it.
        """
        tables = self._numbered({row.index: _table(self.store.data_path(row.index)) for row in self.store.rows})
        lines = self.lines("episodes.jsonl")
        for line in lines:
            table = tables.get(line["episode_index"])
            line["length"] = table.num_rows if table is not None else line["length"]
        self.write_lines("episodes.jsonl", lines)
        videos = len(list((self.root / "videos").rglob("*.mp4")))
        totals = {"total_episodes": len(lines), "total_frames": sum(line["length"] for line in lines)}
        self.change_info(**totals, **({"total_videos": videos} if self.json("info.json").get("total_videos") else {}))
        self._refresh_stats({index: table for index, table in tables.items() if table is not None})

    def _numbered(self, tables: dict[int, pa.Table | None]) -> dict[int, pa.Table | None]:
        """The tables, each with an ``index`` that begins where the one before ends; in any order, as it was."""
        first, numbered = 0, {}
        for index, table in tables.items():
            numbered[index] = table
            if table is None or not len(table) or "index" not in table.column_names:
                continue
            shift = first - pc.min(table["index"]).as_py()
            if shift:
                place, kind = table.column_names.index("index"), table.schema.field("index").type
                moved = pc.add(table["index"], shift).cast(kind)
                numbered[index] = table.set_column(place, table.schema.field("index"), moved)
                self.write_table(self.store.data_path(index), numbered[index])
            first += len(table)
        return numbered

    def _refresh_stats(self, tables: dict[int, pa.Table]) -> None:
        stats = self.json("stats.json")
        try:
            self.write_json("stats.json", {**stats, **layout.dataset_stats(list(tables.values()))})
        except _UNREADABLE:
            return
        if (self.root / "meta/episodes_stats.jsonl").is_file():
            lines = [{"episode_index": index, "stats": layout.episode_stats(table)} for index, table in tables.items()]
            self.write_lines("episodes_stats.jsonl", lines)


def _table(path: Path) -> pa.Table | None:
    try:
        return parquet.ParquetFile(path).read()
    except _UNREADABLE:
        return None


def _values(table: pa.Table, name: str) -> np.ndarray:
    kind = table.schema.field(name).type
    if pa.types.is_nested(kind):
        return column_matrix(table, name)
    return table.column(name).to_numpy()
