"""Layers with one set of weights per embodiment slot, so that many robots share a batch."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Groups = list[tuple[int, Tensor | None]] | Int[Tensor, " b"]
"""The slots of a batch and the rows of each, or the slot of every row: the form of a graph that serves any robot."""

_TOKEN_STD = 0.02
"""Of a fresh state token: that of the published future tokens."""


def group_rows(slots: Int[Tensor, " b"]) -> Groups:
    """The slots present in a batch and the rows of each (None: all rows). Costs one look at the ids per batch.

    Grouping multiplies each slot's weights once, where indexing them by row would copy them for every row.
    """
    present = slots.unique().tolist()
    if len(present) == 1:
        return [(present[0], None)]
    return [(slot, (slots == slot).nonzero()[:, 0]) for slot in present]


class SlotLinear(nn.Module):
    """y = x @ W[slot] + b[slot], weights stored as [slots, in, out].

    A fresh W has standard deviation 1/sqrt(in). The published 0.02 is close to that at the published width of 1024, and
    lets the signal vanish at nano's: after 300 steps the flow loss stood at 1.01 with it and at 0.10 without.
    """

    def __init__(self, slots: int, width_in: int, width_out: int):
        super().__init__()
        self.W = nn.Parameter(width_in**-0.5 * torch.randn(slots, width_in, width_out))
        self.b = nn.Parameter(torch.zeros(slots, width_out))

    def forward(self, x: Float[Tensor, "b t i"], groups: Groups) -> Float[Tensor, "b t o"]:
        if isinstance(groups, Tensor):
            return torch.baddbmm(self.b[groups][:, None], x, self.W[groups])
        if len(groups) == 1:
            slot = groups[0][0]
            return F.linear(x, self.W[slot].mT, self.b[slot])
        parts = [F.linear(x[rows], self.W[slot].mT, self.b[slot]) for slot, rows in groups]
        order = torch.cat([rows for _, rows in groups if rows is not None])
        return torch.cat(parts)[order.argsort()]


class SlotMLP(nn.Module):
    """Two slot linears with a ReLU between."""

    def __init__(self, slots: int, width_in: int, hidden: int, width_out: int):
        super().__init__()
        self.layer1 = SlotLinear(slots, width_in, hidden)
        self.layer2 = SlotLinear(slots, hidden, width_out)

    def forward(self, x: Float[Tensor, "b t i"], groups: Groups) -> Float[Tensor, "b t o"]:
        return self.layer2(F.relu(self.layer1(x, groups)), groups)


class SlotActionEncoder(nn.Module):
    """A noisy action chunk and its time bucket to tokens."""

    def __init__(self, slots: int, action_dim: int, width: int):
        super().__init__()
        self.W1 = SlotLinear(slots, action_dim, width)
        self.W2 = SlotLinear(slots, 2 * width, width)
        self.W3 = SlotLinear(slots, width, width)

    def forward(
        self, action: Float[Tensor, "b t a"], bucket: Int[Tensor, " b"], groups: Groups
    ) -> Float[Tensor, "b t w"]:
        return self.encode(action, sines_cosines(bucket, self.W3.b.shape[-1]), groups)

    def encode(
        self, action: Float[Tensor, "b t a"], time: Float[Tensor, "#b w"], groups: Groups
    ) -> Float[Tensor, "b t w"]:
        """The same from the sines and cosines of the time bucket."""
        encoded = self.W1(action, groups)
        time = time.to(encoded.dtype)[:, None].expand_as(encoded)
        return self.W3(F.silu(self.W2(torch.cat([encoded, time], dim=-1), groups)), groups)


class MissingState(nn.Module):
    """One learned token that stands where a row has no state, whichever robot or hand the row shows.

    Zeros would say that every joint is at the middle of its range. The token is drawn without touching torch's global
    numbers, so that a model with it and one without it start from the same other weights.
    """

    def __init__(self, width: int):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.token = nn.Parameter(_TOKEN_STD * torch.randn(width))

    def reset(self) -> None:
        """Draw it again: a checkpoint that was trained without the token has none."""
        nn.init.normal_(self.token, std=_TOKEN_STD)

    def forward(
        self, encoded: Float[Tensor, "b 1 w"], real: Bool[Tensor, "b 1 s"], withheld: Bool[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b 1 w"]:
        """``encoded``, with the token in rows where no value of the state is ``real``, and in ``withheld`` rows."""
        missing = ~real.any(dim=-1)[:, 0]
        if withheld is not None:
            missing = missing | withheld
        return torch.where(missing[:, None, None], self.token.to(encoded.dtype), encoded)


def sines_cosines(bucket: Int[Tensor, " b"], width: int) -> Float[Tensor, "b w"]:
    """Sines, then cosines, at frequencies 10000**(-k/half), k = 0..half-1."""
    half = width // 2
    exponents = -torch.arange(half, dtype=torch.float32, device=bucket.device) * (math.log(10_000.0) / half)
    angles = bucket[:, None].float() * rounded_exp(exponents)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def rounded_exp(exponents: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """exp of float32 exponents, correctly rounded to float32.

    Angles reach 1000, where the last bit of a frequency shows in its sine; processors differ in that bit of ``exp``.
    """
    return exponents.double().exp().float()
