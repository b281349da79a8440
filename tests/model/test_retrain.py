"""Decisions about retraining, without Dagster."""

import pytest

from gr00t_data.lake import Lake
from gr00t_model.retrain import RetrainError, Retraining, decide
from tests.model.service_lake import GR1, add_store


def test_settings_come_from_the_environment_or_are_refused(monkeypatch):
    assert Retraining.from_environment() == Retraining(10, 600.0, "base")
    for name, value in (("MIN_EPISODES", "many"), ("QUIET_MINUTES", "-1"), ("START", "scratch")):
        with monkeypatch.context() as patch:
            patch.setenv(f"GR00T_RETRAIN_{name}", value)
            with pytest.raises(RetrainError, match=f"GR00T_RETRAIN_{name}"):
                Retraining.from_environment()


def test_arrivals_and_clocks_that_jump_back_start_the_quiet_time_anew(tmp_path):
    lake, settings = Lake(tmp_path / "lake"), Retraining(1, 60.0)
    add_store(lake, "monday", range(2))
    first = decide(lake, GR1, settings, {}, 1000.0)
    assert not first.train and decide(lake, GR1, settings, first.memory, 1060.0).train
    back = decide(lake, GR1, settings, first.memory, 10.0)
    assert not back.train and decide(lake, GR1, settings, back.memory, 70.0).train
    add_store(lake, "tuesday", range(2, 4))
    second = decide(lake, GR1, settings, first.memory, 1060.0)
    assert not second.train and second.new_episodes == 4 and second.content != first.content


def test_a_store_that_is_not_checked_yet_is_waited_for(tmp_path):
    lake = Lake(tmp_path / "lake")
    add_store(lake, "monday", range(2))
    for index in lake.index.iterdir():
        index.unlink()
    assert "not every store is checked yet: monday" in decide(lake, GR1, Retraining(1, 0.0), {}, 0.0).reason
