"""Shell verbs of the service: release, lineage, reproduce."""

from typing import Annotated

from cyclopts import Parameter

from gr00t_model.release.rule import Rule
from gr00t_model.shell.app import InLake, OfRobot, say
from gr00t_model.shell.options import UsageError, verb


@verb
def release(
    what: Annotated[str, Parameter(help="A checkpoint, or `list`, or `rollback`.")],
    /,
    *,
    force: Annotated[bool, Parameter(help="Release it whatever the rule says.")] = False,
    rule: Rule,
    asked: OfRobot,
) -> None:
    """Release a checkpoint if it is not worse than the released one; list the releases; go back to the one before.

    The checkpoint is a folder, a name in the lake, a part of its digest, or a pointer such as `checkpoint_gr1`.

    Example: `gr00t release checkpoint_gr1`
    Example: `gr00t release rollback`
    """
    from gr00t_data.stages.names import checkpoint_named
    from gr00t_model.release import history as releases
    from gr00t_model.stages.release import release_by_hand

    where, robot = asked.where, asked.robot
    if what == "rollback":
        releases.rollback(where, robot.name)
    elif what != "list":
        release_by_hand(where, robot, checkpoint_named(where, what), rule, forced=force)
    current = releases.history(where, robot.name).current
    facts = {"embodiment": robot.name, "released": current.checkpoint if current else None, "model card": None}
    if current:
        facts["model card"] = str(releases.folder_of(where, robot.name) / f"{current.number:04d}/MODEL_CARD.md")
    elif not asked.as_json:
        facts = {"embodiment": robot.name, "released": f"nothing of it in {where.root} stands released"}
    asked.show(facts, releases.rows(where, robot.name))


@verb
def lineage(
    what: Annotated[str, Parameter(help="A checkpoint; or STORE, or STORE/EPISODE, the store by name or digest.")] = "",
    /,
    *,
    participant: Annotated[str, Parameter(help="A person: what holds their clips, and what learned from them.")] = "",
    dataset: Annotated[str | None, Parameter(help="Only the participant of this dataset.")] = None,
    asked: InLake,
) -> None:
    """Which episodes a checkpoint has seen; or which stores, manifests and checkpoints hold an episode.

    Example: `gr00t lineage released_gr1`
    Example: `gr00t lineage simulator/12`
    Example: `gr00t lineage --participant P07`
    """
    from gr00t_data.stages.names import find_checkpoint
    from gr00t_model.lineage.lineage import of_checkpoint, of_episode
    from gr00t_model.lineage.people import consent, of_participant
    from gr00t_model.lineage.record import Record, chain_of
    from gr00t_model.release.licences import licences_of

    where = asked.where
    if bool(what) == bool(participant):
        raise UsageError("WHAT: give a checkpoint or a store, or --participant")
    if participant:
        asked.show({"participant": participant}, [vars(one) for one in of_participant(where, participant, dataset)])
        return
    checkpoint = find_checkpoint(where, what)
    if checkpoint is None:
        asked.show({"episode": what}, [vars(one) for one in of_episode(where, what)])
        return
    rows = of_checkpoint(where, checkpoint)
    facts = {
        "checkpoint": str(checkpoint),
        "base": Record.load(checkpoint).base,
        "episodes": len(rows),
        "samples": sum(row.samples for row in rows),
        "kinds": ", ".join(sorted({row.kind for row in rows})),
        "licences": ", ".join(sorted({row.licence for row in rows})),
        **licences_of(checkpoint),
        "consent": consent(where, chain_of(checkpoint)) or "nobody whom it has learned from withdrew",
    }
    asked.show(facts, [{n.replace("_", " "): value for n, value in vars(row).items()} for row in rows])


@verb
def reproduce(
    checkpoint: Annotated[str, Parameter(help="A checkpoint: folder, name, part of the digest, or pointer.")],
    /,
    *,
    run: Annotated[bool, Parameter(help="Train it too, and compare the weights.")] = False,
    asked: InLake,
) -> int:
    """Make the run of a checkpoint again from its record; says where code, libraries or inputs are not as they were.

    Exit status 1 when something differs.

    Example: `gr00t reproduce released_gr1 --run`
    """
    from gr00t_data.stages.names import checkpoint_named
    from gr00t_model.release.reproduce import reproduce as prepare
    from gr00t_model.release.reproduce import same_weights
    from gr00t_model.stages.train import train_run

    where = asked.where
    folder = checkpoint_named(where, checkpoint).absolute()
    made = prepare(where, folder)
    facts = {"checkpoint": str(folder), "run": str(made.run.root) if made.run else None, "as it was": made.same}
    equal = True
    if run and made.run:
        launched = train_run(made.run, say)
        equal = launched.outcome.state == "complete" and same_weights(folder, made.run.checkpoint)
        facts |= {"state": launched.outcome.state, "same weights": equal}
    asked.show(facts, made.differences)
    return 0 if made.same and equal else 1
