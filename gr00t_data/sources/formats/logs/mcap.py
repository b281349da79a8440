"""MCAP files without ROS: ROS 2 (CDR), JSON and protobuf messages. One file is one episode."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gr00t_data.disk import own_files, parse_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.limits import LimitError
from gr00t_data.sources.formats.asking import first_answer
from gr00t_data.sources.formats.logs.chunks import MAGIC, Bounded, CutOffError, most_bytes, unpacked_records
from gr00t_data.sources.formats.logs.definitions import require_few_parts, require_plain
from gr00t_data.sources.formats.logs.inventory import log_inventory
from gr00t_data.sources.formats.logs.log import Log, Logged, read_log
from gr00t_data.sources.recordings.mapping import Mapping
from gr00t_data.sources.recordings.propose import Found
from gr00t_data.sources.recordings.reader import Recordings
from gr00t_data.sources.recordings.streams import RawEpisode, StreamError


class McapLog:
    """One file. A file that was cut off is read up to the cut, and ``notes`` says so; any other damage refuses it."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.notes: list[str] = []
        self._path = path
        self._topics: list[str] | None = None

    def topics(self) -> list[str]:
        """From the file's summary, or from its messages when it has none."""
        if self._topics is None:
            self._topics = sorted(self._counts().keys() or {message.topic for message in self.messages(None)})
        return self._topics

    def _counts(self) -> Counter[str]:
        """Topic -> its messages, as the summary counts them; empty where there is none that can be read."""
        from mcap.reader import SeekingReader

        with self._path.open("rb") as stream:
            bounded: Any = Bounded(stream)
            try:
                summary = SeekingReader(bounded, record_size_limit=most_bytes()).get_summary()
            except Exception:  # the library's own, struct's and the decompressors' errors, on damaged bytes
                return Counter()
        if summary is None or summary.statistics is None:
            return Counter()
        found = Counter[str]()
        for number, channel in summary.channels.items():
            found[channel.topic] += summary.statistics.channel_message_counts.get(number, 0)
        return +found

    def messages(self, topics: Sequence[str] | None) -> Iterator[Logged]:
        """In the order of the file, of all topics for None; needs no index, so a cut file gives what it has.

        Raises:
            StreamError: a part of it is damaged, it holds fewer messages than it says, or a chunk or the whole log
                unpacks to more than it may.
        """
        from mcap.records import Channel, Message, Schema

        decoders, channels, schemas, count = _Decoders(), dict[int, Any](), dict[int, Any](), 0
        try:
            # Ordering by log time would hold the whole file in memory.
            for record in unpacked_records(self._path):
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    if topics is None or channel.topic in topics:
                        count += 1
                        decode = partial(decoders.decode, schemas.get(channel.schema_id), channel, record.data)
                        sender = str(channel.metadata.get("callerid") or f"channel {channel.id}")
                        yield Logged(channel.topic, record.log_time, record.publish_time, decode, sender)
        except LimitError as error:
            raise StreamError(f"{self.name}: {error}") from error
        except Exception as error:  # the library's own, struct's and the decompressors' errors, on damaged bytes
            self._ended_early(error, count, topics)
            return
        if (declared := self._declared(topics)) is not None and declared != count:
            raise StreamError(f"{self.name}: holds {count} of the {declared} messages it counts; copy it again")

    def _ended_early(self, error: Exception, count: int, topics: Sequence[str] | None) -> None:
        """Note that the file is cut off. Raises StreamError: it is not, so bytes in between are wrong."""
        if not isinstance(error, CutOffError):
            declared = self._declared(topics)
            of = "" if declared is None else f" of {declared}"
            raise StreamError(
                f"{self.name}: is damaged after {count}{of} messages ({type(error).__name__}: {error}); what lies "
                "behind cannot be read: copy it again from its source"
            ) from error
        if not self.notes:
            self.notes.append(
                f"{self.name}: is cut off or damaged; what lies before is kept, {count} messages; how many are lost "
                f"behind it nobody knows ({type(error).__name__}: {error})"
            )

    def _declared(self, topics: Sequence[str] | None) -> int | None:
        """How many messages of these topics the file's summary counts; None where it has none."""
        counts = self._counts()
        return sum(counts[topic] for topic in counts if topics is None or topic in topics) if counts else None


