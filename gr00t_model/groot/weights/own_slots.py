"""Training the slots of some embodiments only: the other slots keep their weights and cost a step nothing.

A SlotLinear holds the weights of all slots in one tensor. Trained as a whole, its gradient is mostly zeros, and yet the
optimizer reads and writes all of it, the averaged weights and the states hold all of it, and weight decay shrinks the
slots that no row uses. Of the published model's 32 slots that is 305 million parameters when one robot is trained.
"""

from collections.abc import Mapping, Sequence
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
    def merged(self) -> SlotLinear:
        """The slot linear with the trained slots written back."""
        for name in ("W", "b"):
            self.base_layer.get_parameter(name)[list(self.slots)] = self.get_parameter(name).to(self.base_layer.W.dtype)
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


_NUMBERS = "slots"


def slot_rows(model: nn.Module) -> dict[str, Tensor]:
    """Name of a slot linear's parameter -> the rows of its trained slots, and under ``slots`` their numbers (int64);
    empty when no slot trains on its own.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, OwnSlots)}
    if not layers:
        return {}
    rows = {f"{name}.{key}": layer.get_parameter(key) for name, layer in layers.items() for key in ("W", "b")}
    return {_NUMBERS: torch.tensor(next(iter(layers.values())).slots)} | rows


@torch.no_grad()
def put_slot_rows(model: nn.Module, rows: Mapping[str, Tensor]) -> None:
    """Write what ``slot_rows`` gave into the slot linears of another model, in their dtype.

    Raises:
        ValueError: a tensor does not fit; AttributeError: the model has no such parameter.
    """
    for name, values in rows.items():
        if name == _NUMBERS:
            continue
        whole, numbers = model.get_parameter(name), rows[_NUMBERS].tolist()
        if whole[numbers].shape != values.shape:
            raise ValueError(f"{name}: expected rows {list(whole[numbers].shape)}, found {list(values.shape)}")
        whole[numbers] = values.to(whole)


@torch.no_grad()
def copy_slot(model: nn.Module, source: int, target: int) -> None:
    """Give ``target`` of every slot linear the weights of ``source``; nothing where the model has no such slot."""
    for module in model.modules():
        if type(module) is SlotLinear and target < len(module.W):
            module.W[target], module.b[target] = module.W[source], module.b[source]
