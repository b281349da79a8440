"""Group label: generated video becomes trajectories: dream, tell the actions, judge, keep what passes."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dagster as dg
from pydantic import Field

from assets.declaring import asset_of
from assets.reporting import Made, Metadata, every_tenth, figure, table, told
from assets.settings import config_of
from assets.versions import code_version
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_model.dream.settings import DreamSettings
from gr00t_model.idm.config import IdmTraining
from gr00t_model.stages.settings import TrajectoriesSettings

if TYPE_CHECKING:
    from gr00t_model.idm.report import IdmReport

_GENERATORS = DreamSettings.model_fields["generator"].description


class IdmConfig(config_of(IdmTraining)):
    """How the inverse dynamics model is trained."""

    when: Literal["needed", "always"] = Field(
        default="needed", description="'needed': only when the lake holds generated clips to label."
    )
    stores: list[str] = Field(default=["*"], description="Patterns of the recorded stores it learns from.")


class DreamConfig(config_of(DreamSettings)):
    """What is dreamed, and by which model: the lake's world model unless one is named; without one nothing is."""

    generator: str = Field(default="auto", description=f"auto (nano if the lake has one), {_GENERATORS}")


class TrajectoriesConfig(config_of(TrajectoriesSettings)):
    """How accepted clips enter training."""


