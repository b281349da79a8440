"""The gate on what was really recorded and really generated: teleoperation cut to clips, and published dreams."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.neural.gate_measures import rejected_by, without_duplicates
from gr00t_data.curate.gate.gate import score_store
from gr00t_data.curate.gate.scores import ClipScores
from gr00t_data.curate.gate.thresholds import calibrate
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.neural.ingest import ingest_clips
from gr00t_data.sources.neural.settings import ClipsMade
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource, StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_data.video import files as video

_PIECE_ROWS = 64
_PIECE_SIDE = 256


def pieces(store: EpisodeStore, embodiment: Embodiment, target: Path) -> EpisodeStore:
    """The episodes of a store cut to 64 rows each, about as long as generated clips; the rest of each is left out."""
    if (target / SEAL).is_file():
        return EpisodeStore.open(target)
    source = StoreSource.model_validate(store.about.facts())
    writer = StoreWriter.create(target, embodiment, kind=store.kind, licence=store.licence, source=source)
    camera = store.cameras[0]
    for row in store.rows:
        frames = video.decode(store.video_path(row.index, camera), (_PIECE_SIDE, _PIECE_SIDE))
        state, action = store.state(row.index), store.action(row.index)
        for first in range(0, min(len(frames), len(state)) - _PIECE_ROWS + 1, _PIECE_ROWS):
            part, times_s = slice(first, first + _PIECE_ROWS), np.arange(_PIECE_ROWS) / embodiment.control_hz
            piece_of = EpisodeSource.model_validate({"piece_of": row.index, "first_row": first})
            film = {camera: frames[part]}
            clip = Episode(row.instruction, times_s, state[part], action[part], film, source=piece_of)
            if len(writer) <= (number := len(writer.records)):
                assert writer.append(clip) == number
    return writer.seal()


def teleoperation(drop: Path, embodiment: Embodiment, into: Path) -> tuple[dict[str, Any], EpisodeStore, dict]:
    """False rejects of recorded teleoperation, one episode left out at a time; and the scores of all pieces."""
    lake = Lake(into / "lake")
    store = ingest(drop, embodiment, lake, licence="Apache-2.0")
    cut = pieces(store, embodiment, into / "teleop-pieces")
    scores = score_store(cut, embodiment, kept=into / "scores")
    origin = {row.index: int(str(row.source.facts()["piece_of"])) for row in cut.rows}
    rejected, named = 0, list[ClipScores]()
    for left_out in sorted(set(origin.values())):
        others = {index: one for index, one in scores.items() if origin[index] != left_out}
        limits = without_duplicates(calibrate([(cut, others)]))
        mine = [one for index, one in scores.items() if origin[index] == left_out and limits.reasons(one)]
        rejected, named = rejected + len(mine), named + mine
    whole = without_duplicates(calibrate([(cut, scores)]))
    facts = {"pieces": len(scores), "rejected": rejected, "rejected_share": rejected / len(scores)}
    facts |= {"promised": whole.promised, "resubstituted": whole.false_rejects}
    facts |= {"rejected_by": rejected_by(named, whole), "limits": whole.limits}
    return facts, cut, scores


def published_dreams(
    drop: Path, embodiment: Embodiment, into: Path, cut: EpisodeStore, scores: dict[int, ClipScores]
) -> dict[str, Any]:
    """Really generated clips (pictures only, they have no labels) under thresholds set by teleoperation."""
    store = ingest_clips(drop, embodiment, Lake(into / "lake"), licence="Apache-2.0", settings=ClipsMade(fps=16.0))
    limits = calibrate([(cut, scores)])
    found = score_store(store, embodiment, kept=into / "scores")
    clips = [{"clip": store.row(i).source.clip, "reasons": limits.reasons(one)} for i, one in found.items()]
    refused = {one.episode: one.reason for one in store.about.source.refused or ()}
    rejected = sum(bool(one["reasons"]) for one in clips)
    return {"clips": len(clips), "rejected": rejected, "refused_at_ingest": refused, "decisions": clips}
