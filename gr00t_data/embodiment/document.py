"""What the YAML of an embodiment must hold: its keys, their types, and what its fields may not say together.

Positions in the file and the wording of errors are the business of ``embodiment_file.py``; the meaning (slices, names,
modality.json) is that of ``embodiment.py``.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from gr00t_data.embodiment.names import flat_names, joint_name

Location = tuple[str | int, ...]  # where in the document: keys and list positions from the top
Contradiction = tuple[Location, str, str]  # where, what was found, what was expected

Unit = Literal[
    "rad", "deg", "ticks", "rad/s", "m", "mm", "m/s", "1", "percent", "range_m100_100", "normalised", "mixed"
]
Rotation = Literal[
    "axis_angle",
    "quaternion",
    "rotation_6d",
    "matrix",
    "euler_angles_rpy",
    "euler_angles_ryp",
    "euler_angles_pry",
    "euler_angles_pyr",
    "euler_angles_yrp",
    "euler_angles_ypr",
]
Normalization = Literal["min_max", "q99", "mean_std", "scale", "binary", "sin_cos", "identity"]
Role = Literal["ego", "front", "left", "right", "top", "wrist", "wrist_left", "wrist_right"]
DType = Literal["float64", "float32", "int64", "bool"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


def _joints(given: object) -> object:
    """Names of joints as LeRobot's info.json has them, as a robot file writes them; anything else as it is."""
    names = flat_names(given)
    return given if names is None else [joint_name(name) for name in names]


Joints = Annotated[list[Name], BeforeValidator(_joints), Field(min_length=1)]
Column = Annotated[str, StringConstraints(min_length=1)]
LanguageKey = Annotated[str, StringConstraints(pattern=r"^annotation\.[A-Za-z0-9_.]+$")]

_ROTATION_DIMS = {"axis_angle": 3, "quaternion": 4, "rotation_6d": 6, "matrix": 9}
_EULER_DIMS = 3
SLOTS = 32  # projectors of the released GR00T N1.5 action head (config.json max_num_embodiments)


class Document(BaseModel):
    """Unknown keys, silent conversions (yes -> true -> 1) and infinities are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class PartDocument(Document):
    """One named slice of state or action. ``limits``: null, one [low, high] for all dimensions, or one a dimension.

    ``latency_s``: how much later than the event its stamps are; subtracted when recordings are aligned.
    ``closed``, ``open``: the two values, in ``unit``, of a gripper that ``binary`` turns into 0 and 1; both or none,
    and none means 0 and 1 where the unit is "1".
    ``recorded_unit``: the unit in which recordings have it where that is another one; ingest converts.
    ``ticks_per_turn``, ``zero_tick``: of a servo, for parts that are recorded or kept in ticks; ``zero_tick`` is what
    it reads at 0 degrees, half a turn where nothing is said, one for all dimensions or one a dimension.
    ``range``: what -100 and 100 (or -1 and 1, 0 and 100) of a calibrated scale mean in ``unit``; as ``limits``.
    """

    name: Name
    joints: Joints
    unit: Unit
    limits: list[Any] | None
    normalization: Normalization
    rotation: Rotation | None = None
    absolute: bool = True
    dtype: DType = "float64"
    column: Column | None = None
    latency_s: float = 0.0
    closed: float | None = None
    open: float | None = None
    recorded_unit: Unit | None = None
    ticks_per_turn: int = Field(default=4096, gt=1)
    zero_tick: float | list[float] | None = None
    range: list[Any] | None = None


class CameraDocument(Document):
    """One view. ``height`` and ``width`` in pixels, when every recording has the same. ``latency_s`` as for parts."""

    name: Name
    role: Role
    column: Column | None = None
    height: int | None = Field(default=None, gt=0)
    width: int | None = Field(default=None, gt=0)
    latency_s: float = 0.0


class SelectionDocument(Document):
    """Which cameras and parts one training reads, in order, and where it departs from the parts' own normalization."""

    cameras: list[str]
    state: list[str]
    action: list[str]
    language: LanguageKey | None = None
    state_normalization: dict[str, Normalization] = Field(default_factory=dict)
    action_normalization: dict[str, Normalization] = Field(default_factory=dict)
    state_rotations: dict[str, Rotation] = Field(default_factory=dict)
    action_rotations: dict[str, Rotation] = Field(default_factory=dict)


