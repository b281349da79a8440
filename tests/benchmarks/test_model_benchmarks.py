"""The benchmarks of the model run, at small sizes, and say what they claim to say."""

import pytest
import torch

from benchmarks import act, gpu, parity, step
from benchmarks.command import status
from benchmarks.recorded.items import Result
from benchmarks.recorded.recording import Comparison


def test_actions_cost_more_with_more_steps() -> None:
    found = act.measure(rounds=3)
    for view in ("policy", "model"):
        times = found[view]["ms"]
        assert times[1] < times[4] < times[8] and found[view]["four_over_one"] == times[4] / times[1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU the benchmark takes the published size")
def test_the_gpu_benchmark_runs_at_a_small_size() -> None:
    bench = gpu.Bench.here(batch_size=2, steps=1)
    found = gpu.measure(bench)
    assert found["finetune_lora_64"]["trainable_parameters"] < found["finetune"]["trainable_parameters"]
    assert found["finetune"]["trainable_parameters"] < found["parameters"]
    assert found["action_ms"].keys() == {"1", "3"} and found["finetune"]["peak_bytes"] is None
    printed = "\n".join(gpu.lines(found))
    assert "samples/s" in printed and "the numbers mean nothing" in printed and "47.88" not in printed


@pytest.mark.slow
def test_a_step_on_cached_features_is_cheaper() -> None:
    found = step.measure(steps=3, batch_size=16, threads=1, episodes=2)
    assert 0 < found["cached_over_images"] < 1


def test_the_parity_table_shows_what_fails() -> None:
    good, bad = Comparison("outputs/a", "g", 1e-7, 1e-5), Comparison("outputs/b", "g", 1e-3, 1e-5)
    results = [Result("one", (good, bad), uncompared=("outputs/c",)), Result("two", absent="no folder")]
    lines = "\n".join(parity.table(results, every=False)).splitlines()
    assert "| one | g | 2 | 1.0e-03 | 1e-05 | NO: outputs/b: error 1.00e-03, tolerance 1e-05 |" in lines
    assert "| one | outputs/c | 0 | - | - | NO: never compared |" in lines
    assert "| two | - | 0 | - | - | skipped: no folder |" in lines
    assert lines[-1] == "2 vectors compared, 2 do not hold"
    assert len("\n".join(parity.table(results, every=True)).splitlines()) == len(lines) + 1


def test_an_unknown_item_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(parity.main, ["no such item"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no item no such item; known: action_head, ")
