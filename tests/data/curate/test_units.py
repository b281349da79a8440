"""The unit that joints are really in: read from what they reach, for a store, for episodes and between stores."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.compare.row_evidence import row_evidence
from gr00t_data.curate.compare.units import check_units, readings, scales
from gr00t_data.curate.doctor import diagnose
from gr00t_data.curate.finding import Scale
from gr00t_data.curate.index import Index, load_index, save_index
from gr00t_data.curate.one_unit import DifferentUnits, require_one_unit
from gr00t_data.curate.subject.signals import signals_of
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.store.episode import Episode
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import sealed
from tests.data.so100 import SO100

RAD = np.array([*[np.pi / 180] * 5, 1.0])
SHARE = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.01])
POSE = np.array([10.0, -40.0, 50.0, 30.0, -15.0, 45.0])
Change = Callable[[np.ndarray], np.ndarray]


def motion(seed: int, rows: int = 120, size: float = 40.0) -> np.ndarray:
    """float64 [rows, 6]: degrees and percent of an arm that goes to and fro around its usual pose."""
    generator = np.random.default_rng(seed)
    time, rates = np.arange(rows)[:, None] / 30, generator.uniform(0.2, 0.5, 6)
    swing = np.sin(2 * np.pi * rates * time + generator.uniform(0, 6, 6)) * generator.uniform(0.6, 1, 6)
    return POSE + size * swing + generator.normal(0, 0.02, (rows, 6))


def rows_of(episodes: Sequence[np.ndarray], robot: Embodiment = SO100) -> Rows:
    found = {}
    for index, values in enumerate(episodes):
        kept = row_evidence(signals_of(robot, {"observation.state": values, "action": values}), np.zeros(0, np.int64))
        assert kept is not None
        found[index] = kept
    return Rows(found, robot)


def as_declared(unit: str, limits: tuple[float, float] | None, name: str = "single_arm") -> Embodiment:
    """The arm with another unit and other limits of one part, on both sides."""

    def of(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(
            replace(part, unit=unit, limits=limits and (limits,) * part.dim) if part.name == name else part
            for part in parts
        )

    return replace(SO100, state=of(SO100.state), action=of(SO100.action))


ELSEWHERE: dict[str, tuple[Change, Embodiment, str, str]] = {
    "radians under degrees": (lambda q: q * RAD, SO100, "single_arm", "rad"),
    "0..1 under percent, the gripper alone": (lambda q: q * SHARE, SO100, "gripper", "1"),
    "degrees under radians": (lambda q: q, as_declared("rad", (-3.3, 3.3)), "single_arm", "deg"),
    "degrees under radians without limits": (lambda q: q, as_declared("rad", None), "single_arm", "deg"),
    "percent under 0..1": (lambda q: q, as_declared("1", (-0.05, 1.05), "gripper"), "gripper", "percent"),
    "ticks under degrees": (lambda q: q * 4096 / 360 + 2048, SO100, "single_arm", "ticks"),
    "ticks under radians": (lambda q: q * 4096 / 360 + 2048, as_declared("rad", (-3.3, 3.3)), "single_arm", "ticks"),
    "degrees under ticks": (lambda q: q, as_declared("ticks", (0, 4095)), "single_arm", "deg"),
    "-1..1 under -100..100": (
        lambda q: q / 100,
        as_declared("range_m100_100", (-100, 100)),
        "single_arm",
        "normalised",
    ),
    "metres under millimetres": (lambda q: q / 1000, as_declared("mm", (-400, 400)), "single_arm", "m"),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_another_unit_is_one_finding_of_the_store(case: str) -> None:
    change, robot, part, unit = ELSEWHERE[case]
    found = check_units(rows_of([change(motion(seed)) for seed in range(5)], robot))
    assert [(index, one.code) for index, one in found] == [(None, "UNIT-01")]
    (_, finding), declared = found[0], robot.state_part(part).unit
    assert f"state.{part} (" in finding.message and f"action.{part} (" in finding.message
    assert f"is declared in {declared} and reads as {unit}" in finding.message
    assert f"--unit {part}={unit}" in finding.message


def test_the_finding_says_joints_ratio_and_evidence() -> None:
    ((_, finding),) = check_units(rows_of([motion(seed) * RAD for seed in range(3)]))
    for words in ("shoulder_pan", "limits -270 to 270", "in 3 of 3 episodes", "ratio of the two units is 57.3"):
        assert words in finding.message


def quiet_gripper(seed: int) -> np.ndarray:
    values = motion(seed)
    values[:, 5] = 0.5 + 0.3 * np.random.default_rng(seed).normal(size=len(values))
    return values


def parked(seed: int) -> np.ndarray:
    """An arm at its zero pose, whose readings flicker between three steps of a servo."""
    values = motion(seed)
    steps = np.repeat(np.random.default_rng(seed).integers(-4, 5, (len(values) // 8, 5)), 8, axis=0)
    values[:, :5] = steps * 360 / 4096
    return values


HEALTHY: dict[str, Callable[[int], np.ndarray]] = {
    "as recorded": motion,
    "small motions around the usual pose": lambda seed: motion(seed, size=1.0),
    "a small workspace": lambda seed: motion(seed, size=6.0),
    "a gripper that stays closed": quiet_gripper,
    "an arm that is parked at zero": parked,
    "a joint that hardly moves": lambda seed: np.where(np.arange(6) == 2, 0.3, motion(seed)),
    "two joints only": lambda seed: np.where(np.arange(6) < 2, motion(seed), 0.0),
    "long": lambda seed: motion(seed, rows=900),
    "all at rest": lambda seed: np.zeros((60, 6)),
}


@pytest.mark.parametrize("case", HEALTHY)
def test_healthy_stores_are_not_accused(case: str) -> None:
    assert not check_units(rows_of([HEALTHY[case](seed) for seed in range(6)]))


def test_ticks_and_radians_that_are_declared_so_are_not_accused() -> None:
    ticks = as_declared("ticks", (0, 4095))
    arm = np.arange(6) < 5
    assert not check_units(rows_of([np.where(arm, q * 4096 / 360 + 2048, q) for q in map(motion, range(3))], ticks))
    radians = as_declared("rad", (-4.7, 4.7))
    assert not check_units(rows_of([motion(seed) * RAD for seed in range(3)], radians))


def test_lerobots_scale_under_degrees() -> None:
    scale = [np.clip(2.5 * motion(seed), -100, 100) for seed in range(5)]
    ((_, finding),) = check_units(rows_of(scale))
    assert finding.code == "UNIT-01" and "reads as range_m100_100" in finding.message
    ((_, open_),) = check_units(rows_of([np.clip(1.4 * (motion(seed) - POSE), -99, 99) * 1.2 for seed in range(5)]))
    assert (open_.code, open_.severity) == ("UNIT-03", "info")
    assert not check_units(rows_of(scale, as_declared("range_m100_100", (-100, 100))))
    assert not check_units(rows_of([1.6 * motion(seed, size=80) for seed in range(5)]))


def test_episodes_in_another_unit_are_named_and_rejected() -> None:
    episodes = [motion(seed) * (RAD * SHARE if seed in (2, 5) else 1) for seed in range(8)]
    found = check_units(rows_of(episodes))
    (of_store,) = [one for index, one in found if index is None]
    assert of_store.code == "UNIT-02" and "episodes 2, 5 of 8" in of_store.message
    assert sorted(index for index, _ in found if index is not None) == [2, 5]
    assert all(one.code == "UNIT-02" and one.severity == "error" for _, one in found)


def test_degrees_among_radians_are_named(tmp_path: Path) -> None:
    robot = as_declared("rad", (-4.7, 4.7))
    found = check_units(rows_of([motion(seed) * (1 if seed == 4 else RAD) for seed in range(6)], robot))
    assert {index for index, _ in found} == {None, 4}


@pytest.mark.parametrize(("joints", "severity"), [((2,), "warning"), ((2, 3), "error")])
def test_joints_of_an_episode_in_radians_are_named(joints: tuple[int, ...], severity: str) -> None:
    in_radians = np.where(np.isin(np.arange(6), joints), np.pi / 180, 1.0)
    found = check_units(rows_of([motion(seed) * (in_radians if seed == 3 else 1) for seed in range(9)]))
    assert [(index, one.code, one.severity) for index, one in found] == [
        (None, "UNIT-02", severity),
        (3, "UNIT-02", severity),
    ]
    message = found[1][1].message
    assert "state.single_arm joint 'elbow_flex'" in message and "action.single_arm joint 'elbow_flex'" in message
    assert "57.3 (degrees in a radian)" in message


def test_an_episode_that_moves_little_is_not_in_another_unit() -> None:
    assert not check_units(rows_of([motion(seed, size=0.5 if seed == 3 else 40.0) for seed in range(6)]))


def test_what_the_values_leave_open_is_left_open() -> None:
    said = readings(rows_of([np.zeros((60, 6)), motion(1), motion(2) * RAD]).episodes, SO100)
    assert said["state.single_arm"] == {0: "", 1: "deg", 2: "rad"}


def store_of(folder: Path, *changes: Change) -> tuple[EpisodeStore, Index]:
    """Three episodes, all or each changed so."""
    pictures = np.random.default_rng(0).integers(0, 15, (1, 16, 16, 3)) + 2 * np.arange(120)[:, None, None, None]
    video: dict[str, np.ndarray | Path] = {"webcam": pictures.astype(np.uint8)}
    episodes = [
        Episode("grasp the blue cube", np.arange(120) / 30, change(rows), change(rows + 0.5), video, True)
        for rows, change in zip(map(motion, range(3)), changes * 3, strict=False)
    ]
    store = sealed(folder, episodes, robot=SO100)
    return store, build_index(store, SO100, folder.parent / f"index-{folder.name}")


def test_stores_in_different_units_are_not_mixed_nor_measured_together(tmp_path: Path) -> None:
    degrees, radians = store_of(tmp_path / "degrees", lambda q: q), store_of(tmp_path / "radians", lambda q: q * RAD)
    assert [one.code for one in radians[1].findings if one.code.startswith("UNIT")] == ["UNIT-01"]
    assert len(radians[1].accepted) == 3
    both = (
        r"degrees and .*radians are in different units: state\.single_arm: the first reads as deg, the second as rad "
        r".*action\.single_arm: .*Ingest again .*radians with --unit single_arm=rad "
    )
    with pytest.raises(DifferentUnits, match=both):
        build_manifest("m", SO100, [(*degrees, 1.0), (*radians, 1.0)])
    with pytest.raises(DifferentUnits, match=both):
        measure([degrees, radians], SO100)
    gripper = store_of(tmp_path / "gripper", lambda q: q * SHARE)
    with pytest.raises(
        DifferentUnits, match=r"state\.gripper: .*percent, the second as 1 .*gripper with --unit gripper=1 "
    ):
        build_manifest("m", SO100, [(*degrees, 1.0), (*gripper, 1.0)])
    other = store_of(tmp_path / "other", lambda q: POSE + 0.1 * (q - POSE))
    assert len(build_manifest("m", SO100, [(*degrees, 1.0), (*other, 1.0)]).sources) == 2
    assert len(build_manifest("m", SO100, [(*radians, 1.0)]).sources) == 1


def test_a_mixed_store_goes_on_without_its_other_half(tmp_path: Path) -> None:
    store, _ = store_of(tmp_path / "mixed", lambda q: q, lambda q: q * RAD, lambda q: q)
    report = diagnose(store, SO100)
    assert [(one.accepted, one.codes) for one in report.verdicts] == [(True, ()), (False, ("UNIT-02",)), (True, ())]
    (found,) = [one for one in report.findings if one.code == "UNIT-02"]
    assert found.message.startswith(f"{store.root}: episodes 1 of 3")
    assert report.scales["state.single_arm"].unit == "deg"


def index_with(path: str, scale: Scale) -> Index:
    return Index(path, path, "arm", "", "", (), (), scales={"state.single_arm": scale})


def test_stores_whose_robot_has_no_unit_are_compared_by_what_every_joint_reaches() -> None:
    one = Scale("", (-40.0, 10.0, -90.0), (50.0, 60.0, 20.0))
    small = Scale("", tuple(v / 57.3 for v in one.low), tuple(v / 50 for v in one.high))
    with pytest.raises(DifferentUnits, match=r"stores a and b are .*every joint reaches .* near 57\.3"):
        require_one_unit("mixture 'm'", [index_with("a", one), index_with("b", small)], SO100)
    around = Scale("", (-35.0, 50.0, -80.0), (-30.0, 52.0, -79.0))
    require_one_unit("mixture 'm'", [index_with("a", one), index_with("b", around)], SO100)


def test_scales_are_kept_with_the_index(tmp_path: Path) -> None:
    index = store_of(tmp_path / "store", lambda q: q)[1]
    kept = index.scales["state.single_arm"]
    assert kept.unit == "deg"
    assert kept.low == pytest.approx(np.min([motion(seed)[:, :5].min(0) for seed in range(3)], axis=0), abs=2)
    path = tmp_path / index.file_name
    save_index(path, index)
    assert load_index(path).scales == index.scales
    assert scales(rows_of([motion(0)]))["action.gripper"].unit == "percent"
