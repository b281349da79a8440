"""Attacks by LeRobot datasets: templates, metadata and tables, each dataset beside a healthy one in the landing."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.hostile.beside import episodes_in, in_lake, landed, with_drop
from benchmarks.hostile.case import Place, attacks
from gr00t_data.lake import Lake

Attack = Callable[[Place, Path], object]
"""Changes the dataset at the path."""


def _info(**changes: Any) -> Attack:
    def attack(place: Place, drop: Path) -> None:
        path = drop / "meta/info.json"
        told = json.dumps({**json.loads(path.read_text()), **changes}).replace("OUTSIDE", str(place.outside))
        path.write_text(told)

    return attack


def _write(name: str, content: Callable[[], bytes]) -> Attack:
    return lambda place, drop: (drop / name).write_bytes(content())


def _episode(index: int, length: int) -> Attack:
    line = {"episode_index": index, "tasks": ["a"], "length": length}
    return _write("meta/episodes.jsonl", lambda: json.dumps(line).encode() + b"\n")


_EVIL = "evil: .*"
_DATA = "data/chunk-000/episode_000000.parquet"
_TEMPLATES = {
    "ten digits of width": "a/{episode_index:9999999999d}",
    "width after a sign": "a/{episode_index:>9999999999}",
    "width with a filling": "a/{episode_chunk:x^999999999}",
    "width of another field": "a/{episode_index:{episode_index}9999999d}",
    "precision": "a/{episode_index:.999999999f}",
    "width of a text": "videos/{video_key:>999999999}/{episode_index}",
    "conversion and width": "a/{episode_index!r:>999999999}",
    "width with zeros before it": "a/{episode_index:00000999999999d}",
    "looks into a value": "a/{episode_index.__class__.__mro__}",
    "takes an item": "a/{episode_index[0]}",
    "climbs": "../../../../outside/secret.txt",
    "is absolute": "OUTSIDE/secret.txt",
    "climbs behind a number": "{episode_index}/../../../../outside/secret.txt",
    "a megabyte long": "a" * (1 << 20),
    "a zero byte": "a\0b{episode_index}",
    "braces that never close": "{episode_index" * 1000,
}
attacks(
    "templates of info.json",
    in_lake,
    *((f"data: {name}", with_drop(_info(data_path=text)), _EVIL + ".") for name, text in _TEMPLATES.items()),
    *((f"video: {name}", with_drop(_info(video_path=text)), "evil") for name, text in list(_TEMPLATES.items())[:6:5]),
    beside=episodes_in(1, "good"),
    runs=landed,
)
attacks(
    "metadata of datasets",
    in_lake,
    ("info nested 100,000 deep", with_drop(_write("meta/info.json", lambda: b'{"a":' * 100_000)), "evil"),
    (
        "info of 20 million values",
        with_drop(
            _write("meta/info.json", lambda: b'{"codebase_version": "v2.1", "a": [' + b"[]," * 20_000_000 + b"1]}")
        ),
        "evil",
    ),
    ("rates that are none", with_drop(_info(fps=1e308)), "evil"),
    ("a rate of nothing", with_drop(_info(fps=0)), "evil"),
    ("folders of no episode", with_drop(_info(chunks_size=0)), "evil"),
    ("folders of a text", with_drop(_info(chunks_size="many")), "evil"),
    ("features that are none", with_drop(_info(features=[1, 2, 3])), "evil"),
    ("episodes nested deep", with_drop(_write("meta/episodes.jsonl", lambda: b"[" * 100_000 + b"\n")), _EVIL + "."),
    ("100 million empty lines", with_drop(_write("meta/episodes.jsonl", lambda: b"\n" * 100_000_000)), _EVIL + "lines"),
    (
        "one line of 300 MB",
        with_drop(_write("meta/episodes.jsonl", lambda: b'{"a": "' + b"x" * (300 << 20) + b'"}')),
        _EVIL + "bytes",
    ),
    (
        "an episode of 10^12 rows",
        with_drop(_episode(0, 10**12)),
        "evil",
    ),
    (
        "an episode numbered 10^30",
        with_drop(_episode(10**30, 20)),
        "evil",
    ),
    (
        "an episode numbered -1",
        with_drop(_episode(-1, 20)),
        "evil",
    ),
    ("statistics nested deep", with_drop(_write("meta/stats.json", lambda: b'{"a":' * 100_000)), "evil"),
    ("modality nested deep", with_drop(_write("meta/modality.json", lambda: b'{"a":' * 100_000)), ""),
    beside=episodes_in(1, "good"),
    runs=landed,
)


def _table(columns: Callable[[], dict[str, Any]], **options: Any) -> Attack:
    def attack(place: Place, drop: Path) -> None:
        parquet.write_table(pa.table(columns()), drop / _DATA, **options)

    return attack


def _rows(count: int) -> Attack:
    """So many rows of one value, written in groups of ten million."""

    def attack(place: Place, drop: Path) -> None:
        block = pa.table({"action": pa.array([1.0] * 1000, pa.float64()).take(pa.array([0] * 10_000_000, pa.int32()))})
        with parquet.ParquetWriter(drop / _DATA, block.schema, compression="zstd") as writer:
            for _ in range(count // 10_000_000):
                writer.write_table(block)

    return attack


def _lying(place: Place, drop: Path) -> None:
    """The footer's length is that of the whole file."""
    content = (drop / _DATA).read_bytes()
    (drop / _DATA).write_bytes(content[:-8] + struct.pack("<I", 0xFFFFFFF0) + content[-4:])


