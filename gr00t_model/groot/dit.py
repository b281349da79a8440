"""The diffusion transformer: AdaLN blocks, even ones attending to the backbone's features, odd ones to themselves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gr00t_model.groot.attention import Attention, FeedForward, KeysValues, Mask
from gr00t_model.groot.config import DiTConfig
from gr00t_model.groot.recompute import Recomputing
from gr00t_model.groot.slots import rounded_exp

_TIME_FREQUENCIES = 128  # the embedding of a time bucket has a cosine and a sine for each


class TimestepEmbedder(nn.Module):
    """Two linears with a SiLU between."""

    def __init__(self, width: int):
        super().__init__()
        self.linear_1 = nn.Linear(2 * _TIME_FREQUENCIES, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b f"]) -> Float[Tensor, "b w"]:
        return self.linear_2(F.silu(self.linear_1(x)))


class TimestepEncoder(nn.Module):
    """Cosines, then sines, of the time bucket at frequencies 10000**(-k/127); then the embedder."""

    def __init__(self, width: int):
        super().__init__()
        self.timestep_embedder = TimestepEmbedder(width)

    def forward(self, bucket: Int[Tensor, " b"]) -> Float[Tensor, "b w"]:
        steps = torch.arange(_TIME_FREQUENCIES, dtype=torch.float32, device=bucket.device)
        angles = bucket[:, None].float() * rounded_exp(-math.log(10_000.0) * steps / (_TIME_FREQUENCIES - 1))
        features = torch.cat([angles.cos(), angles.sin()], dim=-1)
        return self.timestep_embedder(features.to(self.timestep_embedder.linear_1.weight.dtype))


Modulation = tuple[Float[Tensor, "*b 1 w"], Float[Tensor, "*b 1 w"]]
"""1 + scale, and shift."""


@dataclass(frozen=True)
class Modulations:
    """What a time does to the norms of every block and of the output: all of the DiT that no token enters."""

    blocks: Sequence[Modulation]
    output: Modulation

    def unbind(self) -> "list[Modulations]":
        """One for each of several times, which are the first dimension."""
        every = [zip(gain.unbind(), shift.unbind(), strict=True) for gain, shift in (*self.blocks, self.output)]
        return [Modulations(blocks, output) for *blocks, output in zip(*every, strict=True)]


def modulated(x: Float[Tensor, "b n w"], modulation: Modulation, eps: float) -> Float[Tensor, "b n w"]:
    """LayerNorm without weights of its own, scaled and shifted."""
    gain, shift = modulation
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=eps), gain)


class AdaLayerNorm(nn.Module):
    """The scale and shift of a norm, from the SiLU of the time embedding (scale first)."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, time: Float[Tensor, "*b w"]) -> Modulation:
        scale, shift = self.linear(time)[..., None, :].chunk(2, dim=-1)
        return 1 + scale, shift


class DiTBlock(nn.Module):
    """Adaptive norm, attention, residual; plain norm, feed-forward, residual. No gates."""

    def __init__(self, config: DiTConfig, source_width: int):
        super().__init__()
        width = config.width
        self.norm1 = AdaLayerNorm(width)
        self.attn1 = Attention(
            width, source_width, config.num_attention_heads, config.attention_head_dim, config.dropout
        )
        self.ff = FeedForward(width, config.dropout, config.final_dropout)
        self.final_dropout = nn.Dropout(config.dropout if config.final_dropout else 0.0)

    def forward(
        self,
        x: Float[Tensor, "b n w"],
        modulation: Modulation,
        source: KeysValues | None,
        mask: Mask | None,
        last: int | None = None,
    ) -> Float[Tensor, "b n w"]:
        """Cross-attention to ``source`` under ``mask``; self-attention where ``source`` is None.

        ``last``: only the last tokens are wanted; the others are still attended to.
        """
        normed = modulated(x, modulation, 1e-5)
        if source is None:
            source, mask = self.attn1.keys_values(normed), None
        if last is not None:
            x, normed = x[:, -last:], normed[:, -last:]
        x = x + self.final_dropout(self.attn1(normed, source, mask))
        return x + self.ff(F.layer_norm(x, x.shape[-1:], eps=1e-5))


class DiT(Recomputing):
    """[B, n, width] tokens and a time bucket to [B, n, output_dim]."""

    def __init__(self, config: DiTConfig):
        super().__init__()
        width, source = config.width, config.cross_attention_dim
        self.timestep_encoder = TimestepEncoder(width)
        crosses = [not config.interleave_self_attention or i % 2 == 0 for i in range(config.num_layers)]
        self.crosses = tuple(crosses)
        self.transformer_blocks = nn.ModuleList(DiTBlock(config, source if cross else width) for cross in crosses)
        self.proj_out_1 = nn.Linear(width, 2 * width)
        self.proj_out_2 = nn.Linear(width, config.output_dim)
        if config.prompt_conditioning:
            self.prompt_condition = nn.Linear(source, width)

    def keys_values(self, source: Float[Tensor, "b m s"]) -> tuple[KeysValues | None, ...]:
        """What each block needs of the vision-language features: once per action, not once per denoising step."""
        attentions = [cast(DiTBlock, block).attn1 for block in self.transformer_blocks]
        pairs = zip(attentions, self.crosses, strict=True)
        return tuple(attention.keys_values(source) if cross else None for attention, cross in pairs)

    def condition(self, source: Float[Tensor, "b m s"]) -> Float[Tensor, "b w"] | float:
        """What joins the time embedding: the last token, which in a left-padded causal prompt has seen everything."""
        return self.prompt_condition(source[:, -1]) if hasattr(self, "prompt_condition") else 0.0

    def modulations(self, time: Float[Tensor, "*b w"]) -> Modulations:
        """Everything that follows from time embeddings alone."""
        active = F.silu(time)
        shift, scale = self.proj_out_1(active)[..., None, :].chunk(2, dim=-1)
        return Modulations(tuple(cast(DiTBlock, b).norm1(active) for b in self.transformer_blocks), (1 + scale, shift))

    def forward(
        self,
        x: Float[Tensor, "b n w"],
        time: Float[Tensor, "b w"] | Modulations,
        sources: Sequence[KeysValues | None],
        mask: Mask | None = None,
        last: int | None = None,
    ) -> tuple[Float[Tensor, "b l o"], list[Float[Tensor, "b n w"]]]:
        """The output, and the hidden state after every block (references, nothing is computed for them).

        Args:
            time: the time embedding, or what follows from it.
            last: put out the last tokens only (the last hidden state has no others either); None: all.
        """
        modulations = time if isinstance(time, Modulations) else self.modulations(time)
        hidden = []
        for block, modulation, source in zip(self.transformer_blocks, modulations.blocks, sources, strict=True):
            wanted = last if block is self.transformer_blocks[-1] else None
            x = self.run(block, x, modulation, source, mask, wanted)
            hidden.append(x)
        return self.proj_out_2(modulated(x, modulations.output, 1e-6)), hidden
