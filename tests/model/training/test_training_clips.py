"""Training on videos that are decoded as it goes: no cache on disk, another order, resumed to the bit."""

from pathlib import Path

import pytest

from gr00t_model.training.key import prepare_run, run_key
from gr00t_model.training.settings import override
from gr00t_model.training.train import train
from tests.model.tiny import TinyLake, build
from tests.model.training.test_training_loop import StopAfter, assert_bitwise_equal, never, weights


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


def test_two_and_two_steps_are_four(lake: TinyLake, tmp_path: Path) -> None:
    config = override(lake.config(cache_features=False), ["data.order=clips", f"data.cache={tmp_path / 'cache'}"])
    whole, halves = prepare_run(config, tmp_path / "whole"), prepare_run(config, tmp_path / "halves")
    assert train(whole, never()).steps_done == 4
    train(halves, StopAfter(2))
    train(halves, never())
    assert_bitwise_equal(weights(whole), weights(halves))
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_the_order_is_part_of_the_key(lake: TinyLake) -> None:
    config = lake.config(cache_features=False)
    assert run_key(override(config, ["data.order=clips"])) != run_key(config)
