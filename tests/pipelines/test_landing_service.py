"""The landing sensor and the ingest on a remote landing and on generated clips, in a real Dagster instance."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.teleop import teleop_episodes
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.remote import LandingError, remote_landing
from pipelines.sensors import landing_sensor
from tests.data.sources.test_landing_kinds import generated
from tests.pipelines.drops import put

SECRET = "hush9"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as one:
        yield one


def run(lake: Lake, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """What the sensor asks for (one drop), done."""
    answer = landing_sensor(dg.build_sensor_context(instance=instance, resources={"lake": lake}))
    assert isinstance(answer, dg.SensorResult)
    (request,) = answer.run_requests or []
    assert request.partition_key
    instance.add_dynamic_partitions("drops", [request.partition_key])
    result = dg.materialize(
        [teleop_episodes], partition_key=request.partition_key, resources={"lake": lake}, instance=instance
    )
    after = landing_sensor(dg.build_sensor_context(instance=instance, resources={"lake": lake}))
    assert isinstance(after, dg.SensorResult) and not after.run_requests
    return result


def test_a_remote_drop_is_asked_for_copied_and_taken_in_without_a_secret_in_the_log(tmp_path, instance):
    lake = Lake(tmp_path / "lake", f"memory://someone:{SECRET}@{uuid.uuid4().hex}")
    made, remote = put(Lake(tmp_path / "elsewhere"), "monday", episodes=1), remote_landing(lake)
    assert remote
    for file in (path for path in made.rglob("*") if path.is_file()):
        remote.files.pipe_file(f"{remote.root}/monday/{file.relative_to(made)}", file.read_bytes())
    try:
        result = run(lake, instance)
        assert result.success
        logged = [entry.user_message for entry in instance.all_logs(result.run_id)]
        stored = [str(event) for event in instance.all_logs(result.run_id)]
        assert any("files copied" in line for line in logged) and not any(SECRET in text for text in logged + stored)
    finally:
        remote.files.rm(remote.root, recursive=True)
    with pytest.raises(LandingError, match="cannot be listed"):  # a failed tick keeps the sensor's memory
        landing_sensor(dg.build_sensor_context(instance=instance, resources={"lake": lake}))


def test_generated_clips_are_ingested_with_what_their_marker_says(tmp_path: Path, instance):
    lake = Lake(tmp_path / "lake")
    generated(lake, "dreamed")
    result = run(lake, instance)
    (event,) = result.asset_materializations_for_node("teleop_episodes")
    assert event.metadata["data_source"].value == "neural" and event.metadata["licence"].value == "CC-BY-4.0"
    assert event.metadata["episodes"].value == 2