def make_idm(embodiment: Embodiment, config: IdmConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Train on the accepted recorded episodes, and measure on those held out."""
    from gr00t_model.idm.report import IdmReport
    from gr00t_model.stages.idm import train_idm
    from gr00t_model.stages.trajectories import waiting_clips

    if config.when == "needed" and not waiting_clips(lake, embodiment):
        log.info("the lake holds no generated clips: no model is needed to label them")
        return _nothing(lake, "no generated clips to label", (_worth_using(True, "no model is needed"),))
    training = IdmTraining.model_validate(config.model_dump(exclude={"when", "stores"}))
    folder, digest = train_idm(lake, embodiment, config.stores, training=training, say=log.info)
    report = IdmReport.load(folder)
    worth = report.worth()
    return Made(folder, digest, _flat(report), (_worth_using(worth.good, worth.text),))


def _worth_using(passed: bool, text: str) -> dg.AssetCheckResult:
    return told("beats_baselines", passed, text, dg.AssetCheckSeverity.ERROR)


def _flat(report: "IdmReport") -> Metadata:
    """Numbers as they are; scores of the model and of its baselines as a table."""
    rows = [
        {"what": part, "told by": who, "R2": one.r2, "magnitude ratio": one.magnitude, "error": one.error}
        for part, scores in [("all that moves", report.moving), *report.parts.items()]
        for who, one in scores.items()
    ]
    scores = report.moving["idm"]
    numbers = {"R2": scores.r2, "magnitude ratio": scores.magnitude, "episodes": report.episodes}
    numbers |= {"windows": report.windows, "frame_gap": report.frame_gap}
    return {name: value for name, value in numbers.items() if isfinite(value)} | {"scores": table(rows)}


def make_dreams(embodiment: Embodiment, config: DreamConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Dream a drop of clips, or say why there is none."""
    from gr00t_model.stages.dream import dream, job_named

    generator = config.generator
    if generator == "auto":
        if lake.pointed(f"world_model_{embodiment.name}") is None:
            log.info(f"the lake has no world_model_{embodiment.name}, and no generator is named: nothing is dreamed")
            return _nothing(lake, "no world model: train one with `gr00t dream train`, or name a generator")
        generator = "nano"

    job = job_named(lake, embodiment, config.model_copy(update={"generator": generator}))
    folder, digest = dream(lake, embodiment, job, progress=every_tenth(log, "clips"))
    clips = sorted(path.name for path in folder.rglob("*.mp4"))
    metadata = {"generator": generator, "clips": len(clips), "files": table([{"clip": name} for name in clips])}
    return Made(folder, digest, metadata)


def make_accepted(embodiment: Embodiment, config: TrajectoriesConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Label and judge every store of generated clips."""
    from gr00t_data.curate.figures import thumbnail
    from gr00t_data.disk import digest_json
    from gr00t_model.stages.trajectories import make_trajectories

    found = make_trajectories(lake, embodiment, config, log.info)
    if not found:
        why = "no generated clips: land some with `kind: neural`, or materialize the dreams"
        return _nothing(lake, why, (_all_kept([]),))
    rows = [
        {
            "clips of": one.clips.root.name,
            "clips": len(one.clips.rows),
            "accepted": one.report.accepted if one.report else 0,
            "rejected by": one.rejected_by,
            "store": one.accepted.root.name if one.accepted else "",
            "licence": one.clips.licence,
        }
        for one in found
    ]
    for one in found:
        if one.problem:
            log.warning(one.problem)
    sheets = {f"sheet of {one.clips.root.name}": one.sheet for one in found if one.sheet}
    metadata = {
        "clips": sum(int(row["clips"]) for row in rows),
        "accepted": sum(int(row["accepted"]) for row in rows),
        "stores": table(rows),
        **{name: figure(thumbnail(path), "accepted and rejected clips") for name, path in sheets.items()},
        **{f"{name}, full size": dg.MetadataValue.path(str(path)) for name, path in sheets.items()},
    }
    digests = [one.accepted.digest if one.accepted else "" for one in found]
    checks = (_all_kept(rows),)
    return Made(lake.root / "gate", digest_json(digests), metadata, checks)


def _all_kept(rows: Sequence[Mapping[str, str | int]]) -> dg.AssetCheckResult:
    clips, accepted = (sum(int(row[name]) for row in rows) for name in ("clips", "accepted"))
    return told("clips_pass_the_gate", 2 * accepted >= clips, f"{accepted} of {clips} clips accepted")


def _nothing(lake: Lake, why: str, checks: tuple[dg.AssetCheckResult, ...] = ()) -> Made:
    """An asset that has nothing to do is materialized all the same, so that what lies below it can be."""
    return Made(Path(lake.root), "nothing" + 25 * "0", {"clips": 0, "why": why}, checks)


def neural_assets(embodiment: Embodiment) -> list[dg.AssetsDefinition]:
    """``dreamed_videos_<embodiment>``, ``idm_<embodiment>`` and ``neural_trajectories_<embodiment>``."""
    return [_dreamed_videos(embodiment), _idm(embodiment), _neural_trajectories(embodiment)]


def _dreamed_videos(embodiment: Embodiment) -> dg.AssetsDefinition:
    return asset_of(
        f"dreamed_videos_{embodiment.name}",
        code_version("dreamed_videos", embodiment),
        DreamConfig,
        lambda context, config, lake: make_dreams(embodiment, config, lake, context.log),
        deps=["teleop_episodes"],
        group="label",
        kinds={"pytorch", "diffusers", "video"},
        team="robot-data",
        pool="gpu",
        description=(
            f"Video of `{embodiment.name}` that a world model continues from first frames and instructions, with the "
            "provenance of every clip. Without a world model nothing is dreamed; generated video from elsewhere is "
            "landed with `kind: neural`."
        ),
    )


def _idm(embodiment: Embodiment) -> dg.AssetsDefinition:
    return asset_of(
        f"idm_{embodiment.name}",
        code_version("idm", embodiment),
        IdmConfig,
        lambda context, config, lake: make_idm(embodiment, config, lake, context.log),
        deps=["teleop_episodes", f"dreamed_videos_{embodiment.name}"],
        group="label",
        kinds={"pytorch", "huggingface"},
        team="robot-learning",
        pool="gpu",
        checks={
            "beats_baselines": "On held-out episodes better than the mean action, the last one and a linear map of "
            "pixels; parts in which it is not are masked in what it labels."
        },
        description=(
            f"The inverse dynamics model of `{embodiment.name}`: two frames in, the actions between them out. Learns "
            "from the accepted recorded episodes, is measured on those held out, and is trained when there are clips "
            "to label."
        ),
    )


def _neural_trajectories(embodiment: Embodiment) -> dg.AssetsDefinition:
    name = embodiment.name
    return asset_of(
        f"neural_trajectories_{name}",
        code_version("neural_trajectories", embodiment),
        TrajectoriesConfig,
        lambda context, config, lake: make_accepted(embodiment, config, lake, context.log),
        deps=[f"dreamed_videos_{name}", f"idm_{name}", "teleop_episodes"],
        group="label",
        kinds={"lerobot", "parquet"},
        team="robot-data",
        checks={"clips_pass_the_gate": "At least half of the clips are accepted."},
        description=(
            f"Generated clips of `{name}` with the actions that the inverse dynamics model tells, judged by scores "
            "whose thresholds are set on recorded episodes. Accepted clips become stores of the kind `neural`, which "
            "`mixture_" + name + "` draws one to one with recorded data; rejected ones keep their reason."
        ),
    )
