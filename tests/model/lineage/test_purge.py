"""After a purge nothing in the lake holds a value of the person, and everything of the others is there."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.disk import read_json, write_json
from gr00t_data.lake import Lake
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.settings import MixtureSettings
from gr00t_data.stages.stores import check
from gr00t_data.store.provenance import EpisodeSource, StoreSource
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_data.terms.purge import purge
from gr00t_data.terms.withdrawal import Withdrawal, WithdrawalError, add, require_match
from gr00t_model.stages.verify import verify
from tests.model.lineage.test_withdrawal import WHO, add_people
from tests.model.service_lake import GR1, add_store, train_tiny
from tests.model.tiny import episode
from tests.shell import invoke

THEIRS = [number for number, who in WHO.items() if who == "P07"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_people(lake, "people", range(4))
    add_store(lake, "robot", range(4, 8))
    train_tiny(lake)
    return lake


@pytest.fixture
def lake(trained: Lake, tmp_path: Path) -> Lake:
    """A copy with what a gate, a sheet, groups of tallies and a killed ingest leave; made by hand of the same rows."""
    lake = Lake(tmp_path / "lake")
    shutil.copytree(trained.root, lake.root)
    store = EpisodeStore.open(lake.stores / "people")
    rows = store.action(0).astype(np.float32).tobytes()
    letter = store.digest[0]
    for name in (
        f"statistics/tallies/group-gr1-{letter}-action-{16 * '0'}.safetensors",
        "cache/gate/scores/0123.npz",
        f"cache/gate/labelled/{16 * '0'}/people/data/chunk-000/episode_000000.parquet",
        "cache/of the future/rows.bin",
        "cache/rows.bin",
        f"sheets/{store.digest[:16]}.png",
        f"sheets/{store.digest[:16]}-small.png",
        "gate/people-accepted-01234567/sheet-1.png",
        "unpacking/people/clip.mp4",
        f"evaluations/{16 * 'f'}/predicted.png",
        f"evaluations/{16 * 'f'}/parts/left_arm.png",
    ):
        (lake.root / name).parent.mkdir(parents=True, exist_ok=True)
        (lake.root / name).write_bytes(b"head" + rows)
    source = EpisodeSource.model_validate({"participant": "P07", "dataset": "folder", "video": "x"})
    writer = StoreWriter.create(lake.stores / "unfinished", GR1, kind="real", licence="x", source=StoreSource(drop="u"))
    from dataclasses import replace

    writer.append(replace(episode(0), source=source))
    shutil.copytree(lake.stores / "unfinished", lake.stores / ".unfinished.ab12cd3_")
    return lake


def values_of(numbers: list[int]) -> set[float]:
    rows = [np.concatenate([episode(n).action, episode(n).state]).astype(np.float32) for n in numbers]
    return {float(value) for value in np.concatenate(rows).ravel()}


def traces(lake: Lake, values: set[float]) -> set[str]:
    """Files of the lake that hold one of the values: as bytes of float32 or float64, or written out."""
    words = re.compile(rb"-?\d+\.\d+(?:e-?\d+)?")
    texts = {repr(value).encode() for value in values}
    binary = {np.float32(value).tobytes() for value in values} | {np.float64(value).tobytes() for value in values}
    finder = re.compile(b"|".join(map(re.escape, sorted(binary))))
    found = set[str]()
    for path in sorted(path for path in lake.root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet" and content[:4] == b"PAR1":
            import pyarrow.parquet as parquet

            table = parquet.ParquetFile(path).read()
            columns = [np.asarray(table[name].to_pylist()).ravel() for name in ("action", "observation.state")]
            seen = {float(value) for value in np.concatenate(columns)} & values
        else:
            seen = texts.intersection(words.findall(content)) or finder.search(content)
        if seen:
            found.add(path.relative_to(lake.root).parts[0])
    return found


def test_no_value_of_theirs_is_left(lake: Lake) -> None:
    theirs = values_of(THEIRS) - values_of([2, *range(4, 8)])
    assert len(theirs) > 1000
    before = traces(lake, theirs)
    assert {"stores", "statistics", "cache", "sheets", "gate", "unpacking", "evaluations"} <= before
    done = invoke(["withdraw", "p07 ", "--purge", "--lake", lake.root, "--json"])
    assert done.exit_code == 0, done.output
    assert traces(lake, theirs) <= {"checkpoints", "runs"}  # weights cannot unlearn, and are named to whoever withdrew
    assert purge(lake, Withdrawal("P07")) == []


def test_their_values_stand_in_no_verdict(lake: Lake) -> None:
    store = EpisodeStore.open(lake.stores / "people")
    (path,) = lake.index.glob(f"{store.digest[:16]}-*.json")
    index = read_json(path)
    digests = [verdict["rows_digest"] for verdict in index["verdicts"]]
    finding = {"code": "MOTION-1", "severity": "warning", "message": "leaps by 1.2345 rad", "where": "x"}
    index["verdicts"][0]["findings"].append(finding)
    write_json(path, index)
    add(lake, Withdrawal("P07"))
    check(lake, store, GR1)
    purge(lake, Withdrawal("P07"))
    text = path.read_text()
    assert "1.2345" not in text and digests[0] not in text and digests[2] in text
    assert [v.codes for v in check(lake, store, GR1).verdicts if not v.accepted] == [("CONSENT-01",)] * 3


def test_the_others_stay_and_their_store_verifies(lake: Lake) -> None:
    before = EpisodeStore.open(lake.stores / "people")
    digest, rows = before.digest, before.action(2)
    other = {path: path.read_bytes() for path in (lake.stores / "robot").rglob("*") if path.is_file()}
    add(lake, Withdrawal("P07"))
    purge(lake, Withdrawal("P07"))
    store = EpisodeStore.open(lake.stores / "people")
    store.verify()
    assert verify(store.root).faults == []
    assert store.digest == digest and np.array_equal(store.action(2), rows) and len(store.rows) == 4
    purged = read_json(lake.stores / "people/meta/seal.json")["purged"]
    assert sum(name.endswith(".parquet") for name in purged) == 3 and all(purged.values())
    assert all(path.read_bytes() == content for path, content in other.items())
    statistics, path = measure_statistics(lake, GR1)
    manifest, _ = mix(lake, GR1, MixtureSettings(held_out_share=0.3))
    held = {Path(one.store).name: {entry.index for entry in one.episodes} for one in manifest.sources}
    assert held == {"people": {2}, "robot": {0, 1, 2, 3}}
    again = {one.relative_to(lake.root).parts[1] for one in purge(lake, Withdrawal("P07"))}
    assert again <= {"motions", "tallies"} and path.is_file()  # statistics of a mixture without them stay
    assert statistics.digest == measure_statistics(lake, GR1)[0].digest


def test_a_file_that_somebody_else_deleted_is_not_called_purged(lake: Lake) -> None:
    add(lake, Withdrawal("P07"))
    store = EpisodeStore.open(lake.stores / "people")
    store.data_path(2).unlink()
    purge(lake, Withdrawal("P07"))
    with pytest.raises(ValueError, match="is gone after sealing"):
        EpisodeStore.open(store.root).verify()


def test_a_purge_that_was_killed_is_finished_by_the_next(lake: Lake) -> None:
    add(lake, Withdrawal("P07"))
    store = EpisodeStore.open(lake.stores / "people")
    for number in THEIRS:
        store.data_path(number).unlink()
    purge(lake, Withdrawal("P07"))
    EpisodeStore.open(store.root).verify()


def test_damaged_neighbours_stop_no_purge(lake: Lake) -> None:
    add(lake, Withdrawal("P07"))
    (lake.mixtures / "0123456789abcdef.json").write_text("{")
    (lake.statistics / "0123456789abcdef.json").write_text("")
    (lake.stores / "robot/meta/info.json").write_text("")
    (lake.stores / "unfinished/.pending/000001.json").write_text("{")
    done = invoke(["withdraw", "P07", "--purge", "--lake", lake.root, "--json"])
    assert done.exit_code == 1 and '"robot"' in done.stdout  # it may hold them too
    assert not (lake.statistics / "0123456789abcdef.json").exists()
    assert not EpisodeStore.open(lake.stores / "people").data_path(0).exists()


def dreamt(lake: Lake, name: str, origins: dict[int, dict[str, str]]) -> EpisodeStore:
    """A sealed, checked store of dreams, each made from the clip that its record names."""
    from dataclasses import replace

    source = StoreSource(drop=name)
    writer = StoreWriter.create(lake.stores / name, GR1, kind="neural", licence="x", source=source)
    for number, made in origins.items():
        told = EpisodeSource.model_validate({"clip": f"videos/{number:06d}.mp4", "generated": made})
        writer.append(replace(episode(number), source=told))
    store = writer.seal()
    check(lake, store, GR1)
    return store


def test_what_was_dreamt_from_their_pictures_is_theirs(lake: Lake) -> None:
    people = EpisodeStore.open(lake.stores / "people")
    made = {
        20: {"source_episode": f"{people.digest}:0", "first_frame_sha256": "aa"},
        21: {"source_episode": f"{people.digest}:2", "first_frame_sha256": "bb"},
        22: {"first_frame_sha256": "aa"},
    }
    dreams = dreamt(lake, "dreams", made)
    again = dreamt(lake, "again", {30: {"source_episode": f"{dreams.digest}:2"}, 31: {"source_episode": "other:0"}})
    drop = lake.root / "dreams/drop"
    for number in (0, 1):
        for file in (f"videos/{number:06d}.mp4", f"first/{number:06d}.png"):
            (drop / file).parent.mkdir(parents=True, exist_ok=True)
            (drop / file).write_bytes(b"picture")
    lines = [
        {"file": f"videos/{n:06d}.mp4", "first_frame": f"first/{n:06d}.png", "source_episode": origin}
        for n, origin in ((0, f"{people.digest}:1"), (1, f"{people.digest}:2"))
    ]
    (drop / "manifest.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    theirs = values_of([20, 22, 30]) - values_of([2, *range(4, 8), 21, 31])
    others = b"".join(path.read_bytes() for path in (lake.statistics / "tallies").glob("robot-*"))
    theirs = {value for value in theirs if np.float32(value).tobytes() not in others}  # four bytes may occur by chance
    assert {"stores"} <= traces(lake, theirs)
    answer = invoke(["withdraw", "P07", "--purge", "--lake", lake.root, "--json"])
    said = json.loads(answer.stdout)
    assert answer.exit_code == 0 and said["clips rejected"] == 6 and said["runs that trained on them"] == 1
    assert any(row["what"] == "run" and "keeps states of steps" in row["how"] for row in said["rows"])
    assert traces(lake, theirs) <= {"checkpoints", "runs"}
    assert sorted(path.name for path in drop.rglob("*.*")) == ["000001.mp4", "000001.png", "manifest.jsonl"]
    assert len((drop / "manifest.jsonl").read_text().splitlines()) == 1
    for store, rejected in ((dreams, {0, 2}), (again, {0})):
        verdicts = check(lake, EpisodeStore.open(store.root), GR1).verdicts
        assert {one.episode_index for one in verdicts if "CONSENT-01" in one.codes} == rejected


def test_a_name_without_a_match_is_refused_with_the_nearest(lake: Lake) -> None:
    with pytest.raises(WithdrawalError, match="no clip is of participant 'P70'; nearest participants: 'P08', 'P07'"):
        require_match(lake, Withdrawal("P70"))
    add(lake, Withdrawal("P70"))  # ahead of the footage; to name them again is no mistake then
    require_match(lake, Withdrawal("P70"))
