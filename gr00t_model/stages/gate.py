"""From generated clips to accepted trajectories in one call: label, score, judge, seal, report.

Everything lies at a place named by what it depends on, so a second call finds it and a killed one goes on.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gr00t_data.code_key import code_key
from gr00t_data.curate.gate.gate import Judged, ask_judge, check_labelled, judge, score_store, seal_accepted
from gr00t_data.curate.gate.opinion import Judge
from gr00t_data.curate.gate.scores import SCORES
from gr00t_data.curate.gate.sheet import write_sheets
from gr00t_data.curate.gate.thresholds import GateError, Thresholds, calibrate, labelling_model
from gr00t_data.disk import claimed, digest_json, read_json, write_json
from gr00t_data.embodiment.robot import Embodiment, embodiment_names, right_embodiments
from gr00t_data.integrity import require_intact, write_record
from gr00t_data.lake import Lake, working
from gr00t_data.replayed import Replayer
from gr00t_data.sources.content import store_name
from gr00t_data.store.provenance import Said
from gr00t_data.store.store import EpisodeStore
from gr00t_model.idm.report import guessed_parts

if TYPE_CHECKING:
    from gr00t_model.idm.artifact import Artifact

LIBRARIES = ("av", "imagehash", "mujoco", "numpy", "opencv-python-headless", "pyarrow", "scipy", "torch")

SLOTS = 32
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def _silent(what: str, done: int, total: int) -> None:
    """No progress."""


class Decision(Said):
    """What became of one clip; ``reasons`` is empty when it was accepted."""

    episode: int
    clip: str | None = None
    reasons: tuple[str, ...]


class Opinions(Said):
    """Of the external judge: clips it was asked about, and why it said nothing of some."""

    asked: int
    without_verdict: tuple[str, ...]


class GateReport(Said):
    """``report.json`` of a gate.

    Attributes:
        rejected_by: score or judge -> clips.
        false_rejects: share of the recorded episodes that the thresholds would reject.
        sheets: names of the contact sheets beside it.
    """

    clips: int
    accepted: int
    rejected_by: dict[str, int]
    slot: int | None
    false_rejects: float
    judge: Opinions
    sheets: tuple[str, ...]
    decisions: tuple[Decision, ...]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The report in a folder of the gate; IntegrityError when a file of it is not the one that was written."""
        require_intact(folder, remedy="delete the folder, and judge again: `gr00t gate`")
        return cls.model_validate(read_json(folder / "report.json"))


@dataclass(frozen=True)
class GateSettings:
    """How clips are judged.

    Attributes:
        thresholds: of an earlier run; None sets them by the real stores.
        judge: an external judge of the clips that the scores accept; None asks nobody.
        replay: execute the inferred actions in the embedded simulator, where the provenance names a scene.
        slot: projectors that the accepted episodes train; None keeps the robot's own.
        any_model: take labels that are no better than a guess.
    """

    thresholds: Thresholds | None = None
    judge: Judge | None = None
    replay: bool = True
    slot: int | None = None
    any_model: bool = False


@working
def gate_store(
    lake: Lake,
    store: EpisodeStore,
    embodiment: Embodiment,
    idm: Path | None = None,
    *,
    real: Sequence[EpisodeStore] = (),
    settings: GateSettings = GateSettings(),
    name: str | None = None,
    progress: Progress = _silent,
) -> tuple[EpisodeStore, Path]:
    """Judge the clips of a store and seal the accepted ones as a store of the kind ``neural``.

    Args:
        store: of generated clips, with labels or (when ``idm`` is given) without.
        idm: folder of the inverse dynamics model that labels ``store`` and ``real``; None takes the actions they have.
        real: recorded episodes that set the thresholds, unless ``settings`` has some.
        name: of the accepted store; by default ``<store>-accepted-<8 letters of what it depends on>``.
        progress: called after each clip.

    Returns:
        the accepted store in ``lake.stores``, and the folder of the report in ``lake.root/gate``: ``report.json``,
        ``thresholds.json`` and the contact sheets ``sheet-1.png``, ... The report is written before anything is sealed.

    Raises:
        GateError: no thresholds, thresholds of another model's labels, or no clip was accepted (see the report).
        StoreError: the name is taken by other content.
    """
    model = _Model.load(idm, settings.any_model)
    labelled = _labelled(lake, store, model, progress)
    check_labelled(labelled)
    settings = replace(settings, replay=settings.replay and not _masks_what_acts(labelled, embodiment))
    thresholds = _thresholds(lake, real, model, embodiment, settings, labelled, progress)
    key = digest_json(_depends_on(labelled, embodiment, thresholds, settings))
    title = store_name(name or f"{store.root.name}-accepted-{key[:8]}")
    folder = lake.root / "gate" / f"{title}-{key[:8]}"
    with claimed(lake.stores / title):
        judged = _judged(lake, labelled, embodiment, thresholds, settings, progress)
        thresholds.save(folder / "thresholds.json")
        sheets = write_sheets(folder, labelled, judged)
        write_json(folder / "report.json", _report(labelled, judged, thresholds, settings, sheets).facts())
        write_record(folder)
        accepted = seal_accepted(labelled, embodiment, judged, thresholds, lake.stores / title, settings.slot)
        lake.point(f"trajectories_{labelled.root.name}", accepted.root, accepted.digest)
    return accepted, folder


