"""Order and units of a dataset that is taken over: what the store holds, and what it says about it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from gr00t_data.curate.examine import check_store
from gr00t_data.embodiment.robot import Embodiment, EmbodimentError, Part, load_embodiment
from gr00t_data.embodiment.units import UnitError, conversion, with_recorded_units
from gr00t_data.lake import Lake
from gr00t_data.lerobot.convert import convert
from gr00t_data.sources.ingest import ingest, look
from gr00t_data.sources.recordings.binding import Samples, stream_of
from gr00t_data.sources.recordings.mapping import Mapping, PartSource, with_conversions
from gr00t_data.store.layout import episode_stats
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.builders import change_info, change_rows, resealed, sealed, unsealed
from tests.data.lerobot.folders import silent, v3_of
from tests.data.so100 import SO100, so100_episode
from tests.shell import invoke

JOINTS = [*SO100.state_names()]
FIRST = [f"{joint}.pos" for joint in (JOINTS[5], *JOINTS[:5])]
GRIPPER_FIRST = [5, 0, 1, 2, 3, 4]
"""Where each recorded dimension comes from in the order of the robot."""
COLUMNS = ("observation.state", "action")


def recorded(
    folder: Path, change: Callable[[np.ndarray], np.ndarray] = lambda rows: rows, names: object = JOINTS
) -> EpisodeStore:
    """Three episodes of the arm as a stranger's folder, every row of state and action changed."""
    store = unsealed(sealed(folder, [so100_episode(30, seed, 16) for seed in range(3)], robot=SO100))
    for row in store.rows:

        def changed(table: pa.Table) -> pa.Table:
            for column in COLUMNS:
                values = change(np.stack(table[column].to_numpy(zero_copy_only=False)).astype(np.float64))
                rows = pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float32).ravel()), values.shape[1])
                table = table.set_column(table.column_names.index(column), column, rows)
            return table

        change_rows(store, row.index, changed)
    stats = store.root / "meta/stats.json"
    lines = json.loads(stats.read_text())
    for column in COLUMNS:
        rows = np.concatenate([EpisodeStore.open(folder).matrix(row.index, column) for row in store.rows])
        low, high = np.quantile(rows, [0.01, 0.99], axis=0)
        measures = {"mean": rows.mean(0), "std": rows.std(0), "min": rows.min(0), "max": rows.max(0)}
        lines[column] = {key: value.tolist() for key, value in {**measures, "q01": low, "q99": high}.items()}
    stats.write_text(json.dumps(lines))
    each = [
        {"episode_index": row.index, "stats": episode_stats(parquet.ParquetFile(store.data_place(row.index)).read())}
        for row in store.rows
    ]
    (folder / "meta/episodes_stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in each))
    (folder / "meta/about.json").unlink()
    features = json.loads(json.dumps(store.info["features"]))
    for column in COLUMNS:
        features[column]["names"] = names
    return change_info(store, features=features)


def wanted(column: str, seed: int) -> np.ndarray:
    """float64 [30, 6]: the rows as the robot file has them."""
    return getattr(so100_episode(30, seed, 16), "state" if column == "observation.state" else column)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize(
    "names",
    [FIRST, {"motors": FIRST}, {name: place for place, name in enumerate(FIRST)}],
    ids=["list", "motors", "dict"],
)
def test_a_dataset_in_another_order_becomes_a_store_in_the_robots_order(tmp_path: Path, names: object, version: str):
    drop = recorded(tmp_path / "drop", lambda rows: rows[:, GRIPPER_FIRST], names)
    source = v3_of(drop, tmp_path / "v3") if version == "v3.0" else drop.root
    store = ingest(source, SO100, Lake(tmp_path / "lake"))
    stats = json.loads((store.root / "meta/stats.json").read_text())
    for column in COLUMNS:
        rows = np.concatenate([wanted(column, seed) for seed in range(3)]).astype(np.float32)
        assert np.array_equal(np.concatenate([store.matrix(seed, column) for seed in range(3)]), rows)
        assert store.features[column].names == [f"{joint}.pos" for joint in JOINTS]
        assert np.allclose(stats[column]["max"], rows.max(0)) and np.allclose(
            stats[column]["std"], rows.std(0), rtol=1e-4
        )
    each = [json.loads(line)["stats"] for line in (store.root / "meta/episodes_stats.jsonl").read_text().splitlines()]
    for seed, one in enumerate(each):
        assert np.allclose(np.ravel(one["action"]["min"]), wanted("action", seed).min(0))
    said = store.about.source.rewritten
    assert said is not None and said["action"] == {"recorded_names": FIRST, "places": [1, 2, 3, 4, 5, 0]}
    assert not [one for one in check_store(store, SO100) if one.code in ("NAMES-01", "META-03")]
    assert ingest(source, SO100, Lake(tmp_path / "lake")).digest == store.digest


def test_an_export_of_a_reordered_store_names_what_it_holds(tmp_path: Path) -> None:
    drop = recorded(tmp_path / "drop", lambda rows: rows[:, GRIPPER_FIRST], FIRST)
    store = ingest(drop.root, SO100, Lake(tmp_path / "lake"))
    convert(store.root, tmp_path / "v3", "v3.0", silent)
    info = json.loads((tmp_path / "v3/meta/info.json").read_text())
    assert info["features"]["action"]["names"] == [f"{joint}.pos" for joint in JOINTS]
    convert(tmp_path / "v3", tmp_path / "back", "v2.1", silent, embodiment=SO100)
    assert np.array_equal(EpisodeStore.open(tmp_path / "back").action(1), wanted("action", 1).astype(np.float32))


def test_names_that_contradict_are_refused_with_both_lists(tmp_path: Path) -> None:
    drop = recorded(tmp_path / "drop", names=["gripper.pos", *(f"joint_{n}.pos" for n in range(1, 6))])
    lake = Lake(tmp_path / "lake")
    with pytest.raises(StoreError, match=r"0: shoulder_pan \| gripper\.pos, .*list the joints in the robot file as"):
        ingest(drop.root, SO100, lake)
    assert "gripper.pos" in str(look(drop.root, SO100).facts["problem"])
    assert not [*lake.stores.iterdir()]


def test_names_that_mean_nothing_leave_every_byte(tmp_path: Path) -> None:
    drop = recorded(tmp_path / "drop", names=[f"motor_{n}" for n in range(6)])
    store = ingest(drop.root, SO100, Lake(tmp_path / "lake"))
    assert store.about.source.rewritten is None
    assert store.data_path(0).read_bytes() == drop.data_path(0).read_bytes()


def test_a_store_in_another_order_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = resealed(recorded(tmp_path / "store", names=FIRST))
    (found,) = [one for one in check_store(store, SO100) if one.code == "NAMES-01" and "'action'" in one.message]
    assert found.severity == "error" and "gripper is dimension 0" in found.message


def test_a_conversion_does_not_put_the_robots_slices_over_another_order(tmp_path: Path) -> None:
    source = v3_of(recorded(tmp_path / "drop", names=FIRST), tmp_path / "v3")
    with pytest.raises(StoreError, match=r"not in the order of the joints of 'so100'.*leave --embodiment out"):
        convert(source, tmp_path / "v21", "v2.1", silent, embodiment=SO100)


def in_radians(rows: np.ndarray) -> np.ndarray:
    return rows * np.array([*[np.pi / 180] * 5, 0.01])


def in_ticks(rows: np.ndarray) -> np.ndarray:
    return np.rint(np.concatenate([rows[:, :5] * 4096 / 360 + 2048, rows[:, 5:] * 10 + 2000], axis=1))


def scaled(robot: Embodiment, **changes: object) -> Embodiment:
    """The robot with these fields of its gripper."""

    def of(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(replace(part, **changes) if part.name == "gripper" else part for part in parts)

    return replace(robot, state=of(robot.state), action=of(robot.action))


@pytest.mark.parametrize(
    ("change", "robot", "error"),
    [
        (in_radians, with_recorded_units(SO100, ["rad", "gripper=1"]), 1e-4),
        (in_ticks, scaled(with_recorded_units(SO100, ["ticks"]), recorded_unit="ticks", range=((2000, 3000),)), 0.06),
    ],
    ids=["radians", "ticks"],
)
def test_units_are_converted_at_ingest_and_noted(tmp_path: Path, change, robot: Embodiment, error: float) -> None:
    drop = recorded(tmp_path / "drop", change)
    store = ingest(drop.root, robot, Lake(tmp_path / "lake"))
    stats = json.loads((store.root / "meta/stats.json").read_text())
    for column in COLUMNS:
        assert np.abs(store.matrix(2, column) - wanted(column, 2)).max() < error
        rows = np.concatenate([wanted(column, seed) for seed in range(3)])
        assert np.abs(np.array(stats[column]["min"]) - rows.min(0)).max() < error
        assert np.abs(np.array(stats[column]["std"]) - rows.std(0)).max() < error
    said = store.about.source.rewritten
    assert said is not None
    assert json.loads(json.dumps(said["action"]))["units"]["action.single_arm"] == [
        robot.action[0].recorded_unit,
        "deg",
    ]
    with pytest.raises(StoreError, match="another rewritten"):
        ingest(drop.root, SO100, Lake(tmp_path / "lake"))


def test_order_and_unit_together(tmp_path: Path) -> None:
    drop = recorded(tmp_path / "drop", lambda rows: in_radians(rows)[:, GRIPPER_FIRST], FIRST)
    store = ingest(drop.root, with_recorded_units(SO100, ["rad", "gripper=1"]), Lake(tmp_path / "lake"))
    assert np.abs(store.action(0) - wanted("action", 0)).max() < 1e-4


def test_a_column_of_two_by_three_is_converted_too(tmp_path: Path) -> None:
    drop = recorded(tmp_path / "drop", lambda rows: in_radians(rows)[:, GRIPPER_FIRST], [FIRST[:3], FIRST[3:]])
    features = json.loads(json.dumps(drop.info["features"]))
    for column in COLUMNS:
        features[column]["shape"] = [2, 3]
    change_info(drop, features=features)
    store = ingest(drop.root, with_recorded_units(SO100, ["rad", "gripper=1"]), Lake(tmp_path / "lake"))
    assert np.abs(store.action(0) - wanted("action", 0)).max() < 1e-4


def test_what_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    drop = recorded(tmp_path / "drop", in_radians)
    features = json.loads(json.dumps(drop.info["features"]))
    del features["action"]
    change_info(drop, features=features)
    with pytest.raises(StoreError, match="'action' declares None values a row, 'so100' lists 6 joints"):
        ingest(drop.root, with_recorded_units(SO100, ["rad"]), Lake(tmp_path / "lake"))


def test_scales_need_to_know_what_their_ends_mean() -> None:
    with pytest.raises(UnitError, match=r"what -100 and 100 mean in deg \(range"):
        with_recorded_units(SO100, ["range_m100_100"])
    arm = replace(SO100.state[0], recorded_unit="range_m100_100", range=((-110.0, 110.0),) * 5)
    turned = conversion(arm)
    assert turned is not None
    assert np.allclose(turned(np.array([[-100.0, 0.0, 50.0, 100.0, 10.0]])), [[-110, 0, 55, 110, 11]])
    displacement = conversion(replace(SO100.state[0], recorded_unit="ticks", absolute=False))
    assert displacement is not None
    assert np.allclose(displacement(np.full(5, 1024.0)), 90), "a displacement has no zero"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["radd"], "unknown unit 'radd'; did you mean 'rad'"),
        (["m"], r"none of the parts of 'so100': state\.single_arm \(deg\)"),
        (["hand=1"], "write PART=UNIT"),
    ],
)
def test_a_unit_that_is_about_nothing_is_refused(said: list[str], message: str) -> None:
    with pytest.raises(UnitError, match=message):
        with_recorded_units(SO100, said)


