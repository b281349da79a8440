"""The published networks' recorded numbers, reproduced in float32: modules, losses, gradients, actions, prompts.

The comparisons, with their tolerances, are in ``benchmarks/recorded``; ``python -m benchmarks.parity`` prints them.
"""

from dataclasses import replace

import pytest
import torch

from benchmarks.recorded.items import MODEL, compare
from benchmarks.recorded.recording import TENSOR, Absent, Recordings, close
from benchmarks.recorded.whole import full_model_batch, full_model_case
from gr00t_data.batches.batch import Batch
from gr00t_model.groot.config import FlareConfig
from gr00t_model.groot.model import Groot

RECORDINGS = Recordings.from_environment()


@pytest.mark.parametrize("name", MODEL)
def test_recorded_numbers_of_the_model(name: str) -> None:
    result = compare(name, RECORDINGS)
    if result.absent:
        pytest.skip(result.absent)
    assert result.comparisons and not result.failures, "\n".join(result.failures[:20])


def test_masked_padding_makes_a_row_independent_of_its_batch() -> None:
    try:
        groot, inputs, _ = full_model_case(RECORDINGS)
    except Absent as reason:
        pytest.skip(str(reason))
    config = replace(groot.config, published_behaviour=False, flare=FlareConfig(enabled=False))
    masked = Groot(config).eval()
    masked.load_state_dict(groot.state_dict())
    with torch.no_grad():
        batch = full_model_batch(masked, inputs)
    assert batch.attention_mask is not None and batch.vl_features is not None
    padding = (1 - batch.attention_mask).sum(dim=1)
    row = int(padding.argmax())
    real = int(batch.attention_mask[row].sum())
    one = slice(row, row + 1)
    alone = Batch(
        state=batch.state[one],
        state_mask=batch.state_mask[one],
        embodiment_id=batch.embodiment_id[one],
        vl_features=batch.vl_features[one, -real:],
        attention_mask=batch.attention_mask[one, -real:],
    )
    noise = inputs["init_noise"]
    together = masked.get_action(batch, noise=noise)[one]
    comparison = close(masked.get_action(alone, noise=noise[one]), together, "row", "alone", TENSOR)
    assert padding[row] > 0 and comparison.holds, str(comparison)
