"""The marker of a drop, ``_SUCCESS``: empty, or a few words of YAML on what the drop is.

It is read by YAML's own events, so that nothing is built of it: neither tags nor aliases nor depth do anything here but
give a reason to refuse this one drop.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gr00t_data.integrity import first_fault
from gr00t_data.sources.content import COMPLETE_MARKER as MARKER
from gr00t_data.sources.told import QuaternionOrder, Told
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import StoreError

MARKER_BYTES = 1 << 16
"""Three short words are wanted; whatever is larger is another file of that name."""
_TEXT, _NOTHING = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
_WHOLE, _REAL = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_NUMBERS = ("fps",)
"""Fields whose value is a number, with or without quotes."""
_RESOLVER = yaml.resolver.Resolver()


class Said(BaseModel):
    """What the marker of a drop may say, as YAML. An empty marker says nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    embodiment: str | None = None
    licence: str | None = None
    kind: Kind | None = None
    fps: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    quaternions: QuaternionOrder | None = None
    instruction: str | None = None

    @property
    def told(self) -> Told:
        """What is said in place of the recording."""
        return Told(self.fps, self.quaternions, self.instruction)


def is_marked(drop: Path) -> bool:
    """Whether a drop of this machine holds a marker.

    Raises:
        StoreError: something of that name is no marker: a link, a folder, a file far too large.
    """
    try:
        facts = (drop / MARKER).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(facts.st_mode):
        raise StoreError(f"{drop / MARKER}: is a link or no file, and is not read; put an empty file in its place")
    require_small(facts.st_size, str(drop / MARKER))
    return True


def require_small(size_bytes: int, where: str) -> None:
    """Refuse a marker by its size, before it is read.

    Raises:
        StoreError: nobody writes that much into a marker.
    """
    if size_bytes > MARKER_BYTES:
        raise StoreError(f"{where}: has {size_bytes} bytes, at most {MARKER_BYTES} are read; leave it empty")


def marker_of(drop: Path) -> Said:
    """What the marker says.

    Raises:
        StoreError: it is not YAML of the known fields, or no file.
    """
    return said_in((drop / MARKER).read_bytes(), str(drop / MARKER)) if is_marked(drop) else Said()


def said_in(content: bytes, where: str) -> Said:
    """What the bytes of a marker say. ``where`` names the marker in the message.

    Raises:
        StoreError: they are not YAML of the known fields.
    """
    require_small(len(content), where)
    try:
        return Said.model_validate(_words(content.decode("utf-8")))
    except ValidationError as error:
        reason = first_fault(error)
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
    raise StoreError(
        f"{where}: leave it empty, or write embodiment, licence, kind, fps, quaternions, instruction as YAML ({reason})"
    )


def _words(text: str) -> dict[str, str | None]:
    """Name -> text, or None where nothing is said.

    Raises:
        ValueError: it is more than one flat mapping of texts. YAMLError: it is no YAML.
    """
    scalars: list[str | None] = []
    for event in _inside(text):
        is_value = len(scalars) % 2 == 1
        scalars.append(_word(event, number=is_value and scalars[-1] in _NUMBERS))
    names, values = scalars[::2], scalars[1::2]
    if len(set(names)) < len(names):
        raise ValueError("a name is there twice")
    return {str(name): value for name, value in zip(names, values, strict=True)}


def _inside(text: str) -> Iterator[yaml.Event]:
    """The events between the first mapping's start and its end; nothing may come after."""
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    opened = False
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent) and opened:
            raise ValueError("it holds more than one document")
        if isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent | yaml.DocumentStartEvent):
            continue
        if isinstance(event, yaml.MappingStartEvent) and not opened and not event.anchor and not event.tag:
            opened = True
        elif isinstance(event, yaml.ScalarEvent) and opened:
            yield event
        elif not isinstance(event, yaml.MappingEndEvent | yaml.DocumentEndEvent):
            raise ValueError(f"line {_line(event)}: expected `name: text`, found something else")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _word(event: yaml.Event, number: bool = False) -> str | None:
    """A text without tag or anchor; unquoted dates and truths are none, and numbers only where one is meant."""
    assert isinstance(event, yaml.ScalarEvent)
    line, shown = _line(event), repr(event.value[:60])
    if event.anchor or event.tag:
        raise ValueError(f"line {line}: {shown} has a tag or an anchor, which a marker cannot have")
    tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)
    if number and tag in (_WHOLE, _REAL):
        return event.value
    if tag not in (_TEXT, _NOTHING):
        raise ValueError(f"line {line}: {shown} is no text to YAML; put it in quotes")
    return event.value if tag == _TEXT else None
