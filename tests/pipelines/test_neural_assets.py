"""Generated clips in the graph: nothing to do, clips without a model, what a mixture takes of them."""

import json
from pathlib import Path

import dagster as dg
import pytest

from assets.neural import neural_assets
from gr00t_data.disk import read_json
from gr00t_data.lake import Lake
from gr00t_data.sources.neural.oracle.oracle import Wanted, dream
from gr00t_data.stages.mix import weighing_of
from gr00t_data.stages.settings import Shares
from gr00t_data.stages.stores import checked_stores
from gr00t_data.store.provenance import StoreSource
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_model.idm.config import IdmTraining
from gr00t_model.stages.idm import train_idm
from gr00t_model.stages.trajectories import MissingModel, make_trajectories
from tests.data.builders import GR1, episode, sealed
from tests.shell import invoke


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A recorded store of three episodes."""
    lake = Lake(tmp_path / "lake")
    sealed(lake.stores / "recorded", [episode(20, seed) for seed in range(3)])
    return lake


def dreamt(lake: Lake, truth: bool = False) -> EpisodeStore:
    recorded = EpisodeStore.open(lake.stores / "recorded")
    told = lake.stores / "dreams-told" if truth else None
    return dream(recorded, GR1, [Wanted(0), Wanted(1)], lake.stores / "dreams", truth=told)


def names(lake: Lake, patterns: tuple[str, ...] = ("*",)) -> list[str]:
    return [store.root.name for store, _ in checked_stores(lake, GR1, patterns)]


def test_a_lake_without_generated_clips_has_nothing_to_label(lake: Lake) -> None:
    with dg.instance_for_test() as instance:
        result = dg.materialize(
            neural_assets(GR1),
            selection=["dreamed_videos_gr1", "idm_gr1", "neural_trajectories_gr1"],
            resources={"lake": lake},
            instance=instance,
        )
    assert result.success
    for key in ("dreamed_videos_gr1", "idm_gr1", "neural_trajectories_gr1"):
        (event,) = result.asset_materializations_for_node(key)
        assert event.metadata["clips"].value == 0 and event.metadata["why"].value
    assert lake.pointed("idm_gr1") is None


def test_clips_without_a_model_to_label_them(lake: Lake) -> None:
    dreamt(lake)
    with pytest.raises(MissingModel, match=r"1 stores of generated clips .* materialize idm_gr1"):
        make_trajectories(lake, GR1)


def test_a_model_that_guesses_labels_nothing(lake: Lake) -> None:
    dreamt(lake)
    model, _ = train_idm(lake, GR1, training=IdmTraining(steps=1, batch_size=2), say=lambda _: None)
    assert read_json(model / "report.json")["moving"]["idm"]["r2"] < 0.1
    told: list[str] = []
    (one,) = make_trajectories(lake, GR1, say=told.append)
    assert one.accepted is None and "its labels would be guesses" in one.problem == told[0]
    assert names(lake) == ["recorded"]


def ratio(lake: Lake, **wish: object) -> float | None:
    return weighing_of(checked_stores(lake, GR1), Shares.model_validate(wish)).neural_per_real


def test_a_mixture_takes_no_clips_that_nobody_labelled(lake: Lake) -> None:
    assert ratio(lake) is None
    dreamt(lake, truth=True)
    assert names(lake) == ["dreams-told", "recorded"]
    assert names(lake, ("dreams",)) == ["dreams"], "named ones are taken: FLARE learns from them alone"
    assert ratio(lake) == 1.0
    assert ratio(lake, neural_per_real=0.5) == 0.5
    assert ratio(lake, neural_per_real=0.0) is None
    assert ratio(lake, weights={"dreams-told": 0.2}) is None
    ask = ["mix", "--json", "--lake", str(lake.root), "--held-out-share", "0"]
    for more, share in (([], 0.5), (["--weight", "dreams-told=0.2"], 0.2), (["--neural-per-real", "3"], 0.75)):
        told = invoke([*ask, *more])
        assert json.loads(told.stdout)["kinds"]["neural"] == pytest.approx(share), told.output


def test_a_later_judgement_replaces_an_earlier_one(lake: Lake) -> None:
    dreamt(lake, truth=True)
    recorded = lake.stores / "recorded"
    for name in ("told-1", "told-2"):
        source = StoreSource.model_validate({"gated": "dreams-told", "judgement": name})
        writer = StoreWriter.create(lake.stores / name, GR1, kind="neural", licence="MIT", source=source, absent=[])
        writer.append(episode(20, 5 if name == "told-1" else 6))
        accepted = writer.seal()
        lake.point("trajectories_dreams-told", accepted.root, accepted.digest)
        assert names(lake) == [recorded.name, name]
    clips = EpisodeStore.open(lake.stores / "dreams")
    lake.point("trajectories_dreams-told", clips.root, clips.digest)
    assert names(lake) == [recorded.name], "a last judgement accepted none of them"
