"""The one source of chance, the schedule and the prefetch thread: pure functions of the number of a step."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from gr00t_model.loop.config import ConfigError, Optimizer
from gr00t_model.loop.optimizer import build_optimizer, learning_rate, set_learning_rate
from gr00t_model.loop.prefetch import prefetch
from gr00t_model.loop.seeds import pass_draws, pass_generator, pass_rows

CPU = torch.device("cpu")


def drawn(seed: int, number: int) -> tuple[list[float], list[float]]:
    """(noise, dropout) of a pass: what its generator draws, and what torch's own one does."""
    generator = pass_generator(seed, number, CPU)
    return torch.rand(4, generator=generator).tolist(), torch.rand(4).tolist()


def test_equal_passes_draw_the_same_whatever_was_drawn_before() -> None:
    first = drawn(918, 7)
    torch.rand(1000)
    assert drawn(918, 7) == first
    assert pass_draws(918, 7).random(3).tolist() == pass_draws(918, 7).random(3).tolist()


def test_other_seeds_and_other_passes_draw_something_else() -> None:
    """Also where seed and number add up, or are exchanged: both are words of one key."""
    keys = [(a, b) for a in (0, 1, 2, 42) for b in (0, 1, 2, 42)]
    noise, dropout = ({tuple(drawn(*key)[kind]) for key in keys} for kind in (0, 1))
    draws = {tuple(pass_draws(*key).random(4)) for key in keys}
    assert len(noise) == len(dropout) == len(draws) == len(keys) and not noise & dropout


def test_rows_are_the_same_for_any_number_of_ranks() -> None:
    """Two passes of 3 rows see what one pass of 6 sees."""
    for step in range(5):
        one = pass_rows(11, 6, step, 2_024)
        two = np.concatenate([pass_rows(11, 3, 2 * step + rank, 2_024) for rank in range(2)])
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("seed", [5_150, 8_675_309])
def test_an_epoch_sees_every_example_once_in_an_order_of_its_own(seed: int) -> None:
    rows = np.concatenate([pass_rows(10, 4, number, seed) for number in range(10)]).reshape(4, 10)
    assert all(sorted(epoch) == list(range(10)) for epoch in rows.tolist())
    assert len({tuple(epoch) for epoch in rows.tolist()}) == 4


def rates(steps: int, config: Optimizer) -> list[float]:
    return [learning_rate(step, steps, config) for step in range(steps)]


@pytest.mark.parametrize(
    ("schedule", "final", "expected"),
    [
        ("constant", 0.0, [0.5, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", 0.0, [0.5, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        ("linear", 0.4, [0.5, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5]),
        ("cosine", 0.0, [0.5, 1, 1, (1 + 3**0.5 / 2) / 2, 0.75, 0.5, 0.25, (1 - 3**0.5 / 2) / 2]),
        ("constant", 0.4, [0.5, 1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_the_rates_by_hand(schedule: str, final: float, expected: list[float]) -> None:
    config = Optimizer.model_validate({"lr": 0.2, "schedule": schedule, "warmup_share": 0.25, "final_lr_share": final})
    np.testing.assert_allclose(rates(8, config), 0.2 * np.array(expected), atol=1e-12)


def test_a_run_of_one_step_learns_something() -> None:
    assert rates(1, Optimizer(lr=3e-4)) == [3e-4]
    assert rates(1, Optimizer(lr=3e-4, warmup_share=0.9)) == [3e-4]


def test_every_group_gets_the_rate_and_only_matrices_decay() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    model[0].weight.requires_grad_(True)
    optimizer = build_optimizer(model, Optimizer(weight_decay=0.1))
    assert [(len(g["params"]), g["weight_decay"]) for g in optimizer.param_groups] == [(1, 0.1), (3, 0.0)]
    set_learning_rate(optimizer, 0.125)
    assert [g["lr"] for g in optimizer.param_groups] == [0.125, 0.125]
    model[0].weight.requires_grad_(False)
    assert [len(g["params"]) for g in build_optimizer(model, Optimizer()).param_groups] == [3]


def test_a_model_that_nothing_trains_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no parameter of the model is trainable: switch one of model\.tune"):
        build_optimizer(nn.Linear(2, 2).requires_grad_(False), Optimizer())


def test_moments_in_8_bits_say_what_they_need() -> None:
    with pytest.raises(ConfigError, match=r"^optimizer\.kind=paged_adamw_8bit needs (the library|an NVIDIA GPU)"):
        build_optimizer(nn.Linear(2, 2), Optimizer(kind="paged_adamw_8bit"))


@pytest.mark.parametrize("ahead", [0, 1, 3, 99])
def test_what_is_prepared_ahead_comes_in_order(ahead: int) -> None:
    assert list(prefetch(lambda number: number**2, 3, 9, ahead)) == [9, 16, 25, 36, 49, 64]
    assert list(prefetch(lambda number: number, 5, 5, ahead)) == []


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_comes_at_its_turn(ahead: int) -> None:
    def make(number: int) -> int:
        if number == 2:
            raise OSError("frame 2 cannot be read")
        return number

    batches = prefetch(make, 0, 5, ahead)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(OSError, match="frame 2"):
        next(batches)


def test_no_more_than_so_many_are_prepared_and_the_thread_ends() -> None:
    begun: list[int] = []
    batches = prefetch(lambda number: begun.append(number) or number, 0, 50, 3)
    assert next(batches) == 0
    batches.close()  # type: ignore[attr-defined]
    assert set(begun) <= {0, 1, 2}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
