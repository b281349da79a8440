"""Reading the YAML of an embodiment: all that is wrong at once, a line each with file, line, field, what was found and
what was expected."""

import difflib
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gr00t_data.embodiment.document import (
    CameraDocument,
    Document,
    DType,
    EmbodimentDocument,
    Location,
    Normalization,
    PartDocument,
    Role,
    Rotation,
    SelectionDocument,
    Unit,
    contradictions,
    did_you_mean,
)

_NESTING_LIMIT = 12  # the format needs 5; deeper is a mistake, or an alias that holds itself
_VALUES_LIMIT = 20_000  # a robot of 200 joints needs about 1,500; nested aliases grow exponentially

_ITEMS: dict[str, type[Document]] = {
    "state": PartDocument,
    "action": PartDocument,
    "cameras": CameraDocument,
    "selections": SelectionDocument,
}
_WORDS = [word for kind in (Unit, Rotation, Normalization, Role, DType) for word in get_args(kind)]


class EmbodimentError(ValueError):
    """An embodiment is unknown, or its YAML is wrong; the message says where, what was found and what was expected."""


def read_document(path: Path) -> tuple[EmbodimentDocument, str]:
    """Read and check the file; return the document and the text as it was read.

    Raises:
        EmbodimentError: with file, line, field, what was found and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EmbodimentError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    reading = _Reading(path, text)
    value = reading.parse()
    if not isinstance(value, dict):
        raise reading.wrong((), _shown(value), "a mapping with the keys " + ", ".join(EmbodimentDocument.model_fields))
    document = reading.checked(value)
    if reading.faults:
        raise EmbodimentError("\n".join(line for _, line in sorted(reading.faults.items())))
    assert document is not None
    return document, text


class _Reading:
    """One file being read: its values, and the line each of them stands on."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        self.lines: dict[Location, int] = {(): 1}
        self.names: dict[Location, str] = {}  # of parts and cameras, by their place in the list
        self.broken: set[Location] = set()
        self.faults: dict[tuple[int, int], str] = {}  # line, number -> message

    def parse(self) -> Any:
        """The values of the file as mappings, lists and scalars (YAML's safe types only)."""
        try:
            self.loader = yaml.SafeLoader(self.text)
            node = self.loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            raise self._syntax(error) from None
        except RecursionError:
            found = "values nested without end"
            raise EmbodimentError(f"{self.path}: syntax: found {found}; expected one robot in plain words") from None
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            found = f"a character that YAML does not allow ({error.reason})"
            raise EmbodimentError(f"{self.path}:{line}: syntax: found {found}; expected printable text") from None
        return None if node is None else self._values(node, ())

    def _values(self, node: yaml.Node, location: Location) -> Any:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if len(location) > _NESTING_LIMIT or len(self.lines) > _VALUES_LIMIT:
            raise self.wrong(
                location[:2], "values nested or repeated without end", "the plain description of one robot"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self._values(item, (*location, place)) for place, item in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)
        except (yaml.MarkedYAMLError, AttributeError, LookupError, TypeError, ValueError):  # a tag that does not fit
            tag = node.tag.removeprefix("tag:yaml.org,2002:")
            self.note(location, f"{node.value!r} as {tag}", "text, a number, true, false or null")
            return None

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.note(location, f"a key that is not text, on line {line}", "text as key")
                continue
            here = (*location, key_node.value)
            if key_node.value in result:
                found = f"the key {key_node.value!r} twice (lines {self.lines[here]} and {line})"
                self.lines[here] = line
                self.note(here, found, "each key once")
            self.lines[here] = line
            result[key_node.value] = self._values(value_node, here)
            if key_node.value == "name" and isinstance(value_node, yaml.ScalarNode):
                self.names[location] = value_node.value
        return result

    def _syntax(self, error: yaml.MarkedYAMLError) -> EmbodimentError:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        found = ", ".join(part for part in (error.context, error.problem) if part)
        hint = " indented with spaces, never with tabs" if "\\t" in found else ""
        return EmbodimentError(f"{self.path}:{line}: syntax: found an error {found}; expected YAML{hint}")

    def wrong(self, location: Location, found: str, expected: str) -> EmbodimentError:
        """One message: the line is that of the nearest thing that exists in the file."""
        return EmbodimentError(self._message(location, found, expected)[1])

    def note(self, location: Location, found: str, expected: str) -> None:
        """Remember what is wrong; what an alias repeats is said once."""
        line, message = self._message(location, found, expected)
        said = message.partition(": found ")[2]
        if not any(at == line and other.endswith(f": found {said}") for (at, _), other in self.faults.items()):
            self.faults[line, len(self.faults)] = message
        self.broken.add(location)

    def _message(self, location: Location, found: str, expected: str) -> tuple[int, str]:
        nearest = location
        while nearest not in self.lines:
            nearest = nearest[:-1]
        line = self.lines[nearest]
        return line, f"{self.path}:{line}: {self._field(location)}: found {found}; expected {expected}"

    def _field(self, location: Location) -> str:
        """``state.left_arm.limits``: dotted, with the names of parts and cameras in place of list positions."""
        places = [location[: depth + 1] for depth in range(len(location))]
        words = [self.names.get(place, "") if isinstance(place[-1], int) else "" for place in places]
        return ".".join(word or str(place[-1]) for word, place in zip(words, places, strict=True)) or "document"

    def checked(self, value: dict[str, Any]) -> EmbodimentDocument | None:
        """The document; what is wrong is noted, and None is returned where no document could be made."""
        try:
            document = EmbodimentDocument.model_validate(value)
        except ValidationError as error:
            self._note_rejected(error.errors(include_url=False))
            try:
                document = EmbodimentDocument.model_validate(self._mended(value))
            except ValidationError:
                return None  # too much is wrong to say what contradicts what
        for location, found, expected in contradictions(document):
            if not self._follows(location):
                self.note(location, found, expected)
        return document

    def _note_rejected(self, errors: list[ErrorDetails]) -> None:
        """Pydantic's complaints, without the missing key that a misspelt one explains."""
        places = [tuple(key for key in one["loc"] if key != "[key]") for one in errors]  # a mark of a mapping's key
        unknown = {place for one, place in zip(errors, places, strict=True) if one["type"] == "extra_forbidden"}
        for one, place in zip(errors, places, strict=True):
            meant = difflib.get_close_matches(str(place[-1]), [str(p[-1]) for p in unknown if p[:-1] == place[:-1]], 1)
            if any(place[: len(known)] == known for known in self.broken) or (one["type"] == "missing" and meant):
                self.broken.add(place)
                continue
            self.note(place, *_complaint(one, place))

    def _mended(self, value: Any, location: Location = ()) -> Any:
        """The values with something harmless in place of what is wrong, so that the rest can be compared."""
        if isinstance(value, list):
            return [self._mended(one, (*location, place)) for place, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        known = {key: self._mended(one, (*location, key)) for key, one in value.items()}
        for place in self.broken:
            if place[: len(location)] != location or len(place) <= len(location):
                continue
            key = place[len(location)]
            if len(place) == len(location) + 1 or key in _MENDED:
                known.pop(key, None)
                known |= {key: _MENDED[key]} if key in _MENDED else {}
        return known

    def _follows(self, location: Location) -> bool:
        """Whether a contradiction is about something that is noted already, or that compares with it."""
        if any(place == location[: len(place)] or location == place[: len(location)] for place in self.broken):
            return True
        if location[0] in ("state", "action"):
            compared = _COMPARED.get(str(location[2]), frozenset())
            return any(place[:2] == location[:2] and place[2] in compared for place in self.broken if len(place) > 2)
        named = {"selections", "default_selection"} & {location[0]}
        items = [place for place in self.broken if place and place[0] in _ITEMS]
        return bool(named) and any(place[-1] == "name" or len(place) <= 2 for place in items)


_WIDTH, _SWITCH = frozenset({"joints"}), frozenset({"normalization", "dtype", "unit", "closed", "open", "limits"})
_COMPARED = {
    **dict.fromkeys(("limits", "range", "zero_tick", "rotation"), _WIDTH),
    **dict.fromkeys(("normalization", "closed", "open"), _SWITCH),
}
"""Which other fields of a part a contradiction at a field compares it with."""

_MENDED: dict[Any, Any] = {
    "name": "unnamed",
    "description": "",
    "slot": 0,
    "control_hz": 1.0,
    "action_horizon": 1,
    "tolerance_s": 1.0,
    "language_key": "annotation.none",
    "role": "ego",
    "joints": ["unnamed"],
    "unit": "rad",
    "limits": None,
    "normalization": "identity",
    "rotation": None,
}
"""What stands for a needed key that is wrong or missing while the others are compared."""


def _shown(value: Any) -> str:
    kinds = {type(None): "nothing", dict: "a mapping", list: "a list"}
    return kinds.get(type(value)) or repr(value)


def _complaint(error: ErrorDetails, location: Location) -> tuple[str, str]:
    """(found, expected) in the words of the file's author instead of pydantic's."""
    found, key = _shown(error["input"]), str(location[-1]) if location else ""
    if error["type"] == "extra_forbidden":
        model = _ITEMS.get(str(location[0]), EmbodimentDocument) if len(location) > 1 else EmbodimentDocument
        return (
            f"the unknown key {key!r}",
            f"one of {', '.join(model.model_fields)}{did_you_mean(key, model.model_fields)}",
        )
    if error["type"] == "missing":
        return "nothing", f"the key {key!r}"
    if error["type"] == "literal_error":
        expected = str(error.get("ctx", {}).get("expected"))
        return found, expected + did_you_mean(str(error["input"]), [word for word in _WORDS if repr(word) in expected])
    expected = error["msg"].removeprefix("Input should be ").replace("String should match pattern", "text that matches")
    if isinstance(error["input"], str) and _is_number(error["input"]):
        expected += f" (YAML reads {found} as text: write a plain decimal without quotes)"
    return found, expected


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
