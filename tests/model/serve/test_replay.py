"""Recorded actions in place of a model, by the same path."""

import numpy as np
import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore
from gr00t_model.acting.values import ObservationError
from gr00t_model.serve.replay import Replay, ReplayError
from tests.model.serve.asking import client, flat
from tests.model.serve.conftest import serving
from tests.model.tiny import FRAMES, TinyLake

ROBOT = load_embodiment("gr1")


def test_chunks_follow_each_other_and_the_last_row_stays(tiny_lake: TinyLake) -> None:
    store = EpisodeStore.open(tiny_lake.store)
    replay = Replay.of(store, ROBOT, None, 2)
    recorded = store.action(2)[:, ROBOT.action_part("left_arm").slice].astype(np.float32)
    seen = flat(ROBOT, replay.selection)
    with serving(replay) as running, client(running.zmq) as one:
        first, second, third = (one.ask("A", "get_action", seen)["action.left_arm"] for _ in range(3))
        np.testing.assert_array_equal(first, recorded[:16])
        np.testing.assert_array_equal(second[: FRAMES - 16], recorded[16:])
        assert (second[FRAMES - 16 :] == recorded[-1]).all() and (third == recorded[-1]).all()
        assert one.ask("A", "reset") == {}
        np.testing.assert_array_equal(one.ask("A", "get_action", seen)["action.left_arm"], recorded[:16])
        assert (
            "lacks state.left_arm"
            in one.ask("A", "get_action", {k: v for k, v in seen.items() if k != "state.left_arm"})["error"]
        )
    assert (replay.session.calls, replay.session.refused) == (4, 1)


def test_every_row_of_a_batch_is_given_the_same(tiny_lake: TinyLake) -> None:
    replay = Replay.of(EpisodeStore.open(tiny_lake.store), ROBOT, None, None)
    chunk = replay.act(flat(ROBOT, replay.selection, rows=3)).actions["action.right_hand"]
    assert chunk.shape == (3, 16, 6) and (chunk == chunk[:1]).all()


def test_another_observation_is_refused_as_by_a_policy(tiny_lake: TinyLake) -> None:
    replay = Replay.of(EpisodeStore.open(tiny_lake.store), ROBOT, None, None)
    with pytest.raises(ObservationError, match=r"lacks video\.ego_view"):
        replay.act({})


def test_an_episode_that_is_not_there_is_named(tiny_lake: TinyLake) -> None:
    with pytest.raises(ReplayError, match="no episode 99; it has 0 to 5"):
        Replay.of(EpisodeStore.open(tiny_lake.store), ROBOT, None, 99)
