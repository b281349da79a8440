"""Rows that too few windows spoke about do not count in the loss."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gr00t_data.batches.loader import Loader
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import SampleId
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.values.masks import LABEL_VALID, label_mask
from gr00t_data.curate.build import build_index
from tests.data.builders import GR1, episode, sealed


def test_invalid_rows_are_masked(tmp_path: Path) -> None:
    valid = np.ones(24, dtype=np.int64)
    valid[:3], valid[10] = 0, 0
    recorded = sealed(tmp_path / "recorded", [episode(24, 1)])
    labelled = sealed(tmp_path / "labelled", [episode(24, 0, columns={LABEL_VALID: valid})])
    sources = [(store, build_index(store, GR1, tmp_path / "index"), 1.0) for store in (labelled, recorded)]
    manifest = build_manifest("both", GR1, sources, seed=0, held_out_share=0)
    numbers = {"batch_size": 2, "max_state_dim": 64, "max_action_dim": 32, "horizon": 8, "with_images": False}
    robot = replace(GR1, action_horizon=8)
    loader = Loader([Member(manifest, measure([pair[:2] for pair in sources], GR1), robot)], **numbers)
    mask = loader.batch_of([SampleId(0, 0, 0), SampleId(0, 0, 8), SampleId(1, 0, 0), SampleId(0, 0, 20)]).action_mask
    assert mask is not None
    counted = mask[:, :, :26].all(-1).int().tolist()
    assert counted[0] == [0, 0, 0, 1, 1, 1, 1, 1] and counted[1] == [1, 1, 0, 1, 1, 1, 1, 1]
    assert counted[2] == [1] * 8, "a store that nobody labelled counts in full"
    assert counted[3] == [1, 1, 1, 1, 0, 0, 0, 0], "past the end nothing counts, as before"


def test_rows_of_a_slower_store_are_masked_too(tmp_path: Path) -> None:
    """At half the rate a row stands for two steps."""
    slow = replace(GR1, control_hz=40.0, action_horizon=6)
    valid = np.ones(20, dtype=np.int64)
    valid[1] = 0
    store = sealed(tmp_path / "slow", [episode(20, 0, columns={LABEL_VALID: valid})])
    index = build_index(store, GR1, tmp_path / "index")
    manifest = build_manifest("slow", slow, [(store, index, 1.0)], seed=0, held_out_share=0)
    numbers = {"batch_size": 1, "max_state_dim": 64, "max_action_dim": 32, "horizon": 6, "with_images": False}
    loader = Loader([Member(manifest, measure([(store, index)], slow), slow)], **numbers)
    mask = loader.batch_of([SampleId(0, 0, 0)]).action_mask
    assert mask is not None and mask[0, :, :26].all(-1).int().tolist() == [1, 1, 0, 0, 1, 1]


def test_the_column_is_read_only_where_it_is(tmp_path: Path) -> None:
    plain = sealed(tmp_path / "plain", [episode()])
    labelled = sealed(tmp_path / "labelled", [episode(columns={LABEL_VALID: np.arange(20) % 2})])
    assert label_mask(plain, 0) is None
    told = label_mask(labelled, 0)
    assert told is not None and told.dtype == bool and told.tolist() == [False, True] * 10
