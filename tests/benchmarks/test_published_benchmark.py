"""The comparison with the published code, as far as it goes without that code."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import small
from benchmarks.published.__main__ import Pair, Side, config_of, lines, measure, write_case
from gr00t_model.groot.model import Groot


def parameters(size: str) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in Groot(config_of(size)).parameters())


def test_the_sizes_are_the_published_one_and_a_part_of_it() -> None:
    assert parameters("full") == 2_724_163_520 - 151_680 * 2048  # the language head is the embedding's twin
    assert parameters("reduced") < 0.4 * parameters("full")


def test_our_side_agrees_with_itself_and_is_counted(tmp_path: Path) -> None:
    write_case(small(), tmp_path)
    words = [sys.executable, "-m", "benchmarks.published.our_program", str(tmp_path), "1", "float32"]
    with ExitStack() as stack:
        pair = Pair(Side.start(words, stack), Side.start(words, stack))
        found = measure(pair, True, "float32", rounds=1)
    assert found["judged"]["holds"] and found["judged"]["action"] == found["judged"]["loss"] == 0
    for case in ("action", "step", "step, like for like"):
        assert found[case]["operations_ratio"] == 1 and found[case]["ours_operations"] > 0
    assert found["step"]["ours_operations"] > found["action"]["ours_operations"] / 4
    assert lines(found)[0].startswith("the same: actions 0.0e+00 apart") and len(lines(found)) == 5


def test_a_side_that_ends_is_named(tmp_path: Path) -> None:
    with ExitStack() as stack:
        side = Side.start([sys.executable, "-c", "raise SystemExit(3)"], stack)
        with pytest.raises(RuntimeError, match="ended at 'judge'"):
            side.ask("judge")


def test_a_folder_without_the_published_code_is_refused(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.published", "--published", str(tmp_path), "--python", sys.executable]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and "--published is a clone of Isaac-GR00T at the tag n1.5-release" in done.stderr
