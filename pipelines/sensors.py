"""Sensors: new drops become partitions of ``teleop_episodes`` and are ingested."""

import dagster as dg

from assets.teleop import DROPS
from gr00t_data.lake import Lake
from pipelines.jobs import ingest_job


@dg.sensor(
    job=ingest_job,
    minimum_interval_seconds=30,
    description="Ingests every folder of `landing/` that holds `_SUCCESS` and has no store yet.",
)
def landing_sensor(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult:
    """One run a drop; the run key is the drop, so a drop is requested once."""
    from gr00t_data.stages import waiting_drops

    drops = waiting_drops(lake)
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=drop, partition_key=drop) for drop in drops],
        dynamic_partitions_requests=[DROPS.build_add_request(drops)] if drops else [],
    )
