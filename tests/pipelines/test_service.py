"""The service in real Dagster instances: landing, retraining, release, alerts."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from assets.evaluation import ReleaseConfig, evaluation_assets
from assets.teleop import all_teleop_episodes, teleop_episodes
from gr00t_data.lake import Lake
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.store.store import EpisodeStore
from gr00t_model.acting.onnx.layout import MANIFEST
from gr00t_model.policy import Policy
from gr00t_model.release.history import release
from gr00t_model.serve.onnx.figures import LARGEST
from gr00t_model.stages.evaluate import evaluate_checkpoint
from gr00t_model.stages.settings import EvaluationSettings
from gr00t_model.stages.verify import verify
from pipelines import sensors
from pipelines.alerts import URL_VARIABLE
from pipelines.definitions import defs
from pipelines.sensors import alert_on_failure, landing_sensor
from tests.model.service_lake import add_store, train_tiny
from tests.pipelines.drops import GR1, put

RETRAIN = defs.resolve_sensor_def("retrain_gr1_on_arrival")
NIGHTLY = defs.resolve_schedule_def("nightly_retrain_gr1")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as one:
        yield one


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The sensors' clock, in seconds; a test sets its only entry."""
    now = [1000.0]
    monkeypatch.setattr(sensors.time, "time", lambda: now[0])
    return now


def tick(sensor: dg.SensorDefinition, lake: Lake, instance: dg.DagsterInstance, cursor: str | None = None):
    """What the daemon gets from one evaluation: run_requests, skip_message, cursor."""
    context = dg.build_sensor_context(
        instance=instance, resources={"lake": lake}, cursor=cursor, sensor_name=sensor.name, definitions=defs
    )
    return sensor.evaluate_tick(context)


