"""The transformer pieces of the action head, with the published parameter names (to_q, to_out.0, net.0.proj, ...)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from gr00t_model.groot.recompute import Recomputing

Heads = Float[Tensor, "b h n w"]
KeysValues = tuple[Heads, Heads]


Mask = Bool[Tensor, "b 1 1 n"] | Float[Tensor, "b 1 1 n"]
"""True where a key may be attended to, or what is added to the scores."""


def additive(mask: Bool[Tensor, "b 1 1 n"], dtype: torch.dtype) -> Float[Tensor, "b 1 1 n"]:
    """0 where ``mask`` is true, -inf elsewhere: what attention makes of a mask at every call."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, float("-inf"))


class Attention(nn.Module):
    """Multi-head attention of queries on a source; biases everywhere, scale 1/sqrt(head width).

    Keys and values are made apart from the attention itself, so that a source that does not change is projected once.
    """

    def __init__(self, query_width: int, source_width: int, heads: int, head_width: int, dropout: float):
        super().__init__()
        inner = heads * head_width
        self.heads = heads
        self.to_q = nn.Linear(query_width, inner)
        self.to_k = nn.Linear(source_width, inner)
        self.to_v = nn.Linear(source_width, inner)
        self.to_out = nn.ModuleList([nn.Linear(inner, query_width), nn.Dropout(dropout)])

    def _split(self, x: Float[Tensor, "b n i"]) -> Heads:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, source: Float[Tensor, "b n s"]) -> KeysValues:
        return self._split(self.to_k(source)), self._split(self.to_v(source))

    def forward(
        self, x: Float[Tensor, "b m q"], keys_values: KeysValues, mask: Mask | None = None
    ) -> Float[Tensor, "b m q"]:
        """Without a mask every key may be attended to."""
        attended = F.scaled_dot_product_attention(self._split(self.to_q(x)), *keys_values, attn_mask=mask)
        linear, dropout = self.to_out
        return dropout(linear(attended.transpose(1, 2).flatten(2)))


class GeluLinear(nn.Module):
    """Linear, then GELU in its tanh approximation."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.proj = nn.Linear(width, inner)

    def forward(self, x: Float[Tensor, "... w"]) -> Float[Tensor, "... i"]:
        return F.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    """Four times wider in the middle; dropout in the middle, and at the end where ``final_dropout``."""

    def __init__(self, width: int, dropout: float, final_dropout: bool):
        super().__init__()
        layers = [GeluLinear(width, 4 * width), nn.Dropout(dropout), nn.Linear(4 * width, width)]
        self.net = nn.ModuleList([*layers, nn.Dropout(dropout)] if final_dropout else layers)

    def forward(self, x: Float[Tensor, "... w"]) -> Float[Tensor, "... w"]:
        for layer in self.net:
            x = layer(x)
        return x


class SelfAttentionBlock(nn.Module):
    """Pre-norm self-attention and feed-forward with affine LayerNorms: a layer of the adapter."""

    def __init__(self, width: int, heads: int, dropout: float, final_dropout: bool):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, width, heads, width // heads, dropout)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width, dropout, final_dropout)
        self.final_dropout = nn.Dropout(dropout if final_dropout else 0.0)

    def forward(self, x: Float[Tensor, "b n w"], mask: Bool[Tensor, "b 1 1 n"] | None) -> Float[Tensor, "b n w"]:
        normed = self.norm1(x)
        x = x + self.final_dropout(self.attn1(normed, self.attn1.keys_values(normed), mask))
        return x + self.ff(self.norm3(x))


class SelfAttentionStack(Recomputing):
    """Layers of bidirectional self-attention without positions."""

    def __init__(self, layers: int, width: int, heads: int, dropout: float, final_dropout: bool):
        super().__init__()
        self.transformer_blocks = nn.ModuleList(
            SelfAttentionBlock(width, heads, dropout, final_dropout) for _ in range(layers)
        )

    def forward(self, x: Float[Tensor, "b n w"], mask: Bool[Tensor, "b 1 1 n"] | None = None) -> Float[Tensor, "b n w"]:
        for block in self.transformer_blocks:
            x = self.run(block, x, mask)
        return x
