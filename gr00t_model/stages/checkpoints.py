"""The checkpoints of a lake and the states of its runs, by name. No torch at import."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gr00t_data.lake import Lake
from gr00t_data.locks import locked
from gr00t_data.stages.names import UnknownName, named
from gr00t_model.lineage.chain import described_base
from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.run import DamagedRun, RunFolder, list_states
from gr00t_model.training.key import PolicyRun

AT = "@"
"""``RUN@STEP`` names the checkpoint of a run as it was at a step."""


def run_named(lake: Lake, text: str) -> PolicyRun:
    """A run by path, by name in the lake, by a part of its key, or by a pointer such as ``run_gr1``.

    Raises:
        UnknownName: there is none.
    """
    return PolicyRun(named(lake, text, lake.runs, "RUN.json").absolute())


def checkpoint_named(lake: Lake, text: str, at: int | None = None) -> Path:
    """A folder with a model by path, by name in the lake, by a part of its digest, or by a pointer; or a run as it was
    at a step, as ``RUN@STEP`` or with ``at``, which gets a name of its own in the lake.

    Raises:
        UnknownName: there is none.
        StateError: the run has no such state.
    """
    run, sign, step = text.rpartition(AT)
    if sign and step.isdigit() and not Path(text).exists():
        text, at = run, int(step)
    if at is None:
        folder = named(lake, text, lake.checkpoints, "config.json").absolute()
        if (folder / "adapter_config.json").is_file():
            raise UnknownName(f"{folder}: is an adapter, not a model; merge it first: `gr00t merge {folder} BASE INTO`")
        return folder
    from gr00t_model.training.checkpoint import publish
    from gr00t_model.training.runs.intermediate import checkpoint_at

    found = run_named(lake, text)
    with locked(found.root / "exports.lock"):
        made = checkpoint_at(found, at)
    with locked(lake.root / "locks" / "checkpoints"):
        return publish(made, lake.checkpoints)


def run_rows(lake: Lake) -> list[dict[str, Any]]:
    """A row for each run of the lake, the newest last."""
    found = sorted(lake.runs.glob("*/RUN.json"), key=lambda path: path.stat().st_mtime_ns) if lake.runs.is_dir() else []
    return [_run_row(PolicyRun(path.parent)) for path in found]


def _run_row(run: PolicyRun) -> dict[str, Any]:
    try:
        config, outcome = run.fields(), run.outcome()
        steps, base = config.get("steps", "?"), described_base(config.get("model", {}).get("base", ""), "")
        state = outcome.state if outcome else "begun"
    except (ConfigError, DamagedRun) as error:
        steps, base, state = "?", "?", str(error)
    reached = max(list_states(run.states), default=0)
    return {"run": run.root.name, "state": state, "step": f"{reached} of {steps}", "base": base}


def state_rows(run: PolicyRun) -> list[dict[str, Any]]:
    """A row for each state of a run, the first one first.

    Raises:
        ConfigError, DamagedRun: a small file of the run cannot be read.
    """
    outcome, losses = run.outcome(), {record["step"]: record.get("loss") for record in run.records()}
    last = outcome.step if outcome and outcome.state == "complete" and run.checkpoint.is_dir() else None
    steps: set[int] = {*list_states(run.states), *([last] if last is not None else [])}
    return [_state_row(run, step, losses.get(step), step == last) for step in sorted(steps)]


def _state_row(run: PolicyRun, step: int, loss: float | None, finished: bool) -> dict[str, Any]:
    state, export = run.states / f"{step:08d}", run.checkpoint if finished else run.exports / f"{step:08d}"
    folder = state if state.is_dir() else export
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    written = datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(sep=" ", timespec="seconds")
    return {
        "step": step,
        "loss": "-" if loss is None else f"{loss:.4f}",
        "MB": round(size / 1e6, 1),
        "written": written,
        "checkpoint": str(export) if export.is_dir() else f"--at {step} makes it",
    }


def mend_run(lake: Lake, text: str) -> tuple[RunFolder, list[dict[str, str]]]:
    """Set aside what is damaged in the folder of a run, whatever it trains, and say what that was.

    Raises:
        UnknownName: there is no such run. Busy: it is being trained.
    """
    from gr00t_model.training.runs.mending import mend

    folder = Path(text) if Path(text).is_dir() else named(lake, text, lake.runs)
    policy = (folder / "RUN.json").is_file() or (folder / "checkpoint").is_dir() or folder.parent == lake.runs
    if not policy and not (folder / "states").is_dir():
        raise UnknownName(f"{folder}: is no folder of a run: it holds neither RUN.json nor states")
    run = (PolicyRun if policy else RunFolder)(folder.absolute())
    with locked(run.root / "lock", wait=False), locked(run.root / "trainer.lock", wait=False):
        return run, mend(run)