class EmbodimentDocument(Document):
    """A whole embodiment file."""

    name: Name
    description: str
    slot: int = Field(ge=0, lt=SLOTS)
    control_hz: float = Field(gt=0)
    action_horizon: int = Field(gt=0)
    tolerance_s: float = Field(gt=0)
    language_key: LanguageKey
    language_column: Column | None = None
    cameras: list[CameraDocument]
    state: list[PartDocument] = Field(min_length=1)
    action: list[PartDocument] = Field(min_length=1)
    selections: dict[Name, SelectionDocument] = Field(min_length=1)
    default_selection: str


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'"`` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}" if close else ""


def contradictions(document: EmbodimentDocument) -> Iterator[Contradiction]:
    """What each field allows but the fields together do not, in the order of the file."""
    yield from _repeated("cameras", [camera.name for camera in document.cameras])
    for side, parts in (("state", document.state), ("action", document.action)):
        yield from _repeated(side, [part.name for part in parts])
        yield from _repeated_joints(side, parts)
        for place, part in enumerate(parts):
            yield from _limits_errors((side, place, "limits"), part, part.limits)
            yield from _limits_errors((side, place, "range"), part, part.range)
            yield from _zero_errors((side, place, "zero_tick"), part)
            yield from _part_errors((side, place), part)
            yield from _switch_errors((side, place), part)
    for name, selection in document.selections.items():
        yield from _selection_errors(("selections", name), selection, document)
    if document.default_selection not in document.selections:
        expected = "one of " + ", ".join(document.selections)
        hint = did_you_mean(document.default_selection, document.selections)
        yield ("default_selection",), repr(document.default_selection), expected + hint


def _repeated(side: str, names: Sequence[str]) -> Iterator[Contradiction]:
    for place, name in enumerate(names):
        if name in names[:place]:
            yield (side, place, "name"), f"the name {name!r} a second time", f"each name once in {side}"


def _repeated_joints(side: str, parts: Sequence[PartDocument]) -> Iterator[Contradiction]:
    owner: dict[str, str] = {}
    for place, part in enumerate(parts):
        for joint_place, joint in enumerate(part.joints):
            if joint in owner:
                found = f"the joint {joint!r} a second time (first in {owner[joint]!r})"
                yield (side, place, "joints", joint_place), found, f"each joint once in {side}"
            owner[joint] = part.name


def _zero_errors(where: Location, part: PartDocument) -> Iterator[Contradiction]:
    if isinstance(part.zero_tick, list) and len(part.zero_tick) != len(part.joints):
        yield where, f"{len(part.zero_tick)} numbers", f"one for all, or one for each of its {len(part.joints)} joints"


def _limits_errors(where: Location, part: PartDocument, given: list[Any] | None) -> Iterator[Contradiction]:
    if given is None:
        return
    dims = len(part.joints)
    pairs = given if all(isinstance(item, list) for item in given) else [given]
    for pair in pairs:
        if not _is_interval(pair):
            yield where, repr(pair), "[low, high] with two finite numbers, low < high"
    if pairs is given and len(pairs) != dims:
        yield (
            where,
            f"{len(pairs)} pairs",
            f"one [low, high] for all, or {dims} pairs, one for each of its {dims} joints",
        )


def _is_interval(pair: Any) -> bool:
    numbers = isinstance(pair, list) and len(pair) == 2 and all(type(value) in (int, float) for value in pair)
    return bool(numbers) and float("-inf") < pair[0] < pair[1] < float("inf")


def _part_errors(where: Location, part: PartDocument) -> Iterator[Contradiction]:
    dims = len(part.joints)
    rotation_dims = _ROTATION_DIMS.get(part.rotation, _EULER_DIMS) if part.rotation else dims
    if dims != rotation_dims:
        yield (*where, "rotation"), f"{part.rotation!r} with {dims} joints", f"{rotation_dims} joints"
    if part.dtype in ("int64", "bool") and part.normalization != "binary":
        found = f"{part.normalization!r} with dtype {part.dtype}"
        yield (*where, "normalization"), found, "'binary' for values that are not floats"


