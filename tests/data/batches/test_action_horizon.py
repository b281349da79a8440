"""The horizon of an embodiment and the model's: obeyed where the model has more steps, refused where it has fewer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.batches.loader import Loader
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.horizon import chunk_steps
from tests.data.builders import GR1, episode, sealed

GAP = 20
"""First row after 0.2 s without one."""
OPTIONS: dict[str, Any] = {"batch_size": 256, "max_state_dim": 64, "max_action_dim": 32, "with_images": False}


def robot(folder: Path, steps: int) -> Embodiment:
    """gr1 with another ``action_horizon`` in its YAML."""
    path = folder / f"gr1_{steps}.yaml"
    path.write_text(GR1.text.replace("action_horizon: 16", f"action_horizon: {steps}"))
    return load_embodiment(path)


def member(folder: Path, steps: int) -> Member:
    """A mixture of one episode of 40 frames with a gap before frame 20."""
    own, times_s = robot(folder, steps), np.arange(40) / 20
    times_s[GAP:] += 0.2
    store = sealed(folder / "gapped", [episode(40, times_s=times_s)], robot=own)
    index = build_index(store, own, folder / "index")
    manifest = build_manifest("gapped", own, [(store, index, 1.0)], held_out_share=0)
    return Member(manifest, measure([(store, index)], own), own)


def test_no_chunk_of_a_shorter_horizon_crosses_a_gap(tmp_path: Path) -> None:
    own = member(tmp_path, 8)
    assert own.manifest.sources[0].episodes[0].keep == ((0, 13), (20, 40))
    loader = Loader([own], horizon=16, **OPTIONS)
    samples, batch = loader.samples(0), next(iter(loader))
    assert batch.action is not None and batch.action_mask is not None and batch.action.shape[1:] == (16, 32)
    assert not batch.action_mask[:, 8:].any()
    for sample, mask in zip(samples, batch.action_mask.any(dim=2), strict=True):
        rows = sample.frame + np.flatnonzero(mask.numpy())
        assert len(rows) == min(8, 40 - sample.frame)
        assert (rows < GAP).all() or (rows >= GAP).all()


def test_a_longer_horizon_than_the_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"action_horizon is 32 steps, the model predicts 16; widen the model"):
        Loader([member(tmp_path, 32)], horizon=16, **OPTIONS)


def test_fewer_steps_than_the_embodiment_has(tmp_path: Path) -> None:
    assert chunk_steps(GR1, 16) == chunk_steps(GR1, 20) == 16
    assert chunk_steps(GR1, 16, 5) == 5
    for acting_steps in (0, 17):
        with pytest.raises(ValueError, match=f"acting_steps is {acting_steps}, expected 1 to its action_horizon of 16"):
            chunk_steps(GR1, 32, acting_steps)
