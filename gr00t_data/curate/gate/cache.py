"""Scores of clips on disk, so that a killed gate goes on and a second look costs nothing."""

import io
import json
from pathlib import Path

import numpy as np

from gr00t_data.curate.copies.fingerprints import Fingerprint
from gr00t_data.curate.gate.scores import ClipScores
from gr00t_data.integrity import read_kept, write_kept

_ARRAYS = ("pictures", "ends")


def save_scores(path: Path, scores: ClipScores) -> None:
    """Write the scores of one clip as .npz behind its digest."""
    known = scores.fingerprint
    arrays = {f"{kind}.{camera}": array for kind in _ARRAYS for camera, array in getattr(known, kind).items()}
    plain = {"values": {k: float(v) for k, v in scores.values.items()}, "frames": scores.frames}
    plain |= {"key": known.key, "rows": known.rows, "videos": dict(known.videos)}
    stream = io.BytesIO()
    np.savez(stream, plain=np.array(json.dumps(plain)), motion=known.motion, **arrays)
    write_kept(path, stream.getvalue())


def load_scores(path: Path) -> ClipScores | None:
    """The inverse of ``save_scores``; None when there is no such file or it is damaged."""
    content = read_kept(path)
    if content is None:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        plain = json.loads(str(stored["plain"]))
        kinds = {
            kind: {name.partition(".")[2]: stored[name] for name in stored.files if name.startswith(f"{kind}.")}
            for kind in _ARRAYS
        }
        known = Fingerprint(tuple(plain["key"]), plain["rows"], stored["motion"], plain["videos"], **kinds)
    return ClipScores(plain["values"], plain["frames"], known)
