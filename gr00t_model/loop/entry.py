"""The entry of a trainer: ``accelerate launch -m TRAINER RUN.json`` trains the run whose folder holds that file."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

from gr00t_data.locks import locked
from gr00t_model.loop.progress import say
from gr00t_model.loop.run import Outcome, RunFolder
from gr00t_model.loop.stop import INTERRUPTED_STATUS, StopRequest

Run = TypeVar("Run", bound=RunFolder)


def enter(arguments: list[str], kind: type[Run], train: Callable[[Run, StopRequest], Outcome], made_by: str) -> int:
    """Exit status: 0 complete, 75 stopped with its state saved, 2 wrong usage; errors are raised.

    Args:
        train: imports torch, which takes seconds, when it is called: a signal in that time must already be heard.
        made_by: the command that makes such runs.
    """
    if len(arguments) != 1 or not arguments[0].endswith("RUN.json"):
        say(f"usage: accelerate launch -m {kind.trainer} RUN.json")
        say(f"(the file is made by `{made_by}`, one for each run folder)")
        return 2
    run = kind(Path(arguments[0]).absolute().parent)
    with StopRequest() as stop, _alone(run):
        outcome = train(run, stop)
    if outcome.steps_done == 0 and outcome.state == "complete":
        say(outcome.message)
    return 0 if outcome.state == "complete" else INTERRUPTED_STATUS


def _alone(run: RunFolder) -> AbstractContextManager[None]:
    """Rank 0 waits for a trainer of the same run that is still saving its state because its parent was killed."""
    return locked(run.root / "trainer.lock") if os.environ.get("RANK", "0") == "0" else nullcontext()
