"""The defect benchmark: planters damage only their copy, and the score counts what it says."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.doctor import packets, table
from benchmarks.doctor.controls import CONTROLS
from benchmarks.doctor.defects.catalogue import DEFECTS
from benchmarks.doctor.defects.defect import STORE, Defect, Planting, cut_rows, late
from benchmarks.doctor.folder import Folder
from benchmarks.doctor.judgement import Judgement, judge
from benchmarks.doctor.score import Job, Score, matches, run
from gr00t_data.curate.checks.catalogue import CHECKS
from gr00t_data.disk import folder_digests
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe
from tests.data.builders import GR1, sealed
from tests.data.curate.moving import moving_episode, pictures


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight episodes with two cameras; some place, some push."""

    def video_of(seed: int) -> dict[str, np.ndarray | Path]:
        return {"ego_view": pictures(40, seed), "front_view": pictures(40, seed + 50, "blue", False)}

    def text(seed: int) -> str:
        return f"put the red cube {seed} on the plate" if seed % 2 else f"push the red cube {seed} to the left"

    made = [moving_episode(s, rows=40, instruction=text(s), video=video_of(s)) for s in range(8)]
    return sealed(tmp_path_factory.mktemp("clean") / "s", made).root


@pytest.fixture
def planting(clean: Path, tmp_path: Path) -> Iterator[Planting]:
    before = folder_digests(clean)
    yield Planting(Folder.copy(clean, tmp_path / "copy"), GR1, (2, 5), np.random.default_rng(0))
    assert folder_digests(clean) == before, "the clean store was changed through a hard link"


def content(root: Path) -> dict[str, str]:
    return folder_digests(root)


def test_names_groups_and_codes() -> None:
    names = [one.name for one in (*DEFECTS, *CONTROLS)]
    assert len(set(names)) == len(names) and len(DEFECTS) > 120
    assert all(one.magnitude and one.consequence and one.codes for one in DEFECTS)
    assert {
        one.name: one.codes for one in DEFECTS if not any(matches(code, one.codes.split()) for code in CHECKS)
    } == {}


FIRST_OF_GROUP = list({defect.group: defect for defect in reversed(DEFECTS)}.values())


def plants(planting: Planting, defect: Defect) -> None:
    before = content(planting.folder.root)
    targets = defect.plant(planting)
    if defect.refresh:
        planting.folder.refresh()
    assert targets and all(targets) and content(planting.folder.root) != before
    listed = {row["episode_index"] for row in planting.folder.lines("episodes.jsonl")} | {STORE}
    assert set().union(*targets) <= listed


@pytest.mark.parametrize("defect", FIRST_OF_GROUP, ids=lambda defect: defect.name)
def test_one_defect_of_each_group(planting: Planting, defect: Defect) -> None:
    plants(planting, defect)


@pytest.mark.slow
@pytest.mark.parametrize("severity", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_every_defect(planting: Planting, defect: Defect, severity: float) -> None:
    plants(replace(planting, severity=severity), defect)


@pytest.mark.slow
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_every_control(planting: Planting, control) -> None:
    before = content(planting.folder.root)
    numbers = control.change(planting)
    assert (
        numbers.keys() == {row.index for row in planting.folder.store.rows} and content(planting.folder.root) != before
    )


def test_rows_keep_their_types_and_the_rest_of_their_content(planting: Planting) -> None:
    store = planting.folder.store
    types = store.columns(2).schema
    planting.folder.change_rows(2, lambda rows: rows | {"action": rows["action"] * 2})
    assert planting.folder.store.columns(2).schema == types
    np.testing.assert_allclose(planting.folder.store.action(2), 2 * EpisodeStore.open(store.root).action(2) / 2)


def test_a_late_stream_is_cut_at_both_ends() -> None:
    rows = {"timestamp": np.arange(10) / 20, "frame_index": np.arange(10), "action": np.arange(10.0)[:, None]}
    others, own = late(3)
    assert rows["action"][others][0] == 3 and rows["action"][own][0] == 0
    kept = cut_rows(rows, others)
    assert kept["timestamp"][0] == 0 and kept["frame_index"][-1] == 6 and kept["action"][0] == 3
    others, own = late(-3)
    assert rows["action"][others][-1] == 6 and rows["action"][own][0] == 3


def test_packets_are_moved_without_a_new_encoding(planting: Planting) -> None:
    path = planting.folder.store.video_path(0, "ego_view")
    shutil.copyfile(path, copy := path.with_name("copy.mp4"))
    packets.retime(copy, probe(path).pts_s + 0.5)
    np.testing.assert_allclose(probe(copy).pts_s, probe(path).pts_s + 0.5, atol=1e-3)
    np.testing.assert_array_equal(video.decode(copy), video.decode(path))


def job(name: str, clean: Path, work: Path, before: Judgement) -> Job:
    return Job(name, "simulator", str(clean), before, "gr1", str(work), seed=0, severity=1.0)


def test_scores(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    clean = sealed(tmp_path_factory.mktemp("three") / "s", [moving_episode(seed) for seed in range(3)]).root
    before = judge(clean, GR1)
    found = run(job("action-nan", clean, tmp_path, before))
    assert (found.planted, found.named, found.noticed) == (1, 1, 1) and "NAN-01" in found.codes
    harmless = run(job("control-compression", clean, tmp_path, before))
    assert (harmless.planted, harmless.false_alarms, harmless.wrongly_rejected) == (0, (), ())
    assert list(tmp_path.iterdir()) == []
    text = "\n".join(
        table.lines(
            [found, harmless], {"s": {"episodes": 8, "rejected": 1, "why": "3 IMAGE-14", "seconds_per_hour": 1}}
        )
    )
    assert "clean store s: 8 episodes, 1 rejected (3 IMAGE-14), 1 CPU seconds" in text
    assert "| action-nan: 3 values | 1 | 1 | 1 |" in text and "| parquet with zstd | 1 | 0 | 0 |" in text
    assert table.plain([found, harmless], {})["summary"]["specific_recall"] == 1


def test_new_means_unknown_graver_or_more() -> None:
    before = Judgement({0: {"A-01": (2, 1)}, 1: {}}, frozenset(), 0)
    after = Judgement({0: {"A-01": (2, 1)}, 5: {"A-01": (3, 1)}, 1: {"B-01": (1, 1)}}, frozenset(), 0)
    assert after.new(before, {5: 0}) == {5: {"A-01"}, 1: {"B-01"}}
    assert Judgement({0: {"A-01": (2, 2)}}, frozenset(), 0).new(before, {}) == {0: {"A-01"}}
    assert Judgement({0: {"A-01": (1, 9)}}, frozenset(), 0).new(before, {}) == {}


def test_why_episodes_were_rejected() -> None:
    found = Judgement({3: {"IMAGE-14": (3, 1), "IDLE-01": (2, 1)}, 4: {"NAN-01": (3, 2)}, 5: {}}, frozenset({4, 3}), 0)
    assert found.why_rejected() == "3 IMAGE-14, 4 NAN-01"


def test_summary_over_scores() -> None:
    scores = [
        Score("action-nan", "s", 3, 2, 3, ("episode 4 IMAGE-01",), (), ("NAN-01",), 1.0),
        Score("control-noise", "s", 0, 0, 0, ("episode 1 TIME-03",), (1,), (), 1.0),
    ]
    facts = table.summary(scores, {})
    assert facts["specific_recall"] == pytest.approx(2 / 3) and facts["generic_recall"] == 1
    assert (facts["false_alarms_beside_defects"], facts["false_alarms_on_controls"], facts["wrongly_rejected"]) == (
        1,
        1,
        1,
    )
