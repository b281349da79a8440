"""Lineage both ways, and a run made again from its record."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.curate.index import load_index, save_index
from gr00t_data.disk import read_json, write_json
from gr00t_data.integrity import RECORD, read_sealed
from gr00t_data.lake import Lake
from gr00t_data.stages.names import find_checkpoint
from gr00t_model.evaluate.evaluation import Evaluation, OpenLoopErrors, PartErrors
from gr00t_model.lineage.chain import LineageError
from gr00t_model.lineage.lineage import of_checkpoint, of_episode
from gr00t_model.lineage.record import Record
from gr00t_model.loop.stop import StopRequest
from gr00t_model.release.card import card
from gr00t_model.release.history import Event, release
from gr00t_model.release.reproduce import reproduce, same_weights
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.config import Flare, Model
from gr00t_model.training.key import PolicyRun
from gr00t_model.training.train import train
from tests.model.service_lake import GR1, add_store, train_tiny
from tests.shell import invoke


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Lake, Path, Path]:
    """Two stores; one checkpoint of the first, one of both that starts from it."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_store(lake, "monday", range(6))
    first = train_tiny(lake)
    add_store(lake, "tuesday", range(6, 10), licence="MIT")
    second = train_tiny(lake, model=Model(base=str(first), flare=Flare()))
    release(lake, "gr1", second, Checkpoint.load(second).digest)
    return lake, first, second


def test_a_checkpoint_names_every_episode_with_verdict_and_licence(made):
    lake, first, second = made
    rows = of_checkpoint(lake, first)
    assert sum(row.samples for row in rows) == 4 * 3
    assert {row.store for row in rows} == {"monday"} and {row.licence for row in rows} == {"CC-BY-4.0"}
    assert {row.verdict_today for row in rows} == {"accepted"} and rows[0].source.startswith("monday (seed")
    assert all(row.instruction.startswith("follow the") for row in rows)
    both = of_checkpoint(lake, second)
    assert {row.through for row in both} == {"", first.name}
    assert sum(row.samples for row in both) == 2 * 4 * 3


def test_the_card_of_a_checkpoint_names_the_data_of_those_it_started_from(made):
    _, first, second = made
    still = PartErrors(policy=0, hold_last=0, mean_action=0, ratio=None, unit="rad")
    opened = OpenLoopErrors(episodes=0, chunks=0, parts={}, overall=still)
    content = Evaluation(checkpoint="ab", recipe="tiny", steps=4, open_loop=opened)
    event = Event(2, "release", "ab", "checkpoints/ab", "now", ("tried",))
    text = card(Record.load(second), content, event)
    assert "| tuesday | real | MIT |" in text and f"| {first.name} |" in text
    assert f"Trained on from `{first.name}`. Base `random weights`, licence: none" in text


def test_an_episode_names_everything_that_holds_it(made):
    lake, first, _ = made
    held_out = read_json(first / "manifest.json")["held_out"][0][1]
    how = {(row.what, row.name): row.how for row in of_episode(lake, f"monday/{held_out}")}
    assert how["store", "monday"] == "accepted; real, CC-BY-4.0"
    assert how["checkpoint", first.name] == "held out, never drawn"
    assert sum(what == "manifest" for what, _ in how) == 2
    digest = read_json(lake.stores / "tuesday/meta/seal.json")["digest"]
    rows = of_episode(lake, digest[:10])
    assert {row.what for row in rows} == {"store", "manifest", "checkpoint (released_gr1)"}
    with pytest.raises(LineageError, match="holds that episode"):
        of_episode(lake, "tuesday/99")
    with pytest.raises(LineageError, match="known stores: monday, tuesday"):
        of_episode(lake, "friday")
    with pytest.raises(LineageError, match="1234567890: neither"):  # a digest may begin with digits only
        of_episode(lake, "1234567890")


def test_checkpoints_are_found_by_name_digest_and_pointer(made):
    lake, first, second = made
    assert find_checkpoint(lake, first.name) == find_checkpoint(lake, first.name[-8:]) == first
    assert find_checkpoint(lake, "released_gr1") == find_checkpoint(lake, str(second)) == second
    assert find_checkpoint(lake, "monday") is None
    done = invoke(["lineage", "released_gr1", "--lake", str(lake.root), "--json"])
    assert json.loads(done.stdout)["licences"] == "CC-BY-4.0, MIT"
    done = invoke(["lineage", "tuesday", "--lake", str(lake.root)])
    assert done.exit_code == 0 and "manifest" in done.stdout


@pytest.fixture
def copy(made, tmp_path) -> tuple[Lake, Path, Path]:
    shutil.copytree(made[0].root, tmp_path / "lake")
    lake = Lake(tmp_path / "lake")
    return lake, lake.checkpoints / made[1].name, lake.checkpoints / made[2].name


def test_the_verdict_is_that_of_the_index_that_the_mixture_used(copy):
    lake, first, _ = copy
    (used,) = {source.index for source in MixtureManifest.load(first / "manifest.json").sources}
    index = load_index(lake.index / used)
    rejected = tuple(replace(verdict, accepted=False) for verdict in index.verdicts)
    newer = replace(index, rules_digest=64 * "0", verdicts=rejected)
    save_index(lake.index / newer.file_name, newer)
    assert {row.verdict_today for row in of_checkpoint(lake, first)} == {"accepted"}
    (lake.index / used).unlink()
    assert {row.verdict_today for row in of_checkpoint(lake, first)} == {"rejected: "}


def test_the_run_made_again_leaves_the_same_weights(copy):
    lake, first, _ = copy
    again = reproduce(lake, first)
    assert again.same and again.run and again.run.key == PolicyRun(lake.runs / again.run.root.name).key
    train(again.run, StopRequest())
    assert same_weights(first, again.run.checkpoint)


def before(checkpoint: Path) -> Path:
    """As one of before, that anybody may have changed: neither a record nor its name holds a digest."""
    (checkpoint / RECORD).unlink()
    return checkpoint.rename(checkpoint.with_name(f"{checkpoint.name[:-16]}of-before-{checkpoint.name[-4:]}"))


def test_differences_are_named(copy):
    lake, first, second = (copy[0], *map(before, copy[1:]))
    versions = read_json(first / "versions.json")
    versions["libraries"]["numpy"] = "1.0"
    write_json(first / "versions.json", {**versions, "code": "0" * 64})
    rows = {row["what"]: row for row in reproduce(lake, first).differences}
    assert rows.keys() == {"code", "numpy"} and rows["numpy"]["then"] == "1.0"
    (lake.stores / "monday").rename(lake.stores / "moved")  # found by its digest
    assert reproduce(lake, first).differences == list(rows.values())
    config = read_json(second / "train_config.json")
    config["config"]["model"]["base"] = str(lake.root / "nowhere")
    write_json(second / "train_config.json", config)
    shutil.rmtree(lake.stores / "tuesday")
    manifest = read_sealed(second / "manifest.json")
    for source in manifest["sources"]:
        source["store"] = str(lake.stores / Path(source["store"]).name)
    write_json(second / "manifest.json", manifest)
    gone = reproduce(lake, second)
    assert gone.run is None and {r["what"].split()[0] for r in gone.differences if r["now"] == "gone"} == {
        "base",
        "store",
    }
    done = invoke(["reproduce", second.name, "--lake", str(lake.root), "--json"])
    assert done.exit_code == 1 and json.loads(done.stdout)["run"] is None


def test_what_is_no_checkpoint_says_so(tmp_path):
    with pytest.raises(LineageError, match="is not a checkpoint"):
        of_checkpoint(Lake(tmp_path), tmp_path)
    assert GR1.name == "gr1"
