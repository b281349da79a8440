"""Attacks on bags of ROS 1 and ROS 2: what they unpack to, their definitions, their metadata, their databases."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import zstandard

from benchmarks.hostile.beside import episodes_in, ingested
from benchmarks.hostile.case import Place, attacks
from tests.data.sources import test_logs

_MAPPING = {**test_logs.MAPPING, "format": "ROS bag", "instruction": {"text": "press the button"}}
_LARGE = 1 << 30
_REFUSED = "refused evil.*"


def _ros1(change: Callable[[bytes], bytes]) -> Callable[[Place], None]:
    def build(place: Place) -> None:
        place.drop.mkdir()
        content = test_logs.bag(place.drop / "good.bag", 1).read_bytes()
        (place.drop / "evil.bag").write_bytes(change(content))

    return build


def _changed(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """The same length, so that every place in the file stays."""

    def change(content: bytes) -> bytes:
        if len(old) != len(new) or old not in content:
            raise ValueError(f"{old!r} cannot become {new!r}")
        return content.replace(old, new)

    return change


attacks(
    "ROS 1 bags",
    ingested(_MAPPING),
    ("code for a type", _ros1(_changed(b"float64[] position", b'"""+x()+"""[] posi')), _REFUSED),
    ("code for a name", _ros1(_changed(b"float64[] velocity", b"float64[] x=f();#\n")), _REFUSED),
    ("type that contains itself", _ros1(_changed(b"string frame_id", b"Header frame_id")), _REFUSED),
    (
        "quotes in the name of a type",
        _ros1(_changed(b"type=sensor_msgs/JointState", b'type=sensor_msgs/"""x"""ta\n')),
        _REFUSED,
    ),
    ("cut in two", _ros1(lambda content: content[: len(content) // 2]), _REFUSED),
    ("only its first line", _ros1(lambda content: content[:13]), _REFUSED),
    ("lengths of 4 GiB", _ros1(lambda content: content[:13] + b"\xff" * 8 + content[21:]), _REFUSED),
    (
        "a place of its index beyond its end",
        _ros1(lambda c: c.replace(b"index_pos=", b"index_pos=\xff\xff\xff", 1)),
        _REFUSED,
    ),
    ("a packed chunk that is none", _ros1(_changed(b"compression=none", b"compression=lz4x")), _REFUSED),
    beside=episodes_in(1),
)


def _ros2(change: Callable[[Place, Path], object], ros: int = 2) -> Callable[[Place], None]:
    def build(place: Place) -> None:
        place.drop.mkdir()
        for name in ("good", "evil"):
            test_logs.bag(place.drop / name, ros)
        change(place, place.drop / "evil")

    return build


def _metadata(old: str, new: str) -> Callable[[Place, Path], None]:
    def change(place: Place, bag: Path) -> None:
        text = (bag / "metadata.yaml").read_text()
        if old not in text:
            raise ValueError(f"{old!r} is not in {text}")
        (bag / "metadata.yaml").write_text(text.replace(old, new.replace("OUTSIDE", str(place.outside)), 1))

    return change


def _database(*statements: str) -> Callable[[Place, Path], None]:
    def change(place: Place, bag: Path) -> None:
        (file,) = bag.glob("*.db3")
        database = sqlite3.connect(file)
        for one in statements:
            database.execute(one.replace("OUTSIDE", str(place.secret)))
        database.commit()
        database.close()

    return change


def _whole(packed: Callable[[], bytes]) -> Callable[[Place, Path], None]:
    """The bag says that its file is packed as a whole; it is a gigabyte and more of zeros."""

    def change(place: Place, bag: Path) -> None:
        (file,) = bag.glob("*.db3")
        file.unlink()
        (bag / f"{file.name}.zstd").write_bytes(packed())
        text = (bag / "metadata.yaml").read_text()
        lines = [line for line in text.splitlines() if "compression_" not in line]
        lines = [line.replace(file.name, f"{file.name}.zstd") for line in lines]
        lines += ["  compression_format: zstd", "  compression_mode: FILE", ""]
        (bag / "metadata.yaml").write_text("\n".join(lines))

    return change


def _zeros() -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(_LARGE >> 20)) + packer.flush()


def _laughs(place: Place, bag: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    (bag / "metadata.yaml").write_text((bag / "metadata.yaml").read_text() + "\n".join(lines) + "\n")


def _linked(place: Place, bag: Path) -> None:
    (file,) = bag.glob("*.db3")
    file.rename(place.outside / "other.db3")
    file.symlink_to(place.outside / "other.db3")


def _in_chunk(place: Place, bag: Path) -> None:
    """An MCAP in a bag whose first chunk unpacks to a gigabyte."""
    from benchmarks.hostile.logs import with_record, zstd_chunk

    (file,) = bag.glob("*.mcap")
    file.write_bytes(with_record(file.read_bytes(), zstd_chunk(_LARGE)))


_DEFINED = "update message_definitions set encoded_message_definition = "
_MESSAGES = "select id, topic_id, timestamp, {} from kept"
attacks(
    "ROS 2 bags",
    ingested(_MAPPING),
    ("aliases that multiply", _ros2(_laughs), _REFUSED + "alias"),
    (
        "metadata nested 10,000 deep",
        _ros2(
            lambda p, bag: (bag / "metadata.yaml").write_text(
                (bag / "metadata.yaml").read_text() + "x: " + "[" * 10_000
            )
        ),
        _REFUSED + "(nested deeper|is no YAML)",
    ),
    ("file outside by its name", _ros2(_metadata("- evil.db3", "- OUTSIDE/secret.txt")), _REFUSED),
    (
        "tag that makes an object",
        _ros2(_metadata("version: 9", "version: !!python/object/apply:os.system [true]")),
        _REFUSED,
    ),
    ("whole file that unpacks to a gigabyte", _ros2(_whole(_zeros)), _REFUSED + "at most"),
    (
        "view with endless rows",
        _ros2(
            _database(
                "alter table messages rename to kept",
                "create view messages as with recursive n(id) as (select 1 union all select id + 1 from n) "
                "select n.id as id, 1 as topic_id, n.id as timestamp, x'00' as data from n",
            )
        ),
        _REFUSED + "no table of stored rows",
    ),
    (
        "view with a gigabyte a row",
        _ros2(
            _database(
                "alter table messages rename to kept",
                f"create view messages as {_MESSAGES.format('zeroblob(1000000000) as data')}",
            )
        ),
        _REFUSED + "no table",
    ),
    (
        "computed column of a gigabyte",
        _ros2(
            _database("alter table messages add column more blob generated always as (zeroblob(1000000000)) virtual")
        ),
        _REFUSED + "no table",
    ),
    (
        "trigger",
        _ros2(_database("create trigger t after insert on messages begin select 1; end")),
        _REFUSED + "no table",
    ),
    ("type with code in it", _ros2(_database('update topics set type = \'a/msg/x"""+f()+"""\'')), _REFUSED),
    (
        "definition with code in it",
        _ros2(_database(_DEFINED + "'float64 x=1); import os; os.system(\"id\") #'")),
        _REFUSED,
    ),
    (
        "definition of types that double",
        _ros2(_database(_DEFINED + "'a/A a\na/A b\n" + "=" * 80 + "\nMSG: a/A\na/A a\na/A b\n'")),
        _REFUSED,
    ),
    ("chunk that unpacks to a gigabyte", _ros2(_in_chunk, 3), _REFUSED),
    (
        "metadata that is no YAML",
        _ros2(_metadata("rosbag2_bagfile_information:", "rosbag2_bagfile_information: {{{")),
        _REFUSED,
    ),
    ("database of zeros", _ros2(lambda p, bag: next(bag.glob("*.db3")).write_bytes(bytes(1 << 20))), _REFUSED),
    beside=episodes_in(1),
)
attacks(
    "links out of a drop",
    ingested(_MAPPING),
    ("database of a bag", _ros2(_linked), "refused evil.*(link out of the dataset|leads out)"),
    beside=episodes_in(1),
)
