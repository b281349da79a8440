"""The bed of real episodes: what is damaged is found in any robot's file, and what is not there is not counted."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.command import status
from benchmarks.doctor import table
from benchmarks.doctor.__main__ import main
from benchmarks.doctor.anatomy import ACTION, STATE, Anatomy, Unplantable
from benchmarks.doctor.defects.catalogue import DEFECTS
from benchmarks.doctor.defects.defect import STORE, Planting
from benchmarks.doctor.folder import Folder, Rows
from benchmarks.doctor.judgement import judge
from benchmarks.doctor.real import REAL, real_store
from benchmarks.doctor.score import Job, Score, run
from gr00t_data.disk import folder_digests
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import sealed
from tests.data.curate.moving import pictures

ROBOT = """
name: workbench
description: One arm in degrees; its elbow roll is not commanded, its gripper is a joint of the arm
slot: 31
control_hz: 15.0
action_horizon: 16
tolerance_s: 0.0334
language_key: annotation.human.action.task_description
cameras:
  - {name: hand_view, role: wrist, column: observation.images.hand}
  - {name: table_view, role: front, column: observation.images.table}
state:
  - name: arm
    joints: [pan, lift, roll, gripper]
    unit: deg
    limits: [-180.0, 180.0]
    normalization: min_max
action:
  - name: arm
    joints: [pan, lift, gripper]
    unit: deg
    limits: [-180.0, 180.0]
    normalization: min_max
default_selection: everything
selections:
  everything: {cameras: [hand_view, table_view], state: [arm], action: [arm]}