def test_the_shell_converts_and_says_so_before(tmp_path: Path) -> None:
    drop = recorded(tmp_path / "drop", in_radians)
    asked = ["ingest", drop.root, "--embodiment", "so100", "--unit", "rad", "--unit", "gripper=1"]
    seen = invoke([*asked, "--dry-run", "--lake", tmp_path / "lake"])
    assert seen.exit_code == 0 and "state.single_arm converted from rad to deg" in seen.stdout
    assert invoke([*asked, "--lake", tmp_path / "lake"]).exit_code == 0
    store = EpisodeStore.open(tmp_path / "lake/stores/drop")
    assert np.abs(store.state(0) - wanted("observation.state", 0)).max() < 1e-4


def test_more_joints_than_the_model_takes_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    joints = ", ".join(f"joint_{n}" for n in range(49))
    text = SO100.text.replace(
        "&arm [shoulder_pan, shoulder_lift, elbow_flex, wrist_flex, wrist_roll]", f"&arm [{joints}]"
    )
    (tmp_path / "wide.yaml").write_text(text.replace("name: so100\n", "name: wide\n", 1))
    wide, drop = load_embodiment(tmp_path / "wide.yaml"), recorded(tmp_path / "drop")
    message = r"has 50 action values, the model takes 32 \(single_arm 49, gripper 1\).*selections\.so100\.action"
    with pytest.raises(EmbodimentError, match=message):
        ingest(drop.root, wide, Lake(tmp_path / "lake"))
    seen = invoke(["ingest", drop.root, "--embodiment", tmp_path / "wide.yaml", "--dry-run"])
    assert seen.exit_code == 1
    assert "has 50 action values, the model takes 32" in " ".join(seen.output.split())


def test_a_recording_is_converted_by_its_mapping_once() -> None:
    arm = PartSource(key="qpos", index="0:5")
    given = Mapping(format="HDF5", state={"single_arm": arm}, action={"gripper": PartSource(key="grip", scale=100.0)})
    robot = with_recorded_units(SO100, ["rad", "gripper=1"])
    found = with_conversions(given, robot)
    assert found.state["single_arm"].scale == pytest.approx(180 / np.pi)
    assert found.action["gripper"] == given.action["gripper"], "somebody has thought of it"
    assert with_conversions(found, robot) == found
    samples = Samples(np.arange(3), np.full((3, 6), np.pi / 2))
    stream = stream_of(found.state["single_arm"], "state", robot.state[0], samples)
    assert np.allclose(stream.values, 90) and stream.turn == 360
    ticks = with_conversions(given, with_recorded_units(SO100, ["ticks"])).state["single_arm"]
    assert (ticks.scale, ticks.offset) == (360 / 4096, -180)
