"""A lake that was moved: what its files name is found where it lies now, by files with absolute paths too."""

import json
import shutil
from pathlib import Path

import pytest

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import write_json
from gr00t_data.integrity import RECORD, read_sealed
from gr00t_data.lake import Lake, located, portable
from gr00t_model.evaluate.open_loop import held_out
from gr00t_model.lineage.record import Record
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.config import Model
from gr00t_model.training.key import PolicyRun
from gr00t_model.training.runs.extended import run_beside
from gr00t_model.training.train import train
from tests import NOWHERE
from tests.model.service_lake import add_store, tiny_config, train_tiny
from tests.model.tiny import SMALL

BASE = Model(base="random", changes=SMALL)


def absolute(lake: Lake, old: Path) -> None:
    """Write the paths in a lake's files as they were written before; nothing recorded or sealed files then."""
    for record in lake.root.rglob(RECORD):
        record.unlink()
    for file in [*lake.root.rglob("manifest.json"), *lake.mixtures.glob("*.json")]:
        fields = read_sealed(file)
        for source in fields["sources"]:
            source["store"] = str(old / source["store"])
        write_json(file, fields)
    for file in [*lake.root.rglob("RUN.json"), *lake.root.rglob("train_config.json")]:
        fields = read_sealed(file)
        for section, names in (("data", ("manifest", "statistics", "cache")), ("model", ("base",))):
            told = fields["config"][section]
            told.update({name: str(old / told[name]) for name in names if "/" in told[name]})
        write_json(file, fields)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("first"))
    add_store(lake, "monday", range(4))
    base = train_tiny(lake, model=BASE, steps=2)
    train_tiny(lake, model=Model(base=str(base)), steps=2)
    return lake


def test_no_file_of_a_lake_says_where_it_lies(first: Lake) -> None:
    files = [*first.root.rglob("RUN.json"), *first.root.rglob("train_config.json"), *first.root.rglob("manifest.json")]
    files += [*first.mixtures.glob("*.json"), *(first.root / "current").glob("*.json")]
    assert len(files) > 10
    assert [str(file) for file in files if str(first.root) in file.read_text()] == []


@pytest.mark.parametrize("paths", ["relative", "absolute, as before"])
def test_a_moved_lake_works(first: Lake, tmp_path: Path, paths: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(first.root, tmp_path / "second")
    second = Lake(tmp_path / "second")
    if paths != "relative":
        absolute(second, tmp_path / "gone")
    checkpoint, pointed = second.pointed("checkpoint_gr1"), second.pointed("run_gr1")
    assert checkpoint and pointed
    opened, run = Checkpoint.load(checkpoint[0]), PolicyRun(pointed[0])
    inside = [opened.train_config.data.manifest, opened.train_config.data.statistics, opened.train_config.model.base]
    inside += [run.config().model.base, Record.load(checkpoint[0]).config.model.base or ""]
    assert all(Path(path).exists() and Path(path).is_relative_to(second.root) for path in inside)
    assert {one.store.root.parent for one in held_out(opened.manifest)} == {second.stores}
    going = run_beside(tiny_config(second, model=Model(base=inside[2]), steps=3), second.runs, lambda line: None)
    if paths == "relative":
        assert going.config().earlier == ((2, 2),)
    assert train(going, StopRequest()).state == "complete"


def test_paths_outside_a_lake_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "lake/stores/a").mkdir(parents=True)
    file, other = tmp_path / "lake/mixtures/m.json", tmp_path / "elsewhere"
    assert portable(str(tmp_path / "lake/stores/a"), file) == "stores/a"
    assert located("stores/a", file) == str(tmp_path / "lake/stores/a")
    assert portable(str(other), file) == str(other) and located(str(other), file) == str(other)
    assert located(str(NOWHERE / "lake/stores/a"), file) == str(tmp_path / "lake/stores/a")
    assert located(str(NOWHERE / "a"), file) == str(NOWHERE / "a") and located("", file) == ""


def test_a_manifest_says_relative_paths_and_knows_absolute_ones(first: Lake) -> None:
    path = next(first.mixtures.glob("*.json"))
    assert json.loads(path.read_text())["sources"][0]["store"] == "stores/monday"
    assert MixtureManifest.load(path).sources[0].store == str(first.stores / "monday")
