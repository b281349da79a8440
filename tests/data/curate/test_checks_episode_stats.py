"""What is written down of each episode's rows, as LeRobot writes it; of other rows it is one finding for all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.curate.finding import Finding
from gr00t_data.curate.metadata.episode_stats import STATS_04, check_episode_stats
from gr00t_data.curate.subject.subject import Whole
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, episode, sealed, unsealed

Lines = list[dict[str, Any]]


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    return unsealed(sealed(tmp_path / "s", [episode(20 + seed, seed) for seed in range(4)]))


def found(store: EpisodeStore) -> list[Finding]:
    findings = list(check_episode_stats(Whole(store, GR1)))
    assert {finding.code for finding in findings} <= {STATS_04.code}
    return findings


def change(store: EpisodeStore, how: Callable[[Lines], Lines]) -> None:
    path = store.root / "meta/episodes_stats.jsonl"
    lines = how([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_those_of_the_rows_are_not_complained_of(store: EpisodeStore) -> None:
    assert found(store) == []

    def as_float32_sums(lines: Lines) -> Lines:
        for line in lines:
            mean = np.array(line["stats"]["action"]["mean"])
            line["stats"]["action"]["mean"] = (mean * (1 + 1e-6)).tolist()
            line["stats"]["observation.images.ego_view"] = {"mean": [[[0.5]], [[0.5]], [[0.5]]], "count": [7]}
        return lines

    change(store, as_float32_sums)
    assert found(store) == []


def test_those_of_another_set_are_one_finding(store: EpisodeStore) -> None:
    def rotated(lines: Lines) -> Lines:
        return [{**line, "stats": lines[at - 1]["stats"]} for at, line in enumerate(lines)]

    change(store, rotated)
    (finding,) = found(store)
    assert finding.severity == "warning" and "not that of their rows for 4 episodes (0, 1, 2, 3);" in finding.message


def test_one_changed_joint_is_enough(store: EpisodeStore) -> None:
    def moved(lines: Lines) -> Lines:
        lines[2]["stats"]["observation.state"]["max"][7] += 0.05
        return lines

    change(store, moved)
    assert "for 1 episodes (2);" in found(store)[0].message


def test_missing_lines_and_a_missing_file(store: EpisodeStore) -> None:
    change(store, lambda lines: lines[:-1])
    assert "is missing for 1 episodes (3);" in found(store)[0].message
    (store.root / "meta/episodes_stats.jsonl").unlink()
    (finding,) = found(store)
    assert finding.severity == "info" and "no such file; LeRobot v2.1 reads it" in finding.message
