"""Attacks on logs of messages in MCAP files: sizes that lie, clocks that jump, definitions and contents."""

import bz2
import json
import struct
from collections.abc import Callable
from typing import Any

import lz4.frame
import zstandard
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from benchmarks.hostile.beside import episodes_in, ingested
from benchmarks.hostile.case import Place, attacks
from benchmarks.hostile.recorded import in_mcap
from gr00t_data.sources.recordings.clocks import NS
from tests.data.sources import test_logs

_MAGIC = b"\x89MCAP0\r\n"
_CHUNK, _MESSAGE, _ATTACHMENT, _SCHEMA = 6, 5, 9, 3
_LARGE = 1 << 30


def _record(opcode: int, content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<BQ", opcode, len(content) if length is None else length) + content


def _text(text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<I", len(text) if length is None else length) + text


def _chunk(packed: bytes, form: bytes, size: int, data_length: int | None = None) -> bytes:
    stamp = test_logs.START_S * NS
    length = len(packed) if data_length is None else data_length
    return _record(
        _CHUNK, struct.pack("<QQQI", stamp, stamp, size, 0) + _text(form) + struct.pack("<Q", length) + packed
    )


def _zstd(count: int, sized: bool = True) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj(size=count if sized else -1)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(count >> 20)) + packer.flush()


def _lz4(count: int) -> bytes:
    packer = lz4.frame.LZ4FrameCompressor()
    return packer.begin() + b"".join(packer.compress(bytes(1 << 20)) for _ in range(count >> 20)) + packer.flush()


def _many(count: int) -> bytes:
    """A chunk of 100 MB of the shortest messages there are."""
    message = _record(_MESSAGE, struct.pack("<HIQQ", 1, 0, 0, 0))
    plain = message * (100_000_000 // len(message))
    return _chunk(zstandard.compress(plain), b"zstd", len(plain)) * count


def _with(record: Callable[[], bytes]) -> Callable[[Place], None]:
    """The healthy recording, with a record put in before all of its own."""

    def build(place: Place) -> None:
        content = test_logs.ros2_mcap(place.drop / "good.mcap").read_bytes()
        (place.drop / "evil.mcap").write_bytes(with_record(content, record()))

    return build


def with_record(content: bytes, record: bytes) -> bytes:
    """An MCAP file with a record put in behind its header."""
    head = len(_MAGIC) + 9 + struct.unpack("<Q", content[len(_MAGIC) + 1 : len(_MAGIC) + 9])[0]
    return content[:head] + record + content[head:]


def zstd_chunk(count: int) -> bytes:
    """A chunk that unpacks to so many zeros."""
    return _chunk(_zstd(count), b"zstd", count)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Place], None]:
    def build(place: Place) -> None:
        (place.drop / "evil.mcap").write_bytes(change(test_logs.ros2_mcap(place.drop / "good.mcap").read_bytes()))

    return build


