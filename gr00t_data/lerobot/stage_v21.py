"""GR00T-LeRobot v2.0 brought to v2.1: the same files, and the statistics of each episode that v2.1 asks for."""

import json
from pathlib import Path

from gr00t_data.disk import write_json, write_text
from gr00t_data.lerobot.column_stats import DatasetStats
from gr00t_data.store.notes import Note
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from gr00t_data.store.tables import TableError, read_table
from gr00t_data.video.cutting import read_whole
from gr00t_data.video.files import VideoError
from gr00t_data.video.foreign import watched
from gr00t_data.video.spans import key_pictures

_KEPT = ("min", "max", "mean", "std", "count")


def complete(root: Path) -> list[Note]:
    """Turn the v2.0 folder ``root`` into v2.1, in place: version, totals and ``meta/episodes_stats.jsonl``.

    Returns:
        episodes whose video could not be measured.

    Raises:
        StoreError: the rows of an episode are missing or cannot be read.
    """
    store = EpisodeStore.open(root)
    columns = store.video_columns
    lines, notes, videos = [], [], 0
    for row in store.rows:
        try:
            stats = DatasetStats().add_rows(read_table(store.data_path(row.index)))
        except TableError as error:
            raise StoreError(f"episode {row.index}: {error}") from error
        for column in columns:
            path = store.video_file(row.index, column)
            if not path.is_file():
                continue
            videos += 1
            try:
                pictures = watched(path, key_pictures, watched(path, read_whole, path))
                stats[column] = DatasetStats().add_pictures(column, pictures)
            except VideoError as error:
                notes.append(Note(f"no statistics of its pictures: {error}", row.index, column))
        kept = {name: {key: entry[key] for key in _KEPT} for name, entry in stats.items()}
        lines.append(json.dumps({"episode_index": row.index, "stats": kept}, sort_keys=True) + "\n")
    write_text(root / "meta/episodes_stats.jsonl", "".join(lines))
    totals = {
        "codebase_version": "v2.1",
        "total_episodes": len(store.rows),
        "total_frames": sum(row.length for row in store.rows),
        "total_videos": videos,
        "total_chunks": -(-len(store.rows) // store.chunks_size),
    }
    write_json(root / "meta/info.json", {**store.info, **totals})
    (root / SEAL).unlink(missing_ok=True)
    return notes
