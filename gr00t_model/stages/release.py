"""The release gate: from the report of a candidate to a release with its model card. No torch at import."""

from pathlib import Path

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages.names import find_checkpoint
from gr00t_model.evaluate.evaluation import Evaluation
from gr00t_model.lineage.digests import model_digest, require_unchanged
from gr00t_model.lineage.people import consent
from gr00t_model.lineage.record import Record, chain_of
from gr00t_model.release.card import write_card
from gr00t_model.release.history import Event, ReleaseError, Verdict, folder_of, history, judge, release, released
from gr00t_model.release.rule import Rule
from gr00t_model.stages.inputs import MissingInput, needed


def release_candidate(
    lake: Lake, embodiment: Embodiment, rule: Rule = Rule(), *, forced: bool = False
) -> tuple[Verdict, Event | None]:
    """Release the checkpoint that was evaluated last, if it is not worse than the released one, with its model card.

    Args:
        forced: release it whatever the rule says.

    Returns:
        the verdict, and the release that stands afterwards (None: there is none yet).

    Raises:
        MissingInput: nothing was evaluated yet.
        IntegrityError: checkpoint, report or history are not as they were written.
    """
    with lake.turn(f"released_{embodiment.name}"):  # the verdict is about the release that stands
        report = needed(lake, f"evaluation_{embodiment.name}", "gr00t eval")
        content = Evaluation.load(report, asked=True)
        verdict = judge(content, history(lake, embodiment.name), rule)
        if not (verdict.release or forced):
            return verdict, history(lake, embodiment.name).current
        return verdict, _released(lake, embodiment, report, content, verdict, forced=forced and not verdict.release)


def _released(
    lake: Lake, embodiment: Embodiment, report: Path, content: Evaluation, verdict: Verdict, *, forced: bool
) -> Event:
    checkpoint = find_checkpoint(lake, content.checkpoint[:16])
    if checkpoint is None:
        raise MissingInput(f"{lake.checkpoints}: holds no checkpoint {content.checkpoint[:16]}; run `gr00t train`")
    event = release(lake, embodiment.name, checkpoint, content.checkpoint, reasons=verdict.reasons, forced=forced)
    folder = folder_of(lake, embodiment.name) / f"{event.number:04d}"
    if not folder.is_dir():
        write_card(Record.load(checkpoint), report, content, folder, event)
    return event


def release_by_hand(
    lake: Lake, embodiment: Embodiment, checkpoint: Path, rule: Rule = Rule(), *, forced: bool = False
) -> Event:
    """Release one checkpoint of the lake: by the rule on its report, or whatever the rule says.

    Raises:
        MissingInput: it has no report.
        ReleaseError: the rule speaks against it, or its report is of another checkpoint.
        IntegrityError: checkpoint, report or history are not as they were written.
    """
    require_unchanged(checkpoint, asked=True)
    digest = model_digest(checkpoint)
    report = lake.evaluations / digest[:16]
    if not (report / "report.json").is_file():
        raise MissingInput(f"{checkpoint}: was not evaluated; make it the current checkpoint and run `gr00t eval`")
    content = Evaluation.load(report, asked=True)
    if content.checkpoint != digest:
        told = f"is of {content.checkpoint[:16]}, {checkpoint.name} has digest {digest[:16]}"
        raise ReleaseError(f"{report / 'report.json'}: {told}; evaluate it again: `gr00t eval {checkpoint.name}`")
    with lake.turn(f"released_{embodiment.name}"):
        verdict = judge(content, history(lake, embodiment.name), rule)
        if not (verdict.release or forced):
            raise ReleaseError(f"{checkpoint.name}: {'; '.join(verdict.reasons)}; --force releases it all the same")
        return _released(lake, embodiment, report, content, verdict, forced=forced and not verdict.release)


def starting_settings(lake: Lake, embodiment: Embodiment, start: str) -> list[str]:
    """The setting that starts a run from the released checkpoint; none for ``base``, or when nothing is released.

    None either when the released checkpoint has learned from somebody who withdrew since, or nobody can say: what comes
    next must not.

    Args:
        start: ``base`` or ``released``.
    """
    found = released(lake, embodiment.name) if start == "released" else None
    return [f"model.base={found[0]}"] if found and not consent(lake, chain_of(found[0])) else []