def _judged(
    lake: Lake,
    labelled: EpisodeStore,
    embodiment: Embodiment,
    thresholds: Thresholds,
    settings: GateSettings,
    progress: Progress,
) -> list[Judged]:
    replayer, cache = replayer_of(embodiment, settings.replay), lake.cache / "gate"
    clips = score_store(labelled, embodiment, None, _of(progress, "scoring"), replayer, cache / "scores")
    judged = judge(clips, thresholds)
    if settings.judge:
        judged = ask_judge(labelled, judged, settings.judge, cache / "judge", _of(progress, "asking the judge"))
    return judged


@dataclass(frozen=True)
class _Model:
    """An inverse dynamics model, and the parts that it only guesses."""

    artifact: "Artifact"
    guesses: frozenset[str]

    @classmethod
    def load(cls, folder: Path | None, any_model: bool) -> "_Model | None":
        from gr00t_model.idm.artifact import load_artifact

        return None if folder is None else cls(load_artifact(folder), guessed_parts(folder, any_model))


def _labelled(lake: Lake, store: EpisodeStore, model: _Model | None, progress: Progress) -> EpisodeStore:
    """The store with the model's labels. They lie in the cache: nothing there is taken for training."""
    if model is None or store.about.source.idm == model.artifact.digest:
        return store
    from gr00t_model.idm.label import label_store

    made_of = digest_json(
        [store.digest, model.artifact.digest, sorted(model.guesses), code_key("gr00t_model.idm.label")]
    )
    target = lake.cache / "gate" / "labelled" / made_of[:16] / store.root.name
    said = _of(progress, f"labelling {store.root.name}")
    return label_store(store, model.artifact, target, guesses=model.guesses, progress=said)


def _masks_what_acts(labelled: EpisodeStore, embodiment: Embodiment) -> bool:
    """Whether the labels leave out a part that a policy commands: what the robot did then cannot be executed."""
    absent = set(labelled.about.absent or ())
    return any(f"action.{part}" in absent for part in embodiment.selection().action)


def _of(progress: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(what, done, total)


def _thresholds(
    lake: Lake,
    real: Sequence[EpisodeStore],
    model: _Model | None,
    embodiment: Embodiment,
    settings: GateSettings,
    labelled: EpisodeStore,
    progress: Progress,
) -> Thresholds:
    thresholds = settings.thresholds
    if thresholds is None:
        stores = [_labelled(lake, store, model, progress) for store in real]
        replayer = replayer_of(embodiment, settings.replay)
        kept = lake.cache / "gate" / "scores"
        scored = [
            (one, score_store(one, embodiment, None, _of(progress, f"scoring {one.root.name}"), replayer, kept))
            for one in stores
        ]
        thresholds = calibrate(scored)
    idm = labelling_model([labelled])
    if thresholds.idm is not None and idm != thresholds.idm:
        raise GateError(
            f"{labelled.root}: was labelled by the model {str(idm)[:16]}, the thresholds were set with labels of "
            f"{thresholds.idm[:16]}; label real episodes with the model of the clips and calibrate again"
        )
    return thresholds


def replayer_of(embodiment: Embodiment, wanted: bool = True) -> Replayer | None:
    """What executes actions of this robot in the embedded simulator; None where that is not wanted or not possible."""
    from gr00t_data.sources.neural.replay import replay_in_simulator
    from gr00t_data.sources.sim.body import ROBOT

    return replay_in_simulator if wanted and embodiment.name == ROBOT else None


def free_slot(embodiment: Embodiment) -> int:
    """The first slot after the robot's that no bundled embodiment uses: for its generated episodes."""
    used = {one.slot for one in right_embodiments(embodiment_names(), warnings.warn)} | {embodiment.slot}
    return next(slot for step in range(1, SLOTS) if (slot := (embodiment.slot + step) % SLOTS) not in used)


def _depends_on(
    labelled: EpisodeStore, embodiment: Embodiment, thresholds: Thresholds, settings: GateSettings
) -> dict[str, object]:
    plain = asdict(replace(settings, thresholds=None))
    return {
        "store": labelled.digest,
        "embodiment": embodiment.digest,
        "limits": thresholds.limits,
        "settings": plain,
        "code": code_key(__name__),
    }


def _report(
    labelled: EpisodeStore,
    judged: Sequence[Judged],
    thresholds: Thresholds,
    settings: GateSettings,
    sheets: Sequence[Path],
) -> GateReport:
    accepted = sum(one.accepted for one in judged)
    asked = [one.opinion for one in judged if one.opinion is not None]
    named = [reason.split()[0].rstrip(":") for one in judged for reason in one.reasons]
    judge = Opinions(asked=len(asked), without_verdict=tuple(one.problem for one in asked if one.verdict is None))
    return GateReport.model_validate(
        {
            "store": {"name": labelled.root.name, "digest": labelled.digest, "idm": labelling_model([labelled])},
            "clips": len(judged),
            "accepted": accepted,
            "kept_share": accepted / max(len(judged), 1),
            "rejected_by": {name: named.count(name) for name in (*SCORES, "judge") if name in named},
            "slot": settings.slot,
            "calibrated_on": thresholds.calibrated_on,
            "false_rejects": thresholds.false_rejects,
            "promised": thresholds.promised,
            "judge": judge,
            "sheets": [path.name for path in sheets],
            "decisions": [_decision(labelled, one) for one in judged],
        }
    )


def _decision(labelled: EpisodeStore, one: Judged) -> Decision:
    row = labelled.row(one.episode)
    return Decision.model_validate({**one.to_dict(), "instruction": row.instruction, "clip": row.source.clip})
