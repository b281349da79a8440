"""``accelerate launch -m gr00t_model.training.entry RUN.json``: train the run whose folder holds that file."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from gr00t_data.locks import locked
from gr00t_model.loop.progress import say
from gr00t_model.loop.stop import INTERRUPTED_STATUS, StopRequest
from gr00t_model.training.key import PolicyRun

USAGE = "usage: accelerate launch -m gr00t_model.training.entry RUN.json"


def main(arguments: list[str]) -> int:
    """Exit status: 0 complete, 75 stopped with its state saved, 2 wrong usage; errors are raised."""
    if len(arguments) != 1 or not arguments[0].endswith("RUN.json"):
        say(f"{USAGE}\n(the file is made by `gr00t train`, one for each run folder)")
        return 2
    run = PolicyRun(Path(arguments[0]).absolute().parent)
    with StopRequest() as stop, _alone(run):
        # torch takes seconds to import: a signal in that time must already be heard.
        from gr00t_model.training.train import train

        outcome = train(run, stop)
    if outcome.steps_done == 0 and outcome.state == "complete":
        say(outcome.message)
    return 0 if outcome.state == "complete" else INTERRUPTED_STATUS


def _alone(run: PolicyRun) -> AbstractContextManager[None]:
    """Rank 0 waits for a trainer of the same run that is still saving its state because its parent was killed."""
    return locked(run.root / "trainer.lock") if os.environ.get("RANK", "0") == "0" else nullcontext()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
