"""A new robot in the graph is one YAML in the lake: its assets are there at the next start, and they work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from assets.teleop import TeleopConfig
from assets.training import simulated
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import EmbodimentError, embodiment_names, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.store.episode import Episode
from gr00t_data.store.writing import StoreWriter
from gr00t_model.acting.onnx.layout import is_onnx
from gr00t_model.stages.gate import free_slot
from tests.shell import invoke

ROOT = Path(__file__).parents[2]
ADDED = {
    "embodiments/claw.yaml": """
name: claw
description: three joints and a claw, one camera
slot: 9
control_hz: 10.0
action_horizon: 16
tolerance_s: 0.05
language_key: annotation.human.task_description
language_column: task_index
cameras:
  - {name: above, role: top}
state:
  - {name: arm, joints: &arm [base, shoulder, elbow], unit: rad, limits: [-3.2, 3.2], normalization: min_max}
  - {name: claw, joints: &claw [opening], unit: percent, limits: [0.0, 100.0], normalization: min_max}
action:
  - {name: arm, joints: *arm, unit: rad, limits: [-3.2, 3.2], normalization: min_max}
  - {name: claw, joints: *claw, unit: percent, limits: [0.0, 100.0], normalization: min_max}
default_selection: everything
selections:
  everything: {cameras: [above], state: [arm, claw], action: [arm, claw]}
"""
}
"""Path in the lake -> text: all that is added."""

STAGES = ("dreamed_videos", "idm", "neural_trajectories", "norm_stats", "mixture", "finetune", "checkpoint")
PROGRAM = """
import json
import dagster as dg
from pipelines.definitions import defs

graph = defs.resolve_asset_graph()
evaluation = graph.get(dg.AssetKey("evaluation_claw"))
lists = {"assets": graph.get_all_asset_keys(), "jobs": defs.jobs, "schedules": defs.schedules, "sensors": defs.sensors}
found = {name: [getattr(one, "name", None) or one.to_user_string() for one in list_] for name, list_ in lists.items()}
with dg.DagsterInstance.ephemeral() as instance:
    instance.add_dynamic_partitions("drops", ["monday"])
    for key in ("teleop_episodes", "norm_stats_claw", "mixture_claw"):
        done = dg.materialize(
            list(defs.assets),
            selection=[key],
            partition_key="monday" if key == "teleop_episodes" else None,
            resources=defs.resources,
            instance=instance,
        )
        assert done.success
print(json.dumps(found | {"evaluation": evaluation.description, "kinds": sorted(evaluation.kinds)}))
"""


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake that describes a robot of its own."""
    for name, text in ADDED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("GR00T_LAKE", str(tmp_path))
    return Lake(tmp_path)


def put(lake: Lake, name: str, first: int = 0) -> None:
    """A drop of three short episodes of the claw, other ones for each ``first``; its marker names the robot."""
    place = lake.landing / name
    writer = StoreWriter.create(place, load_embodiment("claw"), kind="real", licence="Apache-2.0")
    for seed in range(first, first + 3):
        rng = np.random.default_rng(seed)
        action = np.sin(np.arange(30)[:, None] / 10 + rng.uniform(0, 6, 4)) * [1.0, 1.0, 1.0, 40.0] + [0, 0, 0, 50]
        pictures = np.clip(rng.integers(30, 60, (1, 16, 16, 3)) + 4 * np.arange(30)[:, None, None, None], 0, 255)
        video = {"above": pictures.astype(np.uint8)}
        writer.append(
            Episode(
                "close the claw", np.arange(30) / 10, np.concatenate([action[:1], action[:-1]]), action, video, True
            )
        )
    writer.seal()
    (place / "meta/seal.json").unlink()
    (place / "_SUCCESS").write_text("embodiment: claw\n")


def test_one_yaml_in_the_lake_is_a_robot_of_the_graph(lake: Lake) -> None:
    put(lake, "monday")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(lake.root)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for robot in ("gr1", "claw"):
        assert {f"{stage}_{robot}" for stage in (*STAGES, "evaluation", "released", "served")} <= set(found["assets"])
        assert f"retrain_{robot}" in found["jobs"] and f"nightly_retrain_{robot}" in found["schedules"]
        assert f"retrain_{robot}_on_arrival" in found["sensors"]
    assert "No closed loop" in found["evaluation"] and found["kinds"] == ["pytorch"]
    (statistics, _), (mixture, _) = lake.pointed("norm_stats_claw") or (), lake.pointed("mixture_claw") or ()
    assert read_json(statistics)["state"].keys() == {"arm", "claw"}
    assert [len(source["episodes"]) for source in read_json(mixture)["sources"]] == [3]


