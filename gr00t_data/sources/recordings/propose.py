"""Proposing a mapping: what the names and widths in a recording say about the parts and cameras of an embodiment.

Only what is plain is decided: joint names, equal names, customary names, one vector as wide as all parts together.
Everything else stays undecided, and a person is asked.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from gr00t_data.embodiment.robot import Camera, Embodiment, Part
from gr00t_data.foreign_text import printable
from gr00t_data.sources.recordings.binding import Side, default_kind
from gr00t_data.sources.recordings.mapping import UNDECIDED, CameraSource, Instruction, Mapping, PartSource

_SIDE_WORDS = {"action", "actions", "command", "commands", "cmd", "target", "desired"}
_SYNONYMS = {
    "eef": {"eef", "ee", "end", "effector", "tcp", "tool"},
    "position": {"position", "pos", "qpos", "xyz", "translation"},
    "rotation": {"rotation", "quat", "quaternion", "orientation", "rot"},
    "joint": {"joint", "joints"},
    "gripper": {"gripper", "finger", "fingers", "jaw"},
    "hand": {"hand", "ee"},
    "velocity": {"velocity", "vel", "qvel"},
    "arm": {"arm"},
    "left": {"left", "l"},
    "right": {"right", "r"},
}
_INSTRUCTION_WORDS = {"instruction", "task", "language", "prompt", "goal"}
_WHOLE = {"state": {"qpos", "state", "joint", "position", "positions", "joints"}, "action": _SIDE_WORDS}
_ROLE_WORDS = {
    "ego": {"ego", "head", "first", "person", "robot0", "high", "top"},
    "front": {"front", "agentview", "agent", "table", "external", "third"},
    "wrist": {"wrist", "hand", "eye", "gripper"},
    "wrist_left": {"wrist", "hand", "left"},
    "wrist_right": {"wrist", "hand", "right"},
    "left": {"left"},
    "right": {"right"},
    "top": {"top", "high", "overhead"},
}


@dataclass(frozen=True)
class Found:
    """One thing a recording holds.

    Attributes:
        key: topic, dataset or field.
        field: path inside a message; empty for formats without messages.
        width: numbers in one sample; 0 for pictures and texts.
        names: names that come with the numbers.
        sender: who sends it, where several do on one topic; else empty.
    """

    key: str
    width: int
    field: str = ""
    names: tuple[str, ...] = ()
    picture: bool = False
    text: bool = False
    sender: str = ""

    @property
    def words(self) -> set[str]:
        """The lower-case words of its name."""
        return words(f"{self.key} {self.field}")


def listing(found: Iterable[Found]) -> str:
    """What a recording holds, as comment lines for a mapping file."""
    lines = ["# The recording holds:"]
    for one in found:
        what = "pictures" if one.picture else "text" if one.text else f"{one.width} numbers"
        names = f" ({', '.join(one.names)})" if one.names else ""
        sender = f", sender {one.sender!r}" if one.sender else ""
        lines.append(printable(f"#   {one.key}{f' field {one.field}' if one.field else ''}: {what}{names}{sender}"))
    return "\n".join(lines) + "\n"


def words(text: str) -> set[str]:
    """``robot0_eef_pos`` -> robot0, eef, pos."""
    return {word for word in re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower()) if word}


def propose_mapping(
    found: Sequence[Found],
    embodiment: Embodiment,
    reader: str,
    *,
    is_action: Callable[[Found], bool] | None = None,
    instruction: Instruction | None = None,
) -> Mapping:
    """The mapping that the names and widths make plain; the rest has the key ``?``.

    Args:
        is_action: which of the found hold commands; by their words when None.
    """
    commands = is_action or (lambda one: bool(one.words & _SIDE_WORDS))
    numbers = [one for one in found if one.width]
    return Mapping(
        format=reader,
        instruction=instruction or _instruction(found),
        cameras=_cameras([one for one in found if one.picture], embodiment),
        state=_parts([one for one in numbers if not commands(one)], embodiment.state, "state"),
        action=_parts([one for one in numbers if commands(one)], embodiment.action, "action"),
    )


def _instruction(found: Sequence[Found]) -> Instruction:
    """The one text whose name says that it is the instruction."""
    texts = [one for one in found if one.text and one.words & _INSTRUCTION_WORDS]
    return Instruction(key=texts[0].key, field=texts[0].field) if len(texts) == 1 else Instruction()


def _parts(found: Sequence[Found], parts: Sequence[Part], side: Side) -> dict[str, PartSource]:
    whole = _whole_vector(found, parts, side)
    if whole:
        ends = accumulate(part.dim for part in parts)
        return {
            part.name: _source(whole, part, side, f"{end - part.dim}:{end}")
            for part, end in zip(parts, ends, strict=True)
        }
    return {part.name: _part(found, part, side) for part in parts}


def _whole_vector(found: Sequence[Found], parts: Sequence[Part], side: Side) -> Found | None:
    """The one vector as wide as all parts together, without joint names that could say another order."""
    width = sum(part.dim for part in parts)
    fitting = [one for one in found if one.width == width and one.words & _WHOLE[side] and not one.names]
    narrowed = [one for one in fitting if "velocity" not in one.words and "qvel" not in one.words]
    return narrowed[0] if len(narrowed) == 1 else None


def _part(found: Sequence[Found], part: Part, side: Side) -> PartSource:
    named = [(one, listed) for one in found if (listed := _listed_names(one.names, part.joints))]
    named = [(one, listed) for one, listed in named if not one.words & {"velocity", "effort"}]
    if named and len({one.sender for one, _ in named if one.key == named[0][0].key}) == 1:
        return _source(named[0][0], part, side, None, names=named[0][1])
    same = [one for one in found if part.name in (one.key.rpartition("/")[2], one.key) and one.width == part.dim]
    fitting = same or [one for one in found if one.width == part.dim and _means(one.words, words(part.name))]
    if len(fitting) != 1:
        return PartSource(key=UNDECIDED, kind=default_kind(part, side))
    return _source(fitting[0], part, side, None)


def _listed_names(names: Iterable[str], joints: Sequence[str]) -> tuple[str, ...] | None:
    """The recorded names of the joints, in the part's order; ``left_elbow_joint`` stands for ``left_elbow``."""
    known = {name: name for name in names} | {name.removesuffix("_joint"): name for name in names}
    listed = tuple(known[joint] for joint in joints if joint in known)
    return listed if len(listed) == len(joints) else None


