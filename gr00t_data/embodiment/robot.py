"""Embodiment: what a robot (or a human hand) measures and is told, with slices, units, limits and views.

An embodiment is one YAML in ``schemas/embodiments``, or in ``embodiments`` of the lake; nothing else in the code
describes a robot. Positions of parts are computed from the joint lists, never written down. Importing this module is
cheap: no numpy, no torch.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from gr00t_data.disk import digest_json
from gr00t_data.embodiment.document import (
    CameraDocument,
    EmbodimentDocument,
    PartDocument,
    SelectionDocument,
    did_you_mean,
)
from gr00t_data.embodiment.reading import EmbodimentError, read_document
from gr00t_data.foreign_text import one_line
from gr00t_data.lake import Lake

__all__ = ["Camera", "Embodiment", "EmbodimentError", "Part", "Selection", "embodiment_names", "load_embodiment"]

STATE_COLUMN = "observation.state"
ACTION_COLUMN = "action"

_ONLY_READING = ("recorded_unit", "ticks_per_turn", "zero_tick", "range")

Named = TypeVar("Named", "Part", "Camera", "Selection")

# In the repository the schemas lie beside the package; in an installed wheel, inside it.
_FOLDERS = (
    Path(__file__).parents[1] / "schemas" / "embodiments",
    Path(__file__).parents[2] / "schemas" / "embodiments",
)


@dataclass(frozen=True)
class Part:
    """A named slice of the state or action vector.

    Attributes:
        start, end: half-open range within ``column``, in dimensions.
        unit: of every value: rad, deg, ticks (of a servo), rad/s, m, mm, m/s, percent, ``1`` (plain number),
            ``range_m100_100`` (LeRobot's -100..100 of the calibrated range), ``normalised`` (-1..1 of what a controller
            takes) or ``mixed`` (the YAML says which dimension has which).
        limits: one (low, high) for each dimension, in ``unit``; a value outside is a defect of the data. None: unknown.
        rotation: how a rotation is written (axis_angle 3, quaternion 4 as w x y z, rotation_6d 6 as two rows, matrix 9,
            euler_angles_* 3), or None.
        absolute: False for displacements; past an episode's end these are zero instead of the last value.
        normalization: the mode used unless a selection says otherwise.
        joints: the name of each dimension.
        column: the column of the table that holds the values (``original_key`` in modality.json).
        latency_s: how much later than the event the stamps of a recording are.
        closed, open: the two values of a gripper in ``unit``, where its YAML says them.
        recorded_unit: the unit in which recordings have it; None: ``unit``. Ingest converts; what follows only serves
            that: ticks of a servo in a turn, its reading at 0 degrees (one a dimension; None: half a turn), and what
            the ends of a calibrated scale mean in ``unit`` (one pair a dimension; None: nobody said).
    """

    name: str
    start: int
    end: int
    unit: str
    limits: tuple[tuple[float, float], ...] | None
    rotation: str | None
    absolute: bool
    dtype: str
    normalization: str
    joints: tuple[str, ...]
    column: str
    latency_s: float = 0.0
    closed: float | None = None
    open: float | None = None
    recorded_unit: str | None = None
    ticks_per_turn: int = 4096
    zero_tick: tuple[float, ...] | None = None
    range: tuple[tuple[float, float], ...] | None = None

    @property
    def switch(self) -> tuple[float, float]:
        """The smaller and the larger of the two values that ``binary`` tells apart: 0 and 1 where nothing is said."""
        low, high = sorted((self.closed or 0.0, 1.0 if self.open is None else self.open))
        return low, high

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return self.end - self.start

    @property
    def slice(self) -> slice:
        """Where the part lies in its column: ``row[part.slice]``."""
        return slice(self.start, self.end)

    def joint(self, dim: int) -> str:
        """The name of a dimension."""
        return self.joints[dim] if dim < len(self.joints) else f"{self.name}_{dim}"


@dataclass(frozen=True)
class Camera:
    """A view with a role; ``column`` is its feature name in a store. ``height``, ``width`` in pixels; None: any."""

    name: str
    role: str
    column: str
    height: int | None
    width: int | None
    latency_s: float = 0.0


@dataclass(frozen=True)
class Selection:
    """What one training reads, in the order in which it is concatenated.

    Attributes:
        language: the annotation key of the instruction.
        state_normalization, action_normalization: mode for every selected part, also those that keep their own.
        state_rotations, action_rotations: part -> representation it is converted to before normalization; a part
            that is not named keeps its own.
    """

    name: str
    cameras: tuple[str, ...]
    state: tuple[str, ...]
    action: tuple[str, ...]
    language: str
    state_normalization: dict[str, str] = field(hash=False)
    action_normalization: dict[str, str] = field(hash=False)
    state_rotations: dict[str, str] = field(default_factory=dict, hash=False)
    action_rotations: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Embodiment:
    """One robot, complete.

    Attributes:
        slot: index 0..31 of its projectors in the model.
        control_hz: rows a second.
        action_horizon: rows of one predicted action chunk.
        language_key: the annotation that holds the instruction; ``language_column`` is the column it is stored in.
        tolerance_s: seconds a sample may lie from the tick it stands for.
        selections: name -> what a training reads.
        digest: SHA-256 of the content; the description, comments and layout of the YAML do not count.
        text: the YAML as it was read, to be kept beside a checkpoint.
    """

    name: str
    description: str
    slot: int
    control_hz: float
    action_horizon: int
    language_key: str
    tolerance_s: float
    state: tuple[Part, ...]
    action: tuple[Part, ...]
    cameras: tuple[Camera, ...]
    selections: dict[str, Selection] = field(hash=False)
    default_selection: str
    digest: str
    language_column: str
    text: str = field(default="", compare=False, repr=False)

    @property
    def state_dim(self) -> int:
        """Dimensions of a whole state row."""
        return sum(part.dim for part in self.state)

    @property
    def action_dim(self) -> int:
        """Dimensions of a whole action row."""
        return sum(part.dim for part in self.action)

    @property
    def widths(self) -> dict[str, int]:
        """Column of the tables -> dimensions that the parts take of it."""
        return {part.column: part.end for part in (*self.state, *self.action)}

    @property
    def parts_by_column(self) -> dict[str, list[tuple[str, Part]]]:
        """Column -> its (side, part), by dimension. A column that both sides read is that of the state."""
        columns: dict[str, list[tuple[str, Part]]] = {part.column: [] for part in self.state}
        action = [("action", part) for part in self.action if part.column not in columns]
        for side, part in [*(("state", part) for part in self.state), *action]:
            columns.setdefault(part.column, []).append((side, part))
        return columns

    @property
    def joints_by_column(self) -> dict[str, list[str]]:
        """Column -> the joints of its parts, by dimension."""
        found = self.parts_by_column.items()
        return {column: [joint for _, part in parts for joint in part.joints] for column, parts in found}

    def state_part(self, name: str) -> Part:
        """The state part of that name. Raises EmbodimentError with the names there are."""
        return _named(self.state, name, f"{self.name} has no state part")

    def action_part(self, name: str) -> Part:
        """The action part of that name. Raises EmbodimentError with the names there are."""
        return _named(self.action, name, f"{self.name} has no action part")

    def camera(self, name: str) -> Camera:
        """The camera of that name. Raises EmbodimentError with the names there are."""
        return _named(self.cameras, name, f"{self.name} has no camera")

    def selection(self, name: str | None = None) -> Selection:
        """The selection of that name, or the default one. Raises EmbodimentError with the names there are."""
        chosen = self.default_selection if name is None else name
        return _named(tuple(self.selections.values()), chosen, f"{self.name} has no selection")

    def fitting(self, cameras: Collection[str]) -> "Embodiment":
        """The robot for a set that has only these cameras: its default selection, or where that wants others, the one
        that does not, with the same parts if there is one and with most cameras. Unchanged where none fits."""
        default = self.selection()
        fits = [one for one in self.selections.values() if one.cameras and {*one.cameras} <= {*cameras}]
        if not fits or default in fits:
            return self
        best = max(fits, key=lambda one: ((one.state, one.action) == (default.state, default.action), len(one.cameras)))
        return replace(self, default_selection=best.name)

    def state_names(self) -> tuple[str, ...]:
        """The name of every state dimension, in order."""
        return tuple(joint for part in self.state for joint in part.joints)

    def action_names(self) -> tuple[str, ...]:
        """The name of every action dimension, in order."""
        return tuple(joint for part in self.action for joint in part.joints)


def embodiment_names() -> list[str]:
    """The names of the embodiments that come with the package, and of those that the lake has besides; sorted."""
    return sorted(_files())


def lake_embodiment_names() -> list[str]:
    """The names of the embodiments whose YAML lies in the lake named by ``GR00T_LAKE``, sorted."""
    return sorted(path.stem for path in Lake.from_environment().embodiments.glob("*.yaml"))


def _files() -> dict[str, Path]:
    """Name -> YAML, the package's where the lake has one of the same name."""
    folders = (Lake.from_environment().embodiments, *reversed(_FOLDERS))
    return {path.stem: path for folder in folders for path in folder.glob("*.yaml")}


