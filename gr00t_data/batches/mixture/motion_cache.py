"""Motions: the rows by which copies are found, kept store by store, so that a store is read once for all mixtures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from gr00t_data.code_key import code_key
from gr00t_data.curate.copies.fingerprints import Fingerprint, fingerprint
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import KEPT, read_kept, write_kept
from gr00t_data.store.store import EpisodeStore

LIBRARIES = ("av", "imagehash", "numpy", "opencv-python-headless", "pyarrow", "scipy")


def motions_of(
    store: EpisodeStore, name: str, digests: Mapping[int, str], embodiment: Embodiment, folder: Path
) -> list[Fingerprint]:
    """The fingerprints of some episodes of a store, without pictures.

    Args:
        name: stands for the store in the keys.
        digests: episode number -> ``rows_digest`` of its verdict.
        folder: where the motions are found again, named by the store and the episodes.

    Returns:
        those of the episodes that can be read, in the order of ``digests``.
    """
    path = folder / f"{store.root.name}-{digest_json([code_key(__name__), store.digest, list(digests)])[:16]}{KEPT}"
    content = read_kept(path)
    if content is None:
        content = _read(store, digests, embodiment)
        write_kept(path, content)
    kept = load(content)
    ends = np.cumsum(kept["lengths"])
    pieces = np.split(kept["rows"], ends[:-1])
    return [
        Fingerprint((name, number), rows, motion)
        for (number, rows), motion in zip(digests.items(), pieces, strict=True)
        if len(motion)
    ]


def _read(store: EpisodeStore, digests: Mapping[int, str], embodiment: Embodiment) -> bytes:
    read = [fingerprint(store, number, embodiment, pictures={}) for number in digests]
    width = max((one.motion.shape[1] for one in read if one), default=1)
    motions = [one.motion if one else np.zeros((0, width), dtype=np.float32) for one in read]
    lengths = np.array([len(motion) for motion in motions])
    return save({"rows": np.concatenate(motions), "lengths": lengths})
