"""Decisions about retraining, without Dagster."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_model.retrain.retrain import RetrainError, Retraining, decide
from tests.model.service_lake import GR1, add_store, train_tiny


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


@pytest.fixture
def opened(tmp_path) -> Iterator[list[str]]:
    """Names of the files below the lake that this process opens."""
    names: list[str] = []
    watching = [True]

    def heard(event: str, arguments: tuple) -> None:
        if watching[0] and event == "open" and str(arguments[0]).startswith(str(tmp_path)):
            names.append(Path(str(arguments[0])).relative_to(tmp_path / "lake").as_posix())

    sys.addaudithook(heard)
    yield names
    watching[0] = False  # a hook stays for as long as the process lives


def test_a_look_reads_what_is_new_and_nothing_else(tmp_path, opened):
    lake, settings = Lake(tmp_path / "lake"), Retraining(1, 0.0)
    for number in range(4):
        add_store(lake, f"day{number}", range(2 * number, 2 * number + 2))
    train_tiny(lake)
    pointer = "current/checkpoint_gr1.json"
    first = decide(lake, GR1, settings, {}, 0.0)
    opened.clear()
    again = decide(lake, GR1, settings, json.loads(json.dumps(first.memory)), 1.0)
    assert opened == [pointer] and not again.train and again.content == first.content
    store = add_store(lake, "later", range(8, 11))
    opened.clear()
    later = decide(lake, GR1, settings, again.memory, 2.0)
    assert later.train and later.new_episodes == 3
    mine = [f"index/{store.digest[:16]}-", "stores/later/meta/"]
    others = [name for name in opened if not name.startswith((*mine, pointer, "checkpoints/"))]
    assert others == [] and len([name for name in opened if name.startswith("stores/later/")]) <= 4
    opened.clear()
    assert decide(lake, GR1, settings, later.memory, 3.0).train and opened == [pointer]
    assert decide(lake, GR1, settings, {}, 3.0).content == later.content


def test_another_checkpoint_another_index_and_a_lost_store_are_noticed(tmp_path):
    lake, settings = Lake(tmp_path / "lake"), Retraining(1, 0.0)
    add_store(lake, "monday", range(3))
    before = decide(lake, GR1, settings, {}, 0.0)
    assert before.new_episodes == 3
    train_tiny(lake)
    after = decide(lake, GR1, settings, before.memory, 0.0)
    assert after.new_episodes == 0 and after.content == before.content
    (index,) = lake.index.glob("*.json")
    value = json.loads(index.read_text())
    value["verdicts"][1]["accepted"] = False
    index.write_text(json.dumps(value))
    assert decide(lake, GR1, settings, after.memory, 0.0).content != after.content
    shutil.rmtree(lake.stores / "monday")
    assert "no accepted episode" in decide(lake, GR1, settings, after.memory, 0.0).reason
