"""Whether the robots of a run fit the network: their dimensions, their horizon, their slots."""

from pathlib import Path

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.embodiment.widths import model_width
from gr00t_data.horizon import chunk_steps
from gr00t_model.groot.config import GrootConfig
from gr00t_model.loop.config import ConfigError
from gr00t_model.training.config import Mixture, TrainConfig


def require_fitting(config: TrainConfig, sizes: GrootConfig) -> None:
    """Refuse a robot that has more dimensions, steps or slots than the network.

    Raises:
        ConfigError: it does; names the robot, both numbers and what to change.
    """
    for mixture in config.data.mixtures:
        _require(mixture, sizes)


def _require(mixture: Mixture, sizes: GrootConfig) -> None:
    robot, head = load_embodiment(mixture.embodiment), sizes.action_head
    wanted = MixtureManifest.load(Path(mixture.manifest)).selection if mixture.manifest else None
    chosen = robot.selection(wanted)
    state = [robot.state_part(name) for name in chosen.state]
    action = [robot.action_part(name) for name in chosen.action]
    wide = model_width(state, chosen.state_normalization, chosen.state_rotations)
    acting = model_width(action, chosen.action_normalization, chosen.action_rotations)
    sides = (("state", wide, head.max_state_dim, "max_state_dim"), ("action", acting, head.action_dim, "action_dim"))
    for side, width, limit, field in sides:
        if width > limit:
            raise ConfigError(
                f"embodiment {robot.name!r}: its {side} has {width} dimensions in the selection {chosen.name!r}, the "
                f"model takes {limit}; select fewer parts, or widen the model "
                f"(--set model.changes.action_head_cfg.{field}={width})"
            )
    try:
        chunk_steps(robot, head.action_horizon, mixture.acting_steps or None)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if robot.slot >= head.max_num_embodiments:
        raise ConfigError(
            f"embodiment {robot.name!r}: uses slot {robot.slot}, the model has {head.max_num_embodiments} (0 to "
            f"{head.max_num_embodiments - 1}); give the embodiment one of those"
        )
