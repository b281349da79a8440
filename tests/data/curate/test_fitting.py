"""A set without a camera that the default selection wants: the selection that fits is taken, and said."""

from dataclasses import replace
from pathlib import Path

import pytest

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.curate.build import build_index
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, episode, sealed

ONE = replace(GR1.selection(), name="one")
BOTH = replace(ONE, name="both", cameras=("ego_view", "front_view"))
NEITHER = replace(ONE, name="front", cameras=("front_view",))


def robot(*selections: object) -> Embodiment:
    named = {one.name: one for one in (BOTH, ONE, NEITHER) if one in selections}
    return replace(GR1, selections=named, default_selection="both")


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    return sealed(tmp_path / "s", [episode(), episode(seed=1)])


def test_the_selection_that_fits_is_taken_and_said(store: EpisodeStore, tmp_path: Path) -> None:
    wanted = robot(BOTH, ONE, NEITHER)
    index = build_index(store, wanted, tmp_path / "index")
    assert [verdict.accepted for verdict in index.verdicts] == [True, True]
    assert [(f.code, f.severity) for f in index.findings if f.code == "META-07"] == [("META-07", "info")] * 2
    told = next(f.message for f in index.findings if f.code == "META-07")
    assert "default selection 'both' (ego_view, front_view); selection 'one' (ego_view) is taken" in told
    assert build_manifest("m", wanted, [(store, index, 1.0)]).selection == "one"
    with pytest.raises(ValueError, match="has no camera 'front_view'"):
        build_manifest("m", wanted, [(store, index, 1.0)], selection="both")


def test_without_one_that_fits_it_is_an_error(store: EpisodeStore, tmp_path: Path) -> None:
    index = build_index(store, robot(BOTH, NEITHER), tmp_path / "index")
    assert not index.accepted
    assert [f.severity for f in index.findings if f.code == "META-07"] == ["error"]


def test_more_cameras_than_the_robot_wants_are_no_fault(store: EpisodeStore, tmp_path: Path) -> None:
    assert GR1.fitting(["ego_view", "another"]) is GR1
    assert robot(BOTH, ONE).fitting(["ego_view", "front_view"]).default_selection == "both"
