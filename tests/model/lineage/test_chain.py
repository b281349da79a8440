"""What weights were made from travels in their folder: moved, merged, handed on as an adapter, or without a record."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from gr00t_data.disk import read_json, write_json
from gr00t_data.integrity import RECORD, IntegrityError
from gr00t_data.lake import Lake
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.settings import MixtureSettings, Shares
from gr00t_data.terms.licences import LicenceError
from gr00t_data.terms.withdrawal import Withdrawal, add
from gr00t_model.lineage.chain import CHAIN, LineageError, folder_digest, read_chain
from gr00t_model.lineage.lineage import of_checkpoint
from gr00t_model.lineage.people import ConsentError, consent, of_participant, require_consent
from gr00t_model.lineage.record import Settings, chain_of, links_from, links_of
from gr00t_model.release.licences import licences_of, require_licences
from gr00t_model.training.config import Flare, Lora, Model, TrainConfig
from tests import NOWHERE
from tests.model.damage import flips
from tests.model.lineage.test_withdrawal import add_people
from tests.model.service_lake import GR1, add_store, tiny_config, train_tiny
from tests.model.tiny import SMALL
from tests.shell import invoke

NC = "store kitchen, through base {}: CC-BY-NC-4.0, non-commercial use only"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, list[Path]]:
    """Three checkpoints, each trained on top of the one before on a store of its own; the last is an adapter's."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_store(lake, "kitchen", range(4), licence="CC-BY-NC-4.0")
    first = train_on(lake, ["kitchen"], Model(base="random", changes=SMALL, flare=Flare()))
    add_people(lake, "people", range(4))
    second = train_on(lake, ["people"], Model(base=str(first), flare=Flare()))
    add_store(lake, "robot", range(4, 8), licence="MIT")
    lora = Model(base=str(second), flare=Flare(), lora=Lora(rank=2, alpha=4))
    return lake, [first, second, train_on(lake, ["robot"], lora)]


def train_on(lake: Lake, names: list[str], model: Model) -> Path:
    """A checkpoint of these stores alone."""
    for other in lake.stores.iterdir():
        hidden = other.name.startswith(".")
        if hidden is (other.name.lstrip(".") in names):
            other.rename(other.with_name(other.name.lstrip(".") if hidden else f".{other.name}"))
    trained = train_tiny(lake, model=model)
    for other in lake.stores.glob(".*"):
        other.rename(other.with_name(other.name[1:]))
    return trained


@pytest.fixture
def alone(made: tuple[Lake, list[Path]], tmp_path: Path) -> Path:
    """The last checkpoint, copied out of its lake."""
    shutil.copytree(made[1][2], tmp_path / "alone")
    return tmp_path / "alone"


def names_of(rows: list) -> set[tuple[str, str]]:
    return {(row.store, row.through) for row in rows}


def test_a_checkpoint_that_was_moved_names_all_it_has_learned_from(made, alone: Path, tmp_path: Path) -> None:
    lake, (first, second, last) = made
    here, there = of_checkpoint(lake, last), of_checkpoint(Lake(tmp_path / "empty"), alone)
    assert names_of(here) == names_of(there) == {("robot", ""), ("people", second.name), ("kitchen", first.name)}
    same = [(row.store, row.episode, row.samples, row.licence, row.instruction, row.through) for row in here]
    assert same == [(r.store, r.episode, r.samples, r.licence, r.instruction, r.through) for r in there]
    assert all(row.instruction.startswith("follow the") for row in there)
    assert licences_of(alone) == licences_of(last)
    assert licences_of(alone)["commercial use"] == NC.format(first.name)
    chain = read_chain(alone)
    assert [(link.what, link.name) for link in chain] == [
        ("base", second.name), ("base", first.name), ("base", "random weights"),
    ]  # fmt: skip
    assert chain[0].digest == links_of(second, "base")[0].digest and len(chain[2].digest) == 64


def test_who_withdraws_is_found_in_another_lake(made, alone: Path, tmp_path: Path) -> None:
    other = Lake(tmp_path / "empty")
    other.root.mkdir()
    assert consent(other, chain_of(alone)) == ""
    add(other, Withdrawal("P07"))
    assert consent(other, chain_of(alone)).endswith("clips of participant 'P07', who withdrew")
    config = tiny_config(made[0], model=Model(base=str(alone))).model_dump(mode="json")
    with pytest.raises(ConsentError, match=r"this base has learned from \d clips of participant 'P07'"):
        require_consent(other, Settings.model_validate(config))
    other.checkpoints.mkdir()
    alone.rename(other.checkpoints / "alone")
    assert {row.what for row in of_participant(other, "P07")} == {"clip", "checkpoint"}
    said = invoke(["lineage", other.checkpoints / "alone", "--lake", other.root, "--json"])
    assert "who withdrew" in json.loads(said.stdout)["consent"]


