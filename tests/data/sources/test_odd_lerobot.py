"""What is odd about a LeRobot folder is said when it is taken in, in both layouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest
from gr00t_data.store.notes import read_notes
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from tests.data.builders import GR1, change_rows, episode, frames, sealed, unsealed
from tests.data.lerobot.folders import CAMERA, v3_of


def recorded(folder: Path) -> EpisodeStore:
    return unsealed(sealed(folder / "set", [episode(20, seed) for seed in range(3)]))


def as_it_is(store: EpisodeStore, folder: Path) -> Path:
    (store.root / "meta/about.json").unlink()
    return store.root


def as_v3(store: EpisodeStore, folder: Path) -> Path:
    return v3_of(store, folder / "v3")


def with_rows(table: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    column = pa.array(values.tolist(), table.schema.field(name).type)
    return table.set_column(table.column_names.index(name), table.schema.field(name), column)


def said(drop: Path, folder: Path) -> list[str]:
    return [str(note) for note in read_notes(ingest(drop, GR1, Lake(folder / "lake")).root)]


@pytest.mark.parametrize("layout", [as_it_is, as_v3])
def test_an_ordinary_folder_says_nothing(tmp_path: Path, layout: Callable[[EpisodeStore, Path], Path]) -> None:
    assert said(layout(recorded(tmp_path), tmp_path), tmp_path) == []


@pytest.mark.parametrize("layout", [as_it_is, as_v3])
def test_joints_stamps_and_videos(tmp_path: Path, layout: Callable[[EpisodeStore, Path], Path]) -> None:
    store = recorded(tmp_path)
    for index in range(3):
        state = store.matrix(index, "observation.state")
        state[:, 2] = np.nan
        change_rows(store, index, lambda table, state=state: with_rows(table, "observation.state", state))
    times = store.matrix(1, "timestamp")[:, 0]
    times[7] = times[6]
    change_rows(store, 1, lambda table: with_rows(table, "timestamp", times))
    drop = layout(store, tmp_path)
    if layout is as_it_is:
        video.encode(store.video_path(2, "ego_view"), frames(17, 2), 20)
    told = said(drop, tmp_path)
    joint = GR1.state[0].joint(2)
    assert any(one.startswith(f"state joint '{joint}' of part '{GR1.state[0].name}' is not a number") for one in told)
    assert next(one for one in told if "stamps" in one).startswith("episode 1: 1 of 20 stamps are those of other rows")
    if layout is as_it_is:
        assert f"episode 2: {CAMERA}: has 17 frames for 20 rows; rows without a picture are not used" in told
        assert len(told) == 3