@pytest.mark.slow
def test_it_is_trained_evaluated_open_loop_and_released(lake: Lake) -> None:
    """The user's own command, from four drops to the release."""
    for number, day in enumerate(("monday", "tuesday", "wednesday", "thursday")):
        put(lake, day, 3 * number)
    (lake.root / "home").mkdir()
    environment = os.environ | {
        "DAGSTER_HOME": str(lake.root / "home"),
        "DAGSTER_MODULE_NAME": "pipelines.command_line",
    }
    ops = {
        "base_nano": {"stills": 64},
        "finetune_claw": {"recipe": "gr1_nano_tiny", "on_missing_input": "fail"},
        "released_claw": {"first_ratio": 1000.0},
    }
    config = json.dumps({"ops": {name: {"config": fields} for name, fields in ops.items()}})
    command = ["asset", "materialize", "--select", "*served_claw", "--config-json", config]
    dagster = str(Path(sys.executable).parent / "dagster")
    done = subprocess.run([dagster, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "closed loop: none, the simulator has no claw" in done.stderr and lake.pointed("released_claw")
    assert is_onnx((lake.pointed("served_claw") or (lake.root, ""))[0])
    with dg.DagsterInstance.from_config(str(lake.root / "home")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("evaluation_claw"))
    assert event and event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert metadata["closed loop"].value == "none: the simulator has no claw"
    assert metadata["held-out episodes"].value


def test_the_robots_of_the_lake_are_known_by_name(lake: Lake) -> None:
    assert load_embodiment("claw").action_dim == 4 and "claw" in embodiment_names()
    (lake.embodiments / "hook.yaml").write_text(ADDED["embodiments/claw.yaml"])
    with pytest.raises(EmbodimentError, match="name is 'claw', expected 'hook', the name of the file"):
        load_embodiment("hook")


LOAD = """
from pipelines.definitions import defs
print(sorted(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()))
"""


@pytest.mark.parametrize("name", ["hook", "so100", "human_hands"])
def test_a_wrong_yaml_stops_its_own_robot_only(lake: Lake, name: str) -> None:
    (lake.embodiments / f"{name}.yaml").write_text("name: [")
    environment = os.environ | {"GR00T_LAKE": str(lake.root)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "finetune_gr1" in done.stdout and "finetune_claw" in done.stdout and name not in done.stdout
    assert f"embodiments/{name}.yaml" in done.stderr and f"the embodiment {name!r} is left out" in done.stderr
    assert load_embodiment("claw") and load_embodiment("gr1") and free_slot(load_embodiment("claw"))
    told = invoke(["embodiments"])
    assert told.exit_code == 0 and "claw" in told.output and f"{name!r} is left out" in told.output
    with pytest.raises(EmbodimentError, match=rf"embodiments/{name}\.yaml"):
        load_embodiment(name)


def test_a_robot_of_the_lake_may_not_pass_for_another(lake: Lake) -> None:
    text = (ROOT / "schemas/embodiments/so100.yaml").read_text()
    (lake.embodiments / "so100.yaml").write_text(f"# a copy\n{text}")
    assert load_embodiment("so100").digest == load_embodiment(ROOT / "schemas/embodiments/so100.yaml").digest
    (lake.embodiments / "so100.yaml").write_text(text.replace("control_hz: 30.0", "control_hz: 25.0"))
    with pytest.raises(EmbodimentError, match=r"so100\.yaml: is not the so100 of .*; give your robot a name"):
        load_embodiment("so100")


def test_nothing_is_recorded_for_a_robot_that_the_simulator_does_not_have(lake: Lake) -> None:
    with pytest.raises(Exception, match="holds no episode of claw, and the simulator has no such robot; land a drop"):
        simulated(load_embodiment("claw"), TeleopConfig(), lake)