class _Decoders:
    """Finds the decoder of each channel once."""

    def __init__(self) -> None:
        from mcap_protobuf.decoder import DecoderFactory as ProtobufFactory
        from mcap_ros2.decoder import DecoderFactory as Ros2Factory

        self._known: dict[int, Any] = {}
        self._factories: list[Any] = [Ros2Factory(), ProtobufFactory()]

    def decode(self, schema: Any, channel: Any, data: bytes) -> Any:
        """One message. Raises StreamError: its encoding is not read here, or it is damaged."""
        try:
            if channel.id not in self._known:
                self._known[channel.id] = self._find(schema, channel)
            return self._known[channel.id](data)
        except (StreamError, LimitError):
            raise
        except Exception as error:  # generated decoders raise anything on damaged bytes
            raise StreamError(f"message of {len(data)} bytes cannot be decoded ({error})") from error

    def _find(self, schema: Any, channel: Any) -> Any:
        if channel.message_encoding == "json":
            return parse_json
        if schema is not None and schema.encoding == "ros2msg" and (found := self._bounded(schema, channel)):
            return found
        if found := self._factories[1].decoder_for(channel.message_encoding, schema):
            return found
        kind = f"{channel.message_encoding!r} with schema {schema.encoding if schema else None!r}"
        raise StreamError(f"holds {kind}; messages in ros2 cdr, json and protobuf can be read")

    def _bounded(self, schema: Any, channel: Any) -> Any:
        """The decoder of a ROS 2 definition that is one."""
        least = require_plain(schema.name, schema.data.decode("utf-8"))
        decode = self._factories[0].decoder_for(channel.message_encoding, schema)

        def bounded(data: bytes) -> Any:
            require_few_parts(least, data)
            return decode(data)

        return bounded if decode else None


def _files(drop: Path) -> list[Path]:
    if drop.is_file():
        return [drop]
    return own_files(drop, "*.mcap")


def _is_mcap(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def require_whole(path: Path) -> None:
    """Whether every part of a file is as it was written, by the checksums in it.

    Raises:
        StreamError: it is damaged, or cut off.
    """
    try:
        for _ in unpacked_records(path):
            pass
    except Exception as error:  # the library's own, struct's and the decompressors' errors, on damaged bytes
        reason = f"{type(error).__name__}: {error}"
        raise StreamError(f"{path}: is damaged or cut off ({reason}); copy it again from its source") from error


def _log(path: Path, name: str) -> Log:
    file = path / name if path.is_dir() else path
    if not _is_mcap(file):
        with file.open("rb") as stream:
            raise StreamError(f"{file}: is no MCAP file, it begins with {stream.read(8)!r}; check what was copied")
    return McapLog(file)


def _held(file: Path) -> list[Found]:
    return log_inventory(McapLog(file))


class Mcap(Recordings):
    """MCAP without ROS: a file an episode."""

    name = "MCAP"

    def recognises(self, drop: Path) -> bool:
        """Whether a file of the drop begins as an MCAP does and no ``metadata.yaml`` makes it a ROS 2 bag."""
        return any(_is_mcap(file) and not (file.parent / "metadata.yaml").is_file() for file in _files(drop))

    def episode_names(self, drop: Path) -> list[str]:
        """The names of the files within the drop."""
        return [file.relative_to(drop).as_posix() if drop.is_dir() else file.name for file in _files(drop)]

    def read_episode(self, drop: Path, mapping: Mapping, embodiment: Embodiment, name: str) -> RawEpisode:
        """One file. Raises StreamError: see ``read_log``."""
        return read_log(_log(drop, name), name, mapping, embodiment)

    def contents(self, drop: Path) -> list[Found]:
        """What the first readable file holds. Raises StreamError: there is none (with the reason of the last one)."""
        return first_answer(drop, filter(_is_mcap, _files(drop)), _held, "message")


READER = Mcap()
