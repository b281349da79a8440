"""The one source of chance: a training's seed and the number of a forward pass, counted over all ranks.

So nothing random has to be saved with a state, and two ranks draw what one process with two passes a step would draw.
"""

import numpy as np
import torch
from jaxtyping import Int


def pass_generator(seed: int, number: int, device: torch.device) -> torch.Generator:
    """The generator of noise and times of pass ``number``; torch's own one, of dropout, is set from the same key."""
    words = np.random.SeedSequence([seed, number]).generate_state(2, np.uint64)
    noise, dropout = (int(word) >> 1 for word in words)
    torch.manual_seed(dropout)
    return torch.Generator(device=device).manual_seed(noise)


def pass_draws(seed: int, number: int) -> np.random.Generator:
    """The generator of what pass ``number`` draws with replacement."""
    return np.random.default_rng([seed, number])


def pass_rows(count: int, batch_size: int, number: int, seed: int) -> Int[np.ndarray, " b"]:
    """Which of ``count`` examples pass ``number`` sees: every epoch is a new order of all, whatever the ranks."""
    wanted = np.arange(number * batch_size, (number + 1) * batch_size)
    orders = {epoch: np.random.default_rng([seed, int(epoch)]).permutation(count) for epoch in set(wanted // count)}
    return np.array([orders[place // count][place % count] for place in wanted])
