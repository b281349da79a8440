"""What is odd about statistics, in words: dimensions that never move, and values far outside the usual range."""

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.embodiment.robot import Embodiment, Part

FAR_SPANS = 3.0
"""A smallest or largest value this many spans (q99 - q01) beyond them is an outlier: min_max squeezes the rest."""


def oddities(statistics: NormStats, embodiment: Embodiment) -> list[str]:
    """One line a part that has something to say."""
    sides = (("state", embodiment.state, statistics.state), ("action", embodiment.action, statistics.action))
    return [line for side, parts, found in sides for part in parts for line in _of_part(side, part, found[part.name])]


def _of_part(side: str, part: Part, found: PartStatistics) -> list[str]:
    constant, far = [], []
    for number, (low, high, q01, q99) in enumerate(zip(found.min, found.max, found.q01, found.q99, strict=True)):
        if low == high:
            constant.append(f"{number} ({low:.4g})")
        elif q01 < q99 and max(q01 - low, high - q99) > FAR_SPANS * (q99 - q01):
            far.append(f"{number} ({low:.4g}..{high:.4g}, 1 % to 99 %: {q01:.4g}..{q99:.4g})")
    lines = []
    if constant:
        lines.append(f"{side}.{part.name}: never move: {', '.join(constant)} {part.unit}; nothing to learn there")
    if far:
        remedy = "min_max squeezes everything else: normalise with q99, or look for spikes (`gr00t doctor`)"
        lines.append(f"{side}.{part.name}: outliers: {', '.join(far)} {part.unit}; {remedy}")
    return lines
