"""Stores of other rates: chunks at the embodiment's steps, displacements composed, padding masked, too slow refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gr00t_data.batches.loader import Loader
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.values.pace import PacedActions, chunk_reader, composed_parts
from gr00t_data.curate.build import build_index
from gr00t_data.curate.index import Index
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.rates import Pace, RateError
from gr00t_data.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_info, episode, sealed

SIZES: dict[str, Any] = {"batch_size": 2, "max_state_dim": 64, "max_action_dim": 32, "horizon": 4}
SHORT = replace(GR1, action_horizon=4)


def part(name: str, dim: int, **changes: Any) -> Part:
    whole = Part(name, 0, dim, "1", None, None, True, "float64", "identity", tuple("abcdef"[:dim]), "action")
    return replace(whole, **changes)


def recorded(tmp_path: Path, hz: float, rows: int = 30, seed: int = 0) -> EpisodeStore:
    """A store whose rows are 1/hz s apart."""
    one = episode(rows, seed, times_s=np.arange(rows) / hz)
    return change_info(sealed(tmp_path / f"at{hz:g}-{seed}", [one]), fps=hz)


def mixture(tmp_path: Path, *stores: EpisodeStore) -> tuple[MixtureManifest, list[tuple[EpisodeStore, Index]]]:
    checked = [(store, build_index(store, GR1, tmp_path / "index")) for store in stores]
    return build_manifest("rates", GR1, [(*one, 1.0) for one in checked], held_out_share=0), checked


@pytest.mark.parametrize(
    ("hz", "rows"), [(20, [0, 1, 2, 3]), (40, [0, 2, 4, 6]), (30, [0, 1, 3, 4]), (10, [0, 0, 1, 1]), (50, [0, 2, 5, 7])]
)
def test_commands_hold(hz: float, rows: list[int]) -> None:
    """Step k of a chunk at 20 Hz takes the last command sent by k/20 s."""
    pace = Pace.of(hz, 20, "s")
    assert pace.held_rows(4).tolist() == rows
    values = np.arange(40.0)[:, None]
    chunk, valid = PacedActions.of({"arm": values}, [part("arm", 1)], pace).chunk(3, 4)
    assert chunk["arm"][:, 0].tolist() == [3 + row for row in rows] and valid.all()


def test_rates_of_many_steps_stay_exact() -> None:
    """A whole number of rows a step gives that number, however far ahead; thirds and sevenths do not drift."""
    assert Pace(60, 20).held_rows(10_000).tolist() == list(range(0, 30_000, 3))
    assert Pace(20, 60).held_rows(9_999)[::3].tolist() == list(range(3_333))
    assert Pace(20.02, 20).held_rows(500).tolist() == list(range(500))


def test_displacements_are_summed_over_each_step() -> None:
    steps = np.random.default_rng(0).normal(size=(12, 2))
    moving = PacedActions.of({"base": steps}, [part("base", 2, absolute=False)], Pace(40, 20))
    chunk, valid = moving.chunk(3, 6)
    np.testing.assert_allclose(chunk["base"][:4], steps[3:11].reshape(4, 2, 2).sum(1), atol=1e-7)
    np.testing.assert_allclose(chunk["base"][4], steps[11], atol=1e-7)
    assert valid.tolist() == [True] * 4 + [False] * 2 and not chunk["base"][5].any()
    halves, _ = PacedActions.of({"base": steps}, [part("base", 2, absolute=False)], Pace(10, 20)).chunk(0, 24)
    np.testing.assert_allclose(halves["base"], np.repeat(steps / 2, 2, axis=0), atol=1e-6)


def test_turns_are_composed_in_order() -> None:
    turns = np.array([[0.4, 0, 0], [0, 0.3, 0], [0, 0, 0.2], [0.1, 0, 0]])
    hand = part("hand", 3, absolute=False, rotation="axis_angle")
    chunk, valid = PacedActions.of({"hand": turns}, [hand], Pace(40, 20)).chunk(0, 3)
    x, y, z, w = axis_angle_to_matrix(turns)
    np.testing.assert_allclose(chunk["hand"][:2], matrix_to_axis_angle(np.stack([y @ x, w @ z])), atol=1e-7)
    assert valid.tolist() == [True, True, False] and np.abs(chunk["hand"][2]).max() < 1e-9


def test_measured_as_training_sees_them() -> None:
    steps = np.arange(1.0, 7.0)[:, None]
    parts = [part("base", 1, absolute=False), part("arm", 1)]
    values = {"base": steps, "arm": 10 * steps}
    found = composed_parts(values, parts, Pace(40, 20))
    np.testing.assert_allclose(found["base"][:, 0], [3, 5, 7, 9, 11], atol=1e-7)
    assert found["arm"][:, 0].tolist() == [10, 20, 30, 40, 50]
    assert composed_parts(values, parts, Pace(20, 20)) is values


def test_a_batch_of_two_rates(tmp_path: Path) -> None:
    """The same motion twice as fast recorded: the chunks, masks and future frames are of the same times."""
    same, fast = recorded(tmp_path, 20), recorded(tmp_path, 40, 40, 1)
    manifest, checked = mixture(tmp_path, same, fast)
    assert [source.recorded_hz for source in manifest.sources] == [None, 40.0]
    assert MixtureManifest.load(saved(manifest, tmp_path)) == manifest
    loader = Loader([Member(manifest, measure(checked, GR1), SHORT)], with_images=False, horizon_frames=4, **SIZES)
    batch = loader.batch_of([SampleId(0, 0, 5), SampleId(1, 0, 20), SampleId(1, 0, 35)])
    assert batch.control_hz is not None and batch.control_hz.tolist() == [20, 20, 20]
    assert batch.action is not None and batch.action_mask is not None and batch.future_mask is not None
    raw = loader.rows[0].action_transform.inverse(batch.action.double().numpy())["right_arm"]
    np.testing.assert_allclose(raw[0], same.action(0)[5:9, 22:29], atol=1e-6)
    np.testing.assert_allclose(raw[1], fast.action(0)[[20, 22, 24, 26], 22:29], atol=1e-6)
    assert batch.action_mask[:, :, 0].tolist() == [[True] * 4, [True] * 4, [True, True, True, False]]
    assert batch.future_mask.tolist() == [True, True, False]
    future, real = loader.rows[0].future([SampleId(0, 0, 5), SampleId(1, 0, 20), SampleId(1, 0, 35)], 4)
    assert future.tolist() == [9, 28, 39] and real.tolist() == [True, True, False]


def saved(manifest: MixtureManifest, folder: Path) -> Path:
    manifest.save(folder / "m.json")
    return folder / "m.json"


def test_displacements_in_a_batch(tmp_path: Path) -> None:
    fast = recorded(tmp_path, 40, 40)
    robot: Embodiment = replace(SHORT, action=tuple(replace(p, absolute=p.name != "right_arm") for p in GR1.action))
    manifest, checked = mixture(tmp_path, fast)
    loader = Loader([Member(manifest, measure(checked, robot), robot)], with_images=False, **SIZES)
    batch = loader.batch_of([SampleId(0, 0, 10), SampleId(0, 0, 37)])
    assert batch.action is not None and batch.action_mask is not None
    raw = loader.rows[0].action_transform.inverse(batch.action.double().numpy())["right_arm"]
    np.testing.assert_allclose(raw[0], fast.action(0)[10:18, 22:29].reshape(4, 2, 7).sum(1), atol=1e-6)
    assert batch.action_mask[1, :, 0].tolist() == [True, False, False, False]


def test_rates_that_agree_change_nothing(tmp_path: Path) -> None:
    """To the last bit: 29.97 for 30 is the same rate."""
    store = recorded(tmp_path, 20)
    near = change_info(sealed(tmp_path / "near", [episode(30)]), fps=19.98)
    batches = []
    for one in (store, near):
        manifest, checked = mixture(tmp_path, one)
        assert manifest.sources[0].recorded_hz is None and "recorded_hz" not in str(manifest.to_dict())
        loader = Loader([Member(manifest, measure(checked, GR1), SHORT)], with_images=False, **SIZES)
        batches.append(loader.batch_of([SampleId(0, 0, 3), SampleId(0, 0, 28)]))
    assert torch.equal(batches[0].action, batches[1].action)
    assert torch.equal(batches[0].action_mask, batches[1].action_mask)


def test_a_store_that_is_too_slow_is_refused(tmp_path: Path) -> None:
    slow = recorded(tmp_path, 20)
    manifest, checked = mixture(tmp_path, slow)
    fast_robot = replace(SHORT, control_hz=60.0)
    where = r"at20-0: has 20 rows a second, the embodiment runs at 60 Hz, 3 times as fast; at most 2 times"
    with pytest.raises(RateError, match=where):
        build_manifest("m", fast_robot, [(*checked[0], 1.0)])
    with pytest.raises(RateError, match=where):
        Loader([Member(manifest, measure(checked, GR1), fast_robot)], with_images=False, **SIZES)
    for fps in (0.0, float("nan")):
        with pytest.raises(RateError, match="fps is"):
            Pace.of(fps, 20, "s")


def test_recorded_chunks_for_evaluation() -> None:
    parts, values = [part("arm", 1), part("base", 1, absolute=False)], np.arange(1.0, 11.0)[:, None]
    same, valid = chunk_reader({"arm": values, "base": values}, parts, Pace(20, 20))(8, 3)
    assert same["arm"][:, 0].tolist() == [9, 10, 10] and same["base"][:, 0].tolist() == [9, 10, 0]
    assert valid.tolist() == [True, True, False]
    fast, valid = chunk_reader({"arm": values, "base": values}, parts, Pace(40, 20))(6, 3)
    assert fast["arm"][:, 0].tolist() == [7, 9, 10] and valid.tolist() == [True, True, False]
    np.testing.assert_allclose(fast["base"][:, 0], [15, 19, 0], atol=1e-6)
