"""Small records of checkpoints and releases: read with old fields, found by name, written as they stand."""

import json
from pathlib import Path
from typing import Any

import pytest

from gr00t_data.disk import write_json
from gr00t_data.integrity import read_sealed
from gr00t_data.lake import Lake
from gr00t_data.stages.names import UnknownName, find_checkpoint
from gr00t_model.evaluate.evaluation import Evaluation
from gr00t_model.groot.config import GrootConfig
from gr00t_model.lineage.chain import (
    NVIDIA_LICENCE,
    OWN_LICENCE,
    LineageError,
    SeenEpisode,
    root,
)
from gr00t_model.lineage.digests import model_digest
from gr00t_model.lineage.record import Record, Settings, Versions
from gr00t_model.release.card import table
from gr00t_model.release.history import (
    Event,
    History,
    ReleaseError,
    folder_of,
    history,
    judge,
    release,
    released,
    rollback,
    rows,
)
from gr00t_model.release.rule import Rule

REPORT: dict[str, Any] = {
    "checkpoint": "cc",
    "recipe": "tiny",
    "steps": 4,
    "open_loop": {
        "episodes": 1,
        "chunks": 2,
        "parts": {},
        "overall": {"policy": 0.5, "hold_last": 1.0, "mean_action": 1.0, "ratio": 0.5, "unit": "rad"},
    },
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three folders that could be checkpoints."""
    lake = Lake(tmp_path / "lake")
    for name in ("one-aaaaaa11", "two-bbbbbb22", "three-bbbbbb33"):
        (lake.checkpoints / name).mkdir(parents=True)
        (lake.checkpoints / name / "train_config.json").write_text(f'{{"key": "{name}"}}')
    return lake


def put(lake: Lake, name: str, **changes: Any) -> Event:
    return release(lake, "gr1", lake.checkpoints / name, model_digest(lake.checkpoints / name), **changes)


def test_a_history_is_told_in_rows(lake: Lake) -> None:
    one = put(lake, "one-aaaaaa11", reasons=("first",)).digest
    put(lake, "two-bbbbbb22", forced=True, reasons=("because", "I say so"))
    assert [event.action for event in history(lake, "gr1").events] == ["release", "forced release"]
    back = rollback(lake, "gr1")
    assert (back.number, back.action, back.digest) == (3, "rollback", one)
    told = [(row["number"], row["checkpoint"], row["state"], row["reasons"]) for row in rows(lake, "gr1")]
    assert told == [
        (1, "one-aaaaaa11", "released", "first"),
        (2, "two-bbbbbb22", "", "because; I say so"),
        (3, "one-aaaaaa11", "", "took back checkpoints/two-bbbbbb22"),
    ]
    assert released(lake, "gr1") == (lake.checkpoints / "one-aaaaaa11", one) and lake.pointed("released_gr1")
    with pytest.raises(ReleaseError, match="gr1: 1 release stands, there is none to go back to"):
        rollback(lake, "gr1")


def test_a_release_again_changes_nothing_but_the_pointer(lake: Lake) -> None:
    first = put(lake, "one-aaaaaa11")
    (lake.root / "current/released_gr1.json").unlink()
    assert put(lake, "one-aaaaaa11") == first and len(history(lake, "gr1").events) == 1
    assert lake.pointed("released_gr1") == (lake.checkpoints / "one-aaaaaa11", first.digest)


def test_nothing_was_released_of_another_robot(lake: Lake) -> None:
    put(lake, "one-aaaaaa11")
    assert history(lake, "so100") == History() and released(lake, "so100") is None and rows(lake, "so100") == []


def test_folders_that_are_gone_are_named(lake: Lake) -> None:
    put(lake, "one-aaaaaa11")
    put(lake, "two-bbbbbb22")
    (lake.checkpoints / "one-aaaaaa11").rename(lake.root / "moved")
    with pytest.raises(ReleaseError, match=r"one-aaaaaa11: the checkpoint to go back to is gone; restore it$"):
        rollback(lake, "gr1")
    assert len(history(lake, "gr1").events) == 2
    (lake.checkpoints / "two-bbbbbb22").rename(lake.root / "moved too")
    with pytest.raises(ReleaseError, match=r"two-bbbbbb22: the released checkpoint is gone; run `gr00t release rollb"):
        released(lake, "gr1")


@pytest.mark.parametrize(
    "content", [{"events": 3}, {"events": [{"number": 1}]}, {"events": [], "standing": ["a"]}, [1], "torn"]
)
def test_what_is_no_history_is_named(lake: Lake, content: Any) -> None:
    path = folder_of(lake, "gr1") / "history.json"
    write_json(path, content)
    with pytest.raises(ReleaseError, match=r"history\.json: not a history of releases"):
        history(lake, "gr1")


def test_a_history_survives_its_file_and_an_old_one_is_read(lake: Lake) -> None:
    put(lake, "one-aaaaaa11", reasons=("first",))
    state = history(lake, "gr1")
    path = folder_of(lake, "gr1") / "history.json"
    written = read_sealed(path)
    assert set(written) == {"events", "standing"}
    assert set(written["events"][0]) == {"number", "action", "digest", "checkpoint", "at", "reasons"}
    del written["events"][0]["reasons"]  # before reasons were kept
    write_json(path, written)
    assert history(lake, "gr1").events[0].reasons == () and history(lake, "gr1").standing == state.standing


def event(number: int, digest: str, action: Any = "release") -> Event:
    return Event(number, action, digest, f"checkpoints/{digest}", "2026-01-01T00:00:00+00:00")


def test_who_was_taken_back() -> None:
    past = History((event(1, "aa"), event(2, "cc"), event(3, "aa", "rollback")), (1,))
    assert past.rolled_back("cc") and not past.rolled_back("aa") and not past.rolled_back("dd")
    again = History((*past.events, event(4, "cc", "forced release")), (1, 4))
    assert not again.rolled_back("cc") and again.current == again.events[3]


@pytest.mark.parametrize(
    ("past", "changes", "fits", "words"),
    [
        (History(), {}, True, "open-loop error is 0.50 of the better baseline's"),
        (History((event(1, "cc"), event(2, "aa"), event(3, "aa", "rollback")), (2,)), {}, False, "rolled back"),
        (History((event(1, "cc"),), (1,)), {}, True, "it is released already"),
        (History((event(1, "aa"),), (1,)), {}, False, "does not compare it with the released checkpoint"),
        (
            History((event(1, "aa"),), (1,)),
            {"comparison": {"released": "zz", "measures": [], "notes": []}},
            False,
            "does not compare it with the released checkpoint",
        ),
        (
            History((event(1, "aa"),), (1,)),
            {"comparison": {"released": "aa", "measures": [], "notes": ["no scene was tried twice"]}},
            False,
            "nothing could be compared; no scene was tried twice",
        ),
    ],
)
def test_the_verdict_on_a_report(past: History, changes: dict[str, Any], fits: bool, words: str) -> None:
    verdict = judge(Evaluation.model_validate(REPORT | changes), past, Rule())
    assert verdict.release is fits and words in "; ".join(verdict.reasons)


def test_a_report_of_another_version_keeps_what_it_says() -> None:
    report = REPORT | {"note of a lab": {"of": [1]}, "behaviour": ""}
    assert Evaluation.model_validate_json(json.dumps(report)).facts() == report


def test_a_checkpoint_is_found_and_two_are_named(lake: Lake) -> None:
    one = lake.checkpoints / "one-aaaaaa11"
    assert {find_checkpoint(lake, text) for text in ("one-aaaaaa11", "aaaaaa", str(one))} == {one}
    assert find_checkpoint(lake, "aaaaa") is None and find_checkpoint(lake, "one-aa") is None
    with pytest.raises(UnknownName, match=r"bbbbbb: fits 2 of .* \(three-bbbbbb33, two-bbbbbb22\); give more"):
        find_checkpoint(lake, "bbbbbb")
    assert find_checkpoint(Lake(lake.root / "none"), "aaaaaa") is None


@pytest.mark.parametrize("torn", ["train_config.json", "versions.json", "episodes.json"])
def test_what_is_no_checkpoint_is_named(lake: Lake, torn: str) -> None:
    folder = lake.checkpoints / "one-aaaaaa11"
    write_json(folder / "train_config.json", {"key": "k", "config": {"model": {}}})
    write_json(folder / "versions.json", {})
    write_json(folder / "episodes.json", {"episodes": []})
    (folder / torn).write_text('{"key": ')
    with pytest.raises(LineageError, match=r"one-aaaaaa11: is not a checkpoint of this program \("):
        Record.load(folder)


def test_records_keep_what_they_do_not_know() -> None:
    seen = {"store": "ab", "episode": 3, "kind": "real", "licence": "MIT", "samples": 2, "weight": 0.5}
    assert SeenEpisode.model_validate(seen).facts() == seen and SeenEpisode.model_validate(seen).embodiment is None
    versions = {"code": "c", "libraries": {"torch": "2"}, "cuda": "12"}
    assert Versions.model_validate(versions).facts() == versions and Versions.model_validate({}).libraries == {}
    config = {"recipe": "r", "model": {"base": "", "flare": {"on": True}}, "steps": 3, "gone": None}
    assert Settings.model_validate(config).facts() == config


def test_what_weights_started_from() -> None:
    model = {"base": "weights/published", "flare": {"embedding": "weights/own"}}
    named = [("base", Path("weights/published")), ("embedding", Path("weights/own"))]
    assert Settings.model_validate({"model": model}).started_from == named
    assert Settings.model_validate({"model": {}}).started_from == [] and Settings.model_validate({"model": {}}).random


@pytest.mark.parametrize(
    ("readme", "marks", "licence"),
    [
        (None, "grounding.json", OWN_LICENCE),
        (None, "", "unknown"),
        (None, "config.json", NVIDIA_LICENCE),
        ("# no header\n", "config.json", NVIDIA_LICENCE),
        ("---\nlicense: MIT\n---\n", "", "MIT"),
        ("---\nlicense: other\nlicense_name: lab terms\n---\n", "", "lab terms"),
        ("---\nLicense:\n---\n", "grounding.json", OWN_LICENCE),
        ("\n" * 90 + "license: MIT\n", "", "unknown"),
    ],
)
def test_the_licence_of_weights_from_elsewhere(tmp_path: Path, readme: str | None, marks: str, licence: str) -> None:
    if readme is not None:
        (tmp_path / "README.md").write_text(readme)
    if marks:
        write_json(tmp_path / marks, GrootConfig().to_dict() if marks == "config.json" else {})
    found = root(tmp_path, "base", "d")
    assert (found.name, found.licence, found.recorded) == (tmp_path.name, licence, licence != "unknown")
    assert root(tmp_path, "base", "d", "n1_5_3b").recorded  # nobody trains that size from nothing


def test_a_table_keeps_its_cells_in_their_row() -> None:
    assert table([]) == "None."
    assert table([{"a": "x|y", "b": "two\nlines"}]) == "| a | b |\n| --- | --- |\n| x\\|y | two\\\\nlines |"
