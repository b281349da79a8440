"""The graph, as `dagster dev` and `dg` read it. Nothing heavy is imported here: bodies import what they need."""

from typing import Any

import dagster as dg

from assets.evaluation import evaluation_assets
from assets.mixtures import mixture_assets
from assets.teleop import teleop_episodes
from assets.training import base_nano, training_assets
from gr00t_data.embodiment import load_embodiment
from gr00t_data.lake import Lake
from pipelines.jobs import jobs_of
from pipelines.schedules import schedules_of
from pipelines.sensors import alert_on_failure, landing_sensor, retrain_sensor_of

EMBODIMENTS = ("gr1",)
"""Names of bundled embodiments or paths of YAML files; each gets its own assets, jobs and schedules."""


def build(ingest: dg.AssetsDefinition, *, automation: bool = True) -> dg.Definitions:
    """Definitions with the given ingest asset, for every embodiment in ``EMBODIMENTS``."""
    assets: list[Any] = [ingest, base_nano]
    jobs: list[Any] = []
    schedules: list[Any] = []
    sensors: list[Any] = [landing_sensor, alert_on_failure]
    for source in EMBODIMENTS:
        embodiment = load_embodiment(source)
        assets += mixture_assets(embodiment)
        assets += training_assets(embodiment, source)
        assets += evaluation_assets(embodiment)
        own = jobs_of(embodiment.name)
        jobs += own
        schedules += schedules_of(embodiment, own)
        sensors.append(retrain_sensor_of(embodiment, own[0]))
    return dg.Definitions(
        assets=assets,
        jobs=jobs if automation else [],
        schedules=schedules if automation else [],
        sensors=sensors if automation else [],
        resources={"lake": Lake.from_environment()},
        executor=dg.in_process_executor,
    )


defs = build(teleop_episodes)
