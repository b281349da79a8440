"""Frames of the published servers and clients, and the answers of the fake policy that they were recorded with."""

import json

import msgpack
import numpy as np
import pytest

from gr00t_model.serve.wire.call import Modalities, Modality
from tests.model.conftest import PARITY

FOLDER = PARITY / "wire"
needs_recordings = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded frames lie beside the repository")

FACTS: Modalities = {
    "video": Modality((0,), ("ego_view",)),
    "state": Modality((0,), ("right_arm",)),
    "action": Modality(tuple(range(16)), ("right_arm", "right_hand")),
}


def packed(message: object) -> bytes:
    """A message as plain msgpack."""
    return bytes(msgpack.packb(message) or b"")


def arm(rows: int = 0) -> np.ndarray:
    """What the fake policy answered: float64 [16, 7], or [rows, 16, 7]."""
    shape = (rows, 16, 7) if rows else (16, 7)
    return np.arange(np.prod(shape)).reshape(shape) / 100


def frames(name: str) -> dict[str, tuple[bytes, bytes]]:
    """Call -> request and reply."""
    told = json.loads((FOLDER / f"golden_{name}.json").read_text())
    return {call: (bytes.fromhex(one["request"]), bytes.fromhex(one["reply"])) for call, one in told.items()}


def bodies() -> dict[str, dict[str, str]]:
    """Call -> request, reply and status of the HTTP server."""
    return json.loads((FOLDER / "golden_n15_http.json").read_text())
