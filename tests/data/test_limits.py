"""What others wrote is refused by its size before it is unpacked, and the limits can be raised."""

import bz2
import os
import struct
import zlib
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard

from gr00t_data.disk import PathError, numbered_lines, parse_json, path_inside
from gr00t_data.integrity import IntegrityError, read_sealed, write_sealed
from gr00t_data.limits import CHUNK_BYTES, JSON_BYTES, LimitError, factor, require_within
from gr00t_data.pictures import PictureError, opened
from gr00t_data.plain_yaml import plain_yaml
from gr00t_data.sources.formats.logs.chunks import unpacked
from gr00t_data.sources.formats.logs.definitions import require_few_parts, require_plain
from gr00t_data.sources.recordings.clocks import NS, AlignError, usable_clock
from gr00t_data.sources.recordings.streams import StreamError
from gr00t_data.video.files import require_bounded


def test_limits_name_the_number_and_how_to_raise_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GR00T_LIMITS", raising=False)
    with pytest.raises(LimitError, match=r"rows: 25, at most 10 are read.*set GR00T_LIMITS=3"):
        require_within(25, 10, "rows")
    monkeypatch.setenv("GR00T_LIMITS", "3")
    require_within(25, 10, "rows")
    for wrong in ("0", "-1", "many", "nan", "inf"):
        monkeypatch.setenv("GR00T_LIMITS", wrong)
        with pytest.raises(LimitError, match="expected a number from 1 up"):
            factor()


@pytest.mark.parametrize(
    "form",
    [
        ":9999999999d",
        ":>99999",
        ":{number}d",
        "!r:>999999",
        ":.999f",
        ":1_000",
        ".__class__",
        "[0]",
        "!s",
        ":0100d",
        ":,",
    ],
)
def test_templates_pad_to_two_digits_of_width_only(tmp_path: Path, form: str) -> None:
    with pytest.raises(PathError, match="cannot be filled"):
        path_inside(tmp_path, "a/{number" + form + "}", number=7)
    with pytest.raises(PathError, match="zero byte"):
        path_inside(tmp_path, "{name}", name="a\0b")


def test_templates_as_datasets_write_them(tmp_path: Path) -> None:
    values = {"episode_chunk": 3, "episode_index": 12, "video_key": "observation.images.front"}
    template = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}_{episode_index}.mp4"
    found = path_inside(tmp_path, template, **values)
    assert found == tmp_path / "videos/chunk-003/observation.images.front/episode_000012_12.mp4"


def test_json_is_counted_before_it_is_read(tmp_path: Path) -> None:
    assert parse_json(b'{"a": [1, 2]}') == {"a": [1, 2]}
    with pytest.raises(LimitError, match="values of JSON: 5,000,001"):
        parse_json(b"[" + b"," * 5_000_000)
    path = tmp_path / "one.json"
    write_sealed(path, {"a": [0] * 5_000_000})
    with pytest.raises(IntegrityError, match=r"one\.json: not valid JSON \(values of JSON: 5,000,00\d, at most"):
        read_sealed(path)
    os.truncate(path, JSON_BYTES + 1)  # sparse
    with pytest.raises(IntegrityError, match=r"one\.json: not valid JSON \(bytes of JSON: 268,435,457, at most"):
        read_sealed(path)
    with pytest.raises(ValueError, match="nested deeper"):
        parse_json(b"[" * 100_000)
    (tmp_path / "lines").write_bytes(b"\n" * 3_000_000)
    with pytest.raises(LimitError, match="lines: 3,000,000"):
        list(numbered_lines(tmp_path / "lines"))


@pytest.mark.parametrize("text", ["a: &x [1]\nb: *x", "[" * 60 + "]" * 60, "a: [", "a: !!python/name:os.system x"])
def test_yaml_that_multiplies_or_makes_objects(text: str) -> None:
    with pytest.raises(ValueError, match=r"alias|deeper|no YAML"):
        plain_yaml(text.encode())


def png(width: int, height: int) -> bytes:
    header = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(b""), b"IEND"]
    packed = (struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("side", [8_001, 12_000, 60_000])
def test_pictures_are_refused_by_their_header(side: int) -> None:
    assert opened(png(8_000, 8_000)).size == (8_000, 8_000)
    with pytest.raises(PictureError, match=r"at most 64,000,000|exceeds limit"):
        opened(png(side, side))
    with pytest.raises(PictureError, match="is no JPEG or PNG"):
        opened(b"%!PS-Adobe-3.0 EPSF-3.0\n")


@pytest.mark.parametrize("form", ["lz4", "zstd", "bz2"])
def test_a_chunk_unpacks_no_further_than_its_limit(form: str) -> None:
    pack = {"lz4": lz4.frame.compress, "zstd": zstandard.compress, "bz2": bz2.compress}[form]
    assert unpacked(form, pack(b"abc")) == b"abc" and unpacked(form, pack(b"")) == b""
    with pytest.raises(LimitError, match="bytes of a chunk"):
        unpacked(form, pack(bytes(CHUNK_BYTES + 1)))
    with pytest.raises((ValueError, EOFError, zstandard.ZstdError)):
        unpacked(form, pack(np.random.default_rng(0).bytes(1000))[:-9])


RULE = "=" * 80


@pytest.mark.parametrize(
    "text",
    [
        "float64 x); import os #\n",
        f"a/A x\n{RULE}\nMSG: a/A\na/A y\n",
        f"a/P[1000000000] p\n{RULE}\nMSG: a/P\nfloat64 x\n",
        "\n".join(f"int8 f{number}" for number in range(20_000)),
        "float64 x\0\n",
    ],
)
def test_definitions_that_no_recorder_writes(text: str) -> None:
    with pytest.raises((StreamError, LimitError)):
        require_plain("a/msg/B", text)


def test_lists_of_messages_are_counted_by_their_bytes() -> None:
    least = require_plain("a/msg/B", f"a/P[] p\n{RULE}\nMSG: a/P\nfloat64 x\nfloat32 y\n")
    assert least == 12 and require_plain("a/msg/B", "float64[] x\nstring[] y\n") == 4
    require_few_parts(least, bytes(12_000))
    with pytest.raises(LimitError, match="messages within one message"):
        require_few_parts(least, bytes(12_000_000))


@pytest.mark.parametrize("stamp", [2**63 - 1, -(2**63), 2**62])
def test_stamps_that_are_no_time(stamp: int) -> None:
    with pytest.raises(AlignError, match="years"):
        usable_clock("state.arm", np.array([0, NS, stamp], dtype=np.int64))


def box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def movie(*table: bytes) -> bytes:
    return box(b"ftyp", b"isom") + box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", *table)))))


@pytest.mark.parametrize(
    "content",
    [
        movie(box(b"stsz", struct.pack(">III", 0, 1, 10**9))),
        movie(box(b"stsz", struct.pack(">III", 0, 0, 10**9))),
        box(b"ftyp", b"isom") + box(b"moof", box(b"traf", box(b"trun", struct.pack(">II", 0, 10**9)))),
        box(b"ftyp", b"isom") + box(b"moov", box(b"trak", box(b"edts", box(b"elst", struct.pack(">II", 0, 10**6))))),
        box(b"moov", box(b"cmov", b"x")),
    ],
)
def test_videos_that_list_more_than_they_hold(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ValueError, match=r"samples|edit list|cmov"):
        require_bounded(tmp_path / "a.mp4")
