"""How many values the model sees of a robot, and whether the released weights take as many."""

from collections.abc import Mapping, Sequence

from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.rotations import WIDTHS

STATE_WIDTH, ACTION_WIDTH = 64, 32
"""``max_state_dim`` and ``max_action_dim`` of GR00T N1.5 (its config.json)."""


def model_width(parts: Sequence[Part], modes: Mapping[str, str], rotations: Mapping[str, str]) -> int:
    """Dimensions of parts as the network sees them: rotations converted, angles as sine and cosine."""
    widths = []
    for part in parts:
        target = rotations.get(part.name)
        width = WIDTHS[target] if target else part.dim
        widths.append(2 * width if modes.get(part.name, part.normalization) == "sin_cos" else width)
    return sum(widths)


def too_wide(robot: Embodiment) -> str:
    """Why the default selection of a robot does not fit the released weights; empty when it does."""
    chosen = robot.selection()
    state, action = [robot.state_part(name) for name in chosen.state], [robot.action_part(n) for n in chosen.action]
    sides = (
        ("state", state, model_width(state, chosen.state_normalization, chosen.state_rotations), STATE_WIDTH),
        ("action", action, model_width(action, chosen.action_normalization, chosen.action_rotations), ACTION_WIDTH),
    )
    for side, parts, width, limit in sides:
        if width > limit:
            each = ", ".join(f"{part.name} {part.dim}" for part in parts)
            return (
                f"embodiment {robot.name!r}: its selection {chosen.name!r} has {width} {side} values, the model takes "
                f"{limit} ({each}); name fewer parts under selections.{chosen.name}.{side}, or make a selection that "
                "does default_selection: the store keeps every part"
            )
    return ""
