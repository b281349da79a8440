"""Training a policy: its run folder to the last step, or to a stop."""

from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.run import Outcome
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.key import PolicyRun, run_key
from gr00t_model.training.objective import open_accelerator, open_loop

LIBRARIES = (
    "accelerate",
    "av",
    "numpy",
    "peft",
    "pyarrow",
    "safetensors",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
)
"""Another version of one of these can change what is learnt, to the last bit: it is another run."""


def train(run: PolicyRun, stop: StopRequest) -> Outcome:
    """Train ``run`` to its last step, or until ``stop`` says so, and leave a checkpoint.

    Raises:
        ConfigError: the folder's key does not fit its inputs and code any more, or the number of processes is wrong.
        ZeroStepError: no step was left to do, and the run is not complete.
        FloatingPointError: the gradient stopped being a number.
    """
    if former := run.finished():
        run.write_outcome(former)
        return former
    config = run.config()
    if (found := run_key(config)) != run.key:
        raise ConfigError(
            f"{run.run_json}: made for key {run.key[:16]}, but its inputs, configuration and this code give "
            f"{found[:16]}; something changed since: prepare a new run with the same recipe"
        )
    accelerator = open_accelerator(config)
    if accelerator.is_main_process:
        run.clear_outcome()
    outcome = open_loop(run, config, accelerator).go(stop)
    accelerator.end_training()
    return outcome
