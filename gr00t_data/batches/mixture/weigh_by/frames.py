"""By frames: frames ** (1 / temperature)."""

from collections.abc import Mapping


def weights(frames: Mapping[str, int], kinds: Mapping[str, str], temperature: float) -> dict[str, float]:
    """1 makes every frame equally likely, larger temperatures lift small stores, infinity makes every store alike."""
    return {name: count ** (1 / temperature) for name, count in frames.items()}
