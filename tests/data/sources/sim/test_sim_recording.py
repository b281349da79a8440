"""Recording: episodes, stores that resume, stills that do not depend on the number of workers."""

import numpy as np
import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.sources.sim.demos import record_demos, record_episode
from gr00t_data.sources.sim.env import TabletopEnv
from gr00t_data.sources.sim.stills import render_stills
from gr00t_data.sources.sim.tasks import TASKS
from gr00t_data.store.writing import StoreWriter

SIZE = 64


def new_store(folder):
    return StoreWriter.create(folder, load_embodiment("gr1"), kind="simulated", licence="Apache-2.0")


def test_a_recorded_episode_starts_as_the_environment_does_and_replays_to_success():
    episode = record_episode("reach", 4, SIZE)
    env = TabletopEnv("reach", SIZE)
    observation, _ = env.reset(4)
    pictures = episode.video["ego_view"]
    assert isinstance(pictures, np.ndarray)
    assert np.array_equal(pictures[0], observation["video"]["ego_view"])
    assert np.array_equal(episode.state[0], observation["state"])
    *_, info = env.step_chunk(episode.action)
    assert info["success"] and episode.success
    assert np.allclose(np.diff(episode.times_s), 0.05)


def test_shoves_change_the_way_but_not_the_honesty():
    calm, shoved = record_episode("reach", 4, SIZE), record_episode("reach", 4, SIZE, shoves=True)
    assert shoved.source.shoves and not calm.source.shoves
    assert np.array_equal(calm.state[0], shoved.state[0])
    rows = min(len(calm), len(shoved))
    assert not np.array_equal(calm.state[:rows], shoved.state[:rows])


def test_recording_resumes_and_does_not_depend_on_workers(tmp_path):
    whole, pieces = new_store(tmp_path / "whole"), new_store(tmp_path / "pieces")
    assert record_demos(whole, TASKS, 4, seed=7, workers=1, image_size=SIZE) == [0, 1, 2, 3]
    assert record_demos(pieces, TASKS, 2, seed=7, workers=1, image_size=SIZE) == [0, 1]
    done = []
    written = record_demos(pieces, TASKS, 4, 7, workers=2, image_size=SIZE, progress=lambda k, n: done.append((k, n)))
    assert written == [2, 3] and done == [(3, 4), (4, 4)]
    assert whole.seal().digest == pieces.seal().digest


def test_unknown_tasks_are_refused(tmp_path):
    with pytest.raises(ValueError, match="pick_and_place"):
        record_demos(new_store(tmp_path / "store"), ["all"], 1, seed=0)


def test_stills_point_at_the_named_object_and_do_not_depend_on_workers():
    stills = render_stills(70, 1, SIZE)
    assert stills.images.shape == (70, SIZE, SIZE, 3) and len(stills.instructions) == 70
    assert np.all((stills.target_px > 0) & (stills.target_px < 1))
    assert np.mean(stills.visible > 0) > 0.9
    placed = [task != "reach" for task in stills.tasks]
    assert np.array_equal(np.isfinite(stills.place_px).all(axis=1), placed)
    assert len(np.unique(stills.images.reshape(70, -1), axis=0)) == 70
    again = render_stills(70, 1, SIZE, workers=2)
    assert np.array_equal(stills.images, again.images) and stills.instructions == again.instructions
