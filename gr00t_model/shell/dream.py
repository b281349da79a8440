"""The shell verbs of dreaming: `gr00t dream train`, `gr00t dream generate`, `gr00t dream eval`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gr00t_model.dream.settings import ContinuationSettings, DreamSettings, WorldModelSettings
from gr00t_model.shell.app import DryRunOption, OfRobot, progress_bar, say
from gr00t_model.shell.options import verb

dream = App(
    name="dream",
    help="Dreamed video: tune a world model on your robot's recordings, then let it continue first frames.",
)


@dream.command
@verb
def train(
    *,
    settings: WorldModelSettings,
    dry_run: DryRunOption = False,
    asked: OfRobot,
) -> None:
    """Train the nano world model on the lake's stores, or (--base) tune LoRA adapters of a published one.

    Published models are read from a local folder in Diffusers layout, safetensors only: Wan 2.1 image-to-video and
    Cosmos-Predict2 video-to-world. Nothing is fetched. An interrupted training resumes; Ctrl-C saves the state first.
    Rank and alpha are 4, the learning rate 1e-4, as DreamGen has them; `--dry-run --json` prints every field.

    Example: `gr00t dream train --stores simulator --set steps=20000`
    Example: `gr00t dream train --base /models/Wan2.1-I2V-14B-480P-Diffusers --stores teleop --frames 81 --fps 16`
    """
    from gr00t_model.dream.plans import plan_training, training_facts
    from gr00t_model.stages.dream import train_world_model

    where, robot = asked.where, asked.robot
    config = plan_training(where, robot, settings, named=asked.embodiment)
    if dry_run:
        facts = training_facts(config)
        asked.show({"config": config.model_dump(mode="json"), **facts} if asked.as_json else facts)
        return
    run, launched = train_world_model(where, config, say)
    facts = {"run": str(run.root), "state": launched.outcome.state, "step": launched.outcome.step}
    if launched.outcome.state == "complete":
        facts |= {"adapter" if settings.base else "model": str(run.product)}
    asked.show({**facts, **launched.outcome.losses})


@dream.command
@verb
def generate(
    *,
    settings: DreamSettings,
    instructions_file: Annotated[
        Path | None, Parameter("--instructions", help="Text file with one instruction a line.")
    ] = None,
    dry_run: DryRunOption = False,
    asked: OfRobot,
) -> None:
    """Dream clips into a folder of the lake that `gr00t clips` reads: videos, first frames, manifest with provenance.

    The oracle is the simulator's expert with its actions hidden: the whole chain works without any checkpoint. Equal
    arguments give the same folder and the same bytes; a killed run goes on with the next clip.

    Example: `gr00t dream generate --generator oracle --count 30`
    Example: `gr00t dream generate --generator nano --from lake/stores/simulator --candidates 4`
    Example: `gr00t dream generate --generator /models/Cosmos-Predict2-2B-Video2World --from photos`
    """
    from gr00t_model.dream.plans import lines_of
    from gr00t_model.stages import dream as stage

    where, robot = asked.where, asked.robot
    job = stage.job_named(where, robot, settings, lines_of(instructions_file) if instructions_file else ())
    if dry_run:
        asked.show(stage.plan_dream(where, robot, job).to_dict())
        return
    with progress_bar("dreaming") as progress:
        folder, digest = stage.dream(where, robot, job, progress=progress)
    clips = len(list((folder / "videos").glob("*.mp4")))
    asked.show({"drop": str(folder), "digest": digest, "clips": clips})


@dream.command(name="eval")
@verb
def evaluate(
    model: Annotated[
        str, Parameter(help="A nano model or a Diffusers checkpoint, by folder or run; `nano` for the lake's latest.")
    ],
    /,
    *,
    settings: ContinuationSettings,
    asked: OfRobot,
) -> None:
    """Continue the first frames of held-out episodes and compare with what came next: PSNR beside doing nothing.

    Example: `gr00t dream eval nano --stores simulator`
    """
    from gr00t_model.stages.dream import evaluate_world_model

    where, robot = asked.where, asked.robot
    with progress_bar("dreaming") as progress:
        report, sheet = evaluate_world_model(where, robot, model, settings, progress)
    rows = report["by_frame"]
    facts = {name: value for name, value in report.items() if name != "by_frame"}
    asked.show({**facts, "sheet": str(sheet)}, rows)
