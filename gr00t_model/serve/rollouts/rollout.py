"""One episode that a served policy acts in, while it is recorded: rows in memory, pictures encoded as they come."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rates import SAME_SHARE
from gr00t_data.sources.recordings.images import even_size
from gr00t_data.stages.interventions import INTERVENTION
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource, Facts
from gr00t_data.store.texts import changes_in
from gr00t_data.video.cutting import retime
from gr00t_data.video.files import encoding

RECORDED = "recorded_s"
PROPOSED, PROPOSED_STEP, PROPOSED_STEPS = "proposed_action", "proposed_step", "proposed_steps"
"""Columns of a rollout beside those of every episode.

``intervention``: bool, a person acted in place of the policy. ``recorded_s``: the stamp of the row as it was told,
seconds of that clock. ``proposed_action``: float32, the chunk that was being executed, its steps one after the other,
each as wide as ``action``, zeros where the policy commands nothing; ``proposed_steps`` of them are real.
``proposed_step``: int64, the one that was due at this row; -1: none was.
"""
_HOLE_PERIODS = 1.5


@dataclass(frozen=True)
class Row:
    """One row of it.

    Attributes:
        time_s: of the clock of whoever tells it.
        state: float64 [S]; zeros where the policy reads nothing.
        action: float64 [A] that was executed; None: nobody said.
        pictures: camera -> uint8 [H, W, 3].
        chunk: float32 [steps, A] that was proposed; ``due``: its step that this row is.
    """

    time_s: float
    state: np.ndarray
    action: np.ndarray | None
    text: str
    pictures: dict[str, np.ndarray]
    intervention: bool = False
    chunk: np.ndarray | None = None
    due: int = -1

    @property
    def size_bytes(self) -> int:
        """Of its pictures."""
        return sum(picture.nbytes for picture in self.pictures.values())


class Rollout:
    """See the module. ``folder``: of its own, for its videos while they grow."""

    def __init__(self, name: str, folder: Path, embodiment: Embodiment, horizon: int) -> None:
        self.name, self.folder = name, folder
        self._embodiment, self._horizon = embodiment, horizon
        self._rows: list[Row] = []
        self._stack = ExitStack()
        self._put: dict[str, Callable[[np.ndarray], None]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def executed(self) -> bool:
        """Whether its actions are known."""
        return all(row.action is not None for row in self._rows)

    def add(self, row: Row) -> None:
        """Encode the pictures of a row and keep the rest of it. Raises DiskError: there is no room."""
        for camera, picture in row.pictures.items():
            if camera not in self._put:
                video = encoding(self.folder / f"{camera}.mp4", self._embodiment.control_hz)
                self._put[camera] = self._stack.enter_context(video)
            self._put[camera](even := even_size(picture))
            self.sizes[camera] = (even.shape[0], even.shape[1])
        self._rows.append(replace(row, pictures={}))

    def abandon(self, error: BaseException) -> None:
        """Take back what was written, because of an error, which is raised as the disk would explain it."""
        with self._stack:
            raise error

    def episode(self, success: bool | None, closed: str, facts: Facts) -> tuple[Episode, float]:
        """The episode, its videos complete, and its rows a second: the control rate, or what the stamps say where that
        is another one.

        Args:
            closed: what ended it.
            facts: further ones of its source.
        """
        self._stack.close()
        fps, rows = self._rate(), self._rows
        videos: dict[str, np.ndarray | Path] = {camera: self._at(camera, fps) for camera in self._put}
        wide = self._embodiment.action_dim
        actions = [np.zeros(wide) if row.action is None else row.action for row in rows]
        said = {**facts, "episode": self.name, "closed": closed, "interventions": sum(row.intervention for row in rows)}
        texts = [(number, row.text) for number, row in enumerate(rows)]
        episode = Episode(
            instruction=rows[0].text,
            times_s=np.arange(len(rows)) / fps,
            state=np.stack([row.state for row in rows]),
            action=np.stack(actions),
            video=videos,
            success=success,
            source=EpisodeSource.model_validate(said),
            columns=self._columns(wide),
            text_changes=changes_in(texts),
        )
        return episode, fps

    def _rate(self) -> float:
        hz, steps = self._embodiment.control_hz, np.diff(self._stamps())
        if not len(steps):
            return hz
        found = 1 / float(np.median(steps))
        return hz if abs(found - hz) <= 2 * SAME_SHARE * hz else float(f"{found:.2g}")

    def _stamps(self) -> np.ndarray:
        return np.array([row.time_s for row in self._rows])

    def _at(self, camera: str, fps: float) -> Path:
        path = self.folder / f"{camera}.mp4"
        if fps == self._embodiment.control_hz:
            return path
        retime(path, target := self.folder / f"{camera}-retimed.mp4", fps)
        return target

    def _columns(self, wide: int) -> dict[str, np.ndarray]:
        rows, stamps = self._rows, self._stamps()
        steps = np.diff(stamps, prepend=stamps[0])
        usual = float(np.median(steps[1:])) if len(rows) > 1 else 0.0
        chunks = np.zeros((len(rows), self._horizon, wide), dtype=np.float32)
        for number, row in enumerate(rows):
            if row.chunk is not None:
                chunks[number, : len(row.chunk)] = row.chunk
        return {
            RECORDED: stamps,
            INTERVENTION: np.array([row.intervention for row in rows]),
            PROPOSED: chunks.reshape(len(rows), -1),
            PROPOSED_STEP: np.array([row.due for row in rows], dtype=np.int64),
            PROPOSED_STEPS: np.array([0 if row.chunk is None else len(row.chunk) for row in rows], dtype=np.int64),
            # The row behind a hole: no chunk may reach over it (see ``curate.checks.masked``).
            "masked": (steps > _HOLE_PERIODS * usual).astype(np.int64),
        }
