"""The gate: which generated clips may be trained on. Every score has a threshold of its own, set by real episodes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from gr00t_data.curate.gate_scores import SCORES, ClipScores, score_clip, with_duplicates
from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.embodiment import Embodiment
from gr00t_data.episode import Episode
from gr00t_data.store import SEAL, EpisodeStore, StoreError
from gr00t_data.writing import StoreWriter

FALSE_REJECTS_SHARE = 0.05
"""Of the real episodes that may be rejected by all thresholds together."""

FIXED = {"duplicate": 0.85, "first_frame": 12.0}
"""Thresholds that real episodes cannot set: correlation that means "the same video" (distinct episodes of one scene
reach 0.69), and levels of luma (an encoder and a resize change a picture by 2 to 4)."""

_MARGIN = 1.1
"""With too few episodes for a quantile, a threshold is this many times the worst real episode."""
_FLOORS = {"limits": 0.01, "frozen": 0.1, "scene_cut": 4.0, "teleport": 0.02, "blur": 0.1}
"""A threshold is never below these: real episodes of one store may all have a score of zero."""


class GateError(ValueError):
    """Clips that cannot be judged; the message says why."""


@dataclass(frozen=True)
class Thresholds:
    """Score -> the largest value that is accepted.

    Attributes:
        measured: what the thresholds were set by: store digests and episodes.
        false_rejects: share of those episodes that these thresholds reject.
    """

    limits: dict[str, float]
    measured: dict[str, Any]
    false_rejects: float

    def reasons(self, scores: ClipScores) -> list[str]:
        """Why a clip is rejected: one sentence a score; empty when it is accepted. NaN rejects nobody."""
        found = []
        for name, limit in self.limits.items():
            if scores.values[name] > limit:
                where = f" (worst at frame {scores.frames[name]})" if name in scores.frames else ""
                found.append(f"{name} {scores.values[name]:.3g}, at most {limit:.3g}: {SCORES[name]}{where}")
        return found

    def save(self, path: Path) -> None:
        """As JSON."""
        write_json(path, vars(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of ``save``; GateError when the file holds something else."""
        try:
            return cls(**read_json(path))
        except TypeError as error:
            raise GateError(f"{path}: holds no thresholds ({error}); make it with `gr00t gate --calibrate`") from error


def score_store(
    store: EpisodeStore,
    embodiment: Embodiment,
    first_frames: Mapping[int, np.ndarray] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, ClipScores]:
    """Every clip's scores, by episode number."""
    found = {}
    for done, row in enumerate(store.rows, start=1):
        found[row.index] = score_clip(store, row.index, embodiment, (first_frames or {}).get(row.index))
        progress(done, len(store.rows))
    return with_duplicates(found)


def calibrate(
    stores: Sequence[tuple[EpisodeStore, Mapping[int, ClipScores]]], share: float = FALSE_REJECTS_SHARE
) -> Thresholds:
    """Thresholds that reject at most ``share`` of real episodes, all scores together.

    Each score is given an equal part of the share. Real episodes need labels of the same model as the clips will have;
    without them the scores of actions measure other things.

    Raises:
        GateError: no episode.
    """
    every = [scores for _, clips in stores for scores in clips.values()]
    if not every:
        raise GateError("no real episode to set thresholds by; give a store of them")
    free = [name for name in SCORES if name not in FIXED]
    known = {name: np.array([one.values[name] for one in every]) for name in free}
    known = {name: values[np.isfinite(values)] for name, values in known.items()}
    each = share / max(sum(len(values) > 0 for values in known.values()), 1)
    limits = {name: _limit(values, each, _FLOORS.get(name, 0.0)) for name, values in known.items() if len(values)}
    measured = {store.digest: sorted(clips) for store, clips in stores}
    judged = Thresholds(limits, measured, 0.0)
    rejected = sum(bool(judged.reasons(one)) for one in every) / len(every)
    return Thresholds(limits | FIXED, measured, rejected)


def _limit(values: np.ndarray, share: float, floor: float) -> float:
    """The value that at most ``share`` of the episodes exceed; a tenth above the worst when they are too few."""
    allowed = int(share * len(values))
    ordered = np.sort(values)
    limit = float(ordered[-1 - allowed]) if allowed else float(ordered[-1] * _MARGIN)
    return max(limit, floor)


@dataclass(frozen=True)
class Judged:
    """One clip's decision. ``reasons`` is empty when it is accepted."""

    episode: int
    scores: dict[str, float]
    reasons: tuple[str, ...]


def judge(clips: Mapping[int, ClipScores], thresholds: Thresholds) -> list[Judged]:
    """Accept or reject every clip."""
    return [Judged(index, one.values, tuple(thresholds.reasons(one))) for index, one in clips.items()]


def gate_store(
    store: EpisodeStore, embodiment: Embodiment, clips: Mapping[int, ClipScores], thresholds: Thresholds, target: Path
) -> EpisodeStore:
    """Seal the accepted clips as a new store of the kind ``neural``; the rejected ones are named in it with reasons.

    Raises:
        GateError: nothing was accepted, or the store is of another kind or not labelled.
        StoreError: the target holds something else.
    """
    if store.kind != "neural" or "action" in store.about.get("absent", ()):
        raise GateError(f"{store.root}: is no store of labelled generated clips; label it first with `gr00t label`")
    judged = judge(clips, thresholds)
    rejected = [
        {"episode": one.episode, "scores": _plain(one.scores), "reasons": one.reasons} for one in judged if one.reasons
    ]
    source = {"gated": store.root.name, "store": store.digest, "thresholds": thresholds.limits, "from": store.about}
    if (target / SEAL).is_file():
        return _same_or_refuse(EpisodeStore.open(target), source)
    accepted = [one for one in judged if not one.reasons]
    if not accepted:
        raise GateError(f"{store.root}: none of {len(judged)} clips is accepted: {rejected[0]['reasons'][0]}")
    writer = EpisodeStore.create(
        target, embodiment, kind="neural", licence=store.licence, source=source, absent=store.about.get("absent")
    )
    _append(writer, store, accepted)
    writer.about["source"]["rejected"] = rejected
    return writer.seal()


def _append(writer: StoreWriter, store: EpisodeStore, accepted: Sequence[Judged]) -> None:
    there = {record["source"]["gated_episode"] for record in writer.records}
    further = sorted(set(store.info["features"]) - _EVERY_STORE - set(store.camera_columns.values()))
    further = [name for name in further if not name.startswith("annotation.")]
    for one in accepted:
        if one.episode in there:
            continue
        row, columns = store.row(one.episode), store.columns(one.episode)
        writer.append(
            Episode(
                instruction=row.instruction,
                times_s=store.times_s(one.episode),
                state=store.state(one.episode),
                action=store.action(one.episode),
                video={camera: store.video_path(one.episode, camera) for camera in store.cameras},
                success=row.success,
                source={**(row.source or {}), "gated_episode": one.episode, "scores": _plain(one.scores)},
                columns={name: columns[name].to_numpy() for name in further},
            )
        )


_EVERY_STORE = frozenset(
    {"observation.state", "action", "timestamp", "next.done", "frame_index", "episode_index", "index", "task_index"}
)


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: float(value) if np.isfinite(value) else None for name, value in scores.items()}


def _same_or_refuse(store: EpisodeStore, source: dict[str, Any]) -> EpisodeStore:
    sealed = store.about.get("source", {})
    keys = ("store", "thresholds")
    if digest_json({key: sealed.get(key) for key in keys}) != digest_json({key: source[key] for key in keys}):
        raise StoreError(f"{store.root}: is sealed and was made from other clips or thresholds; take another name")
    return store