_REFUSED = "refused evil.mcap.*"
attacks(
    "chunks and records of MCAP",
    ingested(test_logs.MAPPING),
    ("zstd of 1 GiB of zeros", _with(lambda: _chunk(_zstd(_LARGE), b"zstd", _LARGE)), _REFUSED + "1,073,741,824"),
    (
        "zstd without its size",
        _with(lambda: _chunk(_zstd(_LARGE, False), b"zstd", 100)),
        _REFUSED + "there may be more",
    ),
    (
        "zstd that gives a small size",
        _with(lambda: _chunk(_zstd(_LARGE), b"zstd", 100)),
        _REFUSED + "there may be more",
    ),
    ("LZ4 of 1 GiB of zeros", _with(lambda: _chunk(_lz4(_LARGE), b"lz4", 100)), _REFUSED + "there may be more"),
    ("size of 2^63", _with(lambda: _chunk(b"x", b"zstd", 1 << 63)), _REFUSED + "at most"),
    ("packed data of 2^62 bytes", _with(lambda: _chunk(b"x", b"", 1, 1 << 62)), _REFUSED + "at most"),
    ("packed data of 3 GiB", _with(lambda: _chunk(b"x", b"lz4", 1, 3 << 30)), _REFUSED + "at most"),
    ("packed as nobody knows", _with(lambda: _chunk(bz2.compress(b"x"), b"bz3", 1)), _REFUSED),
    ("100 chunks of shortest messages", _with(lambda: _many(100)), _REFUSED),
    ("record of 2^63 bytes", _with(lambda: _record(_MESSAGE, b"x", 1 << 63)), _REFUSED + "at most|larger"),
    ("record of 3 GiB", _with(lambda: _record(_SCHEMA, b"x", 3 << 30)), _REFUSED + "at most|larger"),
    ("message shorter than its head", _with(lambda: _record(_MESSAGE, bytes(30), 21)), _REFUSED),
    ("message of no length", _with(lambda: _record(_MESSAGE, bytes(30), 0)), _REFUSED),
    (
        "attachment of 2^62 bytes",
        _with(
            lambda: _record(
                _ATTACHMENT, struct.pack("<QQ", 1, 1) + _text(b"a") + _text(b"b") + struct.pack("<Q", 1 << 62)
            )
        ),
        _REFUSED + "at most",
    ),
    (
        "schema with a name of 4 GiB",
        _with(lambda: _record(_SCHEMA, b"\1\0" + _text(b"a", 0xFFFFFFFF))),
        _REFUSED + "at most",
    ),
    ("cut off after its header", _bytes(lambda content: content[:40]), _REFUSED),
    ("nothing but its first bytes", _bytes(lambda content: _MAGIC), _REFUSED),
    ("a file of zeros behind its first bytes", _bytes(lambda content: _MAGIC + bytes(50 << 20)), _REFUSED),
    beside=episodes_in(1),
)


def _stamp(wanted: Callable[[int, int], int]) -> Callable[[Place], None]:
    return in_mcap(stamps=wanted)


