"""One changed byte in a lake: the verbs name the file before they use it, mend what can be made again, and go on."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.curate.index import load_index
from gr00t_data.integrity import IntegrityError
from gr00t_data.lake import Lake
from gr00t_data.stages.stores import checked_stores
from gr00t_data.store.store import StoreError
from gr00t_model.lineage.lineage import of_episode
from tests.model.service_lake import GR1, copy_of
from tests.shell import invoke

ROWS, VIDEO = "data/chunk-000/episode_000001.parquet", "videos/chunk-000/observation.images.ego_view/episode_000001.mp4"


@pytest.fixture
def lake(good_and_bad: Lake, tmp_path: Path) -> Lake:
    return copy_of(good_and_bad, tmp_path)


def flipped(path: Path, count: int = 20) -> Iterator[None]:
    """The file with one random bit changed, each time another one."""
    whole, places = path.read_bytes(), np.random.default_rng(len(path.name))
    for _ in range(count):
        content = bytearray(whole)
        content[places.integers(len(content))] ^= 1 << places.integers(8)
        path.write_bytes(content)
        yield
    path.write_bytes(whole)


def test_a_store_with_changed_rows_is_left_out_and_named(lake: Lake, caplog) -> None:
    told = "episode 1: was changed after sealing"
    for _ in flipped(lake.stores / "bad" / ROWS, 1):
        for words in (["stats"], ["mix"], ["mix", "preview"]):
            done = invoke([*words, "--lake", lake.root, "--json"])
            assert done.exit_code == 0, done.output
            assert told in json.loads(done.stdout)["left out"]["bad"]
        assert f"store bad is left out: {lake.stores / 'bad' / ROWS}: {told}" in caplog.text
        with pytest.raises(StoreError, match=told):
            checked_stores(lake, GR1, ["bad"])
        assert invoke(["mix", "--lake", lake.root, "--stores", "bad"]).exit_code == 2
    assert len(checked_stores(lake, GR1)) == 2


@pytest.mark.parametrize("name", [ROWS, VIDEO])
def test_doctor_names_the_episode_and_export_refuses(lake: Lake, tmp_path: Path, name: str) -> None:
    for _ in flipped(lake.stores / "bad" / name, 2):
        report = json.loads(invoke(["doctor", str(lake.stores / "bad"), "--json"]).stdout)
        found = {
            e["episode_index"]: [f["code"] for f in e["findings"] if f["severity"] == "error"]
            for e in report["episodes"]
        }
        assert found == {0: [], 1: ["SEAL-01"], 2: [], 3: []}
        words = ["mix", "export", "mixture_gr1", str(tmp_path / "v3"), "--held-out", "--lake", lake.root]
        done = invoke(words)
        assert done.exit_code == 2 and "was changed after sealing" in " ".join(done.output.split())
        assert not (tmp_path / "v3").exists()


def test_facts_that_cannot_be_made_again_are_refused(lake: Lake) -> None:
    (manifest,), statistics = lake.mixtures.glob("*.json"), next(lake.statistics.glob("*.json"))
    for path, read in ((manifest, MixtureManifest.load), (statistics, NormStats.load)):
        for _ in flipped(path):
            with pytest.raises(IntegrityError, match=rf"{path}: .*(make it|measure them) again"):
                read(path)
        read(path)
        other = path.with_name("0123456789abcdef.json")
        shutil.copyfile(path, other)
        with pytest.raises(IntegrityError, match=r"0123456789abcdef\.json: holds what is named .*renamed or replaced"):
            read(other)
        other.unlink()
    for _ in flipped(manifest, 1):
        assert invoke(["mix", "preview", "--manifest", "mixture_gr1", "--lake", lake.root]).exit_code == 2


def test_what_can_be_made_again_is_and_it_is_said(lake: Lake, caplog) -> None:
    shutil.rmtree(lake.index)  # what an index says names the files where they were
    assert invoke(["mix", "--lake", lake.root]).exit_code == 0
    before = {path: path.read_bytes() for path in lake.root.rglob("*.json")}
    for pattern, verb in (("index/*.json", "mix"), ("statistics/tallies/*", "stats"), ("cache/motions/*", "mix")):
        path = sorted(lake.root.glob(pattern))[0]
        for _ in flipped(path, 3):
            caplog.clear()
            assert invoke([verb, "--lake", lake.root]).exit_code == 0
            assert f"{path}: is not the file that was written" in caplog.text
            assert {file: file.read_bytes() for file in before} == before


def test_an_index_of_another_store_is_not_believed(lake: Lake) -> None:
    first, second = sorted(lake.index.glob("*.json"))
    shutil.copyfile(first, second)
    with pytest.raises(IntegrityError, match=f"{second}: holds the index {first.name}; delete it"):
        load_index(second)
    rows = [*of_episode(lake, "good/0"), *of_episode(lake, "bad/0")]
    assert sum("cannot be read" in row.how for row in rows if row.what == "store") == 1
