"""From the values a robot means to the vectors a model sees, and back.

Every transform is a frozen value with ``__call__`` and ``inverse``, works on the last axis of numpy float arrays and
keeps their float type. Order (rotation, normalization, parts side by side, zeros behind them) and formulas are those of
the published GR00T N1.5 transforms, so that published statistics and checkpoints keep their meaning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.batches.values.masks import Parts
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.rotations import WIDTHS, Rotate, bound

Forward = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

_SWITCH_REACH = 0.1
"""How far the data of a binary part may lie beyond its two values, as a share of their distance: grippers overshoot."""
_SWITCH_WAY = 0.55
"""Least share of that distance that data which move must cover: 0 and 1 are no grippers of -1 and 1."""

MODES = ("min_max", "q99", "mean_std", "scale", "binary", "sin_cos", "identity")


class TransformError(ValueError):
    """A transform that cannot be built or has no inverse; the message says for which part."""


class Step(Protocol):
    """One transform of one part."""

    def __call__(self, values: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... e"]: ...

    def inverse(self, values: Float[np.ndarray, "... e"]) -> Float[np.ndarray, "... d"]: ...


@dataclass(frozen=True)
class Normalize:
    """Normalise each dimension by its statistics.

    ==========  =========================  ===========================  ==========================================
    mode        forward                    inverse                      constant dimension
    ==========  =========================  ===========================  ==========================================
    min_max     2 (x-min) / (max-min) - 1  (y+1) / 2 (max-min) + min    0, and back to the constant
    q99         the same with q01 and q99, then cut to [-1, 1]          x, cut to [-1, 1]; back to the constant
    mean_std    (x-mean) / std             y std + mean                 x; back to the mean plus nothing
    scale       x / max(|min|, |max|)      none                         0
    binary      1 if x > 0.5 else 0        the same                     the same
    ==========  =========================  ===========================  ==========================================
    """

    statistics: PartStatistics
    mode: str

    def __post_init__(self) -> None:
        if self.mode not in _NORMALIZERS:
            raise TransformError(f"unknown normalization {self.mode!r}; expected one of {', '.join(_NORMALIZERS)}")

    def __call__(self, values: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
        """Values in their unit to normalised values."""
        return _NORMALIZERS[self.mode].forward(values, *self._bounds(values.dtype))

    def inverse(self, values: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
        """Normalised values to values in their unit.

        Raises:
            TransformError: the mode is ``scale``, which has no published inverse.
        """
        inverse = _NORMALIZERS[self.mode].inverse
        if inverse is None:
            raise TransformError(f"normalization {self.mode!r} has no inverse; use min_max for values that come back")
        return inverse(values, *self._bounds(values.dtype))

    def _bounds(self, dtype: np.dtype) -> list[np.ndarray]:
        return [np.array(getattr(self.statistics, name), dtype=dtype) for name in _NORMALIZERS[self.mode].statistics]


def _divide(values: np.ndarray, by: np.ndarray, otherwise: np.ndarray | float) -> np.ndarray:
    """values / by, and ``otherwise`` where ``by`` is zero."""
    return np.where(by == 0, otherwise, values / np.where(by == 0, 1, by)).astype(values.dtype)


def _to_range(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return (2 * _divide(values - low, high - low, 0.5) - 1).astype(values.dtype)


def _from_range(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return (values + 1) / 2 * (high - low) + low


def _to_quantiles(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.clip(np.where(low == high, values, _to_range(values, low, high)), -1, 1)


def _standardise(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    return np.where(std == 0, values, _divide(values - mean, std, 0))


def _restore_scale(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    return values * std + mean


def _by_largest(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return _divide(values, np.maximum(np.abs(low), np.abs(high)), 0)


def _above_half(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return (values > 0.5).astype(values.dtype)


class _Normalizer(NamedTuple):
    statistics: tuple[str, str]
    forward: Forward
    inverse: Forward | None


_NORMALIZERS = {
    "min_max": _Normalizer(("min", "max"), _to_range, _from_range),
    "q99": _Normalizer(("q01", "q99"), _to_quantiles, _from_range),
    "mean_std": _Normalizer(("mean", "std"), _standardise, _restore_scale),
    "scale": _Normalizer(("min", "max"), _by_largest, None),
    "binary": _Normalizer(("min", "max"), _above_half, _above_half),
}


@dataclass(frozen=True)
class Switch:
    """A part whose two values its YAML says: 0 for the smaller one, 1 for the larger, told apart at their middle.

    With 0 and 1 it is the published ``binary``.
    """

    low: float
    high: float

    def __call__(self, values: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
        """1 above the middle, else 0."""
        return (values > (self.low + self.high) / 2).astype(values.dtype)

    def inverse(self, values: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
        """Exactly the larger value above 0.5, else the smaller."""
        return np.where(values > 0.5, self.high, self.low).astype(values.dtype)


@dataclass(frozen=True)
class SinCos:
    """Angles (rad) to their sines followed by their cosines: [..., d] to [..., 2 d]."""

    def __call__(self, values: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... e"]:
        """[sin(x_1) ... sin(x_d), cos(x_1) ... cos(x_d)]."""
        return np.concatenate([np.sin(values), np.cos(values)], axis=-1)

    def inverse(self, values: Float[np.ndarray, "... e"]) -> Float[np.ndarray, "... d"]:
        """The angles in (-pi, pi]; turns are lost. (The published transform has no inverse.)"""
        sines, cosines = np.split(values, 2, axis=-1)
        return np.arctan2(sines, cosines)


@dataclass(frozen=True)
class Concat:
    """Parts side by side, in this order."""

    names: tuple[str, ...]
    widths: tuple[int, ...]

    def __call__(self, parts: Parts) -> Float[np.ndarray, "... d"]:
        """Name -> [..., width] to [..., sum of widths].

        Raises:
            TransformError: a part is missing or has another width.
        """
        for name, width in zip(self.names, self.widths, strict=True):
            if name not in parts:
                raise TransformError(f"part {name!r} is missing; expected {', '.join(self.names)}")
            if parts[name].shape[-1] != width:
                raise TransformError(f"part {name!r} has {parts[name].shape[-1]} values, expected {width}")
        return np.concatenate([parts[name] for name in self.names], axis=-1)

    def inverse(self, values: Float[np.ndarray, "... d"]) -> Parts:
        """[..., sum of widths] to name -> [..., width]."""
        pieces = np.split(values, np.cumsum(self.widths)[:-1], axis=-1)
        return dict(zip(self.names, pieces, strict=True))


@dataclass(frozen=True)
class Pad:
    """Zeros behind the values, up to the width of the model's input."""

    width: int
    padded: int

    def __post_init__(self) -> None:
        if self.width > self.padded:
            raise TransformError(
                f"{self.width} values do not fit the model's {self.padded}; select fewer parts, or widen the model "
                "(model.changes: action_head_cfg.max_state_dim or action_head_cfg.action_dim)"
            )

    @property
    def mask(self) -> Bool[np.ndarray, " padded"]:
        """True where a real value stands."""
        return np.arange(self.padded) < self.width

    def __call__(self, values: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... padded"]:
        """[..., width] to [..., padded]."""
        zeros = np.zeros((*values.shape[:-1], self.padded - self.width), dtype=values.dtype)
        return np.concatenate([values, zeros], axis=-1)

    def inverse(self, values: Float[np.ndarray, "... padded"]) -> Float[np.ndarray, "... d"]:
        """[..., padded] to [..., width]."""
        return values[..., : self.width]


@dataclass(frozen=True)
class VectorTransform:
    """All parts of one side (state or action) to one padded vector, and back.

    Attributes:
        steps: part name -> its transforms in order, empty for values that pass unchanged.
    """

    steps: dict[str, tuple[Step, ...]]
    concat: Concat
    pad: Pad

    @property
    def places(self) -> dict[str, slice]:
        """Where each part stands in the vector."""
        ends = np.cumsum(self.concat.widths).tolist()
        return dict(zip(self.concat.names, map(slice, [0, *ends], ends), strict=True))

    def __call__(self, parts: Parts) -> Float[np.ndarray, "... padded"]:
        """Name -> [..., d] in the unit of the part, to [..., padded]."""
        transformed = {}
        for name, steps in self.steps.items():
            if name not in parts:
                raise TransformError(f"part {name!r} is missing; expected {', '.join(self.steps)}")
            values = parts[name]
            for step in steps:
                values = step(values)
            transformed[name] = values
        return self.pad(self.concat(transformed))

    def inverse(self, values: Float[np.ndarray, "... padded"]) -> Parts:
        """[..., padded] to name -> [..., d] in the unit of the part."""
        parts = self.concat.inverse(self.pad.inverse(values))
        for name, steps in self.steps.items():
            for step in reversed(steps):
                parts[name] = step.inverse(parts[name])
        return parts


def build_transforms(
    embodiment: Embodiment, selection: str | None, statistics: NormStats, max_state_dim: int, max_action_dim: int
) -> tuple[VectorTransform, VectorTransform]:
    """The transforms of state and action that a selection asks for.

    Raises:
        TransformError: statistics of another embodiment or without a part, an unknown mode, too many dimensions, or
            data that a binary part cannot have (see ``require_switches``).
    """
    if statistics.embodiment_digest != embodiment.digest:
        raise TransformError(
            f"statistics are of embodiment {statistics.embodiment!r} {statistics.embodiment_digest[:12]}, expected "
            f"{embodiment.name!r} {embodiment.digest[:12]}; measure them again"
        )
    chosen = embodiment.selection(selection)
    state = [embodiment.state_part(name) for name in chosen.state]
    action = [embodiment.action_part(name) for name in chosen.action]
    require_switches_of(embodiment, selection, statistics)
    return (
        vector_transform(state, chosen.state_normalization, chosen.state_rotations, statistics.state, max_state_dim),
        vector_transform(
            action, chosen.action_normalization, chosen.action_rotations, statistics.action, max_action_dim
        ),
    )


def require_switches_of(embodiment: Embodiment, selection: str | None, statistics: NormStats) -> None:
    """``require_switches`` of both sides of a selection."""
    chosen = embodiment.selection(selection)
    state = [embodiment.state_part(name) for name in chosen.state]
    action = [embodiment.action_part(name) for name in chosen.action]
    require_switches("state", state, chosen.state_normalization, statistics.state)
    require_switches("action", action, chosen.action_normalization, statistics.action)


def require_switches(
    side: str, parts: Sequence[Part], modes: Mapping[str, str], statistics: Mapping[str, PartStatistics]
) -> None:
    """The data of every binary part must lie about its two values, and on both sides of their middle when they move.

    Raises:
        TransformError: they do not; names the values of the embodiment and those of the data.
    """
    for part in parts:
        found = statistics.get(part.name)
        if modes.get(part.name, part.normalization) != "binary" or found is None:
            continue
        low, high = part.switch
        smallest, largest = (np.array(ends) for ends in (found.min, found.max))
        jitter = 0.0 if part.closed is None else _SWITCH_REACH * (high - low)
        if why := _not_between(smallest, largest, low, high, jitter):
            said = "0 and 1" if part.closed is None else f"closed {part.closed:g} and open {part.open:g}"
            raise TransformError(
                f"{side}.{part.name}: is binary between {said} ({part.unit}), but the data run from "
                f"{smallest.min():g} to {largest.max():g}, {why}; say `closed` and `open` of the part in the YAML as "
                "they are in the data, or take another normalization"
            )


def _not_between(smallest: np.ndarray, largest: np.ndarray, low: float, high: float, jitter: float) -> str:
    """What is wrong with data that run from ``smallest`` to ``largest`` (each [d]); empty when nothing is.

    Args:
        jitter: what a gripper that rests may move; one that goes from 0 or -1 to exactly 1 does not rest.
    """
    way, middle = high - low, (low + high) / 2
    if smallest.min() < low - _SWITCH_REACH * way or largest.max() > high + _SWITCH_REACH * way:
        return "beyond them"
    moves = (largest - smallest > jitter) | (np.isin(smallest, (0, -1)) & (largest == 1))
    if (moves & ((smallest > middle) | (largest <= middle))).any():
        return f"and never cross the middle, {middle:g}"
    return "half of the way or less" if (moves & (largest - smallest < _SWITCH_WAY * way)).any() else ""


def vector_transform(
    parts: list[Part],
    modes: dict[str, str],
    rotations: dict[str, str],
    statistics: dict[str, PartStatistics],
    padded: int,
) -> VectorTransform:
    """The transform of these parts, side by side in this order, to ``padded`` values. See ``build_transforms``."""
    steps, widths = {}, []
    for part in parts:
        mode, target = modes.get(part.name, part.normalization), rotations.get(part.name)
        width = WIDTHS[target] if target else part.dim
        steps[part.name] = _steps(part, mode, target, statistics.get(part.name))
        widths.append(2 * width if mode == "sin_cos" else width)
    return VectorTransform(steps, Concat(tuple(steps), tuple(widths)), Pad(sum(widths), padded))


def _steps(part: Part, mode: str, target: str | None, statistics: PartStatistics | None) -> tuple[Step, ...]:
    if mode not in MODES:
        raise TransformError(f"part {part.name!r}: unknown normalization {mode!r}; expected one of {', '.join(MODES)}")
    turn: tuple[Step, ...] = ()
    if target and target != part.rotation:
        if part.rotation is None:
            raise TransformError(f"part {part.name!r}: is no rotation, so it cannot become {target!r}")
        turn = (Rotate(part.rotation, target),)
        statistics = _rotation_bounds(target)
        if mode not in ("min_max", "identity"):
            raise TransformError(f"part {part.name!r}: a converted rotation takes min_max or identity, found {mode!r}")
    if mode == "identity":
        return turn
    if mode == "sin_cos":
        return (*turn, SinCos())
    if statistics is None or len(statistics.min) != (WIDTHS[target] if target else part.dim):
        raise TransformError(
            f"part {part.name!r}: the statistics have no {part.dim} numbers for it; measure them again"
        )
    said = mode == "binary" and part.closed is not None
    return (*turn, Switch(*part.switch) if said else Normalize(statistics, mode))


def _rotation_bounds(rotation: str) -> PartStatistics:
    """Statistics of values between the bounds that every rotation keeps."""
    low, high, zero = ((value * bound(rotation),) * WIDTHS[rotation] for value in (-1.0, 1.0, 0.0))
    return PartStatistics(count=0, mean=zero, std=high, min=low, max=high, q01=low, q99=high)
