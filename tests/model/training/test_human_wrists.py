"""Wrists of people as actions: they teach like a robot's, and what stands in unknown rows changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.mixture.manifest import SampleId
from gr00t_data.lake import Lake
from gr00t_data.sources.human.ingest import ingest_human
from gr00t_data.sources.human.settings import HumanSettings
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.key import prepare_run
from gr00t_model.training.objective import open_accelerator, open_loop
from gr00t_model.training.train import train
from tests.data.batches.test_row_masks import HANDS, UNKNOWN, episode, loader_of, store_of
from tests.data.sources.human.test_hands_end_to_end import egodex_drop
from tests.model.tiny import build
from tests.model.training.test_human_video import mixture, of_one, two_steps

HIDDEN = ("left_wrist_position", "left_wrist_rotation")


def batch_with(folder: Path, standing_in: float) -> Batch:
    """The same rows, with some value in the place of unknown ones."""
    one = episode(0.2, dict.fromkeys(HIDDEN, UNKNOWN))
    for values, part in ((one.state, HANDS.state_part), (one.action, HANDS.action_part)):
        values.setflags(write=True)
        for name in HIDDEN:
            values[UNKNOWN, part(name).slice] = standing_in
    loader, statistics = loader_of(store_of(folder / "s", [one, episode(0.3, {})], []), folder / "index")
    assert statistics.state["left_wrist_position"].max == (np.float32(0.3),) * 3
    return loader.batch_of([SampleId(0, 0, frame) for frame in (0, 5, 12, 18, 30)])


@pytest.mark.parametrize("standing_in", [-1.7, 9.0])
def test_batches_are_equal_whatever_stands_in_unknown_rows(tmp_path: Path, standing_in: float) -> None:
    first, second = batch_with(tmp_path / "a", 0.0), batch_with(tmp_path / "b", standing_in)
    assert first.action is not None and second.action is not None
    assert first.action_mask is not None and second.action_mask is not None
    assert torch.equal(first.state, second.state) and torch.equal(first.action, second.action)
    assert first.action_mask.equal(second.action_mask) and first.state_mask.equal(second.state_mask)
    assert not first.action_mask[2, :4, :9].any() and first.action_mask[2, :4, 9:20].all()


def test_wrists_and_a_robot_in_one_batch(tmp_path: Path) -> None:
    drop = egodex_drop(tmp_path / "drop", {"gone": 60})
    store = ingest_human(drop, HANDS, Lake(tmp_path), settings=HumanSettings(labels="wrist", faces="none"))
    config = two_steps(build(tmp_path / "robot"), mixture(store, HANDS, tmp_path))
    loop = open_loop(prepare_run(config, tmp_path / "runs"), config, open_accelerator(config))
    person = of_one(loop, 1)
    assert person.action_mask is not None and person.action_mask.any() and person.state_mask.any()
    model = loop.accelerator.unwrap_model(loop.model)
    taught = model(person, torch.Generator().manual_seed(0))
    assert taught.flow.item() > 0 and np.isfinite(taught.total.item())
    run = prepare_run(config, tmp_path / "runs")
    assert train(run, StopRequest()).steps_done == 2
    assert all(np.isfinite(record["loss"]) for record in run.records())
