"""Releases: which checkpoint an embodiment stands by, how it got there, and the way back. No torch.

The truth is one file an embodiment, ``releases/<embodiment>/history.json``, replaced in one step: every event so far,
and the stack of checkpoints that stand. A release puts one on top, a rollback takes the top one away. Checkpoints
themselves are never deleted.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_data.lake import Lake
from gr00t_model.evaluate.evaluation import Evaluation
from gr00t_model.lineage.digests import model_digest, require_unchanged
from gr00t_model.release.rule import Rule

Action = Literal["release", "forced release", "rollback"]


class ReleaseError(ValueError):
    """A release or rollback that cannot be done; the message says what is missing."""


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may be released, and why."""

    release: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """One entry of the history.

    Attributes:
        number: counts from 1.
        action: what was done.
        digest: of the checkpoint that stands afterwards.
        checkpoint: its folder, relative to the lake.
        at: UTC, ISO 8601.
        reasons: what the gate said.
    """

    number: int
    action: Action
    digest: str
    checkpoint: str
    at: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """Every event of an embodiment, and the numbers of the releases that stand, the current one last."""

    events: tuple[Event, ...] = ()
    standing: tuple[int, ...] = ()

    @property
    def current(self) -> Event | None:
        """The release that stands."""
        return self.events[self.standing[-1] - 1] if self.standing else None

    def rolled_back(self, digest: str) -> bool:
        """Whether this checkpoint was released once and taken back."""
        was = any(event.digest == digest and event.action != "rollback" for event in self.events)
        return was and not any(self.events[number - 1].digest == digest for number in self.standing)


_HISTORY = TypeAdapter(History)


def folder_of(lake: Lake, embodiment: str) -> Path:
    """Where the history and the model cards of an embodiment lie."""
    return lake.root / "releases" / embodiment


def history(lake: Lake, embodiment: str) -> History:
    """What was released so far; empty when nothing was.

    Raises:
        ReleaseError: the file is none. IntegrityError: it is not the one that was written.
    """
    path = folder_of(lake, embodiment) / "history.json"
    if not path.is_file():
        return History()
    try:
        return _HISTORY.validate_python(read_sealed(path, "restore it from a backup"))
    except ValidationError as error:
        raise ReleaseError(f"{path}: not a history of releases ({error!r}); restore it from a backup") from error


def released(lake: Lake, embodiment: str) -> tuple[Path, str] | None:
    """(folder, digest) of the released checkpoint.

    Raises:
        ReleaseError: its folder is gone, or holds another checkpoint.
        IntegrityError: a file of it is not the one that was recorded.
    """
    current = history(lake, embodiment).current
    if current is None:
        return None
    folder = lake.root / current.checkpoint
    if not folder.is_dir():
        raise ReleaseError(f"{folder}: the released checkpoint is gone; run `gr00t release rollback`, or restore it")
    _require_digest(folder, current.digest, asked=False)
    return folder, current.digest


def judge(content: Evaluation, past: History, rule: Rule) -> Verdict:
    """The rule applied to a report (``report.json``) of the candidate."""
    digest, current = content.checkpoint, past.current
    if past.rolled_back(digest):
        return Verdict(False, ("it was released before and rolled back; `gr00t release CHECKPOINT --force` overrules",))
    if current is None:
        return _first(content, rule)
    if current.digest == digest:
        return Verdict(True, ("it is released already",))
    compared = content.comparison
    if compared is None or compared.released != current.digest:
        return Verdict(False, ("its report does not compare it with the released checkpoint; evaluate it again",))
    if not compared.measures:
        return Verdict(False, ("nothing could be compared", *compared.notes))
    objections = tuple(filter(None, map(rule.objection, compared.measures)))
    if objections:
        return Verdict(False, objections)
    return Verdict(True, (f"not worse in any of {len(compared.measures)} measures", *compared.notes))


