"""Group evaluate: what the checkpoint is worth, open loop and closed loop."""

from typing import Any

import dagster as dg
from pydantic import Field

from assets.reporting import Made, figure, table
from gr00t_data.embodiment import Embodiment
from gr00t_data.lake import Lake


class EvaluationConfig(dg.Config):
    """How much is tried."""

    tasks: list[str] = Field(
        default=["reach", "push", "pick_and_place"], description="Simulator tasks; empty for none."
    )
    trials: int = Field(default=50, ge=1, description="Unseen scenes per task.")
    swapped: bool = Field(
        default=True, description="Also run with an instruction that names another object in the scene."
    )
    processes: int = Field(default=2, ge=1, description="Processes that simulate.")


def make_evaluation(embodiment: Embodiment, config: EvaluationConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Evaluate the current checkpoint and report."""
    from gr00t_data.disk import digest_json
    from gr00t_model.stages import evaluate_checkpoint, evaluation_rows

    report = evaluate_checkpoint(
        lake,
        embodiment,
        tasks=config.tasks,
        trials=config.trials,
        swapped=config.swapped,
        processes=config.processes,
        say=log.info,
    )
    content = report.content
    metadata = {
        "checkpoint": content["checkpoint"][:16],
        "open loop ratio": content["open_loop"]["overall"]["ratio"],
        "held-out episodes": content["open_loop"]["episodes"],
        **{f"success {task}": round(result["success"]["share"], 3) for task, result in content["closed_loop"].items()},
        **_alignment(content["alignment"]),
        "numbers": table(evaluation_rows(content)),
        **{name: figure(path.read_bytes(), name) for name, path in report.figures.items()},
    }
    return Made(report.folder, digest_json(content), {k: v for k, v in metadata.items() if v is not None})


def _alignment(aligned: dict[str, Any] | None) -> dict[str, Any]:
    if aligned is None:
        return {}
    return {
        "alignment cosine": round(aligned["predicted"], 4),
        "alignment cosine, copying the present": round(aligned["copied"], 4),
        "alignment skill": aligned["skill"],
        "targets' effective rank": round(aligned["variety"]["effective_rank"], 2),
        "targets collapsed": aligned["variety"]["collapsed"],
    }


def evaluation_assets(embodiment: Embodiment) -> list[dg.AssetsDefinition]:
    """``evaluation_<embodiment>``."""

    @dg.asset(
        name=f"evaluation_{embodiment.name}",
        deps=[f"checkpoint_{embodiment.name}"],
        group_name="evaluate",
        kinds={"pytorch", "mujoco"},
        owners=["team:robot-learning"],
        code_version="1",
        description=(
            "Open loop on held-out episodes: error per part in its unit, beside two baselines (hold the last action, "
            "mean action). Closed loop in the simulator: success and wrong-object rate on unseen scenes with 95% "
            "intervals, and once more with the instruction swapped."
        ),
    )
    def evaluation(
        context: dg.AssetExecutionContext, config: EvaluationConfig, lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult:
        return make_evaluation(embodiment, config, lake, context.log).result()

    return [evaluation]
