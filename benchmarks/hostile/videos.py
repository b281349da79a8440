"""Attacks by videos in LeRobot datasets, and by files that only bear the name of one."""

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av

from benchmarks.hostile.beside import episodes_in, in_lake, landed, with_drop
from benchmarks.hostile.case import Place, attacks
from benchmarks.hostile.pictures import jpeg, png
from tests.data.films import film, moving

_VIDEO = "videos/chunk-000/observation.images.ego_view/episode_000000.mp4"


def _path(drop: Path) -> Path:
    return next(drop.rglob("*.mp4"))


def _bytes(change: Callable[[Place, bytes], bytes]) -> Callable[[Place], None]:
    def attack(place: Place, drop: Path) -> None:
        path = _path(drop)
        path.write_bytes(change(place, path.read_bytes()))

    return with_drop(attack)


def _box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def _sized(content: bytes, each: int, count: int) -> bytes:
    """The table of sizes says that there are so many samples of one size."""
    at = content.index(b"stsz") + 8
    return content[:at] + struct.pack(">II", each, count) + content[at + 8 :]


def _coded(codec: str, picture: bytes) -> Callable[[Place], None]:
    """Pictures as video, packed as they are."""

    def attack(place: Place, drop: Path) -> None:
        stream = io.BytesIO()
        with av.open(stream, "w", format="mov") as out:
            track = out.add_stream(codec, rate=20)
            track.width, track.height, track.pix_fmt = 64, 64, "yuvj420p" if codec == "mjpeg" else "gray"  # type: ignore[attr-defined]
            for number in range(20):
                packet = av.Packet(picture)
                packet.stream, packet.pts, packet.dts, packet.time_base = track, number, number, Fraction(1, 20)
                out.mux(packet)
        _path(drop).write_bytes(stream.getvalue())

    return with_drop(attack)


def _large(place: Place, drop: Path) -> None:
    film(_path(drop), moving(2, height=6_400, width=6_400), fps=20)


def _playlist(place: Place, content: bytes) -> bytes:
    target = place.outside / "other.mp4"
    target.write_bytes(content)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n".encode()


def _concat(place: Place, content: bytes) -> bytes:
    (place.outside / "other.mp4").write_bytes(content)
    return f"ffconcat version 1.0\nfile {place.outside}/other.mp4\n".encode()


def _dash(place: Place, content: bytes) -> bytes:
    (place.outside / "other.mp4").write_bytes(content)
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="1" bandwidth="1"><BaseURL>{place.outside}/other.mp4</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def _edits(content: bytes, count: int) -> bytes:
    """An edit list of many entries; places of samples are wrong afterwards, which a reader has to bear too."""
    entries = _box(b"edts", _box(b"elst", struct.pack(">II", 0, count), struct.pack(">IiHH", 1, 0, 1, 0) * count))
    at = content.index(b"trak") + 4
    return content[:at] + entries + content[at:]


_WRONG = "evil"
attacks(
    "videos",
    in_lake,
    ("playlist of a file outside", _bytes(_playlist), _WRONG),
    ("list of a file outside", _bytes(_concat), _WRONG),
    ("manifest of a file outside", _bytes(_dash), _WRONG),
    ("session of a server", _bytes(lambda p, c: b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"), _WRONG),
    ("10^9 samples of one byte", _bytes(lambda p, c: _sized(c, 1, 10**9)), _WRONG),
    ("2^32 - 1 samples", _bytes(lambda p, c: _sized(c, 0, 2**32 - 1)), _WRONG),
    ("40 million samples of nothing", _bytes(lambda p, c: _sized(c, 0, 40_000_000)), _WRONG),
    ("edit list of 100,000 entries", _bytes(lambda p, c: _edits(c, 100_000)), _WRONG),
    ("6400 x 6400, whole", with_drop(_large), _WRONG),
    ("PNG of 30000 x 30000 as frames", _coded("png", png(30_000, 30_000, bits=8)), _WRONG),
    ("JPEG of 65500 x 65500 as frames", _coded("mjpeg", jpeg(65_500, 65_500)), _WRONG),
    ("a packed index", _bytes(lambda p, c: _box(b"moov", _box(b"cmov", b"x" * 99)) + c), _WRONG),
    (
        "boxes within boxes, 100,000 deep",
        _bytes(lambda p, c: b"".join(struct.pack(">I4s", 8 * (100_000 - n), b"moov") for n in range(100_000))),
        _WRONG,
    ),
    (
        "a fragment of 10^9 samples",
        _bytes(lambda p, c: c + _box(b"moof", _box(b"traf", _box(b"trun", struct.pack(">II", 0, 10**9))))),
        _WRONG,
    ),
    ("nothing", _bytes(lambda p, c: b""), _WRONG),
    ("text", _bytes(lambda p, c: b"no video"), _WRONG),
    ("half", _bytes(lambda p, c: c[: len(c) // 2]), _WRONG),
    beside=episodes_in(1, "good"),
    runs=landed,
)
