"""The `gr00t` console script: data verbs from ``gr00t_model.shell.ingest``, and here ground, train and eval."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import gr00t_model.shell.doctor
import gr00t_model.shell.dream  # adds its verbs
import gr00t_model.shell.gate  # adds its verbs
import gr00t_model.shell.hands
import gr00t_model.shell.human
import gr00t_model.shell.idm  # adds its verbs
import gr00t_model.shell.privacy  # adds its verbs
import gr00t_model.shell.release  # noqa: F401 - adds its verbs
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.stages.mix import plan_mix
from gr00t_model.shell.ingest import (
    TASKS,
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
from gr00t_model.shell.mix import (
    HeldOutOption,
    HumanOption,
    NeuralOption,
    SeedOption,
    SyntheticOption,
    TemperatureOption,
    WeightOption,
    mix_app,
    show_preview,
    weighing_of,
)
from gr00t_model.stages import describe
from gr00t_model.stages import train as stages
from gr00t_model.stages.base import base_model
from gr00t_model.stages.evaluate import evaluate_checkpoint, evaluation_rows
from gr00t_model.training.recipes import RECIPES


@app.command()
def ground(
    stills: Annotated[int, typer.Option(min=20, help="Simulator stills to learn from.")] = 4000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the base of the nano preset: a vision-language model that points at the named object."""
    with progress_bar("grounding") as progress:
        folder, digest = base_model(lake_at(lake), stills=stills, seed=seed, progress=progress)
    show({"base": str(folder), "digest": digest}, as_json)