def right_embodiments(names: Iterable[str], warn: Callable[[str], None]) -> list[Embodiment]:
    """Those of the named embodiments whose YAML is right. What is wrong with another one is told to ``warn``; only who
    asks for that one, by ``load_embodiment``, is stopped by it."""
    found = []
    for name in names:
        try:
            found.append(load_embodiment(name))
        except EmbodimentError as error:
            warn(one_line(f"{error}; the embodiment {name!r} is left out until its YAML is right"))
    return found


def load_embodiment(name_or_path: str | Path) -> Embodiment:
    """Load an embodiment by name, or from any ``.yaml`` by path.

    Raises:
        EmbodimentError: unknown name (with the known ones), a file that gives itself another name than it is known by,
            or a wrong YAML (with file, line, field, found, expected).
    """
    path, by_name = _path_of(name_or_path)
    document, text = read_document(path)
    if by_name and document.name != path.stem:
        raise EmbodimentError(f"{path}: name is {document.name!r}, expected {path.stem!r}, the name of the file")
    return Embodiment(
        **document.model_dump(exclude={"cameras", "state", "action", "selections", "language_column"}),
        state=_parts(document.state, STATE_COLUMN),
        action=_parts(document.action, ACTION_COLUMN),
        cameras=tuple(map(_camera, document.cameras)),
        selections={name: _selection(name, chosen, document) for name, chosen in document.selections.items()},
        digest=digest_json(_content(document)),
        language_column=document.language_column or document.language_key,
        text=text,
    )


