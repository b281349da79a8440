"""The shell verbs of dreaming: `gr00t dream train`, `gr00t dream generate`, `gr00t dream eval`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gr00t_model.dream.settings import DreamSettings
from gr00t_model.shell.app import (
    EVERY,
    DryRunOption,
    EmbodimentOption,
    JsonOption,
    LakeOption,
    StoresOption,
    lake_at,
    progress_bar,
    say,
    show,
)
from gr00t_model.shell.options import verb

dream = App(
    name="dream",
    help="Dreamed video: tune a world model on your robot's recordings, then let it continue first frames.",
)

_TRAINING_FIELDS = "steps=500, rank=4, optimizer.lr=1e-4, view=grid_2x2, stride_frames=3 ..."
_JOB_FIELDS = (
    "sampler.steps=30, sampler.offload=model, sampler.tiling=true, sampler.guardrail=none, first_frames.seed=600000, "
    "first_frames.view=grid_2x2, instructions.every=true, instructions.prompt='A robot: {instruction}' ..."
)
FramesOption = Annotated[int | None, Parameter(help="Pictures in a clip; the model's own number by default.")]
FpsOption = Annotated[float | None, Parameter(help="Pictures a second of the robot's own time.")]
HeightOption = Annotated[int | None, Parameter(help="Pixels.")]
WidthOption = Annotated[int | None, Parameter(help="Pixels.")]
AdapterOption = Annotated[str, Parameter(help="Folder of the LoRA adapter that goes onto the model.")]


@dream.command
@verb
def train(
    *,
    base: Annotated[str, Parameter(help="Folder of a published model, whose adapters are tuned.")] = "",
    stores: StoresOption = EVERY,
    frames: FramesOption = None,
    fps: FpsOption = None,
    height: HeightOption = None,
    width: WidthOption = None,
    settings: Annotated[list[str], Parameter(help=_TRAINING_FIELDS)] = [],  # noqa: B006
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
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_model.dream.plans import plan_training, training_facts
    from gr00t_model.stages.dream import train_world_model

    where, robot = lake_at(lake), load_embodiment(embodiment)
    sizes = {"frames": frames, "fps": fps, "height": height, "width": width}
    config = plan_training(where, robot, base=base, stores=stores, sizes=sizes, settings=settings, named=embodiment)
    if dry_run:
        facts = training_facts(config)
        show({"config": config.model_dump(mode="json"), **facts} if as_json else facts, as_json)
        return
    run, launched = train_world_model(where, config, say)
    facts = {"run": str(run.root), "state": launched.outcome.state, "step": launched.outcome.step}
    if launched.outcome.state == "complete":
        facts |= {"adapter" if base else "model": str(run.product)}
    show({**facts, **launched.outcome.losses}, as_json)


@dream.command
@verb
def generate(
    *,
    settings: DreamSettings,
    instructions_file: Annotated[
        Path | None, Parameter("--instructions", help="Text file with one instruction a line.")
    ] = None,
    frames: FramesOption = None,
    fps: FpsOption = None,
    height: HeightOption = None,
    width: WidthOption = None,
    changes: Annotated[list[str], Parameter("--set", help=_JOB_FIELDS)] = [],  # noqa: B006
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
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_model.dream.plans import lines_of, named_job
    from gr00t_model.stages import dream as stage

    where, robot = lake_at(lake), load_embodiment(embodiment)
    job = named_job(where, settings, changes, lines_of(instructions_file) if instructions_file else ())
    sizes = {"frames": frames, "fps": fps, "height": height, "width": width}
    job = stage.with_sizes(where, robot, job, sizes)
    if dry_run:
        show(stage.plan_dream(where, robot, job).to_dict(), as_json)
        return
    with progress_bar("dreaming") as progress:
        folder, digest = stage.dream(where, robot, job, progress=progress)
    clips = len(list((folder / "videos").glob("*.mp4")))
    show({"drop": str(folder), "digest": digest, "clips": clips}, as_json)


@dream.command(name="eval")
@verb
def evaluate(
    model: Annotated[str, Parameter(help="A nano model or a Diffusers checkpoint; `nano` for the lake's latest.")],
    /,
    *,
    stores: StoresOption = EVERY,
    adapter: AdapterOption = "",
    clips: Annotated[int, Parameter(help="Held-out clips to continue.")] = 32,
    sampling_steps: Annotated[int | None, Parameter(help="Denoising steps; the model's own by default.")] = None,
    seed: int = 0,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Continue the first frames of held-out episodes and compare with what came next: PSNR beside doing nothing.

    Example: `gr00t dream eval nano --stores simulator`
    """
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_model.stages.dream import evaluate_world_model

    where, robot = lake_at(lake), load_embodiment(embodiment)
    asked = {"clips": clips, "sampling_steps": sampling_steps, "seed": seed}
    with progress_bar("dreaming") as progress:
        report, sheet = evaluate_world_model(where, robot, model, adapter, stores, **asked, progress=progress)
    rows = report["by_frame"]
    facts = {name: value for name, value in report.items() if name != "by_frame"}
    show({**facts, "sheet": str(sheet)}, as_json, rows)