def _text(count: int, size: int) -> dict[str, Any]:
    return {"text": pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array(["x" * size]))}


def _nested(levels: int) -> dict[str, Any]:
    kind = pa.int64()
    for _ in range(levels):
        kind = pa.list_(kind)
    return {"observation.state": pa.nulls(3, kind)}


def _linked(place: Place, drop: Path) -> None:
    (drop / _DATA).rename(place.outside / "other.parquet")
    (drop / _DATA).symlink_to(place.outside / "other.parquet")


attacks(
    "tables of datasets",
    in_lake,
    ("100 million rows of one value", with_drop(_rows(100_000_000)), "evil.*unpack"),
    ("one text of 1 MB in a million rows", with_drop(_table(lambda: _text(1_000_000, 1 << 20))), "evil"),
    (
        "one list of 80 million zeros",
        with_drop(
            _table(
                lambda: {
                    "observation.state": pa.ListArray.from_arrays(
                        pa.array([0, 80_000_000], pa.int32()), pa.nulls(80_000_000, pa.int32()).fill_null(0)
                    )
                }
            )
        ),
        "evil.*unpack",
    ),
    (
        "80 million nulls",
        with_drop(_table(lambda: {"observation.state": pa.nulls(80_000_000, pa.float64())})),
        "evil.*unpack",
    ),
    ("lists within lists, 60 deep", with_drop(_table(lambda: _nested(60))), "evil"),
    ("5,000 columns", with_drop(_table(lambda: {f"c{n}": pa.nulls(2, pa.int8()) for n in range(5_000)})), "evil"),
    ("a footer of 4 GiB", with_drop(_lying), "evil.*copy it again"),
    ("zeros", with_drop(_write(_DATA, lambda: bytes(10 << 20))), "evil.*copy it again"),
    ("only its first bytes", with_drop(_write(_DATA, lambda: b"PAR1PAR1")), "evil.*copy it again"),
    ("a link to one outside", with_drop(_linked), "evil.*link out of the dataset"),
    beside=episodes_in(1, "good"),
    runs=landed,
)


def _converted(place: Place) -> list[str]:
    return ["convert", str(Lake(place.lake).landing / "evil"), str(place.lake / "converted"), "--to", "v3.0"]


attacks(
    "datasets to be converted",
    _converted,
    *((f"data: {name}", with_drop(_info(data_path=text)), ".") for name, text in _TEMPLATES.items()),
    ("info nested 100,000 deep", with_drop(_write("meta/info.json", lambda: b'{"a":' * 100_000)), "info.json"),
    ("features that are none", with_drop(_info(features=[1, 2, 3])), "evil"),
    ("a rate of nothing", with_drop(_info(fps=0)), "evil"),
    ("folders of no episode", with_drop(_info(chunks_size=0)), "evil"),
    ("an episode of 10^30 rows", with_drop(_episode(0, 10**30)), ""),  # those found are kept, and a note says so
    ("an episode numbered -1", with_drop(_episode(-1, 20)), "evil"),
    # Statistics are counted anew.
    ("statistics nested deep", with_drop(_write("meta/episodes_stats.jsonl", lambda: b'{"a":' * 100_000)), ""),
    ("100 million rows of one value", with_drop(_rows(100_000_000)), "evil"),
    ("one text of 1 MB in a million rows", with_drop(_table(lambda: _text(1_000_000, 1 << 20))), "evil"),
    ("lists within lists, 60 deep", with_drop(_table(lambda: _nested(60))), "evil"),
    ("a footer of 4 GiB", with_drop(_lying), "evil"),
    ("zeros", with_drop(_write(_DATA, lambda: bytes(10 << 20))), "evil"),
    ("a link to one outside", with_drop(_linked), "evil.*link out of the dataset"),
)
