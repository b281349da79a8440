"""Episodes from logs of messages on topics, whichever file they are in: one pass for values and stamps, and one more a
camera when its pictures are written. Pictures are never kept.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.limits import LOG_VALUES, LimitError, require_within
from gr00t_data.sources.formats.logs import messages
from gr00t_data.sources.recordings.binding import Samples, bound_parts, camera_of
from gr00t_data.sources.recordings.mapping import CameraSource, Mapping, PartSource
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
            sender = messages.frame_of(content) or message.sender
            sender = message.sender if message.sender.startswith("/") else sender
            count, first, last = self.senders.get(sender, [0, message.log_ns, message.log_ns])
            self.senders[sender] = [count + 1, min(first, message.log_ns), max(last, message.log_ns)]
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
        _require_one_voice(values[np.argsort(times_ns, kind="stable")], f"{log.name}: {stream}: {source.key}")
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
                if source.key == message.topic and _is_of(source, message, content):
                    taken += 2 + _add(found[name], source, source.clock or mapping.clock, message, content)
            require_within(taken, LOG_VALUES, "numbers and stamps up to here")
        except (StreamError, LimitError) as error:
            raise StreamError(f"{log.name}: {message.topic}: {error}") from error
    _require_heard(log.name, sources, found)
    return found, instruction


def _is_of(source: PartSource | CameraSource, message: Logged, content: Any) -> bool:
    """Whether the message is of the sender that a source names: a node, a channel, or a frame of reference."""
    return source.sender in ("", message.sender) or (
        isinstance(source, PartSource) and source.sender == messages.frame_of(content)
    )


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


def _require_one_voice(values: np.ndarray, where: str) -> None:
    """Refuse messages [N, D] of nodes that speak in turn where nothing names them, as recorders of ROS 2 leave it.

    Of one moving joint, messages further apart differ more. Of two nodes in turn, every second message continues the
    one before last, and neighbours differ.

    Raises:
        StreamError: they do.
    """
    if len(values) < _LEAST_IN_TURN or values.shape[1] < 2 or not np.isfinite(values).all():
        return
    beside = np.abs(np.diff(values, axis=0)).sum(axis=0)
    for turn in range(2, _MOST_IN_TURN + 1):
        continues = np.abs(values[turn:] - values[:-turn]).sum(axis=0) < _CONTINUES * beside
        if max(2, (beside > 0).sum() / 2) <= continues.sum():  # one number that flips is a switch
            raise StreamError(
                f"{where}: several nodes speak in turn: each message continues the one {turn} before it, not its "
                "neighbour, and nothing names them; record one of them under another topic, or filter the recording"
            )


_LEAST_IN_TURN, _MOST_IN_TURN = 40, 6
"""Messages that show a turn, and the longest turn that is looked for: 5 messages of one node for one of another."""
_CONTINUES = 0.4
"""Smooth motion gives 2 and more, pure noise 1."""
