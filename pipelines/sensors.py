"""Sensors: drops are taken in when complete, trainings start when enough is new, failures are told."""

import json
import os
import time
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from assets.human import HUMAN_DROPS
from assets.reporting import in_plain_text
from assets.teleop import DROPS
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.foreign_text import printable, printable_lines
from gr00t_data.lake import Lake
from gr00t_data.store.provenance import Kind
from pipelines.automation import CONTENT_TAG, EVERY_S, SENSORS
from pipelines.jobs import ingest_human_job, ingest_job, steps_of

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

_LONGEST_REASON = 4000
"""Characters that the page of a tick shows; every reason stands in its log."""


@dg.sensor(
    job=ingest_job,
    minimum_interval_seconds=EVERY_S,
    default_status=SENSORS,
    description=(
        "Takes in every drop of `landing/`, or of the folder or URL in GR00T_LANDING, that is complete: it holds "
        "`_SUCCESS`, or nothing in it has changed for "
        "GR00T_LANDING_QUIET_MINUTES (default 10; 0: marked drops only)."
    ),
)
def landing_sensor(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult:
    """One run a drop as it lies there: its signature is part of the run key, so no drop is asked for twice."""
    from gr00t_data.sources.landing.landing import ROBOT_KINDS

    with in_plain_text(context.log):
        return _runs_of(context, lake, ROBOT_KINDS, DROPS)


@dg.sensor(
    job=ingest_human_job,
    minimum_interval_seconds=EVERY_S,
    default_status=SENSORS,
    description="Takes in every complete drop of `landing/` whose `_SUCCESS` says `kind: human`, as `human_clips`.",
)
def human_landing_sensor(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult:
    """The same for footage of people, which has partitions of its own."""
    with in_plain_text(context.log):
        return _runs_of(context, lake, ("human",), HUMAN_DROPS)


def _runs_of(
    context: dg.SensorEvaluationContext, lake: Lake, kinds: tuple[Kind, ...], partitions: Any
) -> dg.SensorResult:
    from gr00t_data.sources.landing.landing import look
    from gr00t_data.sources.landing.records import attempt, landed_fault
    from gr00t_data.terms.withdrawal import read as read_withdrawals

    read_withdrawals(lake.root)  # nothing is taken in while nobody can say who withdrew
    minutes = float(os.environ.get("GR00T_LANDING_QUIET_MINUTES") or 10)
    looked = look(lake, _memory(context.cursor), time.time(), 60 * minutes or None, kinds)
    for drop, reason in looked.waiting.items():
        context.log.info(f"{drop}: {reason}")
    for drop in looked.ready:
        if fault := drop.marker_fault or landed_fault(lake, drop.key):
            context.log.warning(f"{drop.key}: {fault}")
    keys = [drop.key for drop in looked.ready]
    reasons = "; ".join(f"{drop}: {reason}" for drop, reason in looked.waiting.items())
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=attempt(lake, drop), partition_key=drop.key) for drop in looked.ready],
        skip_reason=printable(reasons)[:_LONGEST_REASON] if reasons and not keys else None,
        dynamic_partitions_requests=[partitions.build_add_request(keys)] if keys else [],
        cursor=json.dumps(looked.memory),
    )


def _memory(cursor: str | None) -> dict[str, Any]:
    return json.loads(cursor) if cursor else {}


def retrain_sensor_of(embodiment: Embodiment, job: Any) -> dg.SensorDefinition:
    """``retrain_<embodiment>_on_arrival``: see ``gr00t_model.retrain.retrain``."""

    @dg.sensor(
        name=f"retrain_{embodiment.name}_on_arrival",
        job=job,
        minimum_interval_seconds=EVERY_S,
        default_status=SENSORS,
        description=(
            "Trains, evaluates and releases when at least GR00T_RETRAIN_MIN_EPISODES (default 10) accepted episodes "
            "are new and nothing has come for GR00T_RETRAIN_QUIET_MINUTES (default 10). Starts from "
            "GR00T_RETRAIN_START: base or released. Never twice for the same episodes."
        ),
    )
    def retrain(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.RunRequest | dg.SkipReason:
        from gr00t_model.retrain.retrain import Retraining, decide

        settings = Retraining.from_environment()
        decision = decide(lake, embodiment, settings, _memory(context.cursor), time.time())
        context.update_cursor(json.dumps(decision.memory))
        reason = None if decision.train else decision.reason
        reason = (
            reason or busy(context.instance, job.name) or asked_before(context.instance, job.name, decision.content)
        )
        if reason:
            return dg.SkipReason(printable(reason))
        context.log.info(printable(decision.reason))
        return request(embodiment.name, decision.content, settings.start, run_key=decision.content)

    return retrain


def request(name: str, content: str, start: str, run_key: str | None = None) -> dg.RunRequest:
    """A training on what the lake holds now, configured by the file GR00T_RETRAIN_CONFIG if that is named."""
    ops = {f"finetune_{name}": {"config": {}}} | _configured(name)
    trained = ops[f"finetune_{name}"]
    ops[f"finetune_{name}"] = {"config": {**trained["config"], "start": start}}
    return dg.RunRequest(run_key=run_key, run_config={"ops": ops}, tags={CONTENT_TAG: content[:32]})


def _configured(name: str) -> dict[str, Any]:
    """The entries of the file that are about the steps of this job."""
    path = os.environ.get("GR00T_RETRAIN_CONFIG", "")
    if not path:
        return {}
    ops = (yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}).get("ops", {})
    return {key: value for key, value in ops.items() if key in steps_of(name)}


def busy(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """Why not now: a training of this job is queued or running."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=_UNDER_WAY), limit=1)
    return f"run {runs[0].run_id[:8]} of {job_name} is under way" if runs else None


def asked_before(
    instance: dg.DagsterInstance, job_name: str, content: str, *, again_after_failure: bool = False
) -> str | None:
    """Why not again: this job was asked for the same episodes already."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name, tags={CONTENT_TAG: content[:32]}), limit=1)
    failed = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    if not runs or (again_after_failure and runs[0].status in failed):
        return None
    return f"run {runs[0].run_id[:8]} was asked for these episodes already, it is {runs[0].status.value}"


@dg.run_failure_sensor(
    name="alert_on_failure",
    default_status=SENSORS,
    minimum_interval_seconds=EVERY_S,
    description="Writes every failed run to the log, and posts it to the webhook GR00T_ALERT_URL if that is set.",
)
def alert_on_failure(context: dg.RunFailureSensorContext) -> None:
    """Waits for a webhook three seconds at most."""
    from pipelines.alerts import alert

    run, error = context.dagster_run, context.failure_event.message or "no message"
    steps = [event.step_key for event in context.get_step_failure_events()]
    place = ", ".join(map(str, steps)) or "no step"
    message = printable_lines(f"run {run.run_id[:8]} of {run.job_name} failed in {place}: {error}")
    context.log.info(alert(message, {"run_id": run.run_id, "job": run.job_name, "steps": steps}))
