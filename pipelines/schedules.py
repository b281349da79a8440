"""Schedules: nightly retraining, off until somebody switches it on in the UI."""

from collections.abc import Sequence
from typing import Any

import dagster as dg


def schedules_of(name: str, jobs: Sequence[Any]) -> list[dg.ScheduleDefinition]:
    """``nightly_retrain_<name>`` at 02:00."""
    return [dg.ScheduleDefinition(name=f"nightly_retrain_{name}", job=jobs[0], cron_schedule="0 2 * * *")]
