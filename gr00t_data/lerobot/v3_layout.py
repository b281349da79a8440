"""The LeRobot v3.0 folder: names of files, and where the next one goes. Many episodes share a parquet or an mp4."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from gr00t_data.disk import read_json

VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
TASKS = "meta/tasks.parquet"

CHUNK_FILES = 1000
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
"""Limits of LeRobot 0.4.4: files in a chunk, and megabytes in a file before the next one begins."""

ORIGIN = "meta/gr00t.json"
"""What v3.0 has no room for, so that the way back loses nothing: see ``gr00t_data.lerobot.to_v3``."""
ORIGIN_ROWS = "meta/gr00t_rows.parquet"
"""Numbers that v3.0 does not allow in the rows: one line an episode and column, with the original values."""

_REWRITTEN = ("info.json", "stats.json", "episodes.jsonl", "episodes_stats.jsonl", "tasks.jsonl", "tasks.parquet")
_OWN = ("modality.json", "about.json", "seal.json", "gr00t.json", "gr00t_rows.parquet", "conversion.json")


def declared_version(root: Path) -> object:
    """What ``meta/info.json`` gives as its ``codebase_version``; None where there is none that can be read."""
    info = root / "meta/info.json"
    try:
        return read_json(info).get("codebase_version") if info.is_file() else None
    except (ValueError, AttributeError):
        return None


def carry_over(source: Path, target: Path) -> None:
    """Copy what no conversion writes anew: the card, the licence, other files in ``meta/``."""
    for folder in (source, source / "meta"):
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.name.startswith((".", "_SUCCESS")) and path.name not in (*_REWRITTEN, *_OWN):
                (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / path.relative_to(source))


@dataclass(frozen=True)
class Place:
    """Where a file stands: chunk folder and number in it."""

    chunk: int = 0
    file: int = 0

    def next(self) -> "Place":
        """The file after this one."""
        return Place(self.chunk, self.file + 1) if self.file + 1 < CHUNK_FILES else Place(self.chunk + 1, 0)

    @property
    def values(self) -> dict[str, int]:
        """What the path templates ask for."""
        return {"chunk_index": self.chunk, "file_index": self.file}
