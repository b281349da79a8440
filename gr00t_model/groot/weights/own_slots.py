"""Training the slots of some embodiments only: the other slots keep their weights and cost a step nothing.

A SlotLinear holds the weights of all slots in one tensor. Trained as a whole, its gradient is mostly zeros, and yet the
optimizer reads and writes all of it, the averaged weights and the states hold all of it, and weight decay shrinks the
slots that no row uses. Of the published model's 32 slots that is 305 million parameters when one robot is trained.
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gr00t_model.groot.slots import Groups, SlotLinear


class OwnSlots(SlotLinear):
    """A frozen slot linear of which some slots train, as weights of their own ([trained slots, in, out])."""

    def __init__(self, base_layer: SlotLinear, slots: Sequence[int]):
        nn.Module.__init__(self)
        self.base_layer, self.slots = base_layer.requires_grad_(False), tuple(slots)
        self.W = nn.Parameter(base_layer.W.detach()[list(self.slots)])
        self.b = nn.Parameter(base_layer.b.detach()[list(self.slots)])

    def forward(self, x: Float[Tensor, "b t i"], groups: Groups) -> Float[Tensor, "b t o"]:
        """As a SlotLinear. ValueError for a slot that does not train."""
        if strangers := {slot for slot, _ in groups} - set(self.slots):
            raise ValueError(
                f"slots {sorted(strangers)} came in a batch, but this run trains the slots {self.slots} only; give "
                "it a mixture of that embodiment (data.also), or train every slot with model.train_all_slots=true"
            )
        return super().forward(x, [(self.slots.index(slot), rows) for slot, rows in groups])

    @torch.no_grad()
    def whole(self) -> dict[str, Float[Tensor, "s ..."]]:
        """``W`` and ``b`` of all slots, the trained ones in their places, in the dtype of the trained ones."""
        base, places = self.base_layer, torch.tensor(self.slots, device=self.W.device)
        return {
            "W": base.W.to(self.W.dtype).index_copy(0, places, self.W),
            "b": base.b.to(self.b.dtype).index_copy(0, places, self.b),
        }

    @torch.no_grad()
    def merged(self) -> SlotLinear:
        """The slot linear with the trained slots written back."""
        for name, weight in self.whole().items():
            self.base_layer.get_parameter(name).copy_(weight)
        return self.base_layer


def train_slots(model: nn.Module, slots: Sequence[int]) -> None:
    """Let ``slots`` of every slot linear in ``model`` train, and freeze the others. Draws no random numbers.

    Raises:
        ValueError: the model has no such slot.
    """
    linears = {name: module for name, module in model.named_modules() if type(module) is SlotLinear}
    for name, linear in linears.items():
        if max(slots) >= len(linear.W):
            raise ValueError(
                f"an embodiment uses slot {max(slots)}, the model has {len(linear.W)} (0 to {len(linear.W) - 1}, "
                "max_num_embodiments); give the embodiment one of those"
            )
        model.set_submodule(name, OwnSlots(cast(SlotLinear, linear), slots))


def merge_slots(model: nn.Module) -> None:
    """Write the trained slots back into the slot linears they came from: the published names and shapes again."""
    for name, module in list(model.named_modules()):
        if isinstance(module, OwnSlots):
            model.set_submodule(name, module.merged())
