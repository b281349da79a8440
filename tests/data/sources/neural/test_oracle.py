"""Oracle dreams: every defect is planted where the truth says, and nothing else is changed."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.sources.neural.oracle.oracle import DEFECTS, Dream, Wanted, dream, dreams_of
from gr00t_data.sources.neural.oracle.planting import PlantError
from gr00t_data.sources.neural.replay import replay_in_simulator
from gr00t_data.sources.neural.rollout import NamedScene, RolloutError, roll_out, rollout_of
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_data.video import files as video
from tests.data.builders import GR1, episode, sealed
from tests.data.sources.neural.roll_outs import PICK, PUSH, REACH, rolled_out

ASKED = {
    *("teleport", "vanish", "freeze", "carry", "wrong_object"),
    *("blur", "arm_morph", "idle_tail", "truncation", "time_warp"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return rolled_out(tmp_path_factory.mktemp("sim") / "simulator")


@pytest.fixture(scope="module")
def clean(store: EpisodeStore) -> Dream:
    return next(dreams_of(store, [Wanted(PICK)]))


def planted(store: EpisodeStore, defect: str, index: int = PICK, **changes) -> Dream:
    return next(dreams_of(store, [Wanted(index, defect, **changes)]))


def changed(one: Dream, clean: Dream) -> np.ndarray:
    """bool [T]: frames that are not those of the clean dream at the same place."""
    a, b = one.videos["ego_view"], clean.videos["ego_view"]
    return (a[: len(b)] != b[: len(a)]).any((1, 2, 3))


def test_a_clean_dream_shows_the_episode(store: EpisodeStore, clean: Dream) -> None:
    recorded = video.decode(store.video_path(PICK, "ego_view")).astype(int)
    assert np.abs(clean.videos["ego_view"] - recorded).mean() < 4
    np.testing.assert_array_equal(clean.action, store.action(PICK))
    assert clean.made["scene"] == {"simulator": "tabletop", "task": "pick_and_place", "seed": 5}
    assert "defect" not in clean.made and clean.instruction == store.row(PICK).instruction


@pytest.mark.parametrize("defect", ["teleport", "vanish", "freeze", "carry", "blur", "arm_morph"])
def test_only_the_frames_of_the_truth_are_wrong(store: EpisodeStore, clean: Dream, defect: str) -> None:
    one = planted(store, defect)
    first, last = one.made["defect"]["frames"]
    wrong = changed(one, clean)
    lead = {"carry": 8, "blur": len(wrong)}.get(defect, 0)  # the hand leaves its way first; blur grows from the start
    assert not wrong[: max(first - lead, 0)].any() and wrong[first + 1 : last].mean() > 0.8
    assert one.made["defect"]["severity"] > 0 and one.made["defect"]["name"] == defect


def test_the_defects_that_were_asked_for() -> None:
    assert DEFECTS.keys() >= ASKED


def test_strength_scales_the_truth(store: EpisodeStore) -> None:
    sizes = {strength: planted(store, "carry", strength=strength).made["defect"] for strength in (0.5, 1.0)}
    assert sizes[0.5]["severity"] == pytest.approx(0.05) and sizes[1.0]["severity"] == pytest.approx(0.1)
    assert len(planted(store, "time_warp", strength=1.0).action) == -(-len(store.action(PICK)) // 2)


def test_a_carried_object_is_touched_by_nobody(store: EpisodeStore) -> None:
    one = planted(store, "carry")
    first, last = one.made["defect"]["frames"]
    told = roll_out(NamedScene(**one.made["scene"]), one.action)
    # The true actions of that clip move the robot as the clip does, and so leave the object where it is.
    assert np.abs(told.objects_m(0)[last] - told.objects_m(0)[0]).max() < 0.02
    recorded = rollout_of(store, PICK).objects_m(0)
    assert np.abs(recorded[last] - recorded[0]).max() > 0.05 and first < last


def test_the_wrong_object_is_one_of_the_scene(store: EpisodeStore) -> None:
    one = planted(store, "wrong_object")
    again = replay_in_simulator({"scene": one.made["scene"]}, one.instruction, one.action)
    assert again is not None and again.named not in (0, None)
    assert one.instruction != store.row(PICK).instruction


def test_truncation_and_tails_keep_actions_in_step(store: EpisodeStore) -> None:
    for defect in ("truncation", "idle_tail", "time_warp"):
        one = planted(store, defect)
        assert len(one.action) == len(one.videos["ego_view"])
        assert one.made["defect"]["drawn_by"] == "image operations"
    tail = planted(store, "idle_tail")
    first, last = tail.made["defect"]["frames"]
    assert (tail.action[first:] == tail.action[first]).all() and last == len(tail.action) - 1


def test_a_defect_that_an_episode_cannot_have(store: EpisodeStore, tmp_path: Path) -> None:
    with pytest.raises(PlantError, match="episode 0: the defect 'carry' needs an episode in which the named object"):
        planted(store, "carry", REACH)
    dreams = dream(store, GR1, [Wanted(REACH, "carry"), Wanted(PUSH, "carry")], tmp_path / "dreams")
    assert len(dreams.rows) == 1 and "carry" in dreams.about.source.refused[0].reason
    with pytest.raises(PlantError, match="no dream could be made"):
        dream(store, GR1, [Wanted(REACH, "carry")], tmp_path / "none")
    real = sealed(tmp_path / "real", [episode(30, seed) for seed in range(2)])
    with pytest.raises(PlantError, match="was not recorded in the simulator"):
        planted(real, "vanish", 0)
    with pytest.raises(RolloutError, match="was not recorded in the simulator"):
        rollout_of(real, 0)
    with pytest.raises(ValueError, match="no defect 'melt'"):
        planted(store, "melt")


def test_other_actions_than_recorded_are_not_replayed(store: EpisodeStore, tmp_path: Path) -> None:
    from gr00t_data.sources.sim.demos import record_episode

    strange = record_episode("reach", 5, 64)
    writer = StoreWriter.create(tmp_path / "other", GR1, kind="simulated", licence="Apache-2.0")
    writer.append(type(strange)(**{**vars(strange), "state": strange.state + 0.2}))
    with pytest.raises(RolloutError, match=r"goes 0.2 rad astray"):
        rollout_of(writer.seal(), 0)


def test_dreams_and_their_truth_are_sealed_side_by_side(store: EpisodeStore, tmp_path: Path) -> None:
    wanted = [Wanted(REACH), Wanted(PUSH, "freeze")]
    hidden = dream(store, GR1, wanted, tmp_path / "dreams", truth=tmp_path / "true")
    true = EpisodeStore.open(tmp_path / "true")
    assert hidden.about.absent == ("state", "action") and true.about.absent == ("state",)
    assert not hidden.action(1).any()
    np.testing.assert_array_equal(true.action(1), store.action(PUSH))
    source = hidden.rows[1].source.facts()
    assert source is not None and source["generated"]["defect"]["name"] == "freeze" and source["defect"] == "freeze"
    assert hidden.video_path(1, "ego_view").read_bytes() == true.video_path(1, "ego_view").read_bytes()
