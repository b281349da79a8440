"""Jobs: selections of assets that run together."""

from typing import Any

import dagster as dg

from assets.human import HUMAN_DROPS
from assets.teleop import DROPS

_STAGES = ("idm", "neural_trajectories", "norm_stats", "mixture", "finetune", "checkpoint", "evaluation", "released")


def steps_of(name: str) -> list[str]:
    """Everything from the labels of generated clips to the release."""
    return [f"{stage}_{name}" for stage in _STAGES]


def jobs_of(name: str) -> list[Any]:
    """``retrain_<name>``: everything from the labels of generated clips to the release."""
    return [
        dg.define_asset_job(
            f"retrain_{name}",
            selection=dg.AssetSelection.assets(*steps_of(name)),
            description=(
                f"All episodes of {name}: labels of generated clips, statistics, mixture, training, checkpoint, "
                "evaluation, release."
            ),
            executor_def=dg.in_process_executor,
        )
    ]


ingest_job = dg.define_asset_job(
    "ingest_drop",
    selection=dg.AssetSelection.assets("teleop_episodes"),
    partitions_def=DROPS,
    description="Read, seal and check one drop.",
    executor_def=dg.in_process_executor,
)

ingest_human_job = dg.define_asset_job(
    "ingest_human_drop",
    selection=dg.AssetSelection.assets("human_clips"),
    partitions_def=HUMAN_DROPS,
    description="Cut, hide faces, seal and check one drop of footage.",
    executor_def=dg.in_process_executor,
)
