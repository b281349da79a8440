"""Where a store and its episodes come from: the files are what they were, and a wrong field is named."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.disk import digest_file, read_json, write_json
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource, Refusal, StoreSource
from gr00t_data.store.store import ABOUT, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
from tests.data.builders import GR1, change_row, episode, sealed, unsealed

STORE = {
    "labelled": "dreams",
    "store": "ab12",
    "idm": "cd34",
    "timing": {"frame_gap": 4, "period_s": 0.05},
    "from": {"drop": "monday", "findings": ["odd"], "refused": [{"episode": "7", "reason": "cut off"}]},
    "note of a lab": [1, None],
}
EPISODE = {
    "clip": "one.mp4",
    "period_s": 0.0625,
    "generated": {"model": "m", "seed": 3, "licence": "MIT"},
    "notes": [],
    "layout": None,
    "size_px": [240, 320],
    "idm": "cd34",
    "labelled_episode": 0,
}


def test_files_are_those_of_the_lakes_there_are(tmp_path: Path) -> None:
    source, told = StoreSource.model_validate(STORE), EpisodeSource.model_validate(EPISODE)
    writer = StoreWriter.create(tmp_path / "s", GR1, kind="neural", licence="MIT", source=source, absent=["state"])
    for number, success in enumerate((None, True)):
        action = np.full((4, 44), number / 8)
        writer.append(Episode("reach", np.arange(4) / 20, np.zeros((4, 44)), action, success=success, source=told))
    files = [writer.pending / "000000.json", *(tmp_path / "s/meta" / n for n in ("about.json", "episodes.jsonl"))]
    start, _, rest = files[0].read_bytes().split(b"\n", 2)  # the second line is the seal of the others
    first = hashlib.sha256(start + b"\n" + rest).hexdigest()
    store = writer.seal()
    assert [first[:16], *(digest_file(path)[:16] for path in files[1:])] == [
        "1baeb5dd9464ad64",
        "3ec66f1bed7af9c9",
        "fa8355ed04178d7e",
    ]
    assert (store.about.source, store.row(0).source) == (source, told)
    assert store.about.source.made_from == STORE["from"] and store.row(0).source.facts()["size_px"] == [240, 320]


def test_what_was_left_out_is_told_only_when_it_was_counted(tmp_path: Path) -> None:
    store = sealed(tmp_path / "silent", [episode()])
    assert store.about.source.refused is None and "refused" not in read_json(store.root / ABOUT)["source"]
    writer = StoreWriter.create(tmp_path / "told", GR1, kind="real", licence="x")
    writer.append(episode())
    told = writer.seal([Refusal("7", "cut off")])
    assert EpisodeStore.open(told.root).about.source.refused == (Refusal("7", "cut off"),)


@pytest.mark.parametrize(
    "about", [{}, {"source": None}, {"robot": "arm", "kind": "real"}, {"source": {"from": {}, "colour": {"of": [1]}}}]
)
def test_what_others_wrote_is_read_and_kept(tmp_path: Path, about: dict[str, Any]) -> None:
    root = unsealed(sealed(tmp_path / "s", [episode()])).root
    write_json(root / ABOUT, about)
    said = EpisodeStore.open(root).about
    assert said.facts() == about | ({"source": {}} if about.get("source", 0) is None else {})
    assert said.embodiment is None and said.source.idm is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "teleop"}, "kind is 'teleop'; expected 'real', 'simulated', 'neural', 'human' or 'rollout'"),
        ({"licence": 3}, "licence is 3; expected a valid string"),
        ({"source": {"idm": ["a"]}}, "source.idm is ['a']; expected a valid string"),
        ({"absent": ["gripper"]}, "absent is ['gripper']; expected a list of 'state', 'state.<part>', 'action'"),
        ({"source": {"refused": [{"episode": "7", "reason": 1}]}}, "source.refused.0.reason is 1; expected a valid"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = unsealed(sealed(tmp_path / "s", [episode()])).root / ABOUT
    write_json(path, read_json(path) | changes)
    with pytest.raises(StoreError) as error:
        EpisodeStore.open(tmp_path / "s")
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_wrong_field_of_an_episode_is_named(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode(), episode(seed=1)])
    changed = change_row(store, 1, source={"seed": "1"})
    with pytest.raises(StoreError, match=r"episodes\.jsonl: episode 1: source\.seed is '1'; expected a valid integer$"):
        _ = changed.rows
