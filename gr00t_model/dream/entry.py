"""``accelerate launch -m gr00t_model.dream.entry RUN.json``: train the world model whose run folder holds that file."""

import sys

from gr00t_model.dream.run import DreamRun
from gr00t_model.loop.entry import enter
from gr00t_model.loop.run import Outcome
from gr00t_model.loop.stop import StopRequest


def _train(run: DreamRun, stop: StopRequest) -> Outcome:
    from gr00t_model.dream.train import train

    return train(run, stop)


if __name__ == "__main__":
    sys.exit(enter(sys.argv[1:], DreamRun, _train, "gr00t dream train"))
