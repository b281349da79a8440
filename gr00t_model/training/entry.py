"""``accelerate launch -m gr00t_model.training.entry RUN.json``: train the policy whose run folder holds that file."""

import sys

from gr00t_model.loop.entry import enter
from gr00t_model.loop.run import Outcome
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.key import PolicyRun


def _train(run: PolicyRun, stop: StopRequest) -> Outcome:
    from gr00t_model.training.train import train

    return train(run, stop)


if __name__ == "__main__":
    sys.exit(enter(sys.argv[1:], PolicyRun, _train, "gr00t train"))