@pytest.mark.parametrize("way", ["a name of the lake", "the adapter alone", "an adapter without a record"])
def test_a_merged_folder_names_what_both_have_seen(made, tmp_path: Path, way: str) -> None:
    lake, (first, second, last) = made
    adapter, base = tmp_path / "adapter", tmp_path / "merged-base"
    shutil.copytree(last / "adapter", adapter)
    shutil.copytree(second, base)
    if way == "an adapter without a record":
        (adapter / CHAIN).unlink()
        (adapter / RECORD).unlink()
    given = last.name if way == "a name of the lake" else adapter
    assert invoke(["merge", given, base, tmp_path / "merged", "--lake", lake.root]).exit_code == 0
    shutil.move(tmp_path / "merged", tmp_path / "moved")
    rows = of_checkpoint(Lake(tmp_path / "empty"), tmp_path / "moved")
    through = {store for store, _ in names_of(rows)}
    lost = way == "an adapter without a record"
    assert through == ({"people", "kitchen"} if lost else {"robot", "people", "kitchen"})
    bars = licences_of(tmp_path / "moved")["commercial use"]
    assert "CC-BY-NC-4.0" in bars and ("adapter adapter, of which no record is found" in bars) is lost
    said = consent(lake, chain_of(tmp_path / "moved"))
    assert said.startswith("unknown") if lost else said == ""
    started = links_of(tmp_path / "moved", "base")
    assert started[0].name == "moved" and first.name in {link.name for link in started}


def test_what_an_embedding_has_seen_counts(made, tmp_path: Path) -> None:
    lake, (first, _, _) = made
    aligned = Flare(target="action_aware", embedding=str(first))
    config = tiny_config(lake, model=Model(base="random", changes=SMALL, flare=aligned)).model_dump(mode="json")
    told = [(link.what, link.name) for link in links_from(Settings.model_validate(config))]
    assert told == [
        ("base", "random weights"), ("embedding", first.name), (f"base of {first.name}", "random weights"),
    ]  # fmt: skip


@pytest.fixture
def old(made, tmp_path: Path) -> tuple[Lake, list[Path]]:
    """The lake as a version before this one left it: no checkpoint holds its chain, or the digests of its files."""
    shutil.copytree(made[0].root, tmp_path / "lake", symlinks=True)
    lake = Lake(tmp_path / "lake")
    for name in (CHAIN, RECORD):
        for path in [*lake.checkpoints.rglob(name), *lake.runs.rglob(name)]:
            path.unlink()
    found = [lake.checkpoints / path.name for path in made[1]]
    for base, checkpoint in pairwise(found):
        versions = read_json(checkpoint / "versions.json")
        write_json(checkpoint / "versions.json", versions | {"base": folder_digest(base)})
    return lake, found


def rebase(checkpoint: Path, base: Path) -> None:
    """Let the configuration name another folder, as one that was made there would."""
    run = read_json(checkpoint / "train_config.json")
    run["config"]["model"]["base"] = str(base)
    write_json(checkpoint / "train_config.json", run)


def test_a_checkpoint_of_before_is_read_through_the_folders_of_its_bases(made, old) -> None:
    lake, (first, second, _) = old
    assert names_of(of_checkpoint(lake, second)) == {("people", ""), ("kitchen", first.name)}
    assert licences_of(second)["commercial use"] == NC.format(first.name)


@pytest.mark.parametrize("fate", ["gone", "other weights"])
def test_a_base_without_a_record_bars(made, old, tmp_path: Path, fate: str) -> None:
    lake, (first, second, _) = old
    rebase(second, tmp_path / "elsewhere" / "base")
    if fate == "other weights":
        shutil.copytree(first, tmp_path / "elsewhere" / "base")
        (tmp_path / "elsewhere" / "base" / "episodes.json").write_text('{"episodes": []}')
    told = licences_of(second)
    assert "unknown" in told["inherited licences"]
    assert "base base, of which no record is found: unknown, nobody said" in told["commercial use"]
    assert consent(lake, chain_of(second)) == "unknown: no record is found of base base"
    started = tiny_config(lake, model=Model(base=str(second)))
    with pytest.raises(ConsentError, match="is unknown: no record is found of base base; put that folder back"):
        require_consent(lake, Settings.model_validate(started.model_dump(mode="json")))
    with pytest.raises(LicenceError, match="base base, of which no record is found, unknown"):
        require_licences(commercial(lake, started))


def commercial(lake: Lake, config: TrainConfig) -> TrainConfig:
    measure_statistics(lake, GR1, Shares(stores=["robot"]))
    mix(lake, GR1, MixtureSettings(stores=["robot"], licence_profile="commercial"))
    path = lake.pointed("mixture_gr1")
    assert path
    return config.model_copy(update={"data": config.data.model_copy(update={"manifest": str(path[0])})})


def test_a_lake_of_before_that_was_moved_finds_its_bases(made, old) -> None:
    lake, (first, second, _) = old
    rebase(second, NOWHERE / "lake/checkpoints" / first.name)
    assert names_of(of_checkpoint(lake, second)) == {("people", ""), ("kitchen", first.name)}


def test_a_record_that_cannot_be_read_is_named(made, alone: Path) -> None:
    for done in flips(alone / CHAIN, 8):
        with pytest.raises((IntegrityError, LineageError), match=CHAIN):
            licences_of(alone)
            pytest.fail(done)
    (alone / RECORD).unlink()  # as one of before
    (alone / CHAIN).write_text('{"chain": [{"what": 3}]}')
    with pytest.raises(LineageError, match=r"lineage.json: is not a record of what weights were made from"):
        licences_of(alone)