def _means(name: set[str], part: set[str]) -> bool:
    """Whether every word of a part's name, or a customary other word for it, is in the name of the source."""
    groups = [next((g for g in _SYNONYMS.values() if word in g), {word}) for word in part - {"absolute"}]
    return all(name & group for group in groups)


def _source(
    found: Found, part: Part, side: Side, index: tuple[int, ...] | str | None, names: tuple[str, ...] = ()
) -> PartSource:
    kind = default_kind(part, side)
    return PartSource(key=found.key, field=found.field, index=index, names=names, kind=kind, sender=found.sender)


def _cameras(found: Sequence[Found], embodiment: Embodiment) -> dict[str, CameraSource]:
    """Cameras by name, then by role; the only camera of the recording goes to the only one that is needed."""
    wanted = embodiment.selection().cameras
    chosen: dict[str, Found] = {}
    for camera in embodiment.cameras:
        free = [one for one in found if one not in chosen.values()]
        match = _camera(free, camera)
        if match:
            chosen[camera.name] = match
    if len(found) == 1 and len(wanted) == 1 and wanted[0] not in chosen:
        chosen = {wanted[0]: found[0]}
    cameras = {name: CameraSource(key=one.key, sender=one.sender) for name, one in chosen.items()}
    return cameras | {name: CameraSource(key=UNDECIDED) for name in wanted if name not in cameras}


def _camera(found: Sequence[Found], camera: Camera) -> Found | None:
    named = [one for one in found if one.key.rpartition("/")[2] == camera.name or words(camera.name) <= one.words]
    if named:
        return named[0] if len(named) == 1 else None
    roles = [one for one in found if _role(one.words, camera.role)]
    return roles[0] if len(roles) == 1 else None


def _role(name: set[str], role: str) -> bool:
    hits = name & _ROLE_WORDS[role]
    return hits >= {role.removeprefix("wrist_")} if role.startswith("wrist_") else bool(hits)
