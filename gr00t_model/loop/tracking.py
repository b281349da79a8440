"""Metrics to TensorBoard, Weights & Biases or MLflow, through accelerate's trackers.

Each keeps one curve however often a training is killed: steps that a state forgot are done again, with the same
values, and told once. What a tracker has not been told yet, such as one that is named when a run goes on, it is told
from ``metrics.jsonl``. Nothing leaves the machine unless ``WANDB_MODE`` or ``MLFLOW_TRACKING_URI`` says so.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gr00t_data.disk import write_text
from gr00t_model.loop.config import ConfigError, Machine, TrackerName, flattened, validated
from gr00t_model.loop.run import RunFolder

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

_INSTALLED_BY = {
    "tensorboard": "pip install tensorboard",
    "wandb": "pip install wandb",
    "mlflow": "pip install mlflow-skinny (or mlflow)",
}
_PROJECT = "gr00t-training"
"""Of Weights & Biases and MLflow, unless WANDB_PROJECT or MLFLOW_EXPERIMENT_NAME name another; as published."""
_LONGEST_ID = 64

Record = Mapping[str, float]


def with_trackers(machine: Machine, names: Sequence[str]) -> Machine:
    """``machine`` telling the trackers ``names``; as it is where none is named.

    Raises:
        ConfigError: no such tracker, or its library is not installed.
    """
    named = validated(Machine, machine.model_dump() | ({"track": names} if names else {}), "track")
    require_trackers(named.track)
    return named


def require_trackers(names: Iterable[TrackerName]) -> None:
    """Raises:
    ConfigError: the library of a tracker is not installed; says how to install it.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"machine.track: {name} needs a library that is not installed: {_INSTALLED_BY[name]}, or leave it out"
            )


@dataclass(frozen=True)
class _Opened:
    """A tracker.

    Attributes:
        known: the last step it knows already.
        settle: waits for its files, where finishing does not.
    """

    tracker: "GeneralTracker"
    known: int
    settle: Callable[[], None] = lambda: None


class Trackers:
    """The trackers of one start of a training."""

    def __init__(self, run: RunFolder, names: Sequence[TrackerName], first_step: int, kept: Sequence[Record]) -> None:
        """Open them.

        Args:
            first_step: optimizer steps behind the weights.
            kept: what was logged up to there, oldest first.

        Raises:
            ConfigError: a library is not installed.
        """
        require_trackers(names)
        self._opened = [_OPEN[name](run, first_step) for name in dict.fromkeys(names)]
        for record in kept:
            self.log(record)

    def log(self, record: Record) -> None:
        """Numbers of one step; ``step`` is one of them."""
        step = int(record["step"])
        values = {name: value for name, value in record.items() if name not in ("step", "wall_s")}
        for one in self._opened:
            if step > one.known:
                one.tracker.log(values, step=step)

    def close(self) -> None:
        """Write what is left."""
        for one in self._opened:
            one.tracker.finish()
            one.settle()


def _tensorboard(run: RunFolder, first_step: int) -> _Opened:
    """TensorBoard drops what an earlier start wrote beyond ``first_step``."""
    from accelerate.tracking import TensorBoardTracker

    known = first_step if run.tensorboard.is_dir() and any(run.tensorboard.iterdir()) else 0
    folder = run.tensorboard
    tracker = TensorBoardTracker(folder.name, logging_dir=str(folder.parent), purge_step=known + 1)
    tracker.start()
    return _Opened(tracker, known)


def _wandb(run: RunFolder, first_step: int) -> _Opened:
    """One run of Weights & Biases. Offline files hold a start each and know nothing of each other: those of an earlier
    start are written anew from the first step on.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb  # pyright: ignore[reportMissingImports] - an extra
    from accelerate.tracking import WandBTracker

    mode = os.environ.get("WANDB_MODE", "offline")
    name = _name(run)
    if mode == "offline":
        for folder in (run.root / "wandb").glob(f"offline-run-*-{name}"):
            shutil.rmtree(folder)
    tracker = WandBTracker(
        os.environ.get("WANDB_PROJECT", _PROJECT),
        dir=str(run.root),
        id=name,
        name=name,
        mode=mode,
        resume="allow",
        settings=wandb.Settings(console="off", silent=True),
    )
    tracker.start()
    known = tracker.tracker.starting_step - 1
    if known < 1:
        tracker.store_init_configuration(_told_of(run))
    return _Opened(tracker, max(known, 0), wandb.teardown)


def _mlflow(run: RunFolder, first_step: int) -> _Opened:
    """One run of MLflow, whose number is kept in the run folder."""
    # The files of a run folder are enough here; the server of a team is named by the variable.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow  # pyright: ignore[reportMissingImports] - an extra
    from accelerate.tracking import MLflowTracker

    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", (run.root / "mlflow").absolute().as_uri()))
    note = run.root / "mlflow_run"
    former = note.read_text().strip() if note.is_file() else None
    tracker = MLflowTracker(_PROJECT, run_id=former, run_name=None if former else _name(run))
    tracker.start()
    current = tracker.tracker.info.run_id
    told = mlflow.MlflowClient().get_metric_history(current, "loss")
    if not told:
        tracker.store_init_configuration(_told_of(run))
        write_text(note, f"{current}\n")
    return _Opened(tracker, max((metric.step for metric in told), default=0))


_OPEN: dict[TrackerName, Callable[[RunFolder, int], _Opened]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}


def _name(run: RunFolder) -> str:
    """Unlike that of any other run: a run folder is named by its key, or lies in a folder that is."""
    own = run.root.name if run.run_json.is_file() else f"{run.root.absolute().parent.name}-{run.root.name}"
    return own[-_LONGEST_ID:]


def _told_of(run: RunFolder) -> dict[str, Any]:
    """The configuration as one level of dotted names, where the run folder has one."""
    fields = flattened(run.fields()) if run.run_json.is_file() else {}
    return {name: one if isinstance(one, bool | int | float | str) else str(one) for name, one in fields.items()}
