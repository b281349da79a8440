"""Does a part fit into float16? The largest magnitude of anything it computes, and of its weights, against 65504.

The part runs in bfloat16: what float16 would compute in float32 (norms, angles of times) is computed in float32 there
too and does not count, and nothing overflows, so that every magnitude is seen.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gr00t_model.acting.onnx.layout import OnnxError
from gr00t_model.serve.onnx.figures import Reach, TorchPart

FLOAT16_MOST = 65504.0


class _Largest(TorchDispatchMode):
    """Remembers the largest finite bfloat16 number that any operation gives, and in which module."""

    def __init__(self) -> None:
        super().__init__()
        self.most, self.at, self.inside = 0.0, "", [""]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        for one in tree_leaves(given):
            if isinstance(one, Tensor) and one.dtype == torch.bfloat16 and one.numel():
                finite = torch.where(one.isfinite(), one.abs(), 0)  # masks are made of -inf
                if (most := float(finite.max())) > self.most:
                    self.most, self.at = most, self.inside[-1]
        return given

    def enter(self, name: str) -> None:
        self.inside.append(name)

    def leave(self) -> None:
        self.inside.pop()


def reach_of(recorded: TorchPart) -> Reach:
    """Of one part, on everything it was recorded with."""
    weights = {name: float(weight.detach().abs().max()) for name, weight in recorded.part.module.named_parameters()}
    heaviest = max(weights, key=lambda name: weights[name])
    module = narrowed(recorded.part.module, torch.bfloat16)
    largest = _Largest()
    with torch.no_grad(), _told_where(module, largest), _whole_scores(), largest:
        for given in recorded.calls:
            module(*(one.to(torch.bfloat16) if one.is_floating_point() else one for one in given.values()))
    return Reach(activation=largest.most, at=largest.at, weight=weights[heaviest], weight_at=heaviest)


def narrowed(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy with its parameters in another dtype. Buffers stay: the frequencies of positions need their digits."""
    kept = {id(parameter): parameter.detach().to(dtype) for parameter in module.parameters()}
    copied = copy.deepcopy(module, {key: nn.Parameter(one, requires_grad=False) for key, one in kept.items()})
    return copied.eval()


@contextmanager
def _told_where(module: nn.Module, largest: _Largest) -> Iterator[None]:
    hooks = []
    for name, inner in module.named_modules():
        hooks.append(inner.register_forward_pre_hook(lambda *_, name=name: largest.enter(name)))
        hooks.append(inner.register_forward_hook(lambda *_: largest.leave()))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _whole_scores() -> Iterator[None]:
    """Attention as an export computes it: the scores of all pairs, in the narrow dtype."""
    allowed = torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(allowed)


def require_fits(reached: Mapping[str, Reach]) -> None:
    """OnnxError that names every part whose numbers float16 cannot hold."""
    said = []
    for part, one in reached.items():
        if one.activation > FLOAT16_MOST:
            said.append(f"{part}: {one.at or 'the part itself'} reaches {one.activation:.3g}")
        if one.weight > FLOAT16_MOST:
            said.append(f"{part}: the weights {one.weight_at} reach {one.weight:.3g}")
    if said:
        raise OnnxError(f"{'; '.join(said)}; float16 ends at 65504: export with --dtype float32")
