"""When to train again: enough new accepted episodes, then quiet, and never twice on the same content. No torch.

What counts is the set of accepted episodes, by store digest and number. A rejected drop does not change it, so it
cannot start a training.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.terms.withdrawal import read as read_withdrawals
from gr00t_model.retrain.arrivals import Arrivals, look

Start = Literal["base", "released"]


class RetrainError(ValueError):
    """A setting of the environment that cannot be read; the message names it."""


@dataclass(frozen=True)
class Retraining:
    """When a training starts by itself, and from what.

    Attributes:
        min_new_episodes: accepted episodes that the current checkpoint's mixture does not hold.
        quiet_s: how long nothing new must have come before a training starts.
        start: from the base model, or from the released checkpoint (from the base while there is none).
    """

    min_new_episodes: int = 10
    quiet_s: float = 600.0
    start: Start = "base"

    @classmethod
    def from_environment(cls) -> "Retraining":
        """``GR00T_RETRAIN_MIN_EPISODES``, ``GR00T_RETRAIN_QUIET_MINUTES``, ``GR00T_RETRAIN_START``.

        Raises:
            RetrainError: one of them is not a number, or no known start.
        """
        start = os.environ.get("GR00T_RETRAIN_START", "base")
        if start not in ("base", "released"):
            raise RetrainError(f"GR00T_RETRAIN_START is {start!r}, expected base or released")
        minutes = _number("GR00T_RETRAIN_QUIET_MINUTES", 10.0)
        return cls(int(_number("GR00T_RETRAIN_MIN_EPISODES", 10)), 60.0 * minutes, start)


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError as error:
        raise RetrainError(f"{name} is {text!r}, expected a number") from error
    if not 0 <= value < float("inf"):
        raise RetrainError(f"{name} is {text!r}, expected a number from 0 on")
    return value


@dataclass(frozen=True)
class Decision:
    """Whether to train now.

    Attributes:
        content: digest of the accepted episodes; equal content is never trained on twice.
        new_episodes: accepted ones that the current checkpoint does not know.
        reason: one sentence.
        memory: to be given to the next decision.
    """

    train: bool
    content: str
    new_episodes: int
    reason: str
    memory: dict[str, Any]


def decide(
    lake: Lake, embodiment: Embodiment, settings: Retraining, memory: Mapping[str, Any], now_s: float
) -> Decision:
    """Look at the lake's verdicts and the current checkpoint; only what is new since the last decision is read.

    Args:
        memory: of the last decision; empty at first.
        now_s: our clock; when it jumps back, the quiet time starts anew.

    Raises:
        WithdrawalError: the list of those who withdrew cannot be believed.
    """
    read_withdrawals(lake.root)
    arrivals = look(lake, embodiment, Arrivals.from_dict(memory))
    content = arrivals.content
    since_s = memory.get("since_s", now_s) if memory.get("content") == content else now_s
    since_s = min(since_s, now_s)
    reason = _why_not(arrivals, now_s - since_s, settings)
    text = reason or f"{arrivals.new} new accepted episodes"
    text += "".join(f"; store {name} is left out: {fault}" for name, fault in arrivals.faults.items())
    remembered = {"content": content, "since_s": since_s, **arrivals.to_dict()}
    return Decision(reason is None, content, arrivals.new, text, remembered)


def _why_not(arrivals: Arrivals, quiet_for_s: float, settings: Retraining) -> str | None:
    new = arrivals.new
    if arrivals.unchecked:
        return f"not every store is checked yet: {', '.join(arrivals.unchecked[:5])}"
    if not arrivals.content:
        return "the lake holds no accepted episode"
    if new == 0:
        return "no accepted episode is new to the current checkpoint"
    if new < settings.min_new_episodes:
        return f"{new} new accepted episodes, {settings.min_new_episodes} are asked for"
    if quiet_for_s < settings.quiet_s:
        return f"{new} new accepted episodes; waiting {settings.quiet_s:.0f} s for more, {quiet_for_s:.0f} s so far"
    return None
