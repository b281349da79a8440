"""Small generated clips, and drops of them in every form."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.disk import write_json
from gr00t_data.video import files as video

HEIGHT, WIDTH = 48, 80


def pictures(frames: int = 9, seed: int = 0) -> np.ndarray:
    """uint8 [frames, 48, 80, 3]: a bright square that moves over a grey picture."""
    shown = np.full((frames, HEIGHT, WIDTH, 3), 90 + 10 * seed, dtype=np.uint8)
    for number in range(frames):
        left = (4 + 5 * number + 7 * seed) % (WIDTH - 12)
        shown[number, 12:24, left : left + 12] = (230, 180, 40)
    return shown


def grid(frames: int = 9) -> np.ndarray:
    """uint8 [frames, 48, 80, 3]: three tiles of one colour each and a black bottom right."""
    shown = np.zeros((frames, HEIGHT, WIDTH, 3), dtype=np.uint8)
    shown[:, :24, :40], shown[:, :24, 40:], shown[:, 24:, :40] = (200, 60, 60), (60, 200, 60), (60, 60, 200)
    return shown


def movie(path: Path, shown: np.ndarray | None = None, fps: float = 8, seed: int = 0) -> Path:
    """An mp4 at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video.encode(path, pictures(seed=seed) if shown is None else shown, fps)
    return path


def listed(drop: Path, *lines: dict[str, Any] | str) -> Path:
    """Write ``manifest.jsonl``."""
    drop.mkdir(parents=True, exist_ok=True)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (drop / "manifest.jsonl").write_text(text + "\n")
    return drop


def dreams(drop: Path, *, moving: bool, frames: int = 9, rows: int | None = None) -> Path:
    """What GR00T-Dreams writes, its contradictions included: 16 fps stamps, fps 8, marked tasks, no version."""
    rows = frames if rows is None else rows
    movie(drop / "videos/chunk-000/observation.images.ego_view/episode_000000.mp4", pictures(frames), fps=16)
    action = np.zeros((rows, 44), dtype=np.float32)
    if moving:
        action[:, :7] = np.linspace(0, 1, rows)[:, None]
    columns = {"observation.state": np.zeros((rows, 44), dtype=np.float32), "action": action}
    table = {name: pa.array(list(values)) for name, values in columns.items()}
    table |= {"timestamp": pa.array(np.arange(rows) / 16), "task_index": pa.array(np.zeros(rows, dtype=np.int64))}
    path = drop / "data/chunk-000/episode_000000.parquet"
    path.parent.mkdir(parents=True)
    parquet.write_table(pa.table(table), path)
    (drop / "meta").mkdir()
    feature = {"dtype": "float64", "shape": [44]}
    info = {"robot_type": "dream", "fps": 8, "features": {"observation.state": feature, "action": feature}}
    write_json(drop / "meta/info.json", info)
    (drop / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": "<DREAM>pour the tea"}) + "\n")
    episode = {"episode_index": 0, "tasks": ["<DREAM>pour the tea"], "length": rows, "video_id": "0"}
    (drop / "meta/episodes.jsonl").write_text(json.dumps(episode) + "\n")
    return drop
