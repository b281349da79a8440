"""What the messages of a log hold: the fields that can become parts, pictures and texts."""

from collections import Counter
from dataclasses import replace
from typing import Any

from gr00t_data.limits import LimitError
from gr00t_data.sources.formats.logs import messages
from gr00t_data.sources.formats.logs.log import Log, Logged
from gr00t_data.sources.recordings.propose import Found
from gr00t_data.sources.recordings.streams import StreamError


def log_inventory(log: Log) -> list[Found]:
    """What the messages of each topic hold: pictures, texts, and each field with numbers, by what they name and by who
    sends them. Nodes that share a topic begin when they like, so messages from all of the log are looked at."""
    found, seen = dict[Found, None](), Counter[str]()
    topics, pictures = log.topics(), set[tuple[str, str]]()
    for message in log.messages(topics):
        seen[message.topic] += 1
        looked = seen[message.topic] <= _LOOKED_AT_FIRST or seen[message.topic] % _LOOKED_EVERY == 0
        if looked and (message.topic, message.sender) not in pictures:
            try:
                held = _held(message)
            except StreamError:
                continue
            found |= dict.fromkeys(held)
            pictures |= {(message.topic, message.sender) for one in held if one.picture}
    return _one_sender(list(found))


def _held(message: Logged) -> list[Found]:
    content = message.decode()
    if messages.is_picture(content):
        return [Found(message.topic, 0, picture=True, sender=message.sender)]
    if isinstance(messages.member(content, "data"), str):
        return [Found(message.topic, 0, "data", text=True, sender=message.sender)]
    return [replace(one, sender=message.sender) for one in _number_fields(message.topic, content)]


def _one_sender(found: list[Found]) -> list[Found]:
    """Without the senders of topics that have only one; in the order of the topics' first messages."""
    senders = {one.key: {other.sender for other in found if other.key == one.key} for one in found}
    place = {key: number for number, key in enumerate(senders)}
    plain = (one if len(senders[one.key]) > 1 else replace(one, sender="") for one in found)
    return sorted(dict.fromkeys(plain), key=lambda one: place[one.key])


_LOOKED_AT_FIRST, _LOOKED_EVERY = 100, 16
"""Messages of a topic that are decoded to see what it holds: the first ones, and of the others every sixteenth."""


def _number_fields(topic: str, content: Any, path: str = "") -> list[Found]:
    """A field whose own fields hold the numbers (pose -> position, orientation) is offered by its inner ones."""
    value = messages.at(content, path)
    inner = [n for n in messages.fields(value) if n not in ("header", "stamp", "timestamp", "layout")]
    nested = [n for n in inner if _width(messages.member(value, n))]
    if path and all(isinstance(messages.member(value, n), int | float) for n in nested):
        return [_found(topic, content, path)] if nested or _width(value) else []
    found = []
    for name in nested:
        below = f"{path}.{name}" if path else name
        deeper = messages.fields(messages.member(value, name))
        found += _number_fields(topic, content, below) if deeper else [_found(topic, content, below)]
    return found


def _found(topic: str, content: Any, path: str) -> Found:
    names = tuple(messages.listed_names(content))
    width = _width(messages.at(content, path))
    return Found(topic, width, path, names if len(names) == width else ())


def _width(value: Any) -> int:
    """How many numbers a value holds; 0 for what can be no part of a robot, as a cloud of points."""
    try:
        return len(messages.numbers(value))
    except (StreamError, LimitError):
        return 0
