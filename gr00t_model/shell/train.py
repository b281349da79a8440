"""The shell verbs of training: ground, train, eval, model, merge."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gr00t_model.shell.app import InLake, OfRobot, progress_bar, say
from gr00t_model.shell.options import UsageError, verb
from gr00t_model.stages.settings import EvaluationSettings, FinetuneSettings, GroundSettings


@verb
def ground(*, settings: GroundSettings, asked: InLake) -> None:
    """Make the base of the nano preset: a vision-language model that points at the named object.

    What was begun goes on; Ctrl-C saves the state first.
    """
    from gr00t_model.loop.stop import StopRequest
    from gr00t_model.stages.base import base_model

    with progress_bar("grounding") as progress:
        folder, digest = base_model(asked.where, settings, progress=progress, stop=StopRequest())
    asked.show({"base": str(folder), "digest": digest})


@verb
def train(
    *,
    settings: FinetuneSettings,
    dry_run: Annotated[bool, Parameter(help="Check all that the run would read; print its memory.")] = False,
    card: Annotated[float | None, Parameter(help="With --dry-run: a card's memory in GB; else the one here.")] = None,
    asked: OfRobot,
) -> int:
    """Train on the lake's current mixture; an interrupted run resumes. Ctrl-C saves the state first.

    A dry run needs no lake and makes no weights: it checks settings, robots, base and tokenizer as the run would, as
    far as they are there; exit status 1: the card is too small. With --json it prints the resolved configuration.

    Example: `gr00t train --recipe gr1_nano --set steps=500`
    Example: `gr00t train --recipe gr1_n1_5_3b --tune low_memory --dry-run`
    """
    from gr00t_model.stages import train as stages

    if dry_run:
        from gr00t_model.stages.dry_run import dry_run as look

        found = look(asked.where, settings, asked.embodiment, card)
        facts = {"config": found.config.to_dict(), "memory": found.plan.to_dict()}
        shown = {**facts, **found.facts()} if asked.as_json else {**found.facts(), **found.plan.facts()}
        asked.show(shown, None if asked.as_json else found.plan.rows())
        return 0 if found.fits else 1
    if card is not None:
        raise UsageError("--card: is for --dry-run")
    where, robot = asked.where, asked.robot
    run = stages.new_run(where, robot, settings, asked.embodiment, say)
    launched = stages.train_run(run, say)
    facts = {"run": str(run.root), "state": launched.outcome.state, "step": launched.outcome.step}
    if launched.outcome.state == "complete":
        folder, digest = stages.publish_checkpoint(where, robot, run)
        facts |= {"checkpoint": str(folder), "digest": digest}
    asked.show({**facts, **launched.outcome.losses})
    return 0


@verb
def checkpoints(
    run: Annotated[str, Parameter(help="A run: folder, name, part of its key, or pointer; left out: every run.")] = "",
    /,
    *,
    at: Annotated[int | None, Parameter(help="Make the checkpoint of this step, under a name in the lake.")] = None,
    mend: Annotated[bool, Parameter(help="Set aside what is damaged, so that training can go on.")] = False,
    asked: InLake,
) -> None:
    """List the runs of the lake, or the states of one; make the checkpoint of a state; mend a damaged run folder.

    What a step left acts, is evaluated and is trained on like the last one: `gr00t eval RUN --at STEP`,
    `gr00t train --set model.base=RUN@STEP`.

    Example: `gr00t checkpoints run_gr1 --at 500`
    """
    from gr00t_model.stages import checkpoints as stages

    where = asked.where
    if not run:
        if mend or at is not None:
            raise UsageError("RUN: name the run that --at or --mend is meant for")
        asked.show({"lake": str(where.root)}, stages.run_rows(where))
    elif mend:
        mended, rows = stages.mend_run(where, run)
        facts = {"run": str(mended.root), "set aside": len(rows), "whole states": stages.list_states(mended.states)}
        asked.show(facts, rows)
    elif at is not None:
        asked.show({"checkpoint": str(stages.checkpoint_named(where, run, at)), "step": at})
    else:
        found = stages.run_named(where, run)
        asked.show({"run": str(found.root)}, stages.state_rows(found))


@verb
def merge(
    adapter: Annotated[
        str, Parameter(help="Folder with adapter_config.json, or the name of a checkpoint of a LoRA run.")
    ],
    base: Annotated[str, Parameter(help="Folder or name of the model the adapter was trained on.")],
    into: Annotated[Path, Parameter(help="Folder to write; must not exist.")],
    /,
    *,
    asked: InLake,
) -> None:
    """Merge a LoRA adapter into its base: a full model that needs no peft.

    Example: `gr00t merge NAME GR00T-N1.5-3B merged`
    """
    from gr00t_data.stages.names import named
    from gr00t_model.training.merge import merge_into

    where = asked.where
    trained = named(where, adapter, where.checkpoints)
    inside = trained / "adapter"
    merge_into(named(where, base, where.checkpoints), inside if inside.is_dir() else trained, into)
    asked.show({"merged": str(into)})


@verb
def describe_model(
    *,
    preset: Annotated[str, Parameter(help="nano or n1_5_3b.")] = "",
    folder: Annotated[str, Parameter(help="A checkpoint, by folder or name, in place of a preset.")] = "",
    settings: Annotated[
        list[str], Parameter(help="Change the preset, for example action_head_cfg.action_dim=48.")
    ] = [],  # noqa: B006
    shapes: Annotated[Path | None, Parameter(help="Write name -> shape of every tensor to this JSON file.")] = None,
    flare: Annotated[bool, Parameter(help="Count FLARE's own tensors too.")] = False,
    asked: InLake,
) -> None:
    """Names, shapes and parameter counts of a model; reads no weights and needs no memory for them.

    Example: `gr00t model --preset n1_5_3b --shapes shapes.json`
    """
    from gr00t_data.stages.names import named
    from gr00t_model.stages import describe

    where = asked.where
    found = named(where, folder, where.checkpoints) if folder else None
    facts = describe.describe_model(preset, found, settings, shapes, flare)
    if asked.as_json:
        asked.show(facts)
        return
    counts = facts.pop("parameters")
    asked.show(facts, [{"part": part, "parameters": f"{count:,}"} for part, count in counts.items()])


@verb
def evaluate(
    checkpoint: Annotated[
        str, Parameter(help="A checkpoint, merged or published folder, by path or name; left out: the lake's newest.")
    ] = "",
    /,
    *,
    settings: EvaluationSettings,
    at: Annotated[int | None, Parameter(help="CHECKPOINT is a run: evaluate it as it was at this step.")] = None,
    tag: Annotated[str, Parameter(help="Published folders: whose statistics and slot act; else the robot's.")] = "",
    tokenizer: Annotated[str, Parameter(help="Published folders that come without one: its folder.")] = "",
    asked: OfRobot,
) -> None:
    """Evaluate a checkpoint: open loop on held-out episodes, closed loop in the simulator.

    A checkpoint of several embodiments is evaluated open loop on each of them. A merged or published folder is tried on
    what the lake's current mixture holds out.

    Example: `gr00t eval --task reach --trials 100`
    Example: `gr00t eval run_gr1 --at 500 --task none`
    Example: `gr00t eval GR00T-N1.5-3B --tokenizer Qwen3-1.7B --task none`
    """
    from gr00t_model.stages.evaluate import Chosen, evaluate_checkpoint, evaluation_rows

    chosen = Chosen(checkpoint, at, asked.embodiment, tag, tokenizer)
    report = evaluate_checkpoint(asked.where, asked.robot, settings, say, chosen)
    in_rows = ("open_loop", "others", "closed_loop", *(() if asked.as_json else ("alignment",)))
    content = {k: v for k, v in report.content.facts().items() if k not in in_rows}
    asked.show({"report": str(report.folder), **content}, evaluation_rows(report.content))
