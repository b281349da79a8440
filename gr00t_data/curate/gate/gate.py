"""The gate: which generated clips may be trained on. Every score has a threshold of its own, set by real episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from gr00t_data.code_key import PACKAGES, code_key
from gr00t_data.curate.gate.cache import load_scores, save_scores
from gr00t_data.curate.gate.opinion import Judge, Opinion, ask
from gr00t_data.curate.gate.scores import ClipScores, score_clip, with_duplicates
from gr00t_data.curate.gate.thresholds import GateError, Thresholds
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import KEPT
from gr00t_data.progress import Progress, silent
from gr00t_data.replayed import Replayer
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import Facts, StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
from gr00t_data.video import files as video


def score_store(
    store: EpisodeStore,
    embodiment: Embodiment,
    first_frames: Mapping[int, np.ndarray] | None = None,
    progress: Progress = silent,
    replayer: Replayer | None = None,
    kept: Path | None = None,
) -> dict[int, ClipScores]:
    """Every clip's scores, by episode number.

    Args:
        first_frames: episode -> the picture it was to begin with, for clips whose provenance does not hold it.
        replayer: executes inferred actions in a simulator; None leaves those scores NaN.
        kept: folder for scores that were measured before with the same code; a killed run goes on there.
    """
    found = {}
    for done, row in enumerate(store.rows, start=1):
        first = (first_frames or {}).get(row.index)
        path = None if kept is None else kept / _cache_name(store, row.index, embodiment, first, replayer)
        scores = load_scores(path) if path else None
        if scores is None:
            scores = score_clip(store, row.index, embodiment, first, replayer)
            if path:
                save_scores(path, scores)
        found[row.index] = scores
        progress(done, len(store.rows))
    return with_duplicates(found)


def _cache_name(
    store: EpisodeStore, index: int, embodiment: Embodiment, first: np.ndarray | None, replayer: Replayer | None
) -> str:
    given = None if first is None else first.tolist()
    what = [store.digest, index, embodiment.digest, code_key("gr00t_data.curate.gate.scores"), _named(replayer), given]
    return f"{digest_json(what)[:32]}{KEPT}"


def _named(replayer: Replayer | None) -> tuple[str, str, str] | None:
    """Which one it is, and the key of its code where that is of this project: the simulator it replays in."""
    if replayer is None:
        return None
    module = replayer.__module__
    key = code_key(module) if module.partition(".")[0] in PACKAGES else ""
    return module, getattr(replayer, "__qualname__", ""), key


@dataclass(frozen=True)
class Judged:
    """One clip's decision.

    Attributes:
        reasons: empty when it is accepted.
        opinion: of the external judge; None when it was not asked.
    """

    episode: int
    scores: dict[str, float]
    reasons: tuple[str, ...]
    frames: Mapping[str, int]
    opinion: Opinion | None = None

    @property
    def accepted(self) -> bool:
        """Whether no score and no judge spoke against it."""
        return not self.reasons

    def to_dict(self) -> Facts:
        """JSON-able."""
        opinion = None if self.opinion is None else asdict(self.opinion)
        return {
            "episode": self.episode,
            "accepted": self.accepted,
            "reasons": list(self.reasons),
            "scores": plain_scores(self.scores),
            "worst_frames": dict(self.frames),
            "judge": opinion,
        }


def judge(clips: Mapping[int, ClipScores], thresholds: Thresholds) -> list[Judged]:
    """Accept or reject every clip by its scores."""
    return [Judged(index, one.values, tuple(thresholds.reasons(one)), one.frames) for index, one in clips.items()]


def ask_judge(
    store: EpisodeStore, judged: Sequence[Judged], asked: Judge, kept: Path | None = None, progress: Progress = silent
) -> list[Judged]:
    """The same with an external judge's opinion of the clips that the scores accept; it can reject, not rescue.

    A clip about which the judge says nothing usable stays accepted, and its opinion says what the problem was.
    """
    found = []
    for done, one in enumerate(judged, start=1):
        if one.accepted:
            frames = video.decode(store.video_path(one.episode, store.cameras[0]))
            opinion = ask(asked, frames, store.row(one.episode).instruction, store.fps, kept)
            against = (f"judge: {opinion.reason or 'gave no reason'}",) if opinion.verdict == "reject" else ()
            one = replace(one, reasons=against, opinion=opinion)
        found.append(one)
        progress(done, len(judged))
    return found


def seal_accepted(
    store: EpisodeStore,
    embodiment: Embodiment,
    judged: Sequence[Judged],
    thresholds: Thresholds,
    target: Path,
    slot: int | None = None,
) -> EpisodeStore:
    """Seal the accepted clips as a new store of the kind ``neural``; the rejected ones are named in it with reasons.

    Args:
        slot: projectors of the model that these episodes train instead of the robot's; kept as ``about.slot``.

    Raises:
        GateError: nothing was accepted, or the store is of another kind or not labelled.
        StoreError: the target holds something else.
    """
    check_labelled(store)
    accepted = [one for one in judged if one.accepted]
    rejected = [one for one in judged if not one.accepted]
    source = StoreSource(
        gated=store.root.name,
        store=store.digest,
        thresholds=thresholds.limits,
        made_from=store.about.facts(),
        calibrated_on=thresholds.calibrated_on,
        slot=slot,
        rejected=tuple(one.to_dict() for one in rejected),
    )
    if (target / SEAL).is_file():
        return _same_or_refuse(EpisodeStore.open(target), source)
    if not accepted:
        raise GateError(f"{store.root}: none of {len(judged)} clips is accepted: {rejected[0].reasons[0]}")
    writer = StoreWriter.create(
        target, embodiment, kind="neural", licence=store.licence, source=source, absent=store.about.absent, slot=slot
    )
    writer.claim(source.facts(), "set of clips, thresholds or decisions")
    _append(writer, store, accepted)
    return writer.seal()


def check_labelled(store: EpisodeStore) -> None:
    """GateError unless the store holds generated clips with actions."""
    if store.kind != "neural" or "action" in (store.about.absent or ()):
        raise GateError(f"{store.root}: is no store of labelled generated clips; label it first with `gr00t label`")


def _append(writer: StoreWriter, store: EpisodeStore, accepted: Sequence[Judged]) -> None:
    there = {record.source.gated_episode for record in writer.records}
    further = sorted(set(store.features) - _EVERY_STORE - set(store.camera_columns.values()))
    further = [name for name in further if not name.startswith("annotation.")]
    for one in accepted:
        if one.episode in there:
            continue
        row, columns = store.row(one.episode), store.columns(one.episode)
        opinion = {} if one.opinion is None else {"judge": asdict(one.opinion)}
        said = {"gated_episode": one.episode, "scores": plain_scores(one.scores), **opinion}
        writer.append(
            Episode(
                instruction=row.instruction,
                times_s=store.times_s(one.episode),
                state=store.state(one.episode),
                action=store.action(one.episode),
                video={camera: store.video_path(one.episode, camera) for camera in store.cameras},
                success=row.success,
                source=row.source.model_copy(update=said),
                columns={name: columns[name].to_numpy() for name in further},
            )
        )


_EVERY_STORE = frozenset(
    {"observation.state", "action", "timestamp", "next.done", "frame_index", "episode_index", "index", "task_index"}
)


def plain_scores(scores: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: float(value) if np.isfinite(value) else None for name, value in scores.items()}


def _same_or_refuse(store: EpisodeStore, source: StoreSource) -> EpisodeStore:
    sealed = store.about.source
    keys = ("store", "thresholds", "slot")
    same = [digest_json([getattr(one, key) for key in keys]) for one in (sealed, source)]
    rejected = [[one["episode"] for one in told.rejected or ()] for told in (sealed, source)]
    if same[0] != same[1] or sealed.rejected is None or rejected[0] != rejected[1]:
        raise StoreError(f"{store.root}: is sealed and was made from other clips or thresholds; take another name")
    return store
