"""The graph, as `dagster dev` and `dg` read it. Nothing heavy is imported here: bodies import what they need."""

import warnings
from typing import Any

import dagster as dg

from assets.evaluation import evaluation_assets
from assets.human import HANDS, human_clips
from assets.mixtures import mixture_assets
from assets.neural import neural_assets
from assets.robots import robots
from assets.teleop import teleop_episodes
from assets.training import base_nano, training_assets
from gr00t_data.embodiment.robot import right_embodiments
from gr00t_data.lake import Lake
from pipelines.jobs import job_of
from pipelines.schedules import schedule_of
from pipelines.sensors import alert_on_failure, human_landing_sensor, landing_sensor, retrain_sensor_of


def build(*ingest: dg.AssetsDefinition, automation: bool = True) -> dg.Definitions:
    """Definitions with the given ingest assets, for every robot of the graph."""
    assets: list[Any] = [*ingest, base_nano]
    jobs: list[Any] = []
    schedules: list[Any] = []
    sensors: list[Any] = [landing_sensor, human_landing_sensor, alert_on_failure]
    for hands in right_embodiments((HANDS,), warnings.warn):
        assets += mixture_assets(hands, ("human_clips",))
    for embodiment in robots():
        assets += neural_assets(embodiment)
        assets += mixture_assets(embodiment)
        assets += training_assets(embodiment)
        assets += evaluation_assets(embodiment)
        job = job_of(embodiment.name)
        jobs.append(job)
        schedules.append(schedule_of(embodiment, job))
        sensors.append(retrain_sensor_of(embodiment, job))
    return dg.Definitions(
        assets=assets,
        jobs=jobs if automation else [],
        schedules=schedules if automation else [],
        sensors=sensors if automation else [],
        resources={"lake": Lake.from_environment()},
        executor=dg.in_process_executor,
    )


defs = build(teleop_episodes, human_clips)
