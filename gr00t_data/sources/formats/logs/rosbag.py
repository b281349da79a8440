"""ROS 1 bags and ROS 2 bags (SQLite or MCAP storage) without ROS, through ``rosbags``. One bag is one episode."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gr00t_data.disk import own_files
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.limits import LimitError
from gr00t_data.sources.formats.asking import first_answer
from gr00t_data.sources.formats.logs.bags import require_bounded_bag
from gr00t_data.sources.formats.logs.definitions import least_part, require_few_parts, require_plain_bag
from gr00t_data.sources.formats.logs.inventory import log_inventory
from gr00t_data.sources.formats.logs.log import Logged, read_log
from gr00t_data.sources.formats.logs.mcap import require_whole
from gr00t_data.sources.recordings.mapping import Mapping
from gr00t_data.sources.recordings.propose import Found
from gr00t_data.sources.recordings.reader import Recordings
from gr00t_data.sources.recordings.streams import RawEpisode, StreamError

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

_ROS1_MAGIC = b"#ROSBAG V2.0\n"
_ROS2_KEY = b"rosbag2_bagfile_information"


class BagLog:
    """One bag: a ``.bag`` file of ROS 1, or the folder of a ROS 2 bag."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.notes: list[str] = []
        self._path = path
        self._is_whole = False

    @contextmanager
    def _opened(self) -> "Iterator[AnyReader]":
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore

        try:
            require_bounded_bag(self._path)
            # Bags recorded before ROS 2 Iron hold no definitions: the standard messages of Humble fill in.
            reader = AnyReader([self._path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
            opened: Any = [_Checked(one) for one in reader.readers]
            reader.readers = opened
            with reader:
                yield reader
        except (StreamError, LimitError) as error:
            raise StreamError(str(error) if self.name in str(error) else f"{self.name}: {error}") from error
        except Exception as error:  # sqlite, YAML, struct and index errors, each of its own class
            raise StreamError(
                f"{self.name}: cannot be read ({type(error).__name__}: {error}); it may be cut off: copy it again, or "
                "rebuild its index (`rosbag reindex`, `ros2 bag reindex`)"
            ) from error

    def topics(self) -> list[str]:
        """Every topic that has messages. Raises StreamError: a file of the bag is damaged, by its own checksums."""
        with self._opened() as reader:
            topics = sorted({connection.topic for connection in reader.connections if connection.msgcount})
        for file in sorted(self._path.glob("*.mcap")) if self._path.is_dir() and not self._is_whole else ():
            require_whole(file)
        self._is_whole = True
        return topics

    def messages(self, topics: Sequence[str]) -> Iterator[Logged]:
        """In the order of time. Raises StreamError: the bag holds fewer messages than it counts."""
        with self._opened() as reader:
            chosen = [connection for connection in reader.connections if connection.topic in topics]
            types: Any = reader.typestore.fielddefs
            least = {kind: least_part(types, kind) for kind in {connection.msgtype for connection in chosen}}
            declared, count = sum(connection.msgcount for connection in chosen), 0
            for connection, time_ns, data in reader.messages(chosen) if chosen else ():
                kind, count = connection.msgtype, count + 1
                sender = str(getattr(connection.ext, "callerid", None) or f"connection {connection.id}")
                yield Logged(connection.topic, time_ns, time_ns, _decoder(reader, data, kind, least[kind]), sender)
            if count != declared:
                raise StreamError(f"{self.name}: holds {count} of the {declared} messages it counts; copy it again")


class _Checked:
    """A reader of the library whose definitions are looked at as soon as it is open, before it is used."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def __enter__(self) -> Any:
        self._reader.__enter__()
        require_plain_bag(self._reader.connections)
        return self

    def __exit__(self, *raised: Any) -> Any:
        return self._reader.__exit__(*raised)


def _decoder(reader: "AnyReader", data: bytes, kind: str, least: float) -> Any:
    def decode() -> Any:
        require_few_parts(least, data)
        try:
            return reader.deserialize(data, kind)
        except Exception as error:  # generated decoders raise anything on damaged bytes
            raise StreamError(f"{kind} of {len(data)} bytes cannot be decoded ({error})") from error

    return decode


def _is_bag(path: Path) -> bool:
    if path.is_dir():
        metadata = path / "metadata.yaml"
        return metadata.is_file() and _ROS2_KEY in metadata.read_bytes()[:1000]
    with path.open("rb") as stream:
        return stream.read(len(_ROS1_MAGIC)) == _ROS1_MAGIC


def _bags(drop: Path) -> list[Path]:
    if drop.is_file() or _is_bag(drop):
        return [drop]
    folders = {path.parent for path in own_files(drop, "metadata.yaml") if _is_bag(path.parent)}
    folders |= {path.parent for path in own_files(drop, "*.db3")}  # also those that lost their metadata
    beside = (path.parent for path in own_files(drop, "*.mcap"))
    folders |= {folder for folder in beside if (folder / "metadata.yaml").is_file()}
    return sorted([*(folder for folder in folders if folder != drop), *own_files(drop, "*.bag")])


def _held(bag: Path) -> list[Found]:
    return log_inventory(BagLog(bag))


class RosBag(Recordings):
    """Bags of ROS 1 and ROS 2: a bag an episode."""

    name = "ROS bag"

    def recognises(self, drop: Path) -> bool:
        """Whether the drop is or holds a bag of ROS 1 or ROS 2, by content."""
        return any(_is_bag(bag) for bag in _bags(drop))

    def episode_names(self, drop: Path) -> list[str]:
        """The names of the bags within the drop."""
        return [bag.relative_to(drop).as_posix() if bag != drop else bag.name for bag in _bags(drop)]

    def read_episode(self, drop: Path, mapping: Mapping, embodiment: Embodiment, name: str) -> RawEpisode:
        """One bag. Raises StreamError: see ``read_log``."""
        bag = drop if drop.is_file() or _is_bag(drop) else drop / name
        return read_log(BagLog(bag), name, mapping, embodiment)

    def contents(self, drop: Path) -> list[Found]:
        """What the first readable bag holds. Raises StreamError: there is none (with the reason of the last one)."""
        return first_answer(drop, _bags(drop), _held, "bag")


READER = RosBag()
