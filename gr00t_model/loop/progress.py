"""Progress of a run: one line for people, one JSON object for machines, and what its trackers are told."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gr00t_model.loop.config import TrackerName
from gr00t_model.loop.run import RunFolder, marked


def say(line: str) -> None:
    """One line on standard output, at once (the launcher forwards it)."""
    _write(line + "\n")


class Progress:
    """Writes what a step gave. On a terminal the line is rewritten in place, elsewhere lines follow each other."""

    def __init__(
        self,
        run: RunFolder,
        first_step: int,
        last_step: int,
        out: Callable[[str], None] | None = None,
        track: Sequence[TrackerName] = ("tensorboard",),
    ) -> None:
        from gr00t_model.loop.tracking import Trackers  # imports for seconds; `say` should not wait for it

        self._out = out or (_rewrite if sys.stdout.isatty() else say)
        self._first, self._last = first_step, last_step
        self._started_s = self._ticked_s = time.monotonic()
        self._ticked_step = first_step
        kept = [record for record in run.records() if record["step"] <= first_step]
        self._mark = run.write_records(kept)
        self._metrics = run.metrics.open("a")
        self._trackers = Trackers(run, track, first_step, kept)

    def close(self) -> None:
        """Close the files; on a terminal, leave the last line standing."""
        self._metrics.close()
        self._trackers.close()
        if self._out is _rewrite:
            say("")

    def log(self, step: int, losses: dict[str, float], lr: float, gradient_norm: float) -> None:
        """Report the means of the losses since the last report; ``step`` counts the steps done."""
        now_s = time.monotonic()
        steps_per_s = (step - self._ticked_step) / max(now_s - self._ticked_s, 1e-9)
        self._ticked_s, self._ticked_step = now_s, step
        overall = (step - self._first) / max(now_s - self._started_s, 1e-9)
        eta_s = (self._last - step) / overall if overall else 0.0
        record = {"step": step, **losses, "lr": lr, "gradient_norm": gradient_norm, "steps_per_s": steps_per_s}
        line, self._mark = marked({**record, "wall_s": round(now_s - self._started_s, 3)}, self._mark)
        self._metrics.write(line)
        self._metrics.flush()
        self._trackers.log(record)
        self._out(_line(step, self._last, losses, lr, steps_per_s, eta_s))


def _line(step: int, last: int, losses: dict[str, float], lr: float, steps_per_s: float, eta_s: float) -> str:
    others = ", ".join(f"{name} {value:.4f}" for name, value in losses.items() if name != "loss")
    parts = f" ({others})" if others else ""
    minutes, seconds = divmod(round(eta_s), 60)
    return (
        f"step {step}/{last}  loss {losses['loss']:.4f}{parts}  lr {lr:.2e}  "
        f"{steps_per_s:.2f} steps/s  ETA {minutes}:{seconds:02d}"
    )


def _rewrite(line: str) -> None:
    _write(f"\r\x1b[2K{line}")


def _write(text: str) -> None:
    """A reader that is gone must not keep the trainer from saving its state."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - stays open until the process ends
