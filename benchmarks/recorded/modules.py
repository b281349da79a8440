"""What the comparisons of networks share: seeing inside a forward pass, and comparing gradients."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from benchmarks.recorded.recording import (
    NO_GRADIENT,
    NORM,
    ZERO_GRADIENT,
    Comparison,
    Comparisons,
    Item,
    close,
    within,
)


@contextmanager
def outputs_of(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """What each module puts out while the block runs; ``<name>.input`` is what went in."""
    seen: dict[str, Tensor] = {}

    def hook(name: str):
        def keep(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            seen[name] = output[0] if isinstance(output, tuple) else output
            if inputs:
                seen[f"{name}.input"] = inputs[0]

        return keep

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def gradient_norms(module: nn.Module, recorded: Mapping[str, float | None]) -> Comparisons:
    """Every parameter's gradient norm (float64 norm of the float32 gradient); none where none was recorded."""
    parameters = dict(module.named_parameters())
    for name, norm in recorded.items():
        vector = f"grad_l2_norms/{name}"
        if name not in parameters and name.endswith("lm_head.weight"):
            continue  # the same tensor as the token embedding
        gradient = parameters[name].grad
        if norm is None or gradient is None:
            differs = (norm is None) != (gradient is None)
            yield Comparison(vector, "gradient norms, none recorded", float(differs), 0.0)
            continue
        found = float(gradient.double().norm())
        if name.endswith(NO_GRADIENT):
            yield within(found, norm, vector, "gradient norms, zero in exact arithmetic", ZERO_GRADIENT, "absolute")
        else:
            yield close(found, norm, vector, "gradient norms", NORM)


def gradients(parameters: Mapping[str, Any], outputs: Mapping[str, Tensor], prefix: str) -> Comparisons:
    """Every recorded gradient; ``prefix`` is what their names begin with."""
    for name in (key.removeprefix(prefix) for key in outputs if key.startswith(prefix)):
        found, recorded, vector = parameters[name].grad, outputs[prefix + name], f"outputs/{prefix}{name}"
        if name.endswith(NO_GRADIENT):
            yield within(found, recorded, vector, "gradients, zero in exact arithmetic", ZERO_GRADIENT, "absolute")
        else:
            yield close(found, recorded, vector, "gradients")


def trainable(module: nn.Module, freeze: Any, item: Item, prefix: str = "") -> Comparisons:
    """The names that train, for every recorded combination of flags (exact; a tied language head counts once)."""
    for flags, names in item.json("trainable_parameters").items():
        freeze(**switches(flags))
        found = {name for name, p in module.named_parameters(prefix=prefix) if p.requires_grad}
        yield differing_names(found, names, f"trainable_parameters/{flags}", "trainable parameters")


def switches(flags: str) -> dict[str, bool]:
    """``a=True,b=False`` to keyword arguments."""
    return {name: value == "True" for name, value in (pair.split("=") for pair in flags.split(","))}


def differing_names(found: Iterable[str], recorded: Iterable[str], vector: str, group: str) -> Comparison:
    """How many names are in one set and not in the other."""
    theirs = {name for name in recorded if not name.endswith("lm_head.weight")}
    return Comparison(vector, group, float(len(set(found) ^ theirs)), 0.0)
