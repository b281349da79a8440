"""Schedules: nightly retraining, when there is something new."""

from typing import Any

import dagster as dg

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.foreign_text import printable
from gr00t_data.lake import Lake
from pipelines.automation import SCHEDULES
from pipelines.sensors import asked_before, busy, request


def schedule_of(embodiment: Embodiment, job: Any) -> dg.ScheduleDefinition:
    """``nightly_retrain_<name>`` at 02:00."""

    @dg.schedule(
        name=f"nightly_retrain_{embodiment.name}",
        job=job,
        cron_schedule="0 2 * * *",
        default_status=SCHEDULES,
        description="Trains, evaluates and releases at night when at least one accepted episode is new.",
    )
    def nightly(context: dg.ScheduleEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.RunRequest | dg.SkipReason:
        from gr00t_model.retrain.retrain import Retraining, decide

        start = Retraining.from_environment().start
        decision = decide(lake, embodiment, Retraining(1, 0.0, start), {}, 0.0)
        reason = None if decision.train else decision.reason
        reason = reason or busy(context.instance, job.name)
        reason = reason or asked_before(context.instance, job.name, decision.content, again_after_failure=True)
        return dg.SkipReason(printable(reason)) if reason else request(embodiment.name, decision.content, start)

    return nightly
