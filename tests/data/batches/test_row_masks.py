"""Parts that are only real in some rows: masked one by one, and left out of the statistics."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from gr00t_data.batches.loader import Loader
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import SampleId
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.curate.build import build_index
from gr00t_data.curate.finding import Verdict
from gr00t_data.curate.index import Index
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from tests.data.builders import frames

HANDS = load_embodiment("human_hands")
PARTS = [part.name for part in HANDS.state]
ROWS, HORIZON = 40, 16
UNKNOWN = slice(10, 20)


def episode(level: float, unknown: dict[str, slice], rows: int = ROWS) -> Episode:
    """Every value is ``level``, but for 9 where a part is not known."""
    state = np.full((rows, HANDS.state_dim), level)
    columns = {}
    for part in HANDS.state:
        known = np.ones(rows, dtype=np.int64)
        if part.name in unknown:
            known[unknown[part.name]] = 0
            state[unknown[part.name], part.slice] = 9
        columns |= {f"state_valid.{part.name}": known, f"action_valid.{part.name}": known}
    return Episode("fold it", np.arange(rows) / 20, state, state, {"ego_view": frames(rows)}, columns=columns)


def store_of(root: Path, episodes: Sequence[Episode], absent: list[str], kind: Kind = "human") -> EpisodeStore:
    writer = StoreWriter.create(root, HANDS, kind=kind, licence="CC-BY-4.0", absent=absent)
    for one in episodes:
        writer.append(one)
    return writer.seal()


def accepting(store: EpisodeStore, folder: Path) -> Index:
    """An index that accepts every frame: values of 9 m are no hand."""
    index = build_index(store, HANDS, folder)
    every = tuple(Verdict(row.index, True, row.length, ((0, row.length),), "fold it", ()) for row in store.rows)
    return Index(**{**vars(index), "verdicts": every, "findings": ()})


def loader_of(store: EpisodeStore, folder: Path) -> tuple[Loader, NormStats]:
    sources = [(store, accepting(store, folder))]
    manifest, statistics = build_manifest("m", HANDS, [(*sources[0], 1.0)], held_out_share=0), measure(sources, HANDS)
    made = Loader(
        [Member(manifest, statistics, HANDS)],
        batch_size=2,
        horizon=HORIZON,
        max_state_dim=64,
        max_action_dim=32,
        with_images=False,
    )
    return made, statistics


def test_unknown_rows_are_masked_for_their_part_alone(tmp_path: Path) -> None:
    part = HANDS.state_part("right_aperture")
    store = store_of(tmp_path / "s", [episode(0.2, {part.name: UNKNOWN})], [])
    loader, _ = loader_of(store, tmp_path / "index")
    batch = loader.batch_of([SampleId(0, 0, 5), SampleId(0, 0, 12), SampleId(0, 0, 30)])
    assert batch.action_mask is not None and batch.action is not None
    known = np.ones(ROWS, dtype=bool)
    known[UNKNOWN] = False
    for row, first in enumerate((5, 12, 30)):
        steps = np.arange(first, first + HORIZON)
        expected = torch.from_numpy((steps < ROWS) & known[np.minimum(steps, ROWS - 1)])
        assert torch.equal(batch.action_mask[row, :, part.start], expected)
        assert torch.equal(batch.action_mask[row, :, 0], torch.from_numpy(steps < ROWS))
    assert batch.state_mask[:, 0, part.start].tolist() == [True, False, True]
    assert batch.state_mask[:, 0, 0].all() and not batch.state[~batch.state_mask].any()
    assert not batch.action_mask[:, :, HANDS.action_dim :].any()


def test_human_video_without_labels_still_teaches_no_actions(tmp_path: Path) -> None:
    hidden = dict.fromkeys(PARTS, slice(0, ROWS))
    loader, _ = loader_of(store_of(tmp_path / "s", [episode(0.2, hidden)], ["state", "action"]), tmp_path / "index")
    batch = loader.batch_of([SampleId(0, 0, 0)])
    assert batch.action_mask is not None and not batch.action_mask.any() and not batch.state_mask.any()
    assert loader.rows[0].stateless == [str(tmp_path / "s")]


def test_statistics_are_those_of_real_rows(tmp_path: Path) -> None:
    part, never = "left_wrist_position", dict.fromkeys(["left_wrist_position"], slice(0, ROWS))
    episodes = [episode(0.5, never), episode(0.1, {part: UNKNOWN}), episode(0.3, never), episode(0.2, {})]
    _, statistics = loader_of(store_of(tmp_path / "s", episodes, []), tmp_path / "index")
    for side in (statistics.state, statistics.action):
        assert side[part].max == (np.float32(0.2),) * 3 and side[part].min == (np.float32(0.1),) * 3
        assert side[part].count == side["right_aperture"].count == 4 * ROWS
        assert side["right_aperture"].max == (0.5,) and side["right_aperture"].min == (np.float32(0.1),)


def test_a_part_that_is_real_nowhere_does_not_stop_the_statistics(tmp_path: Path) -> None:
    never = dict.fromkeys(["left_aperture"], slice(0, ROWS))
    _, statistics = loader_of(store_of(tmp_path / "s", [episode(0.5, never)], []), tmp_path / "index")
    assert statistics.state["left_aperture"].max == (9.0,) and statistics.state["right_aperture"].max == (0.5,)