@app.command()
def train(
    recipe: Annotated[str, typer.Option(help=", ".join(RECIPES))] = "gr1_nano",
    setting: Annotated[list[str], typer.Option("--set", help="Change a field, for example optimizer.lr=3e-4.")] = [],  # noqa: B006
    tune: Annotated[str, typer.Option(help="What trains: action_head, low_memory or everything.")] = "",
    embodiment: EmbodimentOption = "gr1",
    also: Annotated[list[str], typer.Option(help="Another embodiment in the same batches, NAME or NAME=WEIGHT.")] = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would train and the memory it takes.")] = False,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the lake's current mixture; an interrupted run resumes. Ctrl-C saves the state first.

    A dry run needs no lake and makes no weights; with --json it also prints the resolved configuration.

    Example: `gr00t train --recipe gr1_nano --set steps=500`
    Example: `gr00t train --recipe gr1_n1_5_3b --tune low_memory --dry-run`
    """
    settings = [*([f"model.tune={tune}"] if tune else []), *setting]
    if dry_run:
        config, plan = stages.training_plan(recipe, settings, embodiment)
        facts = {"config": config.to_dict(), "memory": plan.to_dict()} if as_json else plan.facts()
        show(facts, as_json, None if as_json else plan.rows())
        return
    where, robot = lake_at(lake), load_embodiment(embodiment)
    run = stages.new_run(where, robot, recipe, settings, embodiment_path=embodiment, also=also)
    launched = stages.train_run(run, say)
    facts = {"run": str(run.root), "state": launched.outcome.state, "step": launched.outcome.step}
    if launched.outcome.state == "complete":
        folder, digest = stages.publish_checkpoint(where, robot, run)
        facts |= {"checkpoint": str(folder), "digest": digest}
    show({**facts, **launched.outcome.losses}, as_json)


@app.command()
def merge(
    adapter: Annotated[Path, typer.Argument(help="Folder with adapter_config.json, as a LoRA run leaves in adapter/.")],
    base: Annotated[Path, typer.Argument(help="Folder of the model the adapter was trained on.")],
    into: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    as_json: JsonOption = False,
) -> None:
    """Merge a LoRA adapter into its base: a full model that needs no peft.

    Example: `gr00t merge lake/checkpoints/NAME/adapter GR00T-N1.5-3B merged`
    """
    from gr00t_model.training.merge import merge_into

    merge_into(base, adapter, into)
    show({"merged": str(into)}, as_json)


@mix_app.command("preview")
def preview(
    recipe: Annotated[str, typer.Argument(help="A training recipe: how many samples it draws.")] = "gr1_nano",
    embodiment: EmbodimentOption = "gr1",
    manifest: Annotated[Path | None, typer.Option(help="Preview this manifest instead of planning one.")] = None,
    stores: StoresOption = ["*"],  # noqa: B006
    weight: WeightOption = [],  # noqa: B006
    temperature: TemperatureOption = 1.0,
    neural_per_real: NeuralOption = None,
    max_synthetic: SyntheticOption = None,
    human: HumanOption = None,
    seed: SeedOption = 0,
    held_out_share: HeldOutOption = 0.1,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a mixture will be made of in training, before any: probabilities, hours, repeats, shares, traps.

    Nothing is written. Example: `gr00t mix preview gr1_nano_long --temperature 2`
    """
    from gr00t_data.batches.mixture.manifest import MixtureManifest

    robot, samples = load_embodiment(embodiment), stages.samples_of(recipe)
    if manifest:
        planned = MixtureManifest.load(manifest)
    else:
        among = lake_at(lake), robot, stores
        weighing = weighing_of(among, weight, temperature, neural_per_real, max_synthetic, human)
        planned = plan_mix(lake_at(lake), robot, stores, weighing=weighing, seed=seed, held_out_share=held_out_share)
    show_preview(planned, robot, samples, as_json, {"recipe": recipe})


@app.command("model")
def describe_model(
    preset: Annotated[str, typer.Option(help="nano or n1_5_3b.")] = "",
    folder: Annotated[Path | None, typer.Option(help="A checkpoint folder to describe in place of a preset.")] = None,
    setting: Annotated[  # fields of config.json
        list[str], typer.Option("--set", help="Change the preset, for example action_head_cfg.action_dim=48.")
    ] = [],  # noqa: B006
    shapes: Annotated[Path | None, typer.Option(help="Write name -> shape of every tensor to this JSON file.")] = None,
    flare: Annotated[bool, typer.Option("--flare", help="Count FLARE's own tensors too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Names, shapes and parameter counts of a model; reads no weights and needs no memory for them.

    Example: `gr00t model --preset n1_5_3b --shapes shapes.json`
    """
    facts = describe.describe_model(preset, folder, setting, shapes, flare)
    if as_json:
        show(facts, as_json)
        return
    counts = facts.pop("parameters")
    show(facts, as_json, [{"part": part, "parameters": f"{count:,}"} for part, count in counts.items()])


@app.command("eval")
def evaluate(
    task: Annotated[list[str], typer.Option(help="Simulator task; repeat for several, `none` for open loop only.")] = [  # noqa: B006
        *TASKS
    ],
    trials: Annotated[int, typer.Option(min=1, help="Unseen scenes per task.")] = 100,
    swapped: Annotated[bool, typer.Option(help="Also run with an instruction that names another object.")] = True,
    processes: Annotated[int, typer.Option(min=1)] = 2,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate the lake's checkpoint: open loop on held-out episodes, closed loop in the simulator.

    A checkpoint of several embodiments is evaluated open loop on each of them.
    Example: `gr00t eval --task reach --trials 100`
    """
    report = evaluate_checkpoint(
        lake_at(lake),
        load_embodiment(embodiment),
        tasks=[name for name in task if name != "none"],
        trials=trials,
        swapped=swapped,
        processes=processes,
        say=say,
    )
    in_rows = ("open_loop", "others", "closed_loop", *(() if as_json else ("alignment",)))
    content = {k: v for k, v in report.content.facts().items() if k not in in_rows}
    show({"report": str(report.folder), **content}, as_json, evaluation_rows(report.content))


def say(line: str) -> None:
    """One line of progress on standard error."""
    console.print(line, markup=False, highlight=False)


def main() -> None:
    """Run the console script; what a user can mend is one line on standard error and exit status 2."""
    try:
        app()
    except (ValueError, OSError, RuntimeError) as error:
        if not type(error).__module__.startswith(("gr00t_", "builtins")):
            raise
        if isinstance(error, RuntimeError) and type(error).__module__ == "builtins":
            raise
        console.print(f"error: {error}", style="red", markup=False, highlight=False)
        sys.exit(2)
