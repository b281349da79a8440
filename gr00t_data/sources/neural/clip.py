"""Clip: one generated video before it is an episode; Found: all of a drop."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.store.provenance import Refusal


@dataclass(frozen=True)
class Clip:
    """One generated clip.

    Attributes:
        name: its path within the drop.
        videos: view -> mp4; the view is an empty text when nobody has cut the picture yet.
        instruction: what the clip was asked to show; may be empty.
        embodiment: the robot it shows, as the drop says; None when it does not say.
        view: the layout of the picture, as the drop says (see ``views.LAYOUTS``); None when it does not say.
        fps: frames a second of the motion, as the drop says; None leaves it to the container.
        time_warp: seconds of the robot that one second of the clip stands for.
        made: how it was made: model, adapter_sha256, seed, prompt, first_frame_sha256, sampler, licence, ...
        action: float64 [frames, A] when the drop has labels of its own, one a frame; None when it has none.
        notes: what was found and repaired.
        first_frame: the picture (PNG or JPEG) that it was to begin with; None when the drop does not hold it.
    """

    name: str
    videos: dict[str, Path]
    instruction: str
    embodiment: str | None = None
    view: str | None = None
    fps: float | None = None
    time_warp: float = 1.0
    made: dict[str, Any] = field(default_factory=dict)
    action: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    first_frame: Path | None = None


@dataclass(frozen=True)
class Found:
    """What a drop holds.

    Attributes:
        form: how the clips are laid out: ``manifest``, ``labels``, ``names`` or ``GR00T-Dreams dataset``.
        refused: what the drop names and does not hold, with reasons.
        findings: defects of the drop as a whole, each with what was done about it.
    """

    form: str
    clips: tuple[Clip, ...]
    refused: tuple[Refusal, ...] = ()
    findings: tuple[str, ...] = ()
