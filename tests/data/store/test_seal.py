"""A sealed store is read only as it was sealed: whichever file is another, it is named before a value of it is used."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.curate.doctor import diagnose
from gr00t_data.curate.repair.repair import repair
from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.lerobot.convert import convert
from gr00t_data.progress import silent
from gr00t_data.store.store import ABOUT, SEAL, EpisodeStore, StoreError, listed_in, read_through
from gr00t_data.store.writing import StoreWriter
from tests.data.builders import GR1, episode, sealed

METADATA = (
    "info.json",
    "about.json",
    "modality.json",
    "tasks.jsonl",
    "episodes.jsonl",
    "episodes_stats.jsonl",
    "stats.json",
)
ROWS, VIDEO = "data/chunk-000/episode_000001.parquet", "videos/chunk-000/observation.images.ego_view/episode_000001.mp4"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed(tmp_path_factory.mktemp("made") / "s", [episode(20, seed) for seed in range(3)]).root


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "stores/s")


def flips(path: Path, count: int = 20) -> Callable[[], None]:
    """Each call leaves the file with one bit changed that was not before, at a random place."""
    whole, places = path.read_bytes(), np.random.default_rng(len(path.name))

    def once() -> None:
        content = bytearray(whole)
        content[places.integers(len(content))] ^= 1 << places.integers(8)
        path.write_bytes(content)

    return once


@pytest.mark.parametrize("name", [*METADATA, "seal.json"])
def test_metadata_is_compared_before_it_is_believed(store: Path, name: str) -> None:
    flip = flips(store / "meta" / name)
    for _ in range(20):
        flip()
        with pytest.raises(StoreError, match=rf"meta/{name}: (was changed|is not the file|not valid JSON).*; copy the"):
            read_through(store)
        assert list(listed_in(store.parent)[1]) == ["s"]
        with pytest.raises(StoreError, match=rf"meta/{name}"):
            diagnose(EpisodeStore.open(store), GR1)


@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_went_is_missed(store: Path, name: str) -> None:
    (store / "meta" / name).unlink()
    with pytest.raises(StoreError, match=rf"meta/{name}: is gone after sealing|has no meta/info\.json"):
        read_through(store)


def test_metadata_that_came_is_not_read(made: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(made, tmp_path / "bare")
    seal = read_json(bare / SEAL)
    files = {name: digest for name, digest in seal["files"].items() if name != ABOUT}
    write_json(bare / SEAL, {"digest": digest_json(files), "files": files})
    with pytest.raises(StoreError, match=r"about\.json: was added after sealing"):
        EpisodeStore.open(bare)
    (bare / ABOUT).unlink()
    assert EpisodeStore.open(bare).licence == "unknown", "seals without a digest of their own are read"
    write_json(bare / SEAL, {"digest": digest_json(files), "files": {**files, "meta/info.json": 64 * "0"}})
    with pytest.raises(StoreError, match=r"seal\.json: is not the seal that was written \(its files have digest"):
        EpisodeStore.open(bare)


@pytest.mark.parametrize("name", [ROWS, VIDEO])
def test_a_changed_file_is_a_finding_of_its_episode_alone(store: Path, name: str) -> None:
    flip = flips(store / name)
    for _ in range(20):
        flip()
        report = diagnose(EpisodeStore.open(store), GR1)
        assert [verdict.accepted for verdict in report.verdicts] == [True, False, True]
        (found,) = [one for one in report.verdicts[1].findings if one.code == "SEAL-01"]
        assert f"{store / name}: episode 1: was changed after sealing (digest " in found.message
        assert ", sealed with " in found.message and "copy the store again" in found.message


def test_rows_and_pictures_are_compared_where_they_are_read(store: Path, tmp_path: Path) -> None:
    flips(store / ROWS)()
    one = EpisodeStore.open(store)
    for read in (one.columns, one.state, one.action, one.times_s, lambda index: one.texts(index, "x")):
        read(0)
        with pytest.raises(StoreError, match=r"000001\.parquet: episode 1: was changed after sealing"):
            read(1)
    flips(store / VIDEO)()
    assert one.video_path(0, "ego_view").is_file()
    with pytest.raises(StoreError, match=r"000001\.mp4: episode 1: was changed after sealing"):
        one.video_path(1, "ego_view")
    with pytest.raises(StoreError, match="episode 1: was changed"):
        convert(store, tmp_path / "v3", "v3.0", silent)
    assert not (tmp_path / "v3").exists()


def test_verdicts_of_a_damaged_file_end_with_the_damage(store: Path, tmp_path: Path) -> None:
    whole = (store / ROWS).read_bytes()
    flips(store / ROWS)()
    accepted = [len(build_index(EpisodeStore.open(store), GR1, tmp_path / "index").accepted) for _ in range(2)]
    (store / ROWS).write_bytes(whole)
    assert [*accepted, len(build_index(EpisodeStore.open(store), GR1, tmp_path / "index").accepted)] == [2, 2, 3]


def test_damage_gets_no_new_seal(store: Path, tmp_path: Path) -> None:
    info = read_json(store / "meta/info.json")
    write_json(store / "meta/info.json", info | {"total_frames": 1})
    files = read_json(store / SEAL)["files"]
    from gr00t_data.integrity import digest_of

    files["meta/info.json"] = digest_of(store / "meta/info.json")
    write_json(store / SEAL, {"digest": digest_json(files), "files": files})
    flips(store / VIDEO)()
    with pytest.raises(StoreError, match=r"000001\.mp4: was changed after sealing"):
        repair(EpisodeStore.open(store), GR1, tmp_path / "repaired")
    assert not (tmp_path / "repaired").exists()


def test_a_damaged_record_of_an_unfinished_store_is_named(tmp_path: Path) -> None:
    def begun() -> StoreWriter:
        return StoreWriter.create(tmp_path / "s", GR1, kind="real", licence="MIT")

    writer = begun()
    writer.append(episode())
    record = writer.pending / "000000.json"
    writer._lock.close()
    flip = flips(record)
    for _ in range(20):
        flip()
        with pytest.raises(StoreError, match=rf"{record}: .*; delete {tmp_path / 's'} and begin anew"):
            begun()


def test_a_verified_store_is_opened_without_hashing(store: Path) -> None:
    time.sleep(0.2)  # a file that changed a moment ago is read every time
    EpisodeStore.open(store)
    opened: list[str] = []

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(str(store)):
            opened.append(Path(str(arguments[0])).name)

    sys.addaudithook(note)  # what Python itself says of every file that is opened; there is no way to take it off again
    again = EpisodeStore.open(store)
    assert sorted(opened) == ["about.json", "info.json"] and again.digest
    assert json.loads((store / SEAL).read_text())["digest"] == again.digest, "other programs read the seal"
