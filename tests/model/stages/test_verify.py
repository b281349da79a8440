"""`gr00t verify`: every file is hashed, each damaged one is named with its remedy, and none stops the others."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from gr00t_data.disk import digest_json, folder_digests, write_text
from gr00t_data.integrity import write_record
from gr00t_data.lake import Lake
from gr00t_data.sources.how_made import HOW_MADE, note_how_made
from gr00t_data.terms.withdrawal import Withdrawal, add
from gr00t_model.dream.learner import save_codes
from gr00t_model.stages.verify import Verified, verify
from gr00t_model.training.key import base_digest
from tests.model.service_lake import GR1, add_store, train_tiny
from tests.shell import invoke


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_store(lake, "monday", range(3))
    add_store(lake, "tuesday", range(3, 6))
    train_tiny(lake)
    add(lake, Withdrawal("P07"))
    return lake


@pytest.fixture
def lake(made: Lake, tmp_path: Path) -> Lake:
    shutil.copytree(made.root, tmp_path / "lake")
    return Lake(tmp_path / "lake")


def flip(path: Path, at: float = 0.5) -> None:
    """One bit of a byte in the middle, with the stamp that the file had."""
    content, before = bytearray(path.read_bytes()), path.stat()
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def told(found: Verified, root: Path) -> set[tuple[str, str, str]]:
    return {(kind.name, fault.what, os.path.relpath(fault.file, root)) for kind, fault in found.faults}


def only(lake: Lake, pattern: str) -> Path:
    return sorted(lake.root.glob(pattern))[0]


def test_names_that_tell_what_was_asked_are_no_digests_of_what_came_of_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    for folder in (lake.bases / ("0b89f0fc" * 2), lake.landing / f"dreams-{'0b89f0fc' * 2}"):
        folder.mkdir(parents=True)
        write_text(folder / "config.json", "{}")
        write_record(folder)
    lake.point("base_nano", folder := lake.bases / ("0b89f0fc" * 2), base_digest(folder))
    lake.point(
        "dreamed_videos_gr1", dreams := lake.landing / f"dreams-{'0b89f0fc' * 2}", digest_json(folder_digests(dreams))
    )
    assert not verify(lake.root).faults
    lake.point("base_nano", folder, "f" * 64)
    assert told(verify(lake.root), lake.root) == {("pointer", "damaged", "current/base_nano.json")}


def test_a_whole_lake_is_whole_and_every_file_is_counted(lake: Lake) -> None:
    done = invoke(["verify", "--lake", lake.root, "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    every = [
        path
        for path in lake.root.rglob("*")
        if path.is_file() and path.parent.name != "locks" and path.suffix != ".lock"
    ]
    assert said["files"] == len(every) and said["bytes"] == sum(path.stat().st_size for path in every)
    assert said["faults"] == [] and 0 < said["not recorded"] < said["files"] / 2
    kinds = {row["kind"]: row for row in said["rows"]}
    assert kinds["store"] == {
        "kind": "store", "items": 2, "files": 28, "bytes": kinds["store"]["bytes"], "not recorded": 0, "faults": 0
    }  # fmt: skip
    assert {"index", "statistics", "mixture", "pointer", "checkpoint", "state", "run", "cache"} <= set(kinds)


RECORDED = {
    "stores/monday/data/*/episode_000001.parquet": ("store", "ingest its drop again"),
    "stores/monday/videos/*/*/episode_000001.mp4": ("store", "copy the whole store again"),
    "stores/monday/meta/info.json": ("store", "ingest"),
    "stores/monday/meta/about.json": ("store", "ingest"),
    "stores/monday/meta/seal.json": ("store", "ingest"),
    "statistics/*.json": ("statistics", "gr00t stats"),
    "mixtures/*.json": ("mixture", "gr00t mix"),
    "index/*.json": ("index", "delete it, it is made again"),
    "current/mixture_gr1.json": ("pointer", "dagster asset materialize"),
    "cache/frames/*/*/000001.npy": ("cache", "delete it, it is made again"),
    "checkpoints/*/model.safetensors": ("checkpoint", "train again"),
    "checkpoints/*/digests.json": ("checkpoint", "train again"),
    "runs/*/checkpoint/statistics.json": ("checkpoint", "train again"),
    "statistics/tallies/*-state-*.kept": ("tally", "gr00t stats"),
    "cache/motions/monday-*.kept": ("cache", "delete it, it is made again"),
    "withdrawn.yaml": ("withdrawals", "put it back from a copy"),
}


@pytest.mark.parametrize("pattern", RECORDED)
def test_one_damaged_file_is_named_with_its_kind_and_remedy(lake: Lake, pattern: str) -> None:
    path, (kind, remedy) = only(lake, pattern), RECORDED[pattern]
    whole = path.read_bytes()
    for damage in (lambda: flip(path), lambda: path.write_bytes(whole[: len(whole) // 2]), lambda: flip(path, 0.9)):
        path.write_bytes(whole)
        damage()
        done = invoke(["verify", "--lake", lake.root, "--json"])
        faults = json.loads(done.stdout)["faults"]
        assert done.exit_code == 1 and faults and {fault["kind"] for fault in faults} == {kind}
        assert str(path) in {fault["file"] for fault in faults} and all(
            remedy in fault["remedy"] for fault in faults
        ), faults


def test_notes_beside_a_seal_and_codes_of_clips_are_compared_too(lake: Lake) -> None:
    note = lake.stores / "monday" / HOW_MADE
    note_how_made(note.parent, GR1)
    codes = lake.runs / "dream_nano-1/encoded/000000.safetensors"
    codes.parent.mkdir(parents=True)
    save_codes({"codes": torch.ones(3)}, codes)
    assert not verify(lake.root).faults
    flip(note)
    flip(codes, 0.99)
    found = {name for _, _, name in told(verify(lake.root), lake.root)}
    assert found == {f"stores/monday/{HOW_MADE}", "runs/dream_nano-1/encoded/000000.safetensors"}


def test_every_fault_is_named_and_none_hides_another(lake: Lake) -> None:
    checkpoint = next(lake.checkpoints.iterdir())
    (lake.stores / "monday/meta/seal.json").write_bytes(b"\xff")
    flip(lake.stores / "tuesday/data/chunk-000/episode_000000.parquet")
    (lake.stores / "tuesday/meta/tasks.jsonl").unlink()
    (lake.stores / "tuesday/data/chunk-000/episode_000009.parquet").write_bytes(b"more")
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "model.safetensors.index.json").write_text("{}")
    only(lake, "index/*.json").write_text("[" * 100_000)
    shutil.rmtree(next(lake.runs.iterdir()))
    found, store = verify(lake.root), "stores/tuesday"
    assert told(found, lake.root) == {
        ("store", "damaged", "stores/monday/meta/seal.json"),
        ("store", "damaged", f"{store}/data/chunk-000/episode_000000.parquet"),
        ("store", "missing", f"{store}/meta/tasks.jsonl"),
        ("store", "added", f"{store}/data/chunk-000/episode_000009.parquet"),
        ("checkpoint", "missing", f"checkpoints/{checkpoint.name}/model.safetensors"),
        ("checkpoint", "added", f"checkpoints/{checkpoint.name}/model.safetensors.index.json"),
        ("index", "damaged", str(only(lake, "index/*.json").relative_to(lake.root))),
        ("pointer", "missing", "current/run_gr1.json"),
    }
    shown = invoke(["verify", "--lake", lake.root])
    assert shown.exit_code == 1 and f"missing: {lake.stores}/tuesday/meta/tasks.jsonl: is gone; copy" in shown.stdout


def test_another_valid_file_of_the_kind_is_not_the_one_that_was_named(lake: Lake) -> None:
    one, other = sorted(lake.index.glob("*.json"))
    shutil.copyfile(other, one)
    shutil.copyfile(lake.root / "current/run_gr1.json", lake.root / "current/mixture_gr1.json")
    statistics = only(lake, "statistics/*.json")
    statistics.rename(statistics.with_name("0123456789abcdef.json"))
    checkpoint = next(lake.checkpoints.iterdir())
    checkpoint.rename(lake.checkpoints / "tiny-0123456789abcdef")
    assert told(verify(lake.root), lake.root) >= {
        ("index", "damaged", f"index/{one.name}"),
        ("statistics", "damaged", "statistics/0123456789abcdef.json"),
        ("checkpoint", "damaged", "checkpoints/tiny-0123456789abcdef"),
        ("pointer", "missing", "current/norm_stats_gr1.json"),
        ("pointer", "damaged", "current/mixture_gr1.json"),
    }


def test_without_a_seal_a_store_is_at_fault_and_an_old_checkpoint_goes_by_its_name(lake: Lake) -> None:
    (lake.stores / "monday/meta/seal.json").unlink()
    checkpoint = next(lake.checkpoints.iterdir())
    (checkpoint / "digests.json").unlink()
    assert told(verify(lake.root), lake.root) == {("store", "missing", "stores/monday/meta/seal.json")}
    flip(checkpoint / "model.safetensors")
    assert ("checkpoint", "damaged", f"checkpoints/{checkpoint.name}") in told(verify(lake.root), lake.root)


def test_parts_are_verified_by_path_and_by_name_also_outside_a_lake(lake: Lake, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere"
    shutil.copytree(lake.stores / "monday", alone)
    for what in ("monday", "checkpoint_gr1", "mixture_gr1", "run_gr1", alone, lake.stores, lake.index):
        assert invoke(["verify", what, "--lake", lake.root]).exit_code == 0
    flip(alone / "meta/about.json")
    flip(lake.stores / "tuesday/meta/about.json")
    assert told(verify(alone), alone) == {("store", "damaged", "meta/about.json")}
    assert invoke(["verify", "monday", "--lake", lake.root]).exit_code == 0
    assert invoke(["verify", "tuesday", "--lake", lake.root]).exit_code == 1
    assert invoke(["verify", "wednesday", "--lake", lake.root]).exit_code == 2
    assert invoke(["verify", "--lake", tmp_path / "nowhere"]).exit_code == 2


def test_progress_reaches_the_end_and_links_in_a_circle_do_not_stop_it(lake: Lake) -> None:
    (lake.root / "dreams").symlink_to(lake.root)
    (lake.root / "gone").symlink_to(lake.root / "nothing")
    steps: list[tuple[int, int]] = []
    assert verify(lake.root, lambda done, total: steps.append((done, total))).faults == []
    assert steps[-1][0] == steps[-1][1] and steps == sorted(steps)


def test_foreign_text_is_not_read_as_ours(lake: Lake) -> None:
    (lake.landing / "drop").mkdir(parents=True)
    (lake.landing / "drop/notes.json").write_bytes(b"caf\xe9")
    (lake.embodiments / "mine.yaml").parent.mkdir(exist_ok=True)
    (lake.embodiments / "mine.yaml").write_text(GR1.text)
    found = verify(lake.root)
    assert found.faults == [] and found.kinds["drop"].not_recorded == found.kinds["embodiment"].not_recorded == 1
