"""Message definitions of a log, looked at before a library makes a decoder of them.

``rosbags`` writes Python from a definition and runs it. So every name, type, size and constant that its parser found is
checked here to be what one of ROS can be, and nothing else reaches that library.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from gr00t_data.limits import DEFINITION_BYTES, DEFINITION_FIELDS, MESSAGE_PARTS, require_within
from gr00t_data.sources.recordings.streams import StreamError

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*){1,4}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LONGEST_NAME = 255
_LONGEST_CONSTANT = 10_000
_DEEPEST = 16
_BYTES = {
    **dict.fromkeys(("bool", "byte", "char", "octet", "int8", "uint8"), 1),
    **{"int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float32": 4, "wchar": 2, "string": 4, "wstring": 4},
    **{"int64": 8, "uint64": 8, "float64": 8, "float128": 16},
}
Types = dict[str, tuple[list[tuple[str, str, Any]], list[tuple[str, Any]]]]
"""As the library parses definitions: type -> constants (name, type, value) and fields (name, description)."""


@lru_cache(maxsize=1024)
def require_plain(name: str, text: str, is_idl: bool = False) -> float:
    """Check one definition, and those of the types that it brings along.

    Args:
        name: of its type.

    Returns:
        the fewest bytes of a message within a list of one message; infinite where there is no such list.

    Raises:
        StreamError: something in it is no definition of a message (says which). LimitError: it is larger than any.
    """
    from rosbags.typesys import get_types_from_idl, get_types_from_msg
    from rosbags.typesys.base import TypesysError

    require_within(len(text), DEFINITION_BYTES, f"characters of the definition of {name[:_LONGEST_NAME]!r}")
    if not _is_type(name) or any(not (c.isprintable() or c in "\n\r\t") for c in text):
        raise StreamError(f"the definition of {name[:_LONGEST_NAME]!r} is no text, or that is no name of a message")
    try:
        types: Any = get_types_from_idl(text) if is_idl else get_types_from_msg(text, name)
    except (TypesysError, RecursionError, LookupError, ValueError, AssertionError) as error:
        raise StreamError(f"the definition of {name} cannot be read ({str(error)[:200]})") from error
    return require_plain_types(types)


def require_few_parts(least: float, data: bytes | memoryview) -> None:
    """Refuse a message that would unpack to more messages within it than one has, by its bytes.

    Args:
        least: of ``require_plain`` for its definition.

    Raises:
        LimitError: it would.
    """
    require_within(len(data) / least, MESSAGE_PARTS, "messages within one message")


def require_plain_types(types: Types) -> float:
    """``require_plain`` of parsed definitions."""
    for name, (constants, fields) in types.items():
        good = _is_type(name) and all(_is_name(one) for one, *_ in (*constants, *fields))
        if not good or not all(_is_constant(kind, value) for _, kind, value in constants):
            raise StreamError(f"the definition of {name[:_LONGEST_NAME]!r} has a name or constant that ROS has not")
    measured: dict[str, tuple[float, float, float]] = {}
    for name in types:
        count, _, _ = _measured(types, name, measured, ())
        require_within(count, DEFINITION_FIELDS, f"fields of {name}")
    return min((least for _, _, least in measured.values()), default=math.inf)


def least_part(types: Types, name: str) -> float:
    """What ``require_plain`` returns, for one type of several that were checked."""
    return _measured(types, name, {}, ())[2]


def _is_type(name: object) -> bool:
    return isinstance(name, str) and len(name) <= _LONGEST_NAME and _TYPE.fullmatch(name) is not None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def _is_constant(kind: object, value: object) -> bool:
    plain = isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST_CONSTANT)
    return kind in _BYTES and plain


def _measured(
    types: Types, name: str, known: dict[str, tuple[float, float, float]], within: tuple[str, ...]
) -> tuple[float, float, float]:
    """Fields when laid out flat, fewest bytes, and fewest bytes of a message that stands in a list of it."""
    if name in known:
        return known[name]
    if name in within or len(within) > _DEEPEST:
        raise StreamError(f"the definition of {name} contains itself, or is nested deeper than {_DEEPEST}")
    flat = [_field(types, one, known, (*within, name)) for _, one in types[name][1]] if name in types else []
    counts, sizes, least = zip(*flat, strict=True) if flat else ((1,), (1,), (math.inf,))
    known[name] = sum(counts), max(sum(sizes), 1), min(least)
    return known[name]


def _field(
    types: Types, description: Any, known: dict[str, tuple[float, float, float]], within: tuple[str, ...]
) -> tuple[float, float, float]:
    kind, content = int(description[0]), description[1]
    if kind == _BASE and content[0] in _BYTES and isinstance(content[1], int) and content[1] >= 0:
        return 1, _BYTES[content[0]], math.inf
    if kind == _NAMED and _is_type(content):
        return _measured(types, content, known, within)
    if kind not in (_ARRAY, _SEQUENCE) or not isinstance(content[1], int) or content[1] < 0:
        raise StreamError(f"the definition of {within[-1]} has a type that ROS has not ({str(description)[:200]})")
    count, size, least = _field(types, content[0], known, within)
    inner = content[0]
    if int(inner[0]) == _BASE and inner[1][0] not in ("string", "wstring"):
        return 1, size * content[1] if kind == _ARRAY else 4, math.inf
    times = content[1] if kind == _ARRAY else 1
    return count * times, size * times if kind == _ARRAY else 4, min(least, size)


_BASE, _NAMED, _ARRAY, _SEQUENCE = 1, 2, 3, 4
"""The library's kinds of nodes."""


def require_plain_bag(connections: Iterable[Any]) -> None:
    """Check the definitions of every topic of a bag, as the library lists them."""
    for connection in connections:
        if not _is_type(connection.msgtype):
            raise StreamError(f"topic {connection.topic[:_LONGEST_NAME]!r} has the type {connection.msgtype[:99]!r}")
        form = connection.msgdef.format.name
        if form == "MSG":
            require_plain(connection.msgtype, connection.msgdef.data)
        elif form == "IDL":
            for part in _idl_parts(connection.msgdef.data):
                require_plain(connection.msgtype, part, is_idl=True)


def _idl_parts(text: str) -> list[str]:
    require_within(len(text), DEFINITION_BYTES, "characters of a definition")
    rule = f"{'=' * 80}\n"
    return [one.partition("\n")[2] for one in text.split(rule)[1:]] if text.startswith(f"{rule}IDL: ") else [text]
