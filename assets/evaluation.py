"""Group evaluate: what the checkpoint is worth, open loop and closed loop."""

from typing import TYPE_CHECKING

import dagster as dg

from assets.declaring import asset_of
from assets.reporting import Made, every_tenth, figure, table, told
from assets.settings import config_of
from assets.versions import code_version
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.sim.body import ROBOT
from gr00t_model.release.rule import Rule
from gr00t_model.stages.settings import EvaluationSettings

if TYPE_CHECKING:
    from gr00t_model.evaluate.evaluation import AlignmentResult
    from gr00t_model.evaluate.paired import Comparison


class EvaluationConfig(config_of(EvaluationSettings)):
    """How much is tried."""


_CLOSED_LOOP = (
    "Closed loop in the simulator: success and wrong-object rate on unseen scenes with 95% intervals, and once more "
    "with the instruction swapped."
)


def make_evaluation(embodiment: Embodiment, config: EvaluationConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Evaluate the current checkpoint and report."""
    from gr00t_data.disk import digest_json
    from gr00t_model.stages.evaluate import evaluate_checkpoint, evaluation_rows

    report = evaluate_checkpoint(lake, embodiment, config, log.info)
    content = report.content
    metadata = {
        "checkpoint": content.checkpoint[:16],
        "open loop ratio": content.open_loop.overall.ratio,
        "held-out episodes": content.open_loop.episodes,
        **{f"success {task}": round(result.success.share, 3) for task, result in content.closed_loop.items()},
        **({} if embodiment.name == ROBOT else {"closed loop": f"none: the simulator has no {embodiment.name}"}),
        **_alignment(content.alignment),
        **_beside_release(content.comparison),
        "numbers": table(evaluation_rows(content)),
        **{name: figure(path.read_bytes(), name) for name, path in report.figures.items()},
    }
    return Made(report.folder, digest_json(content.facts()), {k: v for k, v in metadata.items() if v is not None})


def _alignment(aligned: "AlignmentResult | None") -> dict[str, float | None]:
    if aligned is None:
        return {}
    return {
        "alignment cosine": round(aligned.predicted, 4),
        "alignment cosine, copying the present": round(aligned.copied, 4),
        "alignment skill": aligned.skill,
        "targets' effective rank": round(aligned.variety.effective_rank, 2),
        "targets collapsed": aligned.variety.collapsed,
    }


def _beside_release(compared: "Comparison | None") -> dict[str, float]:
    measures = compared.measures if compared else ()
    return {f"{measure.name}, minus released": round(measure.difference, 4) for measure in measures}


class ReleaseConfig(config_of(Rule)):
    """When a candidate counts as not worse."""


NOT_WORSE = "candidate_not_worse"


def make_released(embodiment: Embodiment, config: ReleaseConfig, lake: Lake) -> Made:
    """Release the candidate if it is not worse, and report which checkpoint stands."""
    from gr00t_model.release.history import folder_of, rows
    from gr00t_model.stages.release import release_candidate

    verdict, standing = release_candidate(lake, embodiment, config)
    if standing is None:
        raise dg.Failure(f"nothing is released: {'; '.join(verdict.reasons)}", allow_retries=False)
    card = folder_of(lake, embodiment.name) / f"{standing.number:04d}/MODEL_CARD.md"
    reasons = "; ".join(verdict.reasons)
    metadata = {
        "release": standing.number,
        "candidate": "released" if verdict.release else "refused, the release before stands",
        "reasons": reasons,
        "model card": dg.MetadataValue.path(str(card)),
        "history": table(rows(lake, embodiment.name)),
    }
    return Made(
        lake.root / standing.checkpoint, standing.digest, metadata, (told(NOT_WORSE, verdict.release, reasons),)
    )


def make_served(embodiment: Embodiment, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Export what is released and compare it with the checkpoint.

    Raises:
        dagster.Failure: it does not export, and why; the release stands.
    """
    from gr00t_model.acting.onnx.layout import OnnxError
    from gr00t_model.stages.export import export_released

    try:
        folder, digest, compared = export_released(lake, embodiment, every_tenth(log, "steps", "exporting: "))
    except OnnxError as error:
        raise dg.Failure(f"the release stands, and does not export: {error}", allow_retries=False) from error
    metadata = {
        "largest difference of the action": compared.action.relative,
        "cosine of the action": compared.action.cosine,
        "compared on": compared.observations,
        "CPU seconds an answer, torch": round(compared.action.torch_cpu_s, 4),
        "CPU seconds an answer, onnxruntime": round(compared.action.onnx_cpu_s, 4),
        "parts": table(compared.table),
        "folder": dg.MetadataValue.path(str(folder)),
    }
    return Made(folder, digest, metadata)


def evaluation_assets(embodiment: Embodiment) -> list[dg.AssetsDefinition]:
    """``evaluation_<embodiment>``, ``released_<embodiment>`` and ``served_<embodiment>``."""
    simulated = embodiment.name == ROBOT

    evaluation = asset_of(
        f"evaluation_{embodiment.name}",
        code_version("evaluation", embodiment),
        EvaluationConfig,
        lambda context, config, lake: make_evaluation(embodiment, config, lake, context.log),
        deps=[f"checkpoint_{embodiment.name}"],
        group="evaluate",
        kinds={"pytorch", "mujoco"} if simulated else {"pytorch"},
        team="robot-learning",
        description=(
            "Open loop on held-out episodes: error per part in its unit, beside two baselines (hold the last action, "
            f"mean action). {_CLOSED_LOOP if simulated else 'No closed loop: the simulator does not have this robot.'} "
            "Beside the released checkpoint: the same episodes and scenes, paired."
        ),
    )
    released = asset_of(
        f"released_{embodiment.name}",
        code_version("released", embodiment),
        ReleaseConfig,
        lambda _, config, lake: make_released(embodiment, config, lake),
        deps=[f"evaluation_{embodiment.name}"],
        group="evaluate",
        kinds={"safetensors", "markdown"},
        team="robot-learning",
        checks={NOT_WORSE: "The candidate is not worse than the released checkpoint in any measure."},
        description=(
            "The checkpoint to use. It moves to the candidate only when that is not worse on the same held-out "
            "episodes and scenes; `gr00t release rollback` goes back. A model card is written with each release."
        ),
    )
    served = asset_of(
        f"served_{embodiment.name}",
        code_version("served"),
        dg.Config,
        lambda context, _, lake: make_served(embodiment, lake, context.log),
        deps=[f"released_{embodiment.name}"],
        group="evaluate",
        kinds={"onnx"},
        team="robot-learning",
        description=(
            "The released checkpoint as the seven published ONNX parts, in a folder that acts by itself (`gr00t serve` "
            "takes it), compared with the checkpoint on its own held-out episodes. A release that does not export "
            "fails here with the reason, and stands."
        ),
    )
    return [evaluation, released, served]