def _content(document: EmbodimentDocument) -> dict[str, Any]:
    """What the digest names. What says nothing (a latency of zero, no two values) is left out: older digests stay. So
    is how recordings are converted, which a store has behind it and notes."""
    content = document.model_dump(mode="json", exclude={"description"})
    for item in (*content["cameras"], *content["state"], *content["action"]):
        if item["latency_s"] == 0:
            del item["latency_s"]
        for name in ("closed", "open"):
            if item.get(name, 0) is None:
                del item[name]
        for name in _ONLY_READING:
            item.pop(name, None)
    return content


def _path_of(name_or_path: str | Path) -> tuple[Path, bool]:
    """The file, and whether it was found by its name."""
    given = str(name_or_path)
    if isinstance(name_or_path, Path) or given.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        if not path.is_file():
            raise EmbodimentError(f"{path}: no such file; expected the YAML of an embodiment")
        return path, False
    files = _files()
    if given not in files:
        names = sorted(files)
        known = ", ".join(names) or f"none found in {_FOLDERS[0]} or {_FOLDERS[1]}"
        hint = did_you_mean(given, names)
        raise EmbodimentError(f"unknown embodiment {given!r}{hint}; known: {known}; or give the path of a .yaml file")
    path, copy = files[given], Lake.from_environment().embodiments / f"{given}.yaml"
    if copy != path and copy.is_file() and load_embodiment(path).digest != load_embodiment(copy).digest:
        raise EmbodimentError(f"{copy}: is not the {given} of {path}; give your robot a name of its own")
    return path, True


def _parts(documents: Sequence[PartDocument], default_column: str) -> tuple[Part, ...]:
    parts, end_of = [], dict[str, int]()
    for document in documents:
        column = document.column or default_column
        start = end_of.get(column, 0)
        end_of[column] = start + len(document.joints)
        shared = document.model_dump(exclude={"joints", "limits", "column", "range", "zero_tick"})
        place = {"start": start, "end": end_of[column], "column": column}
        limits, scale = (_pairs(given, len(document.joints)) for given in (document.limits, document.range))
        joints, zeros = tuple(document.joints), document.zero_tick
        if zeros is not None:
            zeros = tuple(map(float, zeros if isinstance(zeros, list) else [zeros] * len(joints)))
        parts.append(Part(**shared, **place, limits=limits, joints=joints, range=scale, zero_tick=zeros))
    return tuple(parts)


def _pairs(given: list[Any] | None, dims: int) -> tuple[tuple[float, float], ...] | None:
    """One (low, high) a dimension, of one for all or of one each."""
    if given is None:
        return None
    pairs = given if isinstance(given[0], list) else [given] * dims
    return tuple((float(low), float(high)) for low, high in pairs)


def _camera(document: CameraDocument) -> Camera:
    column = document.column or f"observation.images.{document.name}"
    return Camera(**document.model_dump(exclude={"column"}), column=column)


def _selection(name: str, chosen: SelectionDocument, document: EmbodimentDocument) -> Selection:
    own_state = {part.name: part.normalization for part in document.state}
    own_action = {part.name: part.normalization for part in document.action}
    return Selection(
        name=name,
        cameras=tuple(chosen.cameras),
        state=tuple(chosen.state),
        action=tuple(chosen.action),
        language=chosen.language or document.language_key,
        state_normalization={part: chosen.state_normalization.get(part, own_state[part]) for part in chosen.state},
        action_normalization={part: chosen.action_normalization.get(part, own_action[part]) for part in chosen.action},
        state_rotations=dict(chosen.state_rotations),
        action_rotations=dict(chosen.action_rotations),
    )


def _named(items: tuple[Named, ...], name: str, complaint: str) -> Named:
    for item in items:
        if item.name == name:
            return item
    names = [item.name for item in items]
    raise EmbodimentError(f"{complaint} {name!r}{did_you_mean(name, names)}; known: {', '.join(names)}")
