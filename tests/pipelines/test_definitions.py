"""The graph: its shape, what the bare command line selects, and what each asset says about itself."""

import dagster as dg
import pytest

from pipelines.command_line import definitions_for
from pipelines.definitions import defs

EDGES = {
    "teleop_episodes": set(),
    "human_clips": set(),
    "dreamed_videos_gr1": {"teleop_episodes"},
    "idm_gr1": {"teleop_episodes", "dreamed_videos_gr1"},
    "neural_trajectories_gr1": {"teleop_episodes", "dreamed_videos_gr1", "idm_gr1"},
    "norm_stats_gr1": {"teleop_episodes", "human_clips", "neural_trajectories_gr1"},
    "mixture_gr1": {"teleop_episodes", "human_clips", "neural_trajectories_gr1"},
    "norm_stats_human_hands": {"human_clips"},
    "mixture_human_hands": {"human_clips"},
    "base_nano": set(),
    "finetune_gr1": {"norm_stats_gr1", "mixture_gr1", "base_nano"},
    "checkpoint_gr1": {"finetune_gr1"},
    "evaluation_gr1": {"checkpoint_gr1"},
    "released_gr1": {"evaluation_gr1"},
    "served_gr1": {"released_gr1"},
}
command_line = definitions_for(["asset", "materialize", "--select", "finetune_gr1"])
GROUPS = {"ingest", "label", "curate", "mix", "train", "evaluate"}


@pytest.mark.parametrize("definitions", [defs, command_line], ids=["ui", "command line"])
def test_shape_of_the_graph(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert keys == set(EDGES)
    for name, parents in EDGES.items():
        node = graph.get(dg.AssetKey(name))
        assert {key.to_user_string() for key in node.parent_keys} == parents
        assert node.description and node.owners and node.kinds and node.group_name in GROUPS


def test_drops_are_partitions_in_the_ui_and_one_step_on_the_command_line() -> None:
    for key in (dg.AssetKey("teleop_episodes"), dg.AssetKey("human_clips")):
        assert isinstance(defs.resolve_asset_graph().get(key).partitions_def, dg.DynamicPartitionsDefinition)
    graph = command_line.resolve_asset_graph()
    selected = dg.AssetSelection.from_coercible(["*checkpoint_gr1"]).resolve(graph)
    assert {k.to_user_string() for k in selected} == set(EDGES) - {
        *("evaluation_gr1", "released_gr1", "served_gr1", "norm_stats_human_hands", "mixture_human_hands")
    }
    assert all(graph.get(k).partitions_def is None for k in selected)


def test_jobs_schedules_and_sensors_are_there() -> None:
    assert defs.resolve_job_def("retrain_gr1") and defs.resolve_schedule_def("nightly_retrain_gr1")
    assert defs.resolve_sensor_def("landing_sensor") and defs.resolve_sensor_def("retrain_gr1_on_arrival")
    assert defs.resolve_sensor_def("alert_on_failure") and defs.resolve_sensor_def("human_landing_sensor")


def test_only_the_bare_command_gets_the_ingest_as_one_step() -> None:
    assert definitions_for(["dev"]) is defs and definitions_for(["api", "grpc"]) is defs
    assert definitions_for(["asset", "materialize", "--select", "teleop_episodes", "--partition", "monday"]) is defs
