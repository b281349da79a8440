"""Jobs: selections of assets that run together."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.human import HUMAN_DROPS
from assets.teleop import DROPS

_STAGES = (
    "idm",
    "neural_trajectories",
    "norm_stats",
    "mixture",
    "finetune",
    "checkpoint",
    "evaluation",
    "released",
    "served",
)


def steps_of(name: str) -> list[str]:
    """Everything from the labels of generated clips to the export of what is released."""
    return [f"{stage}_{name}" for stage in _STAGES]


def job_of(name: str) -> Any:
    """``retrain_<name>``: everything from the labels of generated clips to the release."""
    said = "labels of generated clips, statistics, mixture, training, checkpoint, evaluation, release, export."
    return _job(f"retrain_{name}", steps_of(name), f"All episodes of {name}: {said}")


def _job(name: str, assets: Sequence[str], description: str, partitions: dg.PartitionsDefinition | None = None) -> Any:
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*assets),
        partitions_def=partitions,
        description=description,
        executor_def=dg.in_process_executor,
    )


ingest_job = _job("ingest_drop", ["teleop_episodes"], "Read, seal and check one drop.", DROPS)
ingest_human_job = _job(
    "ingest_human_drop", ["human_clips"], "Cut, hide faces, seal and check one drop of footage.", HUMAN_DROPS
)
