"""Files damaged at random: every reader keeps or refuses the episode, with a reason, and never falls over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.sources.formats.logs import rosbag
from gr00t_data.sources.reader import reader_for
from gr00t_data.sources.recordings.mapping import parse_mapping
from gr00t_data.sources.recordings.transfer import Job, bring_in
from gr00t_data.store.provenance import Refusal
from gr00t_data.store.store import StoreError
from tests.data.sources import test_hdf5, test_logs, test_unitree
from tests.data.sources.rig import rig

BAG = {**test_logs.MAPPING, "format": rosbag.READER.name, "instruction": {"text": "press"}}
RECORDINGS: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "mcap": (lambda folder: test_logs.ros2_mcap(folder / "a.mcap"), test_logs.MAPPING),
    "ros1": (lambda folder: test_logs.bag(folder / "a.bag", 1), BAG),
    "ros2": (lambda folder: test_logs.bag(folder / "a", 2), BAG),
    "hdf5": (lambda folder: test_hdf5.robomimic_file(folder / "a.hdf5", (12,)), test_hdf5.MAPPING),
    "unitree": (lambda folder: test_unitree.recorded(folder / "a"), test_unitree.MAPPING),
}


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """Cut off, or with up to twenty bytes changed."""
    if generator.integers(2):
        return content[: generator.integers(len(content))]
    changed = bytearray(content)
    for place in generator.integers(len(content), size=generator.integers(1, 20)):
        changed[place] = generator.integers(256)
    return bytes(changed)


@pytest.mark.parametrize("kind", RECORDINGS)
def test_damage_is_refused_or_survived(tmp_path: Path, kind: str) -> None:
    robot, generator = rig(tmp_path), np.random.default_rng(5)
    (tmp_path / "drop").mkdir()
    write, document = RECORDINGS[kind]
    write(tmp_path / "drop")
    files = {path: path.read_bytes() for path in sorted((tmp_path / "drop").rglob("*")) if path.is_file()}
    outcomes = set()
    for _ in range(12):
        path = list(files)[generator.integers(len(files))]
        path.write_bytes(damaged(files[path], generator))
        try:
            reader = reader_for(tmp_path / "drop")
        except StoreError:
            outcomes.add("not recognised")
            path.write_bytes(files[path])
            continue
        mapping = parse_mapping({**document, "format": reader.name})
        for name in reader.episode_names(tmp_path / "drop"):
            outcome = bring_in(Job(reader.read_episode, tmp_path / "drop", mapping, robot, name, tmp_path / "work"))
            outcomes.add("refused" if isinstance(outcome, Refusal) else "kept")
            assert not isinstance(outcome, Refusal) or len(outcome.reason) > 40
        path.write_bytes(files[path])
    assert "refused" in outcomes
