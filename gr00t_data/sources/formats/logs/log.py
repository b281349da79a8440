"""Episodes from logs of messages on topics, whichever file they are in: one pass for values and stamps, and one more a
camera when its pictures are written. Pictures are never kept.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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
    """One message: its topic, when the recorder wrote it, when its sender published it, and its content."""

    topic: str
    log_ns: int
    publish_ns: int
    decode: Callable[[], Any]


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
    """The pictures of one topic."""

    log: Log
    topic: str

    def take(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See ``Frames.take``; a picture that several rows share is decoded once."""
        last, picture = -1, np.empty(0)
        logged = in_order(self.log.messages([self.topic]), indices)
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

    def add(self, clock: str, message: Logged, content: Any, values: list[float] | None = None) -> None:
        own = messages.stamp_ns(content) if clock == "header" else None
        published = message.publish_ns if clock != "log" else message.log_ns
        try:
            self.stamps.append(own if own is not None else published)
            self.received.append(message.log_ns)
        except OverflowError as error:
            raise StreamError(
                f"has the stamp {own or published} ns, which is no time; leave the recording out"
            ) from error
        if values is not None:
            self.values.extend(values)
            self.widths[len(values)] += 1

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
        frames = LogFrames(log, source.key)
        pictures[camera] = camera_of(source, camera, embodiment, times_ns, frames, received_ns)
    text = mapping.instruction.text or instruction
    source = {"file": name}
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
                if source.key == message.topic:
                    values = None
                    if isinstance(source, PartSource):
                        values = messages.chosen(content, source.field, source.names)
                        if not found[name].stamps and not source.names:
                            found[name].names = tuple(messages.number_names(messages.at(content, source.field)))
                    found[name].add(source.clock or mapping.clock, message, content, values)
                    taken += 2 + len(values or ())
            require_within(taken, LOG_VALUES, "numbers and stamps up to here")
        except (StreamError, LimitError) as error:
            raise StreamError(f"{log.name}: {message.topic}: {error}") from error
    if silent := sorted(sources[name].key for name, one in found.items() if not one.stamps):
        raise StreamError(f"{log.name}: has no readable message on {', '.join(silent)}; leave the recording out")
    return found, instruction


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
    """What the first message of each topic holds: pictures, texts, and each field with numbers."""
    found, seen = [], set[str]()
    topics = log.topics()
    for message in log.messages(topics):
        if message.topic in seen:
            continue
        seen.add(message.topic)
        try:
            content = message.decode()
        except StreamError:
            continue
        if messages.is_picture(content):
            found.append(Found(message.topic, 0, picture=True))
        elif isinstance(messages.member(content, "data"), str):
            found.append(Found(message.topic, 0, "data", text=True))
        else:
            found += _number_fields(message.topic, content)
        if len(seen) == len(topics):
            break
    return found


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
