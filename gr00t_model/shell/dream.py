"""The shell verbs of dreaming: `gr00t dream train`, `gr00t dream generate`, `gr00t dream eval`."""

from pathlib import Path
from typing import Annotated

import typer

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.shell.ingest import (
    EmbodimentOption,
    JsonOption,
    LakeOption,
    StoresOption,
    app,
    console,
    lake_at,
    progress_bar,
    show,
)

_ABOUT = "Dreamed video: tune a world model on your robot's recordings, then let it continue first frames."
_JOB_FIELDS = (
    "sampler.steps=30, sampler.offload=model, sampler.tiling=true, sampler.guardrail=none, first_frames.seed=600000, "
    "first_frames.view=grid_2x2, instructions.every=true, instructions.prompt='A robot: {instruction}' ..."
)
dream_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help=_ABOUT)
app.add_typer(dream_app, name="dream")

FramesOption = Annotated[int | None, typer.Option(help="Pictures in a clip; the model's own number by default.")]
FpsOption = Annotated[float | None, typer.Option(help="Pictures a second of the robot's own time.")]
HeightOption = Annotated[int | None, typer.Option(help="Pixels.")]
WidthOption = Annotated[int | None, typer.Option(help="Pixels.")]
AdapterOption = Annotated[str, typer.Option(help="Folder of the LoRA adapter that goes onto the model.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.")]


@dream_app.command("train")
def train(
    base: Annotated[str, typer.Option(help="Folder of a published model, whose adapters are tuned.")] = "",
    stores: StoresOption = ["*"],  # noqa: B006
    frames: FramesOption = None,
    fps: FpsOption = None,
    height: HeightOption = None,
    width: WidthOption = None,
    setting: Annotated[  # fields of DreamTraining
        list[str],
        typer.Option("--set", help="steps=500, rank=4, optimizer.lr=1e-4, view=grid_2x2, stride_frames=3 ..."),
    ] = [],  # noqa: B006
    dry_run: DryRunOption = False,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
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

    where, robot = lake_at(lake), load_embodiment(embodiment)
    sizes = {"frames": frames, "fps": fps, "height": height, "width": width}
    config = plan_training(where, robot, base=base, stores=stores, sizes=sizes, settings=setting, named=embodiment)
    if dry_run:
        facts = training_facts(config)
        show({"config": config.model_dump(mode="json"), **facts} if as_json else facts, as_json)
        return
    run, launched = train_world_model(where, config, _say)
    facts = {"run": str(run.root), "state": launched.outcome.state, "step": launched.outcome.step}
    if launched.outcome.state == "complete":
        facts |= {"adapter" if base else "model": str(run.product)}
    show({**facts, **launched.outcome.losses}, as_json)


@dream_app.command("generate")
def generate(
    generator: Annotated[
        str, typer.Option(help="oracle, nano (the lake's latest), or a folder: a nano model or a Diffusers checkpoint.")
    ] = "oracle",
    adapter: AdapterOption = "",
    source: Annotated[
        str, typer.Option("--from", help="simulator, a store's folder, or a folder of PNG and JPEG pictures.")
    ] = "simulator",
    task: Annotated[list[str], typer.Option(help="Simulator tasks, in turn.")] = ["reach", "push", "pick_and_place"],  # noqa: B006
    count: Annotated[int, typer.Option(min=0, help="First frames; 0 takes all of a store or folder.")] = 0,
    instruction: Annotated[
        list[str], typer.Option(help="In place of the source's own; {thing} names an object of a simulated scene.")
    ] = [],  # noqa: B006
    instructions: Annotated[Path | None, typer.Option(help="Text file with one instruction a line.")] = None,
    candidates: Annotated[int, typer.Option(min=1, help="Clips of each first frame and instruction.")] = 1,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    frames: FramesOption = None,
    fps: FpsOption = None,
    height: HeightOption = None,
    width: WidthOption = None,
    licence: Annotated[str, typer.Option(help="Of the clips; that of the training data where it is known.")] = "",
    defect: Annotated[list[str], typer.Option(help="Plant into the oracle's dreams, in turn; '' for none.")] = [],  # noqa: B006
    setting: Annotated[list[str], typer.Option("--set", help=_JOB_FIELDS)] = [],  # noqa: B006
    dry_run: DryRunOption = False,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Dream clips into a folder of the lake that `gr00t clips` reads: videos, first frames, manifest with provenance.

    The oracle is the simulator's expert with its actions hidden: the whole chain works without any checkpoint. Equal
    arguments give the same folder and the same bytes; a killed run goes on with the next clip.

    Example: `gr00t dream generate --generator oracle --count 30`
    Example: `gr00t dream generate --generator nano --from lake/stores/simulator --candidates 4`
    Example: `gr00t dream generate --generator /models/Cosmos-Predict2-2B-Video2World --from photos`
    """
    from gr00t_model.dream import plans
    from gr00t_model.stages import dream as stage

    where, robot = lake_at(lake), load_embodiment(embodiment)
    job = plans.job_of(
        {"generator": generator, "adapter": adapter, "candidates": candidates, "seed": seed, "licence": licence,
         "defects": defect, "first_frames": {**plans.source_of(source), "tasks": task, "count": count},
         "instructions": {"texts": [*instruction, *(plans.lines_of(instructions) if instructions else ())]}},
        setting,
    )  # fmt: skip
    sizes = {"frames": frames, "fps": fps, "height": height, "width": width}
    job = stage.with_sizes(where, robot, job, sizes)
    if dry_run:
        show(stage.plan_dream(where, robot, job).to_dict(), as_json)
        return
    with progress_bar("dreaming") as progress:
        folder, digest = stage.dream(where, robot, job, progress=progress)
    clips = len(list((folder / "videos").glob("*.mp4")))
    show({"drop": str(folder), "digest": digest, "clips": clips}, as_json)


@dream_app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(help="A nano model or a Diffusers checkpoint; `nano` for the lake's latest.")],
    stores: StoresOption = ["*"],  # noqa: B006
    adapter: AdapterOption = "",
    clips: Annotated[int, typer.Option(min=1, help="Held-out clips to continue.")] = 32,
    sampling_steps: Annotated[
        int | None, typer.Option(min=1, help="Denoising steps; the model's own by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Continue the first frames of held-out episodes and compare with what came next: PSNR beside doing nothing.

    Example: `gr00t dream eval nano --stores simulator`
    """
    from gr00t_model.stages.dream import evaluate_world_model

    where, robot = lake_at(lake), load_embodiment(embodiment)
    asked = {"clips": clips, "sampling_steps": sampling_steps, "seed": seed}
    with progress_bar("dreaming") as progress:
        report, sheet = evaluate_world_model(where, robot, model, adapter, stores, **asked, progress=progress)
    rows = report["by_frame"]
    facts = {name: value for name, value in report.items() if name != "by_frame"}
    show({**facts, "sheet": str(sheet)}, as_json, rows)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False)
