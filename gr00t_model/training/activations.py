"""What a training step keeps in memory beside the weights, found by running it on tensors without values.

On torch's meta device a step of any size runs in seconds and allocates nothing; every operation still says what it
would have allocated. That device has neither fused kernels nor autocast, so their memory is put in the place of the
plain one: attention never holds its matrix of scores, a dropout mask is one byte an element, and with bf16 arithmetic
products read and write bf16 while layer norms stay float32 (the rules of torch's autocast on a GPU).
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from gr00t_data.batches.batch import Batch
from gr00t_model.groot.model import Groot


class LiveBytes(TorchDispatchMode):
    """Bytes of the tensors made inside the block that are still held by someone: now, and at their most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = self.most_but_gradients = self.gradients = 0
        self._sizes: dict[int, int] = {}  # of storages made in the block, by address

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {storage._cdata for storage in _storages((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            if storage._cdata not in given and storage._cdata not in self._sizes:
                self._sizes[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._lose, storage._cdata)
        self.most = max(self.most, self.now)
        self.most_but_gradients = max(self.most_but_gradients, self.now - self.gradients)
        return result

    def count_gradients(self, model: nn.Module) -> Iterator[RemovableHandle]:
        """From now on tell gradients that are complete from other tensors."""
        for parameter in model.parameters():
            if parameter.requires_grad:
                yield parameter.register_post_accumulate_grad_hook(self._complete)

    def _complete(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self.gradients += parameter.grad.nbytes

    def _lose(self, address: int) -> None:
        self.now -= self._sizes.pop(address)


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


@dataclass(frozen=True)
class StepMemory:
    """What one forward and backward pass holds beside the weights, in bytes.

    Attributes:
        activations: the most at any time without the gradients that are complete; the batch included.
        peak: the most at any time, gradients included.
    """

    activations: int
    peak: int


def measure_step(model: Groot, batch: Callable[[], Batch], products: torch.dtype = torch.float32) -> StepMemory:
    """Run one pass forward and back, and forget its gradients.

    Args:
        model: on the meta device, or with values on the CPU.
        products: the dtype of products on the meta device: bf16 is what autocast would do.
    """
    model.zero_grad(set_to_none=True)
    meta = next(model.parameters()).is_meta
    with ExitStack() as stack:
        if meta:
            stack.enter_context(_as_on_a_gpu(products))
        live = stack.enter_context(LiveBytes())
        given = batch()
        assert given.action is not None
        time = torch.full((len(given),), 0.5, device=given.action.device)
        loss = model(given, time=time, noise=torch.zeros_like(given.action))
        handles = list(live.count_gradients(model))
        loss.total.backward()
    for handle in handles:
        handle.remove()
    model.zero_grad(set_to_none=True)
    return StepMemory(live.most_but_gradients, live.most)


class _FusedAttention(torch.autograd.Function):
    """Keeps queries, keys, values, the output and one number a query, as flash and memory-efficient kernels do."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        attended = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, attended, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return attended

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        query, key, value, _, _ = ctx.saved_tensors
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


@contextmanager
def _as_on_a_gpu(products: torch.dtype) -> Iterator[None]:
    """Give torch's functions the memory they have on a GPU, for as long as the block runs.

    They are replaced where they stand: a mode of torch would not reach the blocks that gradient checkpointing runs
    again inside the backward pass.
    """
    narrow = _Narrow(products)
    plain = {name: getattr(F, name) for name in ("linear", "conv2d", "layer_norm")}
    with ExitStack() as stack:
        for owner, name, replacement in (
            (
                F,
                "scaled_dot_product_attention",
                lambda q, k, v, *_, **__: _FusedAttention.apply(*map(narrow, (q, k, v))),
            ),
            (F, "dropout", _dropout),
            (F, "linear", lambda x, w, b=None: plain["linear"](narrow(x), narrow(w), narrow(b))),
            (F, "conv2d", lambda x, w, b=None, *rest: plain["conv2d"](narrow(x), narrow(w), narrow(b), *rest)),
            (F, "layer_norm", lambda *args, **named: plain["layer_norm"](*_float32(args), **_float32(named))),
        ):
            stack.enter_context(_replaced(owner, name, replacement))
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


class _Narrow:
    """Autocast's rule for products: float32 becomes ``dtype``; a weight that trains is converted once a step."""

    def __init__(self, dtype: torch.dtype):
        self.dtype, self._copies = dtype, dict[int, Tensor]()

    def __call__(self, x: Tensor | None) -> Tensor | None:
        if x is None or x.dtype == self.dtype or not x.is_floating_point():
            return x
        if not (x.is_leaf and x.requires_grad):
            return x.to(self.dtype)
        if id(x) not in self._copies:
            self._copies[id(x)] = x.to(self.dtype)
        return self._copies[id(x)]


def _float32(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _float32(value) for name, value in values.items()}
    if isinstance(values, Tensor):
        return values.float()
    return tuple(_float32(value) for value in values) if isinstance(values, tuple) else values


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return torch.native_dropout(x, p, True)[0] if training and p else x
