"""kill -9 of a real trainer at a step, for each of the four trainings: what goes on ends with the same weights."""

import hashlib
import signal
from pathlib import Path

import pytest

from tests.data.builders import episode, sealed
from tests.model import tiny
from tests.model.dream.test_dream_nano import moving
from tests.model.killed import NEVER, dream, grounding, idm, policy, status


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    tiny.build(folder)
    sealed(folder / "recorded", [episode(24, 1), episode(26, 2)])
    sealed(folder / "films", [moving(11 + seed, seed) for seed in range(3)])
    return folder


def products(root: Path) -> dict[str, str]:
    """Digests of all weights that a training leaves, its last state included."""
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.safetensors")}
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


@pytest.mark.parametrize(
    ("trains", "instants"),
    [(policy, (3, 0, 1)), (idm, (3, 0, 1)), (dream, (2, 6, 0, 1)), (grounding, (1, 2, 0, 1))],
    ids=["policy", "idm", "dream", "grounding"],
)
def test_a_training_killed_at_any_step_ends_with_the_same_weights(trains, instants, inputs, tmp_path):
    """Killed after its third step, before and after the one that follows the state it goes on from; the dream also
    while it encodes clips, the grounding also while it learns to look."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    assert status(trains, inputs, calm, NEVER) == 0
    for instant in instants:
        assert status(trains, inputs, killed, instant) == -signal.SIGKILL
    assert any("states" in name for name in products(killed))
    assert status(trains, inputs, killed, NEVER) == 0
    assert len(products(calm)) > 3 and products(killed) == products(calm)
