"""From a wish (temperature, shares, ratios, caps) to the share of the samples that each source of a mixture gets."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gr00t_data.batches.mixture.weigh_by import way, ways

SYNTHETIC = frozenset({"simulated", "neural"})
"""Kinds that no camera saw."""
ACTING = frozenset({"real", "simulated", "rollout"})
"""Kinds whose actions were executed."""


class WeighingError(ValueError):
    """A wish that cannot be met; the message names the stores and the numbers."""


@dataclass(frozen=True)
class Weighing:
    """How the shares of a mixture's sources come about, in this order.

    Attributes:
        temperature: sources not named in ``shares`` weigh frames ** (1 / temperature): 1 makes every frame equally
            likely, larger values lift small sources, infinity makes every source equally likely.
        by: another way to weigh them, a module of ``weigh_by``.
        shares: store name -> share of the samples, 0..1, exactly as given; the other stores divide the rest.
        neural_per_real: samples of kind neural for one of kind real, simulated or rollout (DreamGen, arXiv 2505.12705,
            co-trains at 1); None leaves it to the frames.
        max_synthetic: largest share of the kinds simulated and neural together, 0..1; reached by scaling down those of
            them that have no share of their own.
        human: share of the samples from the kind human, 0..1, reached by scaling those without a share of their own;
            0 leaves human video out, None leaves it to the frames.
    """

    temperature: float = 1.0
    shares: Mapping[str, float] = field(default_factory=dict)
    neural_per_real: float | None = None
    max_synthetic: float | None = None
    human: float | None = None
    by: str = "frames"

    def __post_init__(self) -> None:
        if self.by not in ways():
            raise WeighingError(f"stores are not weighed by {self.by!r}, but by one of {', '.join(ways())}")
        if math.isnan(self.temperature) or self.temperature < 1:
            raise WeighingError(f"temperature is {self.temperature}, expected 1 (by frames) to infinity (all alike)")
        for name, share in self.shares.items():
            if not math.isfinite(share) or not 0 < share <= 1:
                raise WeighingError(f"the share of {name} is {share}, expected 0 < share <= 1; or leave the store out")
        if math.fsum(self.shares.values()) > 1 + 1e-9:
            raise WeighingError(f"the shares add up to {math.fsum(self.shares.values()):.4g}, expected at most 1")
        if self.neural_per_real is not None and not (math.isfinite(self.neural_per_real) and self.neural_per_real > 0):
            raise WeighingError(f"neural_per_real is {self.neural_per_real}, expected a positive number")
        if self.max_synthetic is not None and not 0 <= self.max_synthetic <= 1:
            raise WeighingError(f"max_synthetic is {self.max_synthetic}, expected 0..1")
        if self.human is not None and not 0 <= self.human <= 1:
            raise WeighingError(f"human is {self.human}, expected 0..1")


def weigh(frames: Mapping[str, int], kinds: Mapping[str, str], weighing: Weighing) -> dict[str, float]:
    """The share of each store, adding up to 1.

    Args:
        frames: store name -> frames that may be sampled, all positive.
        kinds: store name -> its kind.

    Raises:
        WeighingError: a share for a store that is not there, or a ratio or cap that the stores cannot meet.
    """
    if unknown := sorted(weighing.shares.keys() - frames.keys()):
        raise WeighingError(f"shares name {', '.join(unknown)}; the stores are {', '.join(sorted(frames))}")
    shares = _divided_rest(frames, kinds, weighing)
    if weighing.human is not None:
        people = {name for name in shares if kinds[name] == "human"}
        shares = _divided(shares, people, weighing.human, weighing.shares, "human")
    if weighing.neural_per_real is not None:
        shares = _with_ratio(shares, kinds, weighing)
    if weighing.max_synthetic is not None:
        synthetic = {name for name in shares if kinds[name] in SYNTHETIC}
        if math.fsum(shares[name] for name in synthetic) > weighing.max_synthetic:
            shares = _divided(shares, synthetic, weighing.max_synthetic, weighing.shares, "max_synthetic")
    return {name: share for name, share in shares.items() if share > 0}


def _divided_rest(frames: Mapping[str, int], kinds: Mapping[str, str], weighing: Weighing) -> dict[str, float]:
    rest = 1 - math.fsum(weighing.shares.values())
    unnamed = {name: count for name, count in frames.items() if name not in weighing.shares}
    open_ = way(weighing.by)(unnamed, kinds, weighing.temperature)
    if open_ and rest <= 1e-9:
        raise WeighingError(
            f"the shares add up to 1, so that {', '.join(sorted(open_))} would never be drawn; leave them out of the "
            "mixture, or lower the shares"
        )
    if not open_ and rest > 1e-9:
        raise WeighingError(f"every store has a share, and they add up to {1 - rest:.4g}, expected 1")
    total = math.fsum(open_.values())
    return {name: weighing.shares.get(name, rest * open_.get(name, 0) / total if total else 0) for name in frames}


def _with_ratio(shares: dict[str, float], kinds: Mapping[str, str], weighing: Weighing) -> dict[str, float]:
    """Neural against what was executed; human video keeps its share."""
    neural = {name for name in shares if kinds[name] == "neural"}
    acting = {name for name in shares if kinds[name] in ACTING}
    if not neural or not acting:
        raise WeighingError(
            "neural_per_real needs both neural stores and real or simulated ones (or rollouts) in the mixture"
        )
    both = math.fsum(shares[name] for name in neural | acting)
    ratio = weighing.neural_per_real or 0.0
    wanted = ratio / (1 + ratio)
    own = {name: shares[name] / both for name in neural | acting}
    divided = _divided(own, neural, wanted, weighing.shares, "neural_per_real")
    return shares | {name: share * both for name, share in divided.items()}


def _divided(
    shares: Mapping[str, float], chosen: Collection[str], wanted: float, named: Collection[str], why: str
) -> dict[str, float]:
    """Scale the chosen stores to ``wanted`` together, and the others to the rest. Named stores keep their share."""
    divided = dict(shares)
    for inside, target in ((True, wanted), (False, 1 - wanted)):
        group = [name for name in shares if (name in chosen) == inside]
        held = math.fsum(shares[name] for name in group if name in named)
        free = math.fsum(shares[name] for name in group if name not in named)
        if target - held < -1e-9 or (free == 0 and target - held > 1e-9):
            stores = ", ".join(group) or "other stores, but there are none"
            raise WeighingError(
                f"{why} asks for {target:.4g} of the samples from {stores}"
                + (f"; {held:.4g} of that is given by name and stays" if held else "")
            )
        divided |= {name: shares[name] * max(target - held, 0) / free for name in group if name not in named}
    return divided
