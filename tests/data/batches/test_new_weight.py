"""A new way to weigh the stores of a mixture is one file."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gr00t_data.batches.mixture.weights import Weighing, WeighingError

ROOT = Path(__file__).parents[3]

BY_ROOT = '''"""By the square root of the frames, and generated ones half as much."""

from collections.abc import Mapping


def weights(frames: Mapping[str, int], kinds: Mapping[str, str], temperature: float) -> dict[str, float]:
    """Whatever the temperature."""
    return {name: count**0.5 * (0.5 if kinds[name] == "neural" else 1) for name, count in frames.items()}
'''

USE = """
from gr00t_data.batches.mixture.weights import Weighing, weigh
kinds = {"real": "real", "dreams": "neural", "named": "real"}
found = weigh({"real": 100, "dreams": 400, "named": 7}, kinds, Weighing(shares={"named": 0.2}, by="root"))
from gr00t_data.stages.mix import weighing_of
from gr00t_data.stages.settings import MixtureSettings
assert weighing_of([], MixtureSettings(weigh_by="root")) == Weighing(by="root")
print({name: round(share, 9) for name, share in found.items()})
"""


def test_one_file_is_a_new_way_to_weigh(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "gr00t_data", tmp_path / "gr00t_data", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "gr00t_data/batches/mixture/weigh_by/root.py").write_text(BY_ROOT)
    done = subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'real': 0.4, 'dreams': 0.4, 'named': 0.2}"


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(WeighingError, match="stores are not weighed by 'root', but by one of frames"):
        Weighing(by="root")
