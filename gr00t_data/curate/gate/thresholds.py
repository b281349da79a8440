"""Thresholds of the gate: how large each score may be, set by episodes that were really recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import ConfigDict, TypeAdapter

from gr00t_data.curate.gate.scores import SCORES, ClipScores
from gr00t_data.disk import digest_json
from gr00t_data.integrity import read_as, write_sealed
from gr00t_data.store.store import EpisodeStore

FALSE_REJECTS_SHARE = 0.05
"""Of real episodes, at most, that all thresholds together reject."""

FIXED = {"duplicate": 0.85, "first_frame": 20.0}
"""Thresholds that real episodes cannot set: correlation that means "the same video" (distinct episodes of one scene
reach 0.69), and levels of Y, U and V added (an encoder and a resize change a picture by 1 to 6)."""

_MARGIN = 1.25
"""With too few episodes for the share, thresholds lie this many times as far out as the most unusual episode."""
_USUAL_SHARE = 0.95
_FLOORS = {"limits": 0.01, "frozen": 0.1, "scene_cut": 4.0, "teleport": 0.01, "blur": 0.1, "unfinished": 0.01}
"""A threshold is never below these: real episodes of one store may all have a score of zero."""
_LEAST_SPREAD_SHARE = 0.02


class GateError(ValueError):
    """Clips that cannot be judged; the message says why."""


@dataclass(frozen=True)
class Thresholds:
    """Score -> the largest value that is accepted.

    Attributes:
        limits: by name of SCORES; a score without one rejects nobody.
        measured: digest of each store that set them -> its episodes.
        false_rejects: share of those episodes that these thresholds reject.
        idm: digest of the model that labelled those episodes; None when the labels were not inferred.
        calibrated_on: SHA-256 over stores, episodes, model and scores that set them; empty when somebody wrote them.
        promised: whether the episodes were enough (19 for 5 %) to promise the share for unseen episodes of their kind.
    """

    limits: dict[str, float]
    measured: dict[str, list[int]]
    false_rejects: float
    idm: str | None = None
    calibrated_on: str = ""
    promised: bool = False
    notes: dict[str, int | float] = field(default_factory=dict)
    __pydantic_config__ = ConfigDict(extra="forbid")

    def reasons(self, scores: ClipScores) -> list[str]:
        """Why a clip is rejected: one sentence a score; empty when it is accepted. NaN rejects nobody."""
        found = []
        for name, limit in self.limits.items():
            if scores.values.get(name, float("nan")) > limit:
                where = f" (worst at frame {scores.frames[name]})" if name in scores.frames else ""
                found.append(f"{name} {scores.values[name]:.3g}, at most {limit:.3g}: {SCORES[name]}{where}")
        return found

    def save(self, path: Path) -> None:
        """As JSON."""
        write_sealed(path, TypeAdapter(type(self)).dump_python(self, mode="json"))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of ``save``.

        Raises:
            GateError: the file holds something else, or names a score that there is not.
        """
        remedy = "make it with `gr00t gate --calibrate`; where you changed it on purpose, take the line `seal` out"
        loaded = read_as(TypeAdapter(cls), path, "holds no thresholds", remedy, GateError)
        if unknown := sorted(loaded.limits.keys() - SCORES.keys()):
            raise GateError(f"{path}: there is no score {unknown[0]!r}; choose from {', '.join(SCORES)}")
        return loaded


def calibrate(
    stores: Sequence[tuple[EpisodeStore, Mapping[int, ClipScores]]], share: float = FALSE_REJECTS_SHARE
) -> Thresholds:
    """Thresholds that reject at most ``share`` of real episodes, all scores together.

    Each score is measured from its median in units of its usual spread (to the 95th percentile). An episode is as
    unusual as its most unusual score, seen from all other episodes. The quantile of that number, with the correction
    for finite samples of split conformal prediction (Vovk et al. 2005), says how far out every threshold lies; so the
    share holds for unseen episodes of the same kind, whatever the distributions are, once there are 19 of them.

    Real episodes need labels of the model that labels the clips; else the scores of actions measure other things.

    Raises:
        GateError: no episode, or stores that different models labelled.
    """
    every = [scores for _, clips in stores for scores in clips.values()]
    if not every:
        raise GateError("no real episode to set thresholds by; give a store of them")
    names = [name for name in SCORES if name not in FIXED]
    table = np.array([[one.values.get(name, np.nan) for name in names] for one in every], dtype=np.float64)
    floors = np.array([_FLOORS.get(name, -np.inf) for name in names])
    reach, promised = _reach(table, floors, share)
    middle, spread = _usual(table)
    limits = {
        name: max(float(middle[k] + reach * spread[k]), float(floors[k]))
        for k, name in enumerate(names)
        if np.isfinite(middle[k])
    }
    measured = {store.digest: sorted(clips) for store, clips in stores}
    idm = labelling_model([store for store, _ in stores])
    evidence = {"measured": measured, "idm": idm, "share": share, "scores": np.round(np.nan_to_num(table), 9).tolist()}
    judged = Thresholds(limits, measured, 0.0)
    rejected = sum(bool(judged.reasons(one)) for one in every) / len(every)
    notes = {"episodes": len(every), "spreads": float(reach), "share": share}
    return Thresholds(limits | FIXED, measured, rejected, idm, digest_json(evidence), promised, notes)


def _usual(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and upper spread of each column of float64 [n, s]; NaN for a column without numbers."""
    known = np.isfinite(table).any(0)
    middle, high = np.full(table.shape[1], np.nan), np.full(table.shape[1], np.nan)
    middle[known] = np.nanmedian(table[:, known], axis=0)
    high[known] = np.nanquantile(table[:, known], _USUAL_SHARE, axis=0)
    return middle, np.maximum(high - middle, _LEAST_SPREAD_SHARE * np.abs(middle) + 1e-6)


def _reach(table: np.ndarray, floors: np.ndarray, share: float) -> tuple[float, bool]:
    """How many spreads above the median every threshold lies, and whether there were enough episodes to promise it."""
    count, unusual = len(table), np.zeros(len(table))
    for number, row in enumerate(table):
        others = np.delete(table, number, axis=0) if count > 1 else table
        middle, spread = _usual(others)
        apart = np.where(row > floors, (row - middle) / spread, 0.0)
        unusual[number] = np.nanmax(np.nan_to_num(apart, nan=0.0), initial=0.0)
    place = int(np.ceil((count + 1) * (1 - share)))
    if place <= count:
        return float(np.sort(unusual)[place - 1]), True
    return float(max(unusual.max(), 1.0) * _MARGIN), False


def labelling_model(stores: Sequence[EpisodeStore]) -> str | None:
    """Digest of the inverse dynamics model whose labels the stores have; None for other labels.

    Raises:
        GateError: the stores were labelled by different models.
    """
    found = {store.about.source.idm for store in stores}
    if len(found) > 1:
        names = ", ".join(store.root.name for store in stores)
        raise GateError(f"{names}: were labelled by different models, so their scores cannot set one threshold")
    return next(iter(found), None)
