"""Attacks by pictures: in Unitree recordings, in messages of MCAP files, as first frames of generated clips."""

import struct
import zlib
from collections.abc import Callable

from benchmarks.hostile.beside import episodes_in, ingested, landed_as, taken_in, two_recordings
from benchmarks.hostile.case import Place, attacks
from benchmarks.hostile.recorded import in_mcap
from tests.data.sources import test_logs, test_unitree
from tests.data.sources.neural.drops import listed, movie

_PNG = b"\x89PNG\r\n\x1a\n"
_BLOCK = 1 << 20


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _zeros(count: int) -> bytes:
    """So many zero bytes, packed."""
    packer = zlib.compressobj(9)
    blocks = b"".join(packer.compress(bytes(min(_BLOCK, count - at))) for at in range(0, count, _BLOCK))
    return blocks + packer.flush()


def png(width: int, height: int, *, bits: int = 1, colour: int = 0, interlaced: int = 0, before: bytes = b"") -> bytes:
    """A whole PNG of zeros."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    rows = _zeros(height * (1 + (width * bits * channels + 7) // 8))
    return _PNG + _chunk(b"IHDR", header) + before + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def jpeg(width: int, height: int, scans: int = 0, head: bytes = b"") -> bytes:
    """A small JPEG whose header gives another size, with further empty scans."""
    content = test_logs.jpeg(90)
    at = content.index(b"\xff\xc0") + 5
    content = content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]
    scan = content[content.index(b"\xff\xda") : -2]
    return content[:2] + head + content[2:-2] + scan * scans + b"\xff\xd9"


def _exif(count: int) -> bytes:
    """A segment of EXIF that says it has so many entries."""
    content = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 0xFFFF) + struct.pack("<HHII", 0x112, 4, count, 0xFFFFFFF0)
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


_TOO_LARGE = "at most 64,000,000|exceeds limit"
_NONE = "is no JPEG or PNG"
PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "PNG of 60000 x 60000": (lambda: png(60_000, 60_000), _TOO_LARGE),
    "PNG of 20000 x 20000 in colour": (lambda: png(20_000, 20_000, bits=8, colour=2), _TOO_LARGE),
    "interlaced PNG of 30000 x 30000": (lambda: png(30_000, 30_000, interlaced=1), _TOO_LARGE),
    "PNG of 2^31 x 1": (
        lambda: _PNG + _chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)),
        ".",
    ),
    "PNG whose profile unpacks to a gigabyte": (
        lambda: png(16, 16, bits=8, colour=2, before=_chunk(b"iCCP", b"x\0\0" + _zeros(1 << 30))),
        "no JPEG or PNG|decoded",
    ),
    "PNG whose comment unpacks to a gigabyte": (
        lambda: png(16, 16, bits=8, colour=2, before=_chunk(b"zTXt", b"x\0\0" + _zeros(1 << 30))),
        "no JPEG or PNG|decoded",
    ),
    "JPEG of 65500 x 65500": (lambda: jpeg(65_500, 65_500), _TOO_LARGE),
    "JPEG of 9000 x 9000 by its header": (lambda: jpeg(9_000, 9_000), _TOO_LARGE),
    "JPEG of 5000 scans": (lambda: jpeg(8_000, 7_900, scans=5_000), "scans of a JPEG: 5,001"),
    "EPS that calls for a program": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n", _NONE),
    "TIFF": (lambda: b"II*\0\x08\0\0\0\xff\xff", _NONE),
    "SVG with an outside picture": (lambda: b"<svg><image href='file:///etc/passwd'/></svg>", _NONE),
    "bitmap of 60000 x 60000": (
        lambda: b"BM" + struct.pack("<IIIIiiHHI", 99, 0, 54, 40, 60_000, 60_000, 1, 24, 0) + bytes(99),
        _NONE,
    ),
}


_FOURTH = "colors/000003_color_0.jpg"


def _in_folder(content: Callable[[], bytes]) -> Callable[[Place], object]:
    return lambda place: (two_recordings(place) / _FOURTH).write_bytes(content())


def _first_frame(content: Callable[[], bytes]) -> Callable[[Place], None]:
    def build(place: Place) -> None:
        for number, name in enumerate(("good", "evil")):
            movie(place.drop / f"{name}.mp4", seed=number)
        (place.drop / "first.png").write_bytes(content())
        good = {"file": "good.mp4", "instruction": "fold the cloth"}
        listed(place.drop, good, {"file": "evil.mp4", "instruction": "wipe the table", "first_frame": "first.png"})

    return build


def _linked(place: Place) -> None:
    fourth = two_recordings(place) / _FOURTH
    fourth.rename(place.outside / "other.jpg")
    fourth.symlink_to(place.outside / "other.jpg")


attacks(
    "pictures in folders",
    ingested(test_unitree.MAPPING),
    *((name, _in_folder(make), f"refused evil.*({reason})") for name, (make, reason) in PICTURES.items()),
    beside=episodes_in(1),
)
attacks(
    "pictures in messages",
    ingested(test_logs.MAPPING),
    *((name, in_mcap(picture=make), f"refused evil.mcap.*({reason})") for name, (make, reason) in PICTURES.items()),
    beside=episodes_in(1),
)
attacks(
    "first frames of clips",
    taken_in("neural"),
    *(
        (name, _first_frame(make), f"refused evil.mp4.*({reason}|readable picture)")
        for name, (make, reason) in PICTURES.items()
    ),
    beside=episodes_in(1),
    runs=landed_as,
)
attacks(
    "links out of a drop",
    ingested(test_unitree.MAPPING),
    ("picture", _linked, "refused evil.*(link out of the dataset|leads out)"),
    beside=episodes_in(1),
)