"""


@pytest.fixture(scope="module")
def robot_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("robot") / "workbench.yaml"
    path.write_text(ROBOT)
    return path


@pytest.fixture(scope="module")
def robot(robot_file: Path) -> Embodiment:
    return load_embodiment(str(robot_file))


def demonstration(seed: int, moves: bool = True) -> Episode:
    """45 rows at 15 Hz: lift sweeps 60 degrees, pan 10, the gripper closes; or nothing does."""
    phase = np.linspace(0, 2, 45)
    swing = (60 + seed) * np.sin(phase) * moves
    pan, gripper = 10 * np.cos(phase + seed) * moves, 30 * (phase > 1) * float(moves)
    return Episode(
        instruction="put the grape on the plate",
        times_s=np.arange(45) / 15,
        state=np.stack([pan, swing, np.zeros(45), gripper], 1),
        action=np.stack([pan + 1, swing + 1, gripper], 1),
        video={"table_view": pictures(45, seed)},
        success=True,
        source=EpisodeSource.model_validate({"file": f"{seed}.h5"}),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, robot: Embodiment) -> EpisodeStore:
    """Seven episodes; in 5 and 6 nothing moves."""
    made = [demonstration(seed, moves=seed < 5) for seed in range(7)]
    return sealed(tmp_path_factory.mktemp("real") / "grape", made, kind="real", robot=robot)


def test_limbs_are_found_by_the_names_of_joints(store: EpisodeStore, robot: Embodiment) -> None:
    anatomy = Anatomy(Folder(store.root), robot)
    arm, hand = anatomy.limbs
    assert (arm.name, arm.state, arm.action) == ("arm", (0, 1), (0, 1))
    assert (hand.name, hand.state, hand.action, hand.is_hand) == ("arm_hand", (3,), (2,), True)
    assert arm.radian[0] == pytest.approx(57.29578) and hand.low[0] == 0 and hand.high[0] == 30
    lift = anatomy.moving_joint(anatomy.folder.rows(2))
    assert (lift.dims(STATE), lift.dims(ACTION)) == ([1], [1])
    with pytest.raises(Unplantable, match="no joint moves"):
        anatomy.moving_joint(anatomy.folder.rows(5))
    with pytest.raises(Unplantable, match="left and right"):
        anatomy.pairs()


def test_cameras_are_those_with_pictures(store: EpisodeStore, robot: Embodiment) -> None:
    anatomy = Anatomy(Folder(store.root), robot)
    assert anatomy.cameras == ("table_view",) and anatomy.standing_camera == "table_view"
    with pytest.raises(Unplantable, match="no second camera"):
        _ = anatomy.other_camera


def test_a_wrist_camera_does_not_stand(tmp_path: Path, robot: Embodiment) -> None:
    made = [demonstration(seed) for seed in range(2)]
    for one in made:
        one.video["hand_view"] = one.video.pop("table_view")
    anatomy = Anatomy(Folder(sealed(tmp_path / "s", made, kind="real", robot=robot).root), robot)
    assert anatomy.camera == "hand_view"
    with pytest.raises(Unplantable, match="wrist"):
        _ = anatomy.standing_camera


def planted(name: str, store: EpisodeStore, robot: Embodiment, tmp_path: Path, *episodes: int) -> tuple[Folder, list]:
    defect = next(one for one in DEFECTS if one.name == name)
    folder = Folder.copy(store.root, tmp_path / "copy")
    spare = tuple(row.index for row in store.rows if row.index not in episodes)
    return folder, defect.plant(Planting(folder, robot, episodes, np.random.default_rng(0), 1.0, spare))


def test_magnitudes_are_in_the_unit_of_the_joint(store: EpisodeStore, robot: Embodiment, tmp_path: Path) -> None:
    folder, targets = planted("joint-homing", store, robot, tmp_path, 2)
    assert targets == [frozenset({2})]
    before, after = Folder(store.root).rows(2), folder.rows(2)
    for column in (STATE, ACTION):
        np.testing.assert_allclose(after[column][:, 1] - before[column][:, 1], np.rad2deg(0.35), rtol=1e-4)
        np.testing.assert_array_equal(after[column][:, 0], before[column][:, 0])


def test_open_and_closed_exchanged_stay_within_reach(store: EpisodeStore, robot: Embodiment, tmp_path: Path) -> None:
    folder, _ = planted("hands-flipped", store, robot, tmp_path, 1)
    np.testing.assert_allclose(folder.rows(1)[STATE][:, 3], 30 - Folder(store.root).rows(1)[STATE][:, 3])
    np.testing.assert_allclose(folder.rows(1)[ACTION][:, 2], 30 - Folder(store.root).rows(1)[ACTION][:, 2])


def test_a_spare_episode_stands_in_for_one_at_rest(store: EpisodeStore, robot: Embodiment, tmp_path: Path) -> None:
    _, targets = planted("joint-stuck", store, robot, tmp_path, 5)
    assert len(targets) == 1 and not targets[0] & {5, 6}


def score_of(name: str, clean: Path, robot_file: Path, work: Path) -> Score:
    before = judge(clean, load_embodiment(str(robot_file)))
    return run(Job(name, REAL, str(clean), before, str(robot_file), str(work), seed=0, severity=1.0))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fingers-permuted", "no hand of several motors"),
        ("arms-swapped", "no left and right side"),
        ("cameras-swapped", "no second camera"),
        ("text-one-for-all", "a single instruction"),
    ],
)
def test_what_cannot_be_planted_is_not_counted(
    name: str, why: str, store: EpisodeStore, robot_file: Path, tmp_path: Path
) -> None:
    score = score_of(name, store.root, robot_file, tmp_path)
    assert (score.planted, score.named, score.skipped) == (0, 0, why)
    text = "\n".join(table.lines([score], {}))
    assert f"not planted ({why}): {name} in real" in text and f"| {name}" not in text
    assert table.summary([score], {})["planted"] == 0


def test_an_episode_that_has_the_defect_already_is_not_chosen(
    store: EpisodeStore, robot_file: Path, robot: Embodiment, tmp_path: Path
) -> None:
    def spoil(rows: Rows) -> Rows:
        return rows | {ACTION: np.full_like(rows[ACTION], np.nan)}

    folder = Folder.copy(store.root, tmp_path / "clean")
    for index in range(1, 7):
        folder.change_rows(index, spoil)
    score = score_of("action-nan", folder.root, robot_file, tmp_path)
    assert (score.planted, score.named) == (1, 1) and "NAN-01" in score.codes
    folder.change_rows(0, spoil)
    assert "has it already" in score_of("action-nan", folder.root, robot_file, tmp_path).skipped


def test_a_bed_is_a_whole_store_and_leaves_its_source_alone(
    store: EpisodeStore, robot: Embodiment, tmp_path: Path
) -> None:
    before = folder_digests(store.root)
    bed = EpisodeStore.open(real_store(store.root, tmp_path, robot, 5, [1], 10.0))
    assert folder_digests(store.root) == before
    assert [row.index for row in bed.rows] == [0, 1, 2, 3, 4] and (bed.root / "meta/stats.json").is_file()
    np.testing.assert_array_equal(bed.state(1), store.state(2))
    shown = np.sort([*range(0, 45, 3), *range(0, 45, 3), *range(2, 45, 3)])  # two new pictures in three rows
    frames, clean = (Folder(root).frames(0, "table_view").astype(int) for root in (bed.root, store.root))
    assert np.abs(frames - clean[shown]).mean() < 2


def test_too_few_episodes_are_refused(store: EpisodeStore, robot: Embodiment, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 episodes, expected 5 to 40"):
        real_store(store.root, tmp_path, robot, 3, [], None)


def test_the_command(store: EpisodeStore, robot_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--real", str(store.root), "-e", str(robot_file), "--work", str(tmp_path), "--workers", "1"]
    assert status(main, [*words, "--only", "action-nan", "--only", "control-compression"]) == 0
    text = capsys.readouterr().out
    assert "| action-nan: 3 values | 1 | 1 | 1 |" in text and "| parquet with zstd | 1 | 0 | 0 |" in text
    assert "clean store real: 7 episodes" in text


def test_what_the_whole_rig_has_must_be_said_of_the_store_and_reject_nothing(
    store: EpisodeStore, robot_file: Path, tmp_path: Path
) -> None:
    score = score_of("clock-slow", store.root, robot_file, tmp_path)
    said = judge_of_slow_clock(store, robot_file, tmp_path)
    assert (score.planted, score.wrongly_rejected) == (1, ())
    assert score.named == ("TIME-03" in said)


def judge_of_slow_clock(store: EpisodeStore, robot_file: Path, tmp_path: Path) -> dict[str, tuple[int, int]]:
    """The codes of the store when every stamp comes from a clock at 0.9 of the rate."""
    folder = Folder.copy(store.root, tmp_path / "slow")
    for row in store.rows:
        folder.change_rows(row.index, lambda rows: rows | {"timestamp": rows["timestamp"] / 0.9})
    return judge(folder.root, load_embodiment(str(robot_file))).codes[STORE]


def test_running_numbers_follow_a_longer_episode(store: EpisodeStore, robot: Embodiment, tmp_path: Path) -> None:
    folder, _ = planted("idle-start", store, robot, tmp_path, 1)
    folder.refresh()
    starts = [int(folder.rows(row.index)["index"][0]) for row in store.rows]
    assert starts == [0, 45, 112, 157, 202, 247, 292]  # 1.5 s are 22 rows
    assert folder.rows(1)["index"][-1] == 111
