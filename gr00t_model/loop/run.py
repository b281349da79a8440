"""A run: its key (what it depends on), its folder (what it leaves), its outcome. No torch."""

import json
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from gr00t_data.disk import read_json, write_json
from gr00t_data.settings import Settings
from gr00t_model.loop.config import ConfigError, Machine


class DamagedRun(ValueError):
    """A file of a run folder that cannot be read; the message names it, and the command that mends the folder."""

    def __init__(self, root: Path, path: Path, found: object) -> None:
        super().__init__(
            f"{path}: {found}; `gr00t checkpoints {root} --mend` sets aside what is damaged, and the same training "
            "command goes on from what is whole"
        )


class Outcome(Settings):
    """What a trainer wrote when it ended.

    Attributes:
        state: ``complete``, or ``interrupted`` with its state saved.
        step: optimizer steps behind the saved weights.
        steps_done: optimizer steps done since this start; 0 when the run was complete already.
        message: one sentence for people.
        losses: last logged value of each loss.
        peak_memory_bytes: largest resident memory of rank 0.
    """

    state: Literal["interrupted", "complete"]
    step: int
    steps_done: int
    message: str
    losses: dict[str, float]
    peak_memory_bytes: int


def peak_memory_bytes() -> int:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


NOT_LOSSES = ("step", "lr", "gradient_norm", "steps_per_s", "wall_s")
"""What a line of metrics holds beside the losses."""


def list_states(states: Path) -> list[int]:
    """Steps of the whole states in ``states``, ascending. Remains of a killed writer start with a dot: left out."""
    if not states.is_dir():
        return []
    return sorted(int(folder.name) for folder in states.iterdir() if folder.is_dir() and folder.name.isdigit())


@dataclass(frozen=True)
class RunFolder:
    """The files of one run. Nothing is created by asking for a path.

    Attributes:
        trainer: the module that trains runs of this kind, started with the path of their ``RUN.json``.
    """

    trainer: ClassVar[str] = ""

    root: Path

    @property
    def run_json(self) -> Path:
        """The resolved configuration and the key."""
        return self.root / "RUN.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a logged step."""
        return self.root / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """The same numbers for TensorBoard."""
        return self.root / "tensorboard"

    @property
    def states(self) -> Path:
        """Resumable states, one folder each, named by step."""
        return self.root / "states"

    @property
    def product(self) -> Path:
        """What the run leaves, in a folder that appears by one rename."""
        return self.root / "checkpoint"

    def fields(self) -> dict[str, Any]:
        """The configuration in ``RUN.json``, as it is written there.

        Raises:
            ConfigError: no such file, or one that does not hold a configuration.
        """
        return self._written()["config"]

    def _written(self) -> dict[str, Any]:
        if not self.run_json.is_file():
            raise ConfigError(f"{self.run_json}: no such file; make it with `gr00t train --recipe NAME`")
        try:
            written = read_json(self.run_json)
        except ValueError as error:
            raise ConfigError(f"{error}; `gr00t train` with the same recipe and settings writes it again") from error
        if not isinstance(written, dict) or not {"key", "config"} <= set(written):
            raise ConfigError(f"{self.run_json}: expected the fields key and config")
        return written

    @property
    def machine(self) -> Machine:
        """What it runs on; ConfigError as ``fields``."""
        return Machine.model_validate(self.fields()["machine"])

    @property
    def key(self) -> str:
        """The key the run was made with; ConfigError as ``fields``."""
        return self._written()["key"]

    def outcome(self) -> Outcome | None:
        """What the last trainer wrote; None while none has ended by itself.

        Raises:
            DamagedRun: the file cannot be read.
        """
        path = self.root / "outcome.json"
        try:
            return Outcome.model_validate(read_json(path)) if path.is_file() else None
        except ValueError as error:
            raise DamagedRun(self.root, path, str(error).splitlines()[0]) from error

    def finished(self) -> Outcome | None:
        """The outcome of a run that did its last step and left its product, with no step done now; else None."""
        former = self.outcome()
        if former is None or former.state != "complete" or not self.product.is_dir():
            return None
        told = f"{self.root}: complete already, nothing was done"
        return former.model_copy(update={"steps_done": 0, "message": told})

    def write_outcome(self, outcome: Outcome) -> None:
        """Leave ``outcome`` for whoever started the trainer (an exit status does not pass through accelerate)."""
        write_json(self.root / "outcome.json", outcome.model_dump())

    def clear_outcome(self) -> None:
        """Forget the former outcome: from here on, no outcome means a trainer that crashed."""
        (self.root / "outcome.json").unlink(missing_ok=True)

    def records(self) -> list[dict[str, float]]:
        """The logged metrics, oldest first; empty when nothing was logged.

        Raises:
            DamagedRun: the file cannot be read.
        """
        if not self.metrics.is_file():
            return []
        whole = self.metrics.read_bytes().rpartition(b"\n")[0]  # a full disk may have torn the last line
        try:
            return [json.loads(line) for line in whole.splitlines() if line.strip()]
        except ValueError as error:
            raise DamagedRun(self.root, self.metrics, f"holds a line that is no JSON ({error})") from error

    def last_losses(self) -> dict[str, float]:
        """The losses logged last; empty when nothing was logged."""
        last = dict(next(reversed(self.records()), {}))
        return {name: value for name, value in last.items() if name not in NOT_LOSSES}
