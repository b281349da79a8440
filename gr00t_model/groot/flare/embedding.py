"""FLARE's action-aware embedding (arXiv 2505.15659, section 3.2): image and text in, M tokens out.

It reads the sequence that the language model would read: the vision tower's tokens in the places of the images, and the
words. A few layers of self-attention fuse them, and learned queries compress them (a Q-Former, arXiv 2301.12597). It
learns as the only eyes of a small policy, from the action loss, so that it keeps what matters for acting. Afterwards
its tokens of the future frame are what the policy's future tokens are drawn to.
"""

from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gr00t_model.groot.attention import Attention, FeedForward, SelfAttentionStack
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare.config import EmbeddingConfig
from gr00t_model.groot.slots import sines_cosines


class QueryBlock(nn.Module):
    """Pre-norm: the queries look at each other, then at the source, then go through the feed-forward."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1 = Attention(width, width, heads, width // heads, dropout=0.0)
        self.attn2 = Attention(width, width, heads, width // heads, dropout=0.0)
        self.ff = FeedForward(width, dropout=0.0, final_dropout=False)

    def forward(
        self, queries: Float[Tensor, "b m w"], source: Float[Tensor, "b n w"], mask: Bool[Tensor, "b 1 1 n"]
    ) -> Float[Tensor, "b m w"]:
        normed = self.norm1(queries)
        queries = queries + self.attn1(normed, self.attn1.keys_values(normed))
        queries = queries + self.attn2(self.norm2(queries), self.attn2.keys_values(source), mask)
        return queries + self.ff(self.norm3(queries))


class Embedding(nn.Module):
    """``width`` is the language model's, and ``queries`` the number M of tokens that come out."""

    usual: Tensor  # [M, width], the mean of each token over the training data, stored when training ends

    def __init__(self, config: EmbeddingConfig, width: int, heads: int, queries: int):
        super().__init__()
        self.config = config
        self.norm_in = nn.LayerNorm(width)
        self.fusion = SelfAttentionStack(config.fusion_layers, width, heads, dropout=0.0, final_dropout=False)
        self.norm_fused = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.compression = nn.ModuleList(QueryBlock(width, heads) for _ in range(config.query_layers))
        self.norm_out = nn.LayerNorm(width)
        self.register_buffer("usual", torch.zeros(queries, width))

    @classmethod
    def of(cls, config: GrootConfig) -> Self:
        """Of a configuration's sizes, with fresh weights."""
        assert config.flare.embedding is not None
        heads = config.action_head.vl_self_attention_cfg.num_attention_heads
        queries = config.action_head.num_target_vision_tokens
        return cls(config.flare.embedding, config.backbone.text.hidden_size, heads, queries)

    def seen(
        self, input_ids: Int[Tensor, "b n"], attention_mask: Int[Tensor, "b n"], image_token_index: int
    ) -> Bool[Tensor, "b n"]:
        """Which tokens of a prompt it reads: the real ones, or of these the image's."""
        real = attention_mask.bool()
        return real if self.config.words else real & (input_ids == image_token_index)

    def forward(self, sequence: Float[Tensor, "b n w"], real: Bool[Tensor, "b n"]) -> Float[Tensor, "b m w"]:
        """The tokens of a sequence; where ``real`` is false there is padding, at the left."""
        sequence = sequence.to(self.queries.dtype)
        mask = real[:, None, None]
        from_the_end = torch.arange(sequence.shape[1] - 1, -1, -1, device=sequence.device)  # padding shifts nothing
        places = sines_cosines(from_the_end, sequence.shape[2]).to(sequence.dtype)
        fused = self.norm_fused(self.fusion(self.norm_in(sequence) + places, mask))
        tokens = self.queries.expand(len(sequence), -1, -1)
        for block in self.compression:
            tokens = block(tokens, fused, mask)
        return self.norm_out(tokens)

    def target(self, sequence: Float[Tensor, "b n w"], real: Bool[Tensor, "b n"]) -> Float[Tensor, "b m w"]:
        """The tokens less what is the same in every picture: else two unrelated frames are nearly alike."""
        return self(sequence, real) - self.usual
