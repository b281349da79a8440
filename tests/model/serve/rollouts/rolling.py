"""A robot that tells its steps: gr1 with both arms, small pictures, no policy."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.serve.rollouts.recording import Bounds, Recorder
from gr00t_model.serve.steps import Step, end_payload, record_payload

GR1 = load_embodiment("gr1")
CHOSEN = GR1.selection()
HORIZON = GR1.action_horizon
POLICY = {"checkpoint": "nano-0123", "digest": "0123", "licence": "Apache-2.0"}
PERIOD_S = 1 / GR1.control_hz
ROOMY = Bounds(free_bytes=0)


def recorder(landing: Path, bounds: Bounds = ROOMY, policy: dict[str, Any] = POLICY) -> Recorder:
    return Recorder(landing / "night", GR1, CHOSEN, HORIZON, policy, bounds=bounds)


def wave(part: str, row: int) -> np.ndarray:
    """Slow and smooth, within every joint's limits."""
    part_ = GR1.action_part(part)
    low, high = np.array(part_.limits).T if part_.limits else (-np.ones(part_.dim), np.ones(part_.dim))
    return (low + high) / 2 + 0.2 * (high - low) * np.sin(2 * np.pi * 0.5 * row / 20 + np.arange(part_.dim))


def picture(row: int) -> np.ndarray:
    frame = np.full((32, 32, 3), 90, dtype=np.uint8)
    frame[8:18, row % 22 : row % 22 + 8] = (220, 30, 30)
    return frame


def observation(row: int, text: str = "follow the red square") -> dict[str, object]:
    seen: dict[str, object] = {f"video.{name}": picture(row)[None] for name in CHOSEN.cameras}
    seen |= {f"state.{name}": wave(name, row - 1)[None] for name in CHOSEN.state}
    return seen | {CHOSEN.language: [text]}


def chunk(row: int, steps: int = HORIZON) -> dict[str, np.ndarray]:
    return {f"action.{name}": np.stack([wave(name, row + i) for i in range(steps)]) for name in CHOSEN.action}


def step(row: int, *, replan: int = 8, **changes: Any) -> Step:
    """Row of an episode that asks every ``replan`` steps and does what was answered."""
    first = row - row % replan
    fields = {
        "observation": observation(row),
        "action": {f"action.{name}": wave(name, row) for name in CHOSEN.action},
        "time_s": 1000 + row * PERIOD_S,
        "proposed": chunk(first) if row == first else None,
        "proposed_step": row - first,
    }
    return Step(**(fields | changes))


def tell(to: Recorder, name: str, rows: int = 40, success: bool | None = True, client: str = "a") -> None:
    for row in range(rows):
        to.record(client, record_payload(name, [step(row)]))
    assert to.end_episode(client, end_payload(name, success)) == {"episode": name, "rows": rows}


def wait(until: Callable[[], object], most_s: float = 20.0) -> None:
    end_s = time.monotonic() + most_s
    while not until():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.02)
