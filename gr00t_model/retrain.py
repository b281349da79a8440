"""When to train again: enough new accepted episodes, then quiet, and never twice on the same content. No torch.

What counts is the set of accepted episodes, by store digest and number. A rejected drop does not change it, so it
cannot start a training.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gr00t_data.curate.index import index_path
from gr00t_data.disk import digest_json, read_json
from gr00t_data.embodiment import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages import sealed_stores
from gr00t_data.store import EpisodeStore

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
    """Look at the lake's verdicts and the current checkpoint; nothing is checked or changed.

    Args:
        memory: of the last decision; empty at first.
        now_s: our clock; when it jumps back, the quiet time starts anew.
    """
    accepted, unchecked = _accepted(lake, embodiment)
    content = digest_json(sorted([digest, sorted(numbers)] for digest, numbers in accepted.items()))
    since_s = memory.get("since_s", now_s) if memory.get("content") == content else now_s
    since_s = min(since_s, now_s)
    known = _known(lake, embodiment)
    new = sum(len(numbers - known.get(digest, set())) for digest, numbers in accepted.items())
    reason = _why_not(accepted, unchecked, new, now_s - since_s, settings)
    text = reason or f"{new} new accepted episodes"
    return Decision(reason is None, content, new, text, {"content": content, "since_s": since_s})


def _why_not(
    accepted: Mapping[str, set[int]], unchecked: list[str], new: int, quiet_for_s: float, settings: Retraining
) -> str | None:
    if unchecked:
        return f"not every store is checked yet: {', '.join(unchecked[:5])}"
    if not accepted:
        return "the lake holds no accepted episode"
    if new == 0:
        return "no accepted episode is new to the current checkpoint"
    if new < settings.min_new_episodes:
        return f"{new} new accepted episodes, {settings.min_new_episodes} are asked for"
    if quiet_for_s < settings.quiet_s:
        return f"{new} new accepted episodes; waiting {settings.quiet_s:.0f} s for more, {quiet_for_s:.0f} s so far"
    return None


def _accepted(lake: Lake, embodiment: Embodiment) -> tuple[dict[str, set[int]], list[str]]:
    """Store digest -> accepted episodes, and the names of the stores that were never checked."""
    accepted: dict[str, set[int]] = {}
    unchecked = []
    for store in sealed_stores(lake, embodiment):
        index = _newest_index(lake, store, embodiment)
        if index is None:
            unchecked.append(store.root.name)
        elif numbers := {v["episode_index"] for v in read_json(index)["verdicts"] if v["accepted"]}:
            accepted[store.digest] = numbers
    return accepted, unchecked


def _newest_index(lake: Lake, store: EpisodeStore, embodiment: Embodiment) -> Path | None:
    """The verdicts under the rules of today, else the newest ones: mixing checks again anyway."""
    today = index_path(lake.index, store, embodiment)
    if today.is_file():
        return today
    others = sorted(lake.index.glob(f"{store.digest[:16]}-*.json"), key=lambda path: path.stat().st_mtime_ns)
    return others[-1] if others else None


def _known(lake: Lake, embodiment: Embodiment) -> dict[str, set[int]]:
    """Store digest -> episodes in the mixtures of the current checkpoint, held-out ones included."""
    pointed = lake.pointed(f"checkpoint_{embodiment.name}")
    if pointed is None:
        return {}
    known: dict[str, set[int]] = {}
    for path in (pointed[0] / "manifest.json", *sorted((pointed[0] / "also").glob("*/manifest.json"))):
        for source in read_json(path)["sources"]:
            known.setdefault(source["digest"], set()).update(entry["index"] for entry in source["episodes"])
    return known
