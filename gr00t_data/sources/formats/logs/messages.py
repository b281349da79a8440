"""What is inside a logged message, whatever decoded it: ROS classes, protobuf, JSON. Numbers, stamps, pictures."""

import base64
import binascii
import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from gr00t_data.limits import MESSAGE_VALUES, require_within
from gr00t_data.sources.recordings.clocks import NS
from gr00t_data.sources.recordings.images import decoded, raw_picture
from gr00t_data.sources.recordings.streams import StreamError

_NOT_VALUES = {"header", "stamp", "timestamp", "layout"}
_DEEPEST = 8


def fields(message: Any) -> list[str]:
    """The names of a message's fields, in the order of its definition; empty for plain values."""
    if isinstance(message, dict):
        return [str(name) for name in message]
    if hasattr(message, "DESCRIPTOR"):
        return [field.name for field in message.DESCRIPTOR.fields]
    if dataclasses.is_dataclass(message):
        return [field.name for field in dataclasses.fields(message) if not field.name.startswith("__")]
    return list(getattr(type(message), "__slots__", ()))


def member(message: Any, name: str) -> Any:
    """One field of a message, or one item of a list; None when there is none."""
    if isinstance(message, dict):
        return message.get(name)
    if name.isdigit() and _is_list(message):
        return message[int(name)] if int(name) < len(message) else None
    return getattr(message, name, None)


def at(message: Any, path: str) -> Any:
    """What a dotted path leads to; the message itself for an empty path.

    Raises:
        StreamError: no such field (with those there are).
    """
    found = message
    for name in path.split(".") if path else ():
        inner = member(found, name)
        if inner is None:
            raise StreamError(f"has no field {name!r} (of {path!r}); there are {', '.join(fields(found)) or 'none'}")
        found = inner
    return found


def numbers(value: Any, depth: int = 0) -> list[float]:
    """All numbers of a value, in the order of its definition; headers and texts are left out.

    Raises:
        StreamError: nested deeper than any message is.
        LimitError: more of them than any message has.
    """
    if depth > _DEEPEST:
        raise StreamError(f"is nested deeper than {_DEEPEST}")
    if isinstance(value, bool | int | float | np.number | np.bool_):
        try:
            return [float(value)]
        except OverflowError as error:
            raise StreamError("holds a whole number of hundreds of digits") from error
    if isinstance(value, str | bytes | bytearray | memoryview) or value is None:
        return []
    if hasattr(value, "__len__"):
        require_within(len(value), MESSAGE_VALUES, "values of one message")
    if isinstance(value, np.ndarray):
        return value.astype(np.float64).ravel().tolist() if value.dtype.kind in "fiub" else []
    if _is_list(value):
        inner: Iterable[Any] = value
    else:
        inner = (member(value, name) for name in fields(value) if name not in _NOT_VALUES)
    found: list[float] = []
    for item in inner:
        found += numbers(item, depth + 1)
        require_within(len(found), MESSAGE_VALUES, "values of one message")
    return found


def number_names(value: Any, depth: int = 0) -> list[str]:
    """For each number of ``numbers`` the name of the field that holds it; empty for items of lists."""
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return [""]
    if depth > _DEEPEST or isinstance(value, str | bytes | bytearray | memoryview) or value is None:
        return []
    if isinstance(value, np.ndarray) or _is_list(value):
        return [""] * len(numbers(value, depth))
    found: list[str] = []
    for name in fields(value):
        if name not in _NOT_VALUES:
            inner = number_names(member(value, name), depth + 1)
            found += [name] if inner == [""] and not _is_list(member(value, name)) else inner
    return found


def _is_list(value: Any) -> bool:
    if isinstance(value, str | bytes | dict):
        return False
    return isinstance(value, list | tuple | np.ndarray) or (isinstance(value, Iterable) and hasattr(value, "__len__"))


def chosen(message: Any, path: str, names: tuple[str, ...]) -> list[float] | None:
    """The numbers under a path; with ``names``, those whose names the message lists beside them, in this order.

    Returns:
        None for a message that lists other names, or names without numbers: nodes share a topic.

    Raises:
        StreamError: no such field, or another count of names than of numbers.
    """
    values = numbers(at(message, path))
    if not names:
        return values
    listed = listed_names(message)
    if not set(names) <= set(listed) or not values:
        return None
    if len(listed) != len(values):
        raise StreamError(f"lists {listed} for {len(values)} values, expected one name for each")
    return [values[listed.index(name)] for name in names]


def listed_names(message: Any) -> list[str]:
    """The names in a message's field ``name`` or ``joint_names``, for example of ``sensor_msgs/JointState``."""
    for field in ("name", "joint_names"):
        listed = member(message, field)
        if listed is not None and not isinstance(listed, str) and _is_list(listed):
            require_within(len(listed), MESSAGE_VALUES, "names of one message")
            return [str(name) for name in listed]
    return []


def stamp_ns(message: Any) -> int | None:
    """The sensor's own stamp: ``header.stamp``, ``stamp`` or ``timestamp``; None when there is none or it is zero.

    Raises:
        StreamError: it is no number.
    """
    for path in ("header.stamp", "stamp", "timestamp"):
        found = message
        for name in path.split("."):
            found = member(found, name) if found is not None else None
        if found is None or isinstance(found, str):
            continue
        seconds = next((member(found, n) for n in ("sec", "seconds", "secs") if member(found, n) is not None), None)
        rest = (member(found, n) for n in ("nanosec", "nsec", "nanos", "nsecs") if member(found, n) is not None)
        try:
            if seconds is not None:
                return (int(seconds) * NS + int(next(rest, 0) or 0)) or None
        except (TypeError, ValueError, OverflowError) as error:
            raise StreamError(f"its {path} is no time ({error})") from error
    return None


def frame_of(message: Any) -> str:
    """The frame of reference of a message, which says whose it is where a log does not name nodes; else empty."""
    header = member(message, "header")
    found = None if header is None else member(header, "frame_id")
    return found if isinstance(found, str) else ""


def is_picture(message: Any) -> bool:
    """Whether a message is a raw or compressed picture."""
    names = set(fields(message))
    return "data" in names and (names >= {"height", "width", "encoding"} or "format" in names)


def picture(message: Any) -> np.ndarray:
    """A picture message as uint8 [H, W, 3].

    Raises:
        StreamError: cut off, another encoding, or video packets instead of a picture.
    """
    data = member(message, "data")
    if isinstance(data, str):
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise StreamError(f"picture is no base64 ({error})") from error
    data = data if isinstance(data, np.ndarray) else bytes(data)
    if member(message, "encoding") is not None:
        size = [int(member(message, name) or 0) for name in ("height", "width", "step")]
        return raw_picture(data, *size, encoding=str(member(message, "encoding")))
    kind = str(member(message, "format")).lower()
    if any(codec in kind for codec in ("h264", "h265", "hevc", "av1", "vp9")):
        raise StreamError(f"holds {kind} video packets, expected pictures; record pictures, or convert the topic")
    return decoded(data)
