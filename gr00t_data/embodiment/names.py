"""Names of joints as data sets write them, and what they say about the order of the joints of a robot file.

LeRobot writes ``shoulder_pan.pos`` (once main_shoulder_pan), as a list, a list in a list, ``{"motors": [..]}``
or ``{name: position}``; Unitree ``kLeftElbow``; ROS ``left_elbow_joint``. Names such as ``motor_0`` mean nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_DECORATION = re.compile(
    "main|follower|leader|joints?|pos|positions?|qpos|angle|state|actions?|target|goal|cmd|command|rad|radians?|deg|"
    "degrees?|observation|value|k"
)
"""Words that say of what kind a value is and not which joint it is of."""
_NOTHING = re.compile("motors?|dims?|dimension|channel|column|feature|values?|actions?|state|observation|x")
"""Words of names that only count the dimensions: ``motor_0``, ``dim_1``."""
_WORD = re.compile(r"[a-z]+|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class NamesError(ValueError):
    """The names of a data set contradict the order of the robot's joints; the message shows both side by side."""


@dataclass(frozen=True)
class Order:
    """Where the joints of a robot lie in the rows of a data set.

    Attributes:
        places: for each joint of the robot the dimension that holds it.
        recorded: the names of the data set, in its order.
    """

    places: tuple[int, ...]
    recorded: tuple[str, ...]


def flat_names(names: object) -> list[str] | None:
    """The names that a feature of info.json gives, in the order of its dimensions; None where it gives none."""
    if isinstance(names, dict):
        positions = list(names.values())
        if positions and all(isinstance(one, int) and not isinstance(one, bool) for one in positions):
            return [str(name) for name in sorted(names, key=lambda name: names[name])]
        names = positions
    if not isinstance(names, list | tuple):
        return None
    found: list[str] = []
    for one in names:
        inner = flat_names(one) if isinstance(one, dict | list | tuple) else [one] if isinstance(one, str) else None
        if inner is None:
            return None
        found += inner
    return found or None


def joint_name(name: str) -> str:
    """``shoulder_pan.pos`` -> ``shoulder_pan``: a name as a robot file writes it."""
    words = re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", name.strip()).lower()).strip("_")
    return words.removesuffix("_pos") if name.endswith(".pos") else words


def order_of(robot: Sequence[str], recorded: object) -> Order | None:
    """How the rows of a data set must be put in order for a robot.

    Args:
        robot: the joints of one column in the order of the robot file.
        recorded: ``names`` of that column as info.json has them.

    Returns:
        None where the order is that of the robot file already, or where the names prove nothing.

    Raises:
        NamesError: some names are those of the robot's joints in other places, and the others are unknown.
    """
    names = flat_names(recorded)
    if names is None or len(names) != len(robot) or not any(map(_means_something, names)):
        return None
    moved: list[str] = []
    for read in (joint_name, _core_of):
        own, theirs = [read(name) for name in robot], [read(name) for name in names]
        if len({*own}) < len(own) or len({*theirs}) < len(theirs):
            continue
        if {*own} == {*theirs}:
            places = tuple(theirs.index(name) for name in own)
            return None if places == tuple(range(len(own))) else Order(places, tuple(names))
        moved = [name for at, name in enumerate(own) if name in theirs and theirs[at] != name and _tells(name)]
    if moved:
        raise NamesError(_side_by_side(robot, names))
    return None


def _side_by_side(robot: Sequence[str], names: Sequence[str]) -> str:
    """Both orders, a dimension a pair."""
    pairs = (f"{at}: {mine} | {theirs}" for at, (mine, theirs) in enumerate(zip(robot, names, strict=True)))
    return "robot file | data set: " + ", ".join(pairs)


def _words(name: str) -> list[str]:
    return _WORD.findall(_CAMEL.sub("_", name.strip()).lower())


def _means_something(name: str) -> bool:
    """Whether a name has a word that does more than count the dimensions."""
    return any(not word.isdigit() and not _NOTHING.fullmatch(word) for word in _words(name))


def _core_of(name: str) -> str:
    """The words that tell which joint it is, ``left_elbow`` for ``kLeftElbowJoint``; all of them where none is left."""
    words = _words(name)
    return "_".join([word for word in words if not _DECORATION.fullmatch(word)]) or "_".join(words)


def _tells(name: str) -> bool:
    """Whether a name alone says which joint it is: a numbered one does not, for others count from 0 or from 1."""
    return not name.rpartition("_")[2].isdigit()
