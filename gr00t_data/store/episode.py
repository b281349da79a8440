"""Episode: one demonstration on one clock. EpisodeRow: what a store says of it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.store.texts import Changes


@dataclass(frozen=True)
class Episode:
    """One demonstration, all signals on one clock. Arrays become read-only; lengths are checked on creation.

    Attributes:
        instruction: what the robot was asked to do from row 0 on; may be empty (a check rejects it later).
        times_s: float64 [T], seconds, the clock of the rows.
        state: float64 [T, S], all state parts of the embodiment side by side, in their units.
        action: float64 [T, A], all action parts side by side, in their units.
        video: camera name -> uint8 [T, H, W, 3] RGB frames, or the path of an mp4 to take over without re-encoding.
        success: whether the demonstration reached its goal; None when nobody said.
        source: where it came from.
        columns: further columns kept beside the data, name -> int64, float64 or bool [T], or float32 [T, W]: for
            example the recorded stamps.
        text_changes: (row, text) of each row from which on it was asked to do something else.
    """

    instruction: str
    times_s: np.ndarray
    state: np.ndarray
    action: np.ndarray
    video: dict[str, np.ndarray | Path] = field(default_factory=dict)
    success: bool | None = None
    source: EpisodeSource = field(default_factory=EpisodeSource)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    text_changes: Changes = ()

    def __post_init__(self) -> None:
        for name in ("times_s", "state", "action"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.times_s.ndim != 1 or self.state.ndim != 2 or self.action.ndim != 2:
            raise ValueError(
                f"episode {self.instruction!r}: times_s must be [T], state and action [T, D]; "
                f"found {self.times_s.shape}, {self.state.shape}, {self.action.shape}"
            )
        lengths = {"times_s": len(self.times_s), "state": len(self.state), "action": len(self.action)}
        lengths |= {f"column {k}": len(v) for k, v in self.columns.items()}
        lengths |= {f"video {k}": len(v) for k, v in self.video.items() if isinstance(v, np.ndarray)}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"episode {self.instruction!r}: lengths differ: {lengths}")

    def __len__(self) -> int:
        return len(self.times_s)


@dataclass(frozen=True)
class EpisodeRow:
    """One line of ``meta/episodes.jsonl``.

    Attributes:
        index: the episode's number (numbers may have gaps in foreign data).
        length: rows declared by the metadata.
        tasks: every text the episode lists, the instruction first.
        success: whether the demonstration reached its goal; None when the metadata does not say.
        source: where the episode came from, as recorded; empty when the metadata does not say.
    """

    index: int
    length: int
    tasks: tuple[str, ...]
    success: bool | None = None
    source: EpisodeSource = field(default_factory=EpisodeSource)

    @property
    def instruction(self) -> str:
        """The first text of the episode, or an empty string."""
        return self.tasks[0] if self.tasks else ""
