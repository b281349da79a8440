"""A small robot, and recordings of it in memory."""

from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.sources.recordings.clocks import NS
from gr00t_data.sources.recordings.streams import CameraStream, FrameReader, RawEpisode, Stream

RIG = """
name: rig
description: three joints, a gripper and a camera
slot: 31
control_hz: 20.0
action_horizon: 4
tolerance_s: 0.025
language_key: annotation.human.task_description
cameras:
  - {name: front_view, role: front, column: observation.images.front_view}
state:
  - {name: arm, joints: [joint_1, joint_2, joint_3], unit: rad, limits: [-3.0, 3.0], normalization: min_max}
  - {name: gripper, joints: [gripper], unit: "1", limits: [0, 1], normalization: min_max}
action:
  - {name: arm, joints: [joint_1, joint_2, joint_3], unit: rad, limits: [-3.0, 3.0], normalization: min_max}
  - {name: gripper, joints: [gripper], unit: "1", limits: [0, 1], dtype: int64, normalization: binary}
selections:
  all: {cameras: [front_view], state: [arm, gripper], action: [arm, gripper]}
default_selection: all
"""


def rig(folder: Path, **changes: str) -> Embodiment:
    """The robot, with lines of its file replaced: ``rig(tmp_path, **{"control_hz: 20.0": "control_hz: 10.0"})``."""
    text = RIG
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "rig.yaml"
    path.write_text(text)
    return load_embodiment(path)


def stamps(hz: float, seconds: float, start_s: float = 0.0) -> np.ndarray:
    """int64 [N] even stamps in nanoseconds."""
    return (start_s * NS + np.arange(round(seconds * hz)) * NS / hz).round().astype(np.int64)


def motion(times_ns: np.ndarray, dims: int = 3) -> np.ndarray:
    """float64 [N, dims]: sines of 0.3 to 0.5 Hz."""
    seconds = times_ns[:, None] / NS
    return np.sin(2 * np.pi * (0.3 + 0.1 * np.arange(dims)) * seconds)


def stream(hz: float = 20.0, seconds: float = 2.0, kind: Any = "joint", dims: int = 3, **fields: Any) -> Stream:
    """A stream that follows ``motion``."""
    times_ns = fields.pop("times_ns", stamps(hz, seconds))
    values = fields.pop("values", None)
    return Stream(kind, times_ns, motion(times_ns, dims) if values is None else values, **fields)


def camera(hz: float = 20.0, seconds: float = 2.0, **fields: Any) -> CameraStream:
    """A camera whose picture n is all n."""
    times_ns = fields.pop("times_ns", stamps(hz, seconds))
    return CameraStream(times_ns, FrameReader(lambda n: np.full((16, 16, 3), n % 256, np.uint8)), **fields)


def raw(**changes: Any) -> RawEpisode:
    """An episode with all streams at 20 Hz for two seconds."""
    fields: dict[str, Any] = {
        "name": "demo",
        "state": {"arm": stream(), "gripper": stream(dims=1)},
        "action": {"arm": stream(kind="command"), "gripper": stream(kind="binary", dims=1)},
        "cameras": {"front_view": camera()},
        "instruction": "press the button",
    }
    return RawEpisode(**{**fields, **changes})
