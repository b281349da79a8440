"""Tiny real stores, and ways to damage them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource, Kind
from gr00t_data.store.store import SEAL, EpisodeStore
from gr00t_data.store.writing import StoreWriter, seal_folder

GR1 = load_embodiment("gr1")
PIXELS = 16


def still_rows(rows: int, seed: int = 0) -> np.ndarray:
    """float64 [rows, 44]: a slow motion of every joint by at most 0.1 rad, other for each seed."""
    phase = np.random.default_rng(seed).uniform(0, 6, 44)
    return 0.1 * np.sin(np.arange(rows)[:, None] / 10 + phase)


def frames(rows: int, seed: int = 0) -> np.ndarray:
    """uint8 [rows, 16, 16, 3]: grey that grows by 4 a frame from a start that the seed sets."""
    levels = (np.arange(rows) * 4 + 40 * seed) % 250
    return np.broadcast_to(levels[:, None, None, None], (rows, PIXELS, PIXELS, 3)).astype(np.uint8)


def episode(rows: int = 20, seed: int = 0, **changes: Any) -> Episode:
    """An episode that passes every check."""
    fields: dict[str, Any] = {
        "instruction": "reach the green sphere",
        "times_s": np.arange(rows) / 20,
        "state": still_rows(rows, seed),
        "action": still_rows(rows, seed + 100),
        "video": {"ego_view": frames(rows, seed)},
        "success": True,
        "source": {"seed": seed},
    }
    fields |= changes
    return Episode(**{**fields, "source": EpisodeSource.model_validate(fields["source"])})


def sealed(root: Path, episodes: Sequence[Episode], kind: Kind = "simulated", robot: Embodiment = GR1) -> EpisodeStore:
    """A sealed store of these episodes."""
    writer = StoreWriter.create(root, robot, kind=kind, licence="Apache-2.0")
    for one in episodes:
        writer.append(one)
    return writer.seal()


def unsealed(store: EpisodeStore) -> EpisodeStore:
    """The same without its seal, as a folder that a stranger hands over: its files may be changed."""
    (store.root / SEAL).unlink(missing_ok=True)
    return store


def resealed(store: EpisodeStore) -> EpisodeStore:
    """A store whose files were changed, sealed with them as they are now."""
    return seal_folder(unsealed(store).root)


def change_rows(store: EpisodeStore, index: int, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write the rows of an episode again, changed, under the seal of before."""
    path = store.data_place(index)
    parquet.write_table(change(parquet.ParquetFile(path).read()), path)


def change_parquet(store: EpisodeStore, index: int, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write the rows of an episode again, changed, and take the seal off."""
    change_rows(unsealed(store), index, change)


def change_info(store: EpisodeStore, **changes: Any) -> EpisodeStore:
    """Change entries of meta/info.json and open the store again."""
    path = unsealed(store).root / "meta/info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return EpisodeStore.open(store.root)


def change_row(store: EpisodeStore, index: int, **changes: Any) -> EpisodeStore:
    """Change one line of meta/episodes.jsonl and open the store again."""
    path = unsealed(store).root / "meta/episodes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[index] |= changes
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return EpisodeStore.open(store.root)
