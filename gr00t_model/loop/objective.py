"""What the loop asks of whatever it trains: a network, batches by number, losses."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from gr00t_model.loop.run import Outcome

Network = TypeVar("Network", bound=nn.Module)
Item = TypeVar("Item")

Losses = dict[str, tuple[Tensor, Tensor | None]]
"""Each loss with the number of things it is the mean of (None: it is one of the pass); ``loss`` is what learns."""


class Objective(ABC, Generic[Network, Item]):
    """What learns, and from what.

    Attributes:
        model: its trainable parameters learn; a state holds them and its buffers.
    """

    model: Network

    @abstractmethod
    def batch(self, number: int) -> Item:
        """The batch of forward pass ``number``, counted over all ranks: a pure function, called in a thread."""

    def seen(self, batch: Item, generator: torch.Generator) -> Item:
        """The batch where the model is, as the model sees it; ``generator`` is the one of the pass."""
        return batch

    @abstractmethod
    def losses(self, model: nn.Module, batch: Item, generator: torch.Generator) -> Losses:
        """The losses of a batch that was ``seen``; ``model`` is the network, wrapped for several ranks."""

    def follow(self, step: int) -> None:
        """Called after optimizer step ``step`` (0-based)."""

    @abstractmethod
    def export(self, outcome: Outcome) -> None:
        """Leave what was learnt, after the last step; ``model`` holds the weights to export."""
