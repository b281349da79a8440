"""Denoising takes short cuts (times at once, fewer tokens in the last block): they change nothing but the time."""

import pytest
import torch

from gr00t_model.groot import flow
from gr00t_model.groot.attention import Attention, additive
from tests.model.small import ACTION, HORIZON, ROWS, small_batch, small_model


@pytest.mark.parametrize("keypoints", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_sampling_is_euler_over_the_velocity(keypoints: bool, steps: int) -> None:
    model, batch = small_model(keypoints=keypoints), small_batch()
    head, noise = model.action_head, torch.randn(ROWS, HORIZON, ACTION, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        context = model._context(batch)

        def velocity(action: torch.Tensor, bucket: int) -> torch.Tensor:
            return head.velocity(context, action, torch.full((ROWS,), bucket))[0]

        expected = flow.euler(velocity, noise, steps, head.config.num_timestep_buckets)
        found = head.sample(context, steps, noise)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_a_lean_velocity_is_the_velocity() -> None:
    model, batch = small_model(), small_batch()
    context, bucket = model._context(batch), torch.tensor([0, 250, 999])
    assert batch.action is not None
    whole, states = model.action_head.velocity(context, batch.action, bucket)
    lean, lean_states = model.action_head.velocity(context, batch.action, bucket, lean=True)
    torch.testing.assert_close(lean, whole, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(lean_states[0], states[0])
    torch.testing.assert_close(lean_states[-1], states[-1][:, -HORIZON:], atol=1e-6, rtol=1e-5)


def test_step_buckets() -> None:
    assert flow.step_buckets(4, 1000) == [0, 250, 500, 750] and flow.step_buckets(1, 1000) == [0]


def test_an_additive_mask_is_the_mask() -> None:
    torch.manual_seed(0)
    attention, x = Attention(8, 8, 2, 4, dropout=0.0), torch.randn(2, 3, 8)
    mask = torch.tensor([[True, False, True], [False, True, True]])[:, None, None]
    pairs = attention.keys_values(x)
    torch.testing.assert_close(attention(x, pairs, additive(mask, x.dtype)), attention(x, pairs, mask))
