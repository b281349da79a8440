"""The `gr00t` console script: data verbs from ``gr00t_data.cli``, and here ground, train and eval."""

import json
import sys
from typing import Annotated

import typer

from gr00t_data.cli import TASKS, EmbodimentOption, JsonOption, LakeOption, app, console, lake_at, progress_bar, show
from gr00t_data.embodiment import load_embodiment
from gr00t_model import stages


@app.command()
def ground(
    stills: Annotated[int, typer.Option(min=16, help="Simulator stills to learn from.")] = 4000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the base of the nano preset: a vision-language model that points at the named object."""
    with progress_bar("grounding") as progress:
        folder, digest = stages.base_model(lake_at(lake), stills=stills, seed=seed, progress=progress)
    show({"base": str(folder), "digest": digest}, as_json)


@app.command()
def train(
    recipe: Annotated[str, typer.Option(help="gr1_nano, gr1_nano_long, gr1_nano_tiny or gr1_n1_5_3b.")] = "gr1_nano",
    setting: Annotated[list[str], typer.Option("--set", help="Change a field, for example optimizer.lr=3e-4.")] = [],  # noqa: B006
    embodiment: EmbodimentOption = "gr1",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved configuration and stop.")] = False,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the lake's current mixture; an interrupted run resumes. Ctrl-C saves the state first.

    Example: `gr00t train --recipe gr1_nano --set steps=500`
    """
    where, robot = lake_at(lake), load_embodiment(embodiment)
    run = stages.new_run(where, robot, recipe, setting, embodiment_path=embodiment)
    if dry_run:
        typer.echo(json.dumps(run.config().to_dict(), indent=1))
        return
    launched = stages.train_run(run, say)
    facts = {"run": str(run.root), "state": launched.outcome.state, "step": launched.outcome.step}
    if launched.outcome.state == "complete":
        folder, digest = stages.publish_checkpoint(where, robot, run)
        facts |= {"checkpoint": str(folder), "digest": digest}
    show({**facts, **launched.outcome.losses}, as_json)


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

    Example: `gr00t eval --task reach --trials 100`
    """
    report = stages.evaluate_checkpoint(
        lake_at(lake),
        load_embodiment(embodiment),
        tasks=[name for name in task if name != "none"],
        trials=trials,
        swapped=swapped,
        processes=processes,
        say=say,
    )
    content = {k: v for k, v in report.content.items() if k not in ("open_loop", "closed_loop")}
    show({"report": str(report.folder), **content}, as_json, stages.evaluation_rows(report.content))


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
