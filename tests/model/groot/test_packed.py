"""Packed weights act bit for bit as plain ones, and are left out where nothing would be gained."""

import pytest
import torch

from gr00t_model.groot.attention import FeedForward, SelfAttentionStack
from gr00t_model.groot.packed import PackedLinear, can_pack, pack, pack_linears
from tests.model.small import small_model

needs_bf16 = pytest.mark.skipif(not can_pack(), reason="this processor has no products of bf16")


@needs_bf16
@torch.no_grad()
@pytest.mark.parametrize("tokens", [16, 49, 296])
def test_the_numbers_are_those_of_plain_weights(tokens: int) -> None:
    torch.manual_seed(0)
    stack = SelfAttentionStack(1, 1536, 32, 0.0, True).bfloat16().eval()
    x = torch.randn(2, tokens, 1536).bfloat16()
    before = stack(x)
    assert pack(stack) == 6
    assert torch.equal(stack(x), before)


@needs_bf16
def test_only_large_bf16_matrices_are_packed() -> None:
    wide = FeedForward(1024, 0.0, True).bfloat16()
    assert pack(wide) == sum(isinstance(module, PackedLinear) for module in wide.modules()) == 2
    assert pack(FeedForward(1024, 0.0, True)) == 0  # float32
    assert pack_linears(small_model().bfloat16()) == 0
