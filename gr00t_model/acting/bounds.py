"""Bounds at both ends of a policy: states that training never saw, and actions that the robot cannot take."""

from collections.abc import Mapping

import numpy as np

from gr00t_data.batches.statistics.statistics import PartStatistics
from gr00t_data.embodiment.robot import Part
from gr00t_model.acting.settings import Bounds
from gr00t_model.acting.values import ObservationError

Parts = dict[str, np.ndarray]
Limits = dict[str, tuple[np.ndarray, np.ndarray]]
"""Part -> the smallest and the largest value of each dimension, float64 [D] each."""

_STILL_SHARE = 0.05
"""A dimension that hardly moved in training has no width of its own: this share of its part's widest one stands in."""
_DEGREES = 180 / np.pi


class ActionError(ValueError):
    """Actions that no robot should get; the message names the part, what was found and what is expected."""


class ActingWarning(UserWarning):
    """An observation that is odd, or actions that had to be cut; told once a part, counted at every call."""


def far_states(
    state: Mapping[str, np.ndarray], parts: Mapping[str, Part], seen: Mapping[str, PartStatistics], spans: float
) -> dict[str, str]:
    """Part -> its worst value, for parts with one more than ``spans`` widths outside what was measured.

    Args:
        state: part -> float64 [B, D] in its unit.
        seen: part -> statistics of the training data; a part without is not judged.
    """
    found = {}
    for name, values in state.items():
        if name in seen and (text := _far(values, parts[name], seen[name], spans)):
            found[name] = text
    return found


def _far(values: np.ndarray, part: Part, seen: PartStatistics, spans: float) -> str:
    low, high = np.array(seen.min), np.array(seen.max)
    beyond = np.maximum(low - values, values - high) / _widths(part, seen)
    if beyond.max() <= spans:
        return ""
    row, dim = (int(place) for place in np.unravel_index(int(beyond.argmax()), beyond.shape))
    value = values[row, dim]
    degrees = part.unit == "rad" and abs(value) > 2 * np.pi and low[dim] - 1 <= value / _DEGREES <= high[dim] + 1
    return (
        f"{part.joint(dim)} is {value:.4g} {part.unit}, training saw {low[dim]:.4g} to {high[dim]:.4g}"
        f"{' (degrees for radians?)' if degrees else ''}"
    )


def _widths(part: Part, seen: PartStatistics) -> np.ndarray:
    """From the smallest to the largest value of each dimension [D]; of those that never moved, what stands in."""
    low, high = np.array(seen.min), np.array(seen.max)
    widest = float((high - low).max())
    if not widest:
        widest = max([1e-6, *np.abs(low), *(top - bottom for bottom, top in part.limits or ())])
    return np.maximum(high - low, _STILL_SHARE * widest)


def action_limits(parts: Mapping[str, Part], seen: Mapping[str, PartStatistics], spans: float) -> Limits:
    """The limits of each part, where its YAML says any; else what training commanded, ``spans`` widths wider."""
    limits: Limits = {}
    for name, part in parts.items():
        if part.limits is not None:
            low, high = np.array(part.limits, dtype=np.float64).T
            limits[name] = low, high
        elif name in seen:
            room = spans * _widths(part, seen[name])
            limits[name] = np.array(seen[name].min) - room, np.array(seen[name].max) + room
    return limits


def blank(
    state: Mapping[str, np.ndarray], video: Mapping[str, np.ndarray], seen: Mapping[str, PartStatistics]
) -> tuple[str, ...]:
    """What of an observation says nothing: a row's state of zeros, a part of zeros where training never saw one,
    pictures of one colour.

    Args:
        seen: part of the state -> statistics of the training data.
    """
    found = []
    if state and (np.concatenate([*state.values()], axis=1) == 0).all(axis=1).any():
        found.append("state: every value is zero")
    for name, values in state.items():
        never = name in seen and (min(seen[name].max) < 0 or max(seen[name].min) > 0)
        if never and (values == 0).all(axis=1).any():
            found.append(f"state.{name}: every value is zero, which training never saw")
    for name, frames in video.items():
        if one := [frame[0, 0].tolist() for frame in frames if _one_colour(frame[::16, ::16]) and _one_colour(frame)]:
            found.append(f"video.{name}: one colour throughout {tuple(one[0])}")
    return tuple(found)


def _one_colour(frame: np.ndarray) -> bool:
    return bool((frame == frame[0, 0]).all())


def refuse_odd(far: Mapping[str, str], empty: tuple[str, ...], bounds: Bounds) -> None:
    """ObservationError for what the bounds do not allow."""
    if far and bounds.far_state == "refuse":
        said = "; ".join(f"state.{name}: {text}" for name, text in far.items())
        raise ObservationError(
            f"{said}; that is far outside what the checkpoint was trained on: check the unit and the order of the "
            "joints, or let it pass with Bounds(far_state='warn')"
        )
    if empty and bounds.blank == "refuse":
        raise ObservationError(
            f"{'; '.join(empty)}; check that it is connected, or let it pass with Bounds(blank='warn')"
        )


def require_finite(actions: Mapping[str, np.ndarray], remedy: str) -> None:
    """ActionError when any value of ``actions`` (part -> [B, T, D]) is NaN or infinite."""
    for name, values in actions.items():
        bad = ~np.isfinite(values)
        if bad.any():
            row, step, dim = (int(place[0]) for place in np.nonzero(bad))
            raise ActionError(
                f"action.{name}: the model gives {values[row, step, dim]} (row {row}, step {step}, value {dim}; "
                f"{int(bad.sum())} of {bad.size}); nothing is returned: {remedy}"
            )


def beyond_limits(actions: Mapping[str, np.ndarray], limits: Limits, margin: float) -> dict[str, int]:
    """Part -> number of values of [B, T, D] that exceed the part's limits by more than ``margin`` of their range."""
    counts = {name: int((_excess(actions[name], *limits[name]) > margin).sum()) for name in actions if name in limits}
    return {name: count for name, count in counts.items() if count}


def _excess(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How far beyond, in shares of the range; negative inside."""
    return np.maximum(low - values, values - high) / (high - low)


def within_limits(actions: Mapping[str, np.ndarray], limits: Limits) -> Parts:
    """``actions`` (part -> float32 [B, T, D]) with every value cut to its part's limits, where it has any."""
    cut = dict(actions)
    for name, (low, high) in limits.items():
        cut[name] = np.clip(actions[name], low.astype(np.float32), high.astype(np.float32))
    return cut


def refuse_beyond(actions: Mapping[str, np.ndarray], parts: Mapping[str, Part], limits: Limits, margin: float) -> None:
    """ActionError that names the worst value of each part that exceeds its limits by more than ``margin``, if any."""
    said = []
    for name, count in beyond_limits(actions, limits, margin).items():
        low, high = limits[name]
        place = np.unravel_index(int(_excess(actions[name], low, high).argmax()), actions[name].shape)
        dim = int(place[-1])
        said.append(
            f"action.{name}: {parts[name].joint(dim)} is {actions[name][place]:.4g} {parts[name].unit}, its limits are "
            f"{low[dim]:.4g} to {high[dim]:.4g} ({count} values beyond)"
        )
    if said:
        raise ActionError(
            f"{'; '.join(said)}; nothing is returned: look at the state and the pictures, or have actions cut to the "
            "limits with Bounds(action='clip')"
        )
