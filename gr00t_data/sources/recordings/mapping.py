"""The mapping: which source of a recording becomes which part and camera of an embodiment, and by which rule.

Readers propose one; a person may write or correct it as YAML. It is kept in the store, so that everybody can see later
what was taken for what.
"""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gr00t_data.embodiment.document import did_you_mean
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.embodiment.units import conversion
from gr00t_data.plain_yaml import plain_yaml
from gr00t_data.rotations import WIDTHS
from gr00t_data.sources.recordings.streams import SignalKind
from gr00t_data.sources.told import QuaternionOrder

UNDECIDED = "?"
"""Stands for a key that the program could not choose; a person must."""


class MappingError(ValueError):
    """A mapping that cannot be used; the message names file, field, what was found and what is expected."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CameraSource(_Entry):
    """Where a camera's pictures are.

    Attributes:
        key: topic, dataset or field of the recording.
        file: instead of a key, an mp4 beside the recording; ``{episode}`` stands for the episode's own name.
        latency_s: how much later than the exposure the stamp is.
        tolerance_s: how far a picture may lie from its row; None: that of the mapping, else the embodiment's.
        clock: which of the recording's clocks; None: that of the mapping.
        sender: which of several nodes that publish on the topic; empty: the only one.
    """

    key: str = ""
    file: str = ""
    latency_s: float | None = None
    tolerance_s: float | None = Field(default=None, ge=0)
    clock: Literal["header", "publish", "log"] | None = None
    sender: str = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.key) == bool(self.file):
            raise ValueError("expected either key or file")
        return self


class PartSource(_Entry):
    """Where the values of a part are, and what is done to them before alignment.

    Attributes:
        key: topic, dataset or field of the recording.
        field: path inside a message, for example ``pose.position``; empty: the whole message.
        names: names that the message lists beside its values (joints), in the part's order.
        index: which values, in the part's order: a list, or ``"7:14"``.
        scale, offset: ``value * scale + offset`` gives the part's unit; one number, or one for each dimension.
        rotation: the representation in the recording, when it is another than the part's.
        order: how the four values of a quaternion are written, after ``index``; ``order_by`` says what decided it.
        kind: the rule of resampling, see ``SignalKind``.
        moving_frame: relative rotations turn about the moving body's axes instead of the base's.
        sender: which of several nodes that publish on the topic; empty: the only one that lists the names.
        constant: instead of a key: the part never moves and was not recorded.
    """

    key: str = ""
    field: str = ""
    names: tuple[str, ...] = ()
    index: tuple[int, ...] | str | None = None
    scale: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0
    rotation: str | None = None
    order: QuaternionOrder | None = None
    order_by: str = ""
    kind: SignalKind | None = None
    moving_frame: bool = False
    latency_s: float | None = None
    tolerance_s: float | None = Field(default=None, ge=0)
    clock: Literal["header", "publish", "log"] | None = None
    sender: str = ""
    constant: float | tuple[float, ...] | None = None

    @field_validator("index")
    @classmethod
    def _indices(cls, value: tuple[int, ...] | str | None) -> tuple[int, ...] | str | None:
        if isinstance(value, str):
            start, sign, end = value.partition(":")
            if not (sign and start.isdigit() and end.isdigit() and int(start) < int(end)):
                raise ValueError(f'found {value!r}, expected a list of numbers or "first:end"')
        if isinstance(value, tuple) and any(number < 0 for number in value):
            raise ValueError("positions count from 0")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.key) == (self.constant is not None):
            raise ValueError("expected either key or constant")
        if self.rotation is not None and self.rotation not in WIDTHS:
            raise ValueError(f"rotation {self.rotation!r} is not one of {', '.join(WIDTHS)}")
        return self

    def positions(self) -> list[int] | None:
        """Which values are taken, in order; None: all."""
        if isinstance(self.index, str):
            start, _, end = self.index.partition(":")
            return list(range(int(start), int(end)))
        return None if self.index is None else list(self.index)


class Instruction(_Entry):
    """The words the robot was given: ``text`` for all episodes, or the ``key`` (and ``field``) that holds them;
    ``told`` for those that do not say any.
    """

    text: str = ""
    key: str = ""
    field: str = ""
    told: str = ""


class Mapping(_Entry):
    """A whole mapping file.

    Attributes:
        format: name of the reader it was made for.
        hz: rate of recordings that hold no stamps, whatever they say of it; None where they hold some or say it.
        told_hz: rate of those that hold none and do not say it; what they say goes first, and may not contradict it.
        clock: ``header`` (the sensor's own stamp, where a message has one), ``publish`` or ``log`` (the recorder's).
        tolerance_s: how far a sample may lie from its row; None: the embodiment's.
        times_key: dataset that holds the stamps (seconds) of a recording without messages; None: counted at ``hz``.
        success_key: dataset or attribute that says whether the episode succeeded.
    """

    format: str
    hz: float | None = Field(default=None, gt=0)
    told_hz: float | None = Field(default=None, gt=0)
    clock: Literal["header", "publish", "log"] = "header"
    tolerance_s: float | None = Field(default=None, ge=0)
    times_key: str | None = None
    instruction: Instruction = Instruction()
    success_key: str | None = None
    cameras: dict[str, CameraSource] = {}
    state: dict[str, PartSource] = {}
    action: dict[str, PartSource] = {}

    def sources(self) -> dict[str, PartSource | CameraSource]:
        """Every source by the full name of its stream."""
        sides = (("state", self.state), ("action", self.action), ("video", self.cameras))
        return {f"{side}.{name}": source for side, parts in sides for name, source in parts.items()}

    def with_part(self, name: str, source: PartSource) -> Self:
        """The same with another source of one part, by its full name."""
        side, _, part = name.partition(".")
        return self.model_copy(update={side: {**getattr(self, side), part: source}})

    @property
    def undecided(self) -> list[str]:
        """The streams whose source the program could not choose."""
        return [name for name, source in self.sources().items() if source.key == UNDECIDED]


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        MappingError: not YAML, unknown or wrong fields (each with what was found and expected), or undecided keys.
    """
    try:
        mapping = parse_mapping(plain_yaml(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise MappingError(f"{path}: {error}") from error
    if mapping.undecided:
        raise MappingError(f"{path}: {', '.join(mapping.undecided)}: the key is still {UNDECIDED!r}; fill it in")
    return mapping


def parse_mapping(document: Any) -> Mapping:
    """A mapping from plain values. Raises MappingError naming every wrong field."""
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise MappingError("; ".join(wrong)) from error


def dump_mapping(mapping: Mapping) -> str:
    """The mapping as YAML; only what differs from the defaults is written."""
    return yaml.safe_dump(
        mapping.model_dump(mode="json", exclude_defaults=True),
        sort_keys=False,
        allow_unicode=True,
        width=120,
        default_flow_style=None,  # the innermost on one line
    )


def left_out(mapping: Mapping, embodiment: Embodiment) -> tuple[str, ...]:
    """The parts that have no source and that the default selection does not read, as a store lists what it lacks."""
    sides = (("state", embodiment.state, mapping.state), ("action", embodiment.action, mapping.action))
    return tuple(f"{side}.{part.name}" for side, parts, given in sides for part in parts if part.name not in given)


def without_unread(mapping: Mapping, embodiment: Embodiment) -> Mapping:
    """The mapping without undecided parts that the default selection does not read: they were not recorded."""
    read = {"state": embodiment.selection().state, "action": embodiment.selection().action}
    kept = {
        side: {name: one for name, one in getattr(mapping, side).items() if one.key != UNDECIDED or name in names}
        for side, names in read.items()
    }
    return mapping.model_copy(update=kept)


def check_mapping(mapping: Mapping, embodiment: Embodiment) -> None:
    """Whether every part and every camera of the default selection has a source, and nothing unknown has one.

    Raises:
        MappingError: lists all that is missing, unknown or undecided.
    """
    wrong = [f"{name} is undecided" for name in mapping.undecided]
    selection = embodiment.selection()
    needed = {
        "cameras": (selection.cameras, [camera.name for camera in embodiment.cameras]),
        "state": (selection.state, [part.name for part in embodiment.state]),
        "action": (selection.action, [part.name for part in embodiment.action]),
    }
    for side, (wanted, known) in needed.items():
        given = getattr(mapping, side)
        wrong += [f"{side}.{name} has no source" for name in wanted if name not in given]
        wrong += [
            f"{side}.{n} is no name of {embodiment.name}{did_you_mean(n, known)}" for n in given if n not in known
        ]
    if not wrong:
        return
    read = {f"{side}.{name}" for side in ("state", "action") for name in getattr(selection, side)}
    spare = [name for name in mapping.undecided if not name.startswith("video.") and name not in read]
    may = (
        f" ({', '.join(spare)} may be taken out of it: selection {selection.name!r} does not read them)"
        if spare
        else ""
    )
    raise MappingError(
        f"cannot decide what becomes of the recording: {'; '.join(wrong)}. Write what is known to a file with "
        f"--write-mapping FILE, complete it{may}, and ingest with --mapping FILE"
    )


def with_conversions(mapping: Mapping, embodiment: Embodiment) -> Mapping:
    """The mapping with scale and offset from the units in which the embodiment says its parts are recorded.

    A source that has a scale or an offset already is left as it is: somebody has thought of its unit.
    """
    sides: dict[str, dict[str, PartSource]] = {"state": {}, "action": {}}
    for side, parts in (("state", embodiment.state), ("action", embodiment.action)):
        for name, source in getattr(mapping, side).items():
            part = next((one for one in parts if one.name == name), None)
            plain = source.key and source.scale == 1.0 and source.offset == 0.0
            turned = conversion(part) if part and plain else None
            numbers = (
                {"scale": _short(turned.scale.tolist()), "offset": _short(turned.offset.tolist())} if turned else {}
            )
            sides[side][name] = source.model_copy(update=numbers)
    return mapping.model_copy(update=sides)


def _short(values: list[float]) -> float | tuple[float, ...]:
    return values[0] if len({*values}) == 1 else tuple(values)
