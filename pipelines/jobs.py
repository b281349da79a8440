"""Jobs: selections of assets that run together."""

from typing import Any

import dagster as dg

from assets.teleop import DROPS


def jobs_of(name: str) -> list[Any]:
    """``retrain_<name>``: everything from the mixture to the evaluation."""
    keys = [f"{stage}_{name}" for stage in ("norm_stats", "mixture", "finetune", "checkpoint", "evaluation")]
    return [
        dg.define_asset_job(
            f"retrain_{name}",
            selection=dg.AssetSelection.assets(*keys),
            description=f"Statistics and mixture of all accepted episodes, training, checkpoint, evaluation of {name}.",
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