def _first(content: Evaluation, rule: Rule) -> Verdict:
    ratio = content.open_loop.overall.ratio
    if ratio is None:
        return Verdict(False, ("first release: nothing moves in the held-out episodes, so nothing is shown",))
    fits = ratio < rule.first_ratio
    return Verdict(fits, (f"first release: open-loop error is {ratio:.2f} of the better baseline's",))


def release(
    lake: Lake, embodiment: str, checkpoint: Path, digest: str, *, reasons: tuple[str, ...] = (), forced: bool = False
) -> Event:
    """Make a checkpoint the released one. Repeating it changes nothing.

    Raises:
        ReleaseError: the folder does not lie in the lake, or holds a checkpoint with another digest.
        IntegrityError: a file of it is not the one that was recorded.
    """
    if not checkpoint.absolute().is_relative_to(lake.root):
        raise ReleaseError(f"{checkpoint}: lies outside the lake {lake.root}; copy it to {lake.checkpoints} first")
    relative = checkpoint.absolute().relative_to(lake.root).as_posix()
    _require_digest(checkpoint, digest)
    with lake.turn(f"released_{embodiment}"):
        past = history(lake, embodiment)
        if past.current is not None and past.current.digest == digest:
            _point(lake, embodiment, past.current)
            return past.current
        event = _event(past, "forced release" if forced else "release", digest, relative, reasons)
        _write(lake, embodiment, History((*past.events, event), (*past.standing, event.number)))
        _point(lake, embodiment, event)
    return event


def rollback(lake: Lake, embodiment: str) -> Event:
    """Go back to the checkpoint that was released before; again, one further back.

    Raises:
        ReleaseError: there is none before, its folder is gone, or it holds another checkpoint.
        IntegrityError: a file of it is not the one that was recorded.
    """
    with lake.turn(f"released_{embodiment}"):
        past = history(lake, embodiment)
        if len(past.standing) < 2:
            raise ReleaseError(f"{embodiment}: {len(past.standing)} release stands, there is none to go back to")
        before = past.events[past.standing[-2] - 1]
        if not (lake.root / before.checkpoint).is_dir():
            raise ReleaseError(f"{lake.root / before.checkpoint}: the checkpoint to go back to is gone; restore it")
        _require_digest(lake.root / before.checkpoint, before.digest)
        taken = past.events[past.standing[-1] - 1]
        reasons = (f"took back {taken.checkpoint}",)
        event = _event(past, "rollback", before.digest, before.checkpoint, reasons)
        _write(lake, embodiment, History((*past.events, event), past.standing[:-1]))
        _point(lake, embodiment, before)
    return event


def _require_digest(checkpoint: Path, digest: str, *, asked: bool = True) -> None:
    require_unchanged(checkpoint, asked=asked)
    if (found := model_digest(checkpoint)) != digest:
        raise ReleaseError(
            f"{checkpoint}: its files have digest {found[:16]}, the one that was evaluated or released has "
            f"{digest[:16]}; restore it, or evaluate what lies there: `gr00t eval {checkpoint.name}`"
        )


def _event(past: History, action: Action, digest: str, checkpoint: str, reasons: tuple[str, ...]) -> Event:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Event(len(past.events) + 1, action, digest, checkpoint, now, reasons)


def _write(lake: Lake, embodiment: str, state: History) -> None:
    write_sealed(folder_of(lake, embodiment) / "history.json", asdict(state))


def _point(lake: Lake, embodiment: str, event: Event) -> None:
    """The pointer that other programs read follows the history."""
    lake.point(f"released_{embodiment}", lake.root / event.checkpoint, event.digest)


def rows(lake: Lake, embodiment: str) -> list[dict[str, int | str]]:
    """The history as a table."""
    state = history(lake, embodiment)
    current = state.standing[-1] if state.standing else 0
    return [
        {
            "number": event.number,
            "at": event.at,
            "action": event.action,
            "checkpoint": Path(event.checkpoint).name,
            "state": "released" if event.number == current else "before" if event.number in state.standing else "",
            "reasons": "; ".join(event.reasons),
        }
        for event in state.events
    ]
