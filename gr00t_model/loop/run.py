"""A run: its key (what it depends on), its folder (what it leaves), its outcome. No torch."""

import json
import resource
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from gr00t_data.disk import write_text
from gr00t_data.integrity import IntegrityError, read_sealed, write_sealed
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


MARK, _LOGGED = "crc32", "logged"
"""Field of a line of metrics, and of the outcome: the mark of a line goes on from that of the line before it."""


def marked(record: Mapping[str, float], before: str) -> tuple[str, str]:
    """A line of metrics and its mark.

    Args:
        before: mark of the line before it.
    """
    mark = f"{zlib.crc32(json.dumps(record).encode(), zlib.crc32(before.encode())):08x}"
    return json.dumps({**record, MARK: mark}) + "\n", mark


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
            written = read_sealed(self.run_json, "`gr00t train` with the same recipe and settings writes it again")
        except ValueError as error:
            raise ConfigError(str(error)) from error
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
        return self._ended()[0]

    def _ended(self) -> tuple[Outcome | None, str]:
        """The outcome and, of a complete run, the mark of the last line that was logged."""
        path = self.root / "outcome.json"
        if not path.is_file():
            return None, ""
        try:
            fields = dict(read_sealed(path))
            logged = fields.pop(_LOGGED, "")
            outcome = Outcome.model_validate(fields)
            return outcome, logged if outcome.state == "complete" else ""
        except (TypeError, ValueError) as error:
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
        last = self._ended()[1] or self._logged()[1]
        write_sealed(self.root / "outcome.json", outcome.model_dump() | {_LOGGED: last})

    def clear_outcome(self) -> None:
        """Forget the former outcome: from here on, no outcome means a trainer that crashed."""
        (self.root / "outcome.json").unlink(missing_ok=True)

    def records(self) -> list[dict[str, float]]:
        """The logged metrics, oldest first; empty when nothing was logged.

        Raises:
            DamagedRun: the file cannot be read, or is not the one that this run wrote.
        """
        found, last = self._logged()
        if self.metrics.is_file() and last != (told := self._ended()[1] or last):
            raise DamagedRun(self.root, self.metrics, f"ends with the mark {last!r}, its outcome.json says {told!r}")
        return found

    def _logged(self) -> tuple[list[dict[str, float]], str]:
        """The logged metrics and the mark of the last line."""
        if not self.metrics.is_file():
            return [], ""
        whole = self.metrics.read_bytes().rpartition(b"\n")[0]  # a full disk may have torn the last line
        try:
            return self._unmarked([line for line in whole.splitlines() if line.strip()])
        except (AttributeError, ValueError) as error:
            raise DamagedRun(self.root, self.metrics, f"holds a line that was not written so ({error})") from error

    def _unmarked(self, texts: list[bytes]) -> tuple[list[dict[str, float]], str]:
        lines: list[dict[str, Any]] = [json.loads(text) for text in texts]
        marks = [line.pop(MARK, "") for line in lines]
        if any(marks) or any(isinstance(value, str) for line in lines for value in line.values()):
            before = self._first_mark
            for number, (line, text, found) in enumerate(zip(lines, texts, marks, strict=True), start=1):
                written, before = marked(line, before)
                if before != found:
                    raise IntegrityError(f"line {number} has the mark {found!r}, expected {before!r}")
                if written.encode() != text + b"\n":
                    raise IntegrityError(f"line {number} has other bytes than were written, of the same value")
        return lines, next(reversed(marks), "")

    @property
    def _first_mark(self) -> str:
        """What the marks of a run begin with: metrics of another run are not taken for its own."""
        return self.key if self.run_json.is_file() else ""

    def write_records(self, records: Iterable[Mapping[str, float]]) -> str:
        """Replace the logged metrics; returns the mark of the last line."""
        lines, mark = [], self._first_mark
        for record in records:
            line, mark = marked(record, mark)
            lines.append(line)
        write_text(self.metrics, "".join(lines))
        return mark

    def last_losses(self) -> dict[str, float]:
        """The losses logged last; empty when nothing was logged."""
        last = dict(next(reversed(self.records()), {}))
        return {name: value for name, value in last.items() if name not in NOT_LOSSES}
