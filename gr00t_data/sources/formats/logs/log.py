"""Episodes from logs of messages on topics, whichever file they are in: one pass for values and stamps, and one more a
camera when its pictures are written. Pictures are never kept.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.limits import LOG_VALUES, LimitError, require_within
from gr00t_data.sources.formats.logs import messages
from gr00t_data.sources.recordings.binding import Samples, bound_parts, camera_of
from gr00t_data.sources.recordings.mapping import CameraSource, Mapping, PartSource
from gr00t_data.sources.recordings.propose import Found
from gr00t_data.sources.recordings.streams import RawEpisode, StreamError, in_order


class Logged(NamedTuple):
    """One message: its topic, when the recorder wrote it, when its sender published it, its content, and who sent it:
    the node's name where the log has it, else the channel."""

    topic: str
    log_ns: int
    publish_ns: int
    decode: Callable[[], Any]
    sender: str = ""


class Log(Protocol):
    """A readable log. ``notes`` says after reading what was wrong with it, for example that it is cut off."""

    name: str
    notes: list[str]

    def topics(self) -> list[str]:
        """Every topic that has messages."""
        ...

    def messages(self, topics: Sequence[str]) -> Iterator[Logged]:
        """The messages of these topics in the order of the log."""
        ...


@dataclass(frozen=True)
class LogFrames:
    """The pictures of one topic, or of one of its senders."""

    log: Log
    topic: str
    sender: str = ""

    def take(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See ``Frames.take``; a picture that several rows share is decoded once."""
        last, picture = -1, np.empty(0)
        messages_of = (one for one in self.log.messages([self.topic]) if self.sender in ("", one.sender))
        logged = in_order(messages_of, indices)
        for index, message in zip(indices, logged, strict=True):
            if index != last:
                try:
                    last, picture = index, messages.picture(message.decode())
                except StreamError as error:
                    raise StreamError(f"{self.log.name}: {self.topic}: message {index}: {error}") from error
            yield picture


@dataclass
class _Collected:
    """What one source gave so far."""

    stamps: "array[int]" = field(default_factory=lambda: array("q"))
    received: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    widths: Counter[int] = field(default_factory=Counter)
    names: tuple[str, ...] = ()
    left_out: int = 0
    listed: list[str] = field(default_factory=list)
    senders: dict[str, list[int]] = field(default_factory=dict)

    def add(self, clock: str, message: Logged, content: Any, values: list[float] | None = None) -> None:
        own = messages.stamp_ns(content) if clock == "header" else None
        published = message.publish_ns if clock != "log" else message.log_ns
        try:
            self.stamps.append(own if own is not None else published)
            self.received.append(message.log_ns)
            count, first, last = self.senders.get(message.sender, [0, message.log_ns, message.log_ns])
            self.senders[message.sender] = [count + 1, min(first, message.log_ns), max(last, message.log_ns)]
        except OverflowError as error:
            raise StreamError(
                f"has the stamp {own or published} ns, which is no time; leave the recording out"
            ) from error
        if values is not None:
            self.values.extend(values)
            self.widths[len(values)] += 1

    def at_once(self) -> str:
        """The senders whose messages lie between those of another, with their numbers; empty for one after the other,
        as a node that was started again."""
        ranges = sorted(self.senders.values(), key=lambda one: one[1])
        if all(before[2] < after[1] for before, after in pairwise(ranges)):
            return ""
        return ", ".join(f"{name!r} ({count} messages)" for name, (count, _, _) in sorted(self.senders.items()))

    def times(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The stamps, and the recorder's clock when it is another one."""
        stamps, received = (np.frombuffer(one, dtype=np.int64) for one in (self.stamps, self.received))
        return stamps, None if np.array_equal(stamps, received) else received


def read_log(log: Log, name: str, mapping: Mapping, embodiment: Embodiment) -> RawEpisode:
    """The streams of a log, by the mapping.

    Raises:
        StreamError: a mapped topic is absent or silent, a field is missing, or a message cannot be decoded.
    """
    sources = {n: s for n, s in mapping.sources().items() if isinstance(s, CameraSource) or s.constant is None}
    collected, instruction = _collect(log, mapping, sources)

    def samples(stream: str, source: PartSource) -> Samples:
        times_ns, received_ns = collected[stream].times()
        values = _matrix(collected[stream], f"{log.name}: {source.key} {source.field}")
        return Samples(times_ns, values, received_ns, names=collected[stream].names)

    sides = bound_parts(mapping, embodiment, samples)
    pictures = {}
    for camera, source in mapping.cameras.items():
        times_ns, received_ns = collected[f"video.{camera}"].times()
        frames = LogFrames(log, source.key, source.sender)
        pictures[camera] = camera_of(source, camera, embodiment, times_ns, frames, received_ns)
    text = mapping.instruction.text or instruction
    left_out = {stream: one.left_out for stream, one in collected.items() if one.left_out}
    source = {"file": name, **({"left_out": left_out} if left_out else {})}
    return RawEpisode(name, sides["state"], sides["action"], pictures, text, None, source, tuple(log.notes))


def _collect(
    log: Log, mapping: Mapping, sources: dict[str, PartSource | CameraSource]
) -> tuple[dict[str, _Collected], str]:
    """One pass over the log: stamps of everything mapped, values of the parts, and the first instruction."""
    asked = {source.key for source in sources.values()}
    if missing := sorted(asked - set(log.topics())):
        raise StreamError(f"{log.name}: has no message on {', '.join(missing)}; it has {', '.join(log.topics())}")
    found = {name: _Collected() for name in sources}
    instruction, taken = "", 0
    for message in log.messages([*asked, *filter(None, [mapping.instruction.key])]):
        try:
            content = message.decode()
            if message.topic == mapping.instruction.key and not instruction:
                instruction = _text(messages.at(content, mapping.instruction.field))
            for name, source in sources.items():
                if source.key == message.topic and source.sender in ("", message.sender):
                    taken += 2 + _add(found[name], source, source.clock or mapping.clock, message, content)
            require_within(taken, LOG_VALUES, "numbers and stamps up to here")
        except (StreamError, LimitError) as error:
            raise StreamError(f"{log.name}: {message.topic}: {error}") from error
    _require_heard(log.name, sources, found)
    return found, instruction


def _add(collected: _Collected, source: PartSource | CameraSource, clock: str, message: Logged, content: Any) -> int:
    """Take one message, or leave it out where it does not list what the source names; returns how many numbers."""
    if isinstance(source, CameraSource):
        collected.add(clock, message, content)
        return 0
    values = messages.chosen(content, source.field, source.names)
    if values is None:
        collected.left_out, collected.listed = collected.left_out + 1, messages.listed_names(content)
        return 0
    if not collected.stamps and not source.names:
        collected.names = tuple(messages.number_names(messages.at(content, source.field)))
    collected.add(clock, message, content, values)
    return len(values)


def _require_heard(where: str, sources: dict[str, PartSource | CameraSource], found: dict[str, _Collected]) -> None:
    """Every source has messages, of one sender.

    Raises:
        StreamError: one is silent, or several nodes publish it at once and nothing says which is meant.
    """
    for name, one in found.items():
        source = sources[name]
        if one.left_out and not one.stamps and isinstance(source, PartSource):
            raise StreamError(
                f"{where}: {source.key}: lists {one.listed}, expected {[*source.names]} among them, with a value for "
                f"each; none of its {one.left_out} messages does: correct `names` in the mapping"
            )
        if at_once := one.at_once():
            raise StreamError(
                f"{where}: {name}: several nodes publish on {source.key} at once, and they are not mixed: {at_once}; "
                f"write the one that is meant as `sender: {min(one.senders)!r}` at this source of the mapping"
            )
    if silent := sorted(sources[name].key for name, one in found.items() if not one.stamps):
        raise StreamError(f"{where}: has no readable message on {', '.join(silent)}; leave the recording out")


def _text(value: Any) -> str:
    """A text, or the text in the field ``data`` of a ``std_msgs/String``."""
    inner = value if isinstance(value, str) else messages.member(value, "data")
    return inner.strip() if isinstance(inner, str) else ""


def _matrix(collected: _Collected, where: str) -> np.ndarray:
    widths = sorted(collected.widths)
    if len(widths) != 1:
        raise StreamError(f"{where}: messages have {widths} values, expected one count; choose joints with `names`")
    return np.frombuffer(collected.values, dtype=np.float64).reshape(len(collected.stamps), widths[0])


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