def looked(lake: Lake, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """One evaluation of the landing sensor."""
    answer = landing_sensor(dg.build_sensor_context(instance=instance, resources={"lake": lake}, cursor=cursor))
    assert isinstance(answer, dg.SensorResult)
    return answer


def ingest(lake: Lake, instance: dg.DagsterInstance, key: str) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("drops", [key])
    resources = {"lake": lake}
    return dg.materialize(
        [teleop_episodes], partition_key=key, resources=resources, instance=instance, raise_on_error=False
    )


def test_a_quiet_drop_is_asked_for_after_ten_minutes_and_only_once(lake, instance, clock):
    put(lake, "monday", marked=False)
    answer = looked(lake, instance)
    assert not answer.run_requests
    clock[0] += 601
    answer = looked(lake, instance, answer.cursor)
    (request,) = answer.run_requests or []
    assert request.partition_key == "monday" and (request.run_key or "").startswith("monday:")
    assert ingest(lake, instance, "monday").success
    assert not looked(lake, instance, answer.cursor).run_requests


def test_a_drop_that_changed_is_asked_for_under_another_key_and_fails_cleanly(lake, instance):
    path = put(lake, "monday")
    first = looked(lake, instance)
    assert ingest(lake, instance, "monday").success
    file = path / "meta/tasks.jsonl"
    file.write_text(file.read_text().replace("red", "green"))
    second = looked(lake, instance)
    assert (first.run_requests or [])[0].run_key != (second.run_requests or [])[0].run_key
    result = ingest(lake, instance, "monday")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert not result.success and "other content" in str(failure.event_specific_data)
    EpisodeStore.open(lake.stores / "monday").verify()
    bare = dg.materialize([all_teleop_episodes], resources={"lake": lake}, instance=instance)
    assert bare.success  # the bare command says it and goes on


def test_a_renamed_drop_points_at_the_store_it_is(lake, instance):
    path = put(lake, "monday")
    assert ingest(lake, instance, "monday").success
    path.rename(lake.landing / "tuesday")
    result = ingest(lake, instance, "tuesday")
    (event,) = result.asset_materializations_for_node("teleop_episodes")
    assert event.metadata["store"].value == "monday" and len(list(lake.stores.iterdir())) == 1


def test_retraining_waits_for_enough_and_for_quiet(lake, instance, clock, monkeypatch):
    monkeypatch.setenv("GR00T_RETRAIN_MIN_EPISODES", "5")
    monkeypatch.setenv("GR00T_RETRAIN_START", "released")

    def skipped(cursor: str | None = None) -> tuple[str, str | None]:
        answer = tick(RETRAIN, lake, instance, cursor)
        assert not answer.run_requests
        return str(answer.skip_message), answer.cursor

    assert "no accepted episode" in skipped()[0]
    put(lake, "rejected", bad=(0, 1, 2))
    assert ingest(lake, instance, "rejected").success
    assert "no accepted episode" in skipped()[0]
    put(lake, "monday", seed=1)
    assert ingest(lake, instance, "monday").success
    assert "3 new accepted episodes, 5 are asked for" in skipped()[0]
    put(lake, "tuesday", seed=2)
    assert ingest(lake, instance, "tuesday").success
    message, cursor = skipped()
    assert "waiting 600 s for more" in message
    clock[0] += 601
    answer = tick(RETRAIN, lake, instance, cursor)
    (request,) = answer.run_requests or []
    assert request.run_config["ops"]["finetune_gr1"]["config"] == {"start": "released"}
    job = defs.resolve_job_def("retrain_gr1")
    run = instance.create_run_for_job(job_def=job, tags=request.tags, run_config=request.run_config)
    assert "is under way" in skipped(cursor)[0]
    instance.report_run_failed(run)
    assert "asked for these episodes already" in skipped(cursor)[0]
    night = NIGHTLY.evaluate_tick(dg.build_schedule_context(instance=instance, resources={"lake": lake}))
    assert [one.tags.get("gr00t/content") for one in night.run_requests or []] == [request.tags["gr00t/content"]]


def test_what_a_checkpoint_knows_is_not_trained_on_again(lake, instance, monkeypatch):
    monkeypatch.setenv("GR00T_RETRAIN_QUIET_MINUTES", "0")
    monkeypatch.setenv("GR00T_RETRAIN_MIN_EPISODES", "1")
    add_store(lake, "monday", range(6))
    train_tiny(lake)
    answer = tick(RETRAIN, lake, instance)
    assert not answer.run_requests and "no accepted episode is new" in str(answer.skip_message)
    night = NIGHTLY.evaluate_tick(dg.build_schedule_context(instance=instance, resources={"lake": lake}))
    assert not night.run_requests
    add_store(lake, "tuesday", range(6, 8))
    assert len(tick(RETRAIN, lake, instance).run_requests or []) == 1


def test_the_released_asset_moves_the_pointer_or_says_why_not(lake, instance):
    add_store(lake, "monday", range(6))
    train_tiny(lake)
    released = evaluation_assets(GR1)[1]

    def materialize(**rule) -> dg.ExecuteInProcessResult:
        evaluate_checkpoint(
            lake, GR1, EvaluationSettings(tasks=[], trials=1, swapped=False, processes=1), lambda line: None
        )
        config = dg.RunConfig(ops={"released_gr1": ReleaseConfig(**rule)})
        return dg.materialize(
            [released], resources={"lake": lake}, instance=instance, run_config=config, raise_on_error=False
        )

    assert not materialize(first_ratio=1e-6).success and lake.pointed("released_gr1") is None
    result = materialize(first_ratio=1e6)
    (event,) = result.asset_materializations_for_node("released_gr1")
    assert event.metadata["candidate"].value == "released" and Path(str(event.metadata["model card"].value)).is_file()
    first = lake.pointed("released_gr1")
    train_tiny(lake, steps=5)
    result = materialize(error_margin=0.0, strict=True)
    (check,) = result.get_asset_check_evaluations()
    assert result.success and not check.passed and "open loop error" in (check.description or "")
    assert lake.pointed("released_gr1") == first


def test_what_is_released_is_exported_and_a_release_that_does_not_export_stands(lake, instance, monkeypatch):
    add_store(lake, "monday", range(6))
    train_tiny(lake)
    checkpoint, digest = lake.pointed("checkpoint_gr1")
    release(lake, "gr1", checkpoint, digest)
    served = evaluation_assets(GR1)[2]

    def materialize() -> dg.ExecuteInProcessResult:
        return dg.materialize([served], resources={"lake": lake}, instance=instance, raise_on_error=False)

    with monkeypatch.context() as stricter:
        stricter.setitem(LARGEST, "float32", 0.0)
        failed = materialize()
    (failure,) = [event for event in failed.all_events if event.is_step_failure]
    assert "the release stands, and does not export: the parts act otherwise" in str(failure.event_specific_data)
    assert lake.pointed("served_gr1") is None and lake.pointed("released_gr1") == (checkpoint, digest)
    (event,) = materialize().asset_materializations_for_node("served_gr1")
    folder, _ = lake.pointed("served_gr1")
    assert event.metadata["largest difference of the action"].value < 1e-5
    assert str(event.metadata["folder"].value) == str(folder) and Policy.from_checkpoint(folder).verified
    stamp = (folder / MANIFEST).stat().st_mtime_ns
    assert materialize().success and (folder / MANIFEST).stat().st_mtime_ns == stamp  # done once
    assert not verify(folder).faults


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    bodies: list[dict]

    def do_POST(self) -> None:
        type(self).bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args) -> None:
        """Nothing."""


def test_a_failed_run_is_told(lake, instance, monkeypatch):
    result = ingest(lake, instance, "no-such-drop")
    assert not result.success
    Receiver.bodies = []
    with HTTPServer(("127.0.0.1", 0), Receiver) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        monkeypatch.setenv(URL_VARIABLE, f"http://127.0.0.1:{http.server_port}")
        event = result.get_run_failure_event()
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        context = dg.build_run_status_sensor_context("alert_on_failure", event, instance, run)
        alert_on_failure(context.for_run_failure())
        http.shutdown()
    (body,) = Receiver.bodies
    assert "teleop_episodes" in body["text"] and body["run_id"] == result.run_id


def test_measuring_and_mixing_follow_the_lake(lake):
    """One rejected drop beside a good one: only the good one is mixed."""
    from gr00t_data.sources.landing.landing import take_in
    from gr00t_data.stages.stores import check

    put(lake, "bad", bad=(0, 1, 2))
    put(lake, "good", seed=4)
    for key in ("bad", "good"):
        check(lake, take_in(lake, key, GR1), GR1)
    measure_statistics(lake, GR1)
    manifest, _ = mix(lake, GR1)
    assert [Path(source.store).name for source in manifest.sources] == ["good"]