def _switch_errors(where: Location, part: PartDocument) -> Iterator[Contradiction]:
    """The two values of a binary part against each other, its unit, its dtype and its limits."""
    two = {"closed": part.closed, "open": part.open}
    given = {name: value for name, value in two.items() if value is not None}
    if len(given) == 1:
        missing = next(name for name in two if name not in given)
        yield (*where, missing), f"only {next(iter(given))!r}", f"both, or neither: {missing!r} too"
    elif given and part.closed == part.open:
        yield (*where, "open"), f"{part.open:g}, the same as closed", "two values that differ"
    elif part.normalization == "binary" and not given and part.unit != "1":
        yield (*where, "normalization"), *_unsaid(part)
    for name, value in given.items():
        if why := _outside(part, value):
            yield (*where, name), f"{value:g}", why
    if {*given.values()} == {0, 1} and part.unit == "percent":
        yield (*where, "open"), "0 and 1 in percent", 'values in percent, such as 0 and 100, or the unit "1"'


def _unsaid(part: PartDocument) -> tuple[str, str]:
    return (
        f"'binary' with unit {part.unit!r}, of which nobody says which two values it has",
        f"the keys 'closed' and 'open' in {part.unit} (closed: 0, open: 100), or another normalization; only unit '1' "
        "goes without, and then means 0 and 1",
    )


_SPANS = {"percent": (-10.0, 110.0), "range_m100_100": (-105.0, 105.0), "normalised": (-1.05, 1.05)}
"""What can be said in these units: percent as far as LeRobot's calibration lets a gripper go."""


def _outside(part: PartDocument, value: float) -> str:
    """Why ``value`` cannot be one of the two of a part; empty when it can."""
    low, high = _SPANS.get(part.unit, (float("-inf"), float("inf")))
    if not low <= value <= high:
        return f"{low:g} to {high:g}, as the unit {part.unit!r} has it"
    if part.dtype in ("int64", "bool") and (value != int(value) or (part.dtype == "bool" and value not in (0, 1))):
        return f"a value that dtype {part.dtype} can hold"
    limits = part.limits or []
    for pair in limits if all(isinstance(item, list) for item in limits) else [limits]:
        if _is_interval(pair) and not pair[0] <= value <= pair[1]:
            return f"a value within the limits {pair}"
    return ""


def _selection_errors(
    where: Location, selection: SelectionDocument, document: EmbodimentDocument
) -> Iterator[Contradiction]:
    known = {
        "cameras": [camera.name for camera in document.cameras],
        "state": [part.name for part in document.state],
        "action": [part.name for part in document.action],
    }
    for side, names in known.items():
        yield from _choice_errors((*where, side), getattr(selection, side), names)
    for side in ("state", "action"):
        for field in (f"{side}_normalization", f"{side}_rotations"):
            yield from _override_errors(
                (*where, field), getattr(selection, field), getattr(selection, side), known[side]
            )
        for part in getattr(document, side):
            mode = getattr(selection, f"{side}_normalization").get(part.name, part.normalization)
            if mode == "binary" != part.normalization and part.closed is None and part.unit != "1":
                yield (*where, f"{side}_normalization", part.name), *_unsaid(part)
        rotated = [part.name for part in getattr(document, side) if part.rotation]
        for name in getattr(selection, f"{side}_rotations"):
            if name not in rotated:
                yield (*where, f"{side}_rotations", name), f"{name!r}, which is no rotation", "a part with a rotation"


def _choice_errors(where: Location, chosen: Sequence[str], names: Sequence[str]) -> Iterator[Contradiction]:
    for place, name in enumerate(chosen):
        if name not in names:
            yield (
                (*where, place),
                f"the unknown name {name!r}",
                "one of " + ", ".join(names) + did_you_mean(name, names),
            )
        if name in chosen[:place]:
            yield (*where, place), f"the name {name!r} a second time", "each name once"


def _override_errors(
    where: Location, overrides: Iterable[str], chosen: Sequence[str], known: Sequence[str]
) -> Iterator[Contradiction]:
    unknown = [name for name in chosen if name not in known]
    meant = {match for name in unknown for match in difflib.get_close_matches(name, known, n=1)}
    for name in overrides:
        if name not in chosen and name not in meant:
            expected = "a part that this selection reads: " + ", ".join(chosen) + did_you_mean(name, chosen)
            yield (*where, name), f"the name {name!r}", expected