_DAY = 86_400 * NS
attacks(
    "clocks of recordings",
    ingested({**test_logs.MAPPING, "clock": "log"}),
    ("first message of 1970", _stamp(lambda n, stamp: 0 if n < 3 else stamp), _REFUSED + "rows at 20 Hz"),
    ("last messages 30 days later", _stamp(lambda n, stamp: stamp + 30 * _DAY * (n > 340)), _REFUSED + "rows at 20 Hz"),
    ("last messages 30 years later", _stamp(lambda n, s: s + 10_000 * _DAY * (n > 340)), _REFUSED + "years from 1970"),
    ("stamps of 2^63", _stamp(lambda n, stamp: 1 << 63), _REFUSED + "is no time"),
    ("stamps of 2^64 - 1", _stamp(lambda n, stamp: (1 << 64) - 1), _REFUSED + "is no time"),
    ("stamps up to 2^63 - 1", _stamp(lambda n, s: (1 << 63) - 1 if n > 340 else s), _REFUSED + "years"),
    ("stamps of 2^62", _stamp(lambda n, stamp: (1 << 62) + stamp), _REFUSED + "years"),
    ("set back by a day", _stamp(lambda n, stamp: stamp - _DAY * (n > 200)), _REFUSED + "jumps back"),
    (
        "bursts, one a day",
        _stamp(lambda n, stamp: test_logs.START_S * NS + n // 100 * _DAY + n),
        _REFUSED + "rows at 20 Hz",
    ),
    beside=episodes_in(1),
)

_RULE = "=" * 80


def _defined(text: str) -> Callable[[Place], None]:
    return in_mcap(definition=text)


def _doubling(levels: int) -> str:
    """Each type holds the next one twice."""
    types = [f"MSG: a/T{n}\na/T{n + 1} one\na/T{n + 1} two\n" for n in range(levels)]
    return f"\n{_RULE}\n".join(["a/T0 top\n", *types, f"MSG: a/T{levels}\nbool end\n"])


_DEFINED = _REFUSED + "(definition|fields of|cannot be decoded|at most)"
_BASIC = "std_msgs/Header header\nstring[] name\nfloat64[] position\n"
attacks(
    "definitions in MCAP",
    ingested(test_logs.MAPPING),
    ("type that contains itself", _defined(f"{_BASIC}a/A x\n{_RULE}\nMSG: a/A\na/A x\n{test_logs.HEADER}"), _DEFINED),
    ("types that double 40 times", _defined(_doubling(40)), _DEFINED),
    ("two megabytes of fields", _defined(_BASIC + "".join(f"int8 f{n}\n" for n in range(180_000))), _DEFINED),
    ("50,000 fields", _defined("".join(f"int8 f{n}\n" for n in range(50_000))), _DEFINED),
    ("list of a billion messages", _defined(f"a/P[1000000000] p\n{_RULE}\nMSG: a/P\nfloat64 x\n"), _DEFINED),
    ("number of values of 2^60", _defined(f"float64[{1 << 60}] position\n"), _REFUSED),
    ("code in a name", _defined("float64 x); import os; os.system('touch pwned') #\n"), _DEFINED),
    ("code in a type", _defined("__import__('os').system('touch pwned') x\n"), _DEFINED),
    ("zero bytes", _defined("float64 x\0\n"), _DEFINED),
    ("no text at all", in_mcap(definition="\x01\x02\x03"), _DEFINED),
    beside=episodes_in(1),
)


def _json(message: Callable[[], bytes]) -> Callable[[Place], None]:
    """The states of the recording as JSON; the fifth is the attack."""

    def build(place: Place) -> None:
        for name in ("good", "evil"):
            place.drop.mkdir(exist_ok=True)
            test_logs.json_mcap(place.drop / f"{name}.mcap")
        with (place.drop / "evil.mcap").open("wb") as stream:
            writer = McapWriter(stream, compression=CompressionType.NONE)
            writer.start()
            schema = writer.register_schema("any", "jsonschema", b"{}")
            topics = {name: writer.register_channel(name, "json", schema) for name in _TOPICS}
            for number, (stamp, topic, content) in enumerate(test_logs.events()):
                plain: dict[str, Any] = {"timestamp": {"sec": stamp // NS, "nsec": stamp % NS}}
                plain |= {"name": test_logs.JOINTS, "position": content} if topic != "/front/image" else {}
                told = message() if number == 5 else json.dumps(plain).encode()
                writer.add_message(topics[topic], stamp, told, stamp)
            writer.finish()

    return build


_TOPICS = ("/joint_states", "/command", "/front/image")
_FOR_JSON = {**test_logs.MAPPING, "instruction": {"text": "press"}}
attacks(
    "messages in JSON",
    ingested(_FOR_JSON),
    ("nested 100,000 deep", _json(lambda: b"[" * 100_000), _REFUSED + "nested deeper"),
    ("objects nested 100,000 deep", _json(lambda: b'{"a":' * 100_000), _REFUSED + "nested deeper"),
    ("20 million empty lists", _json(lambda: b"[" + b"[]," * 20_000_000 + b"1]"), _REFUSED + "values of JSON"),
    ("number of 400 digits", _json(lambda: b'{"name": ["a"], "position": [1' + b"0" * 400 + b"]}"), _REFUSED),
    ("number of a million digits", _json(lambda: b'{"position": [1' + b"0" * 1_000_000 + b"]}"), _REFUSED),
    (
        "NaN and infinity for stamps",
        _json(lambda: b'{"timestamp": {"sec": NaN, "nsec": Infinity}, "position": [1]}'),
        _REFUSED,
    ),
    (
        "texts for stamps",
        _json(lambda: b'{"timestamp": {"sec": "now"}, "name": [], "position": [1, 2, 3, 4]}'),
        _REFUSED,
    ),
    ("no object", _json(lambda: b"7"), _REFUSED),
    ("bytes that are no text", _json(lambda: b"\xff\xfe\x00"), _REFUSED),
    (
        "two million joints",
        _json(lambda: json.dumps({"name": [], "position": [0] * 2_000_000}).encode()),
        _REFUSED + "at most",
    ),
    beside=episodes_in(1),
)
