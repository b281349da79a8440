"""A damaged run folder: what cannot be read is set aside, so that the same training goes on from what is whole."""

from collections.abc import Callable, Iterator
from pathlib import Path

from gr00t_data.integrity import require_intact
from gr00t_model.groot.weights.nvidia import stored_tensors
from gr00t_model.loop.run import RunFolder
from gr00t_model.loop.state import check_state
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.key import PolicyRun

ASIDE = "damaged"
"""Folder of a run that holds what was set aside."""


def mend(run: RunFolder) -> list[dict[str, str]]:
    """Move every part of a run folder that cannot be read to its folder ``damaged``; a row for each: what, and why.

    A run whose checkpoint was set aside is not complete any more: training it again writes the checkpoint from the last
    state.
    """
    rows = []
    for path, check in _parts(run):
        try:
            check()
        except (ValueError, OSError) as error:
            target = _free(run.root / ASIDE / path.name)
            target.parent.mkdir(exist_ok=True)
            path.rename(target)
            rows.append({"set aside": path.relative_to(run.root).as_posix(), "why": str(error).splitlines()[0]})
    return rows


def _parts(run: RunFolder) -> Iterator[tuple[Path, Callable[[], object]]]:
    states = run.states.iterdir() if run.states.is_dir() else ()
    for state in sorted(one for one in states if one.name.isdigit()):
        yield state, lambda state=state: check_state(state)
    if run.run_json.exists():  # before what is read with it
        yield run.run_json, run.fields
    if (run.root / "outcome.json").exists():
        yield run.root / "outcome.json", run.outcome
    if run.metrics.exists():
        yield run.metrics, run.records
    if isinstance(run, PolicyRun):
        exports = sorted(run.exports.iterdir()) if run.exports.is_dir() else []
        for folder in (run.checkpoint, run.fresh_base, *exports):
            if folder.exists():
                yield folder, lambda folder=folder: _whole(folder, folder != run.fresh_base)


def _whole(folder: Path, checkpoint: bool) -> None:
    if checkpoint:
        Checkpoint.load(folder)
    stored_tensors(folder)
    require_intact(folder)


def _free(path: Path) -> Path:
    """A name beside ``path`` that nothing has."""
    names = (path if not number else path.with_name(f"{path.name}.{number}") for number in range(10_000))
    return next(name for name in names if not name.exists())
