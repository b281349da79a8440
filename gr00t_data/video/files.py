"""Video files: bound, open, decode, encode, resize."""

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video import VideoStream
from av.video.reformatter import Interpolation

from gr00t_data.disk import replacing
from gr00t_data.foreign_text import pointer_told
from gr00t_data.limits import EDITS, VIDEO_BYTES, VIDEO_FRAMES, VIDEO_PIXELS, LimitError, factor, require_within

LIBRARIES = ("av", "numpy")

_CONTAINERS = ("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "ogg", "asf", "h264", "hevc", "obu", "ivf")
"""Kinds of files that are one video. Others are lists of further files (HLS, DASH, concat), which libav would open."""

_FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"pnot", b"uuid")
_HOLDS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf")
_MOST_BOXES = 200_000
_DEEPEST = 10
_RUN_FIELDS = (0x100, 0x200, 0x400, 0x800)
"""Flags of a ``trun`` for what is written of each sample, 4 bytes each."""

_CPU_FACTS = Path("/proc/cpuinfo")
_HAS_AVX512 = _CPU_FACTS.is_file() and "avx512" in _CPU_FACTS.read_text()

_PLAIN = {"x264-params": "asm=AVX2"} if _HAS_AVX512 else {}
X264: dict[str, object] = {"preset": "veryfast", "g": "10", "bf": "0", **_PLAIN}
"""A key frame every 10: random access into GOP 250 costs 20x the decoding of GOP 10; GOP 10 costs 4x the bytes of GOP
250 at 224 px. No AVX-512: x264's macroblock tree then reads memory that nothing wrote, and equal frames gave other
bytes about once in thirty. With AVX2 they take as long and are equal."""

DAMAGE = (FFmpegError, UnicodeDecodeError, AttributeError, MemoryError, ValueError)
"""What libav's binding raises on damaged headers, found by corrupting files at random."""


class VideoError(ValueError):
    """A video that cannot be read or written; the message names the file."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A video and its first video stream, decoded by one thread, closed at the end.

    Raises:
        VideoError: no such file, not a video, no video stream in it, or damage met while it is read.
    """
    if not path.is_file():
        raise VideoError(f"{path}: no such file; copy it again from its source or remove its episode")
    try:
        require_bounded(path)
        container = av.open(str(path), options={"format_whitelist": ",".join(_CONTAINERS), **_bounded()})
    except LimitError as error:
        raise VideoError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise VideoError(
            pointer_told(path)
            or f"{path}: not a readable video ({error}; {path.stat().st_size} bytes); "
            "it may be cut off: copy it again from its source"
        ) from error
    with container:
        if not container.streams.video:
            kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
            raise VideoError(f"{path}: holds no video stream (it holds {kinds}); copy it again from its source")
        try:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            decoder_options(stream)
            require_within(stream.width * stream.height, VIDEO_PIXELS, f"{stream.width} x {stream.height} pixels")
            yield container, stream
        except LimitError as error:
            raise VideoError(f"{path}: {error}") from error
        except VideoError:
            raise
        except DAMAGE as error:
            raise VideoError(f"{path}: is damaged ({error}); copy it again from its source") from error


def _bounded() -> dict[str, str]:
    return {"max_pixels": str(int(VIDEO_PIXELS * factor()))}


def decoder_options(stream: VideoStream, **more: str) -> None:
    """Set options of the decoder; in any case it refuses frames larger than they may be, whatever the header says."""
    stream.codec_context.options = {**more, **_bounded()}


def decode(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Every frame of ``path`` in presentation order, RGB.

    Args:
        size: (height, width) in pixels to resample to (area averaging); None keeps the size of the file.

    Returns:
        uint8 [T, H, W, 3].

    Raises:
        VideoError: the file cannot be opened, or a frame cannot be decoded (says which).
    """
    every, taken = list[np.ndarray](), 0
    for frame in frames(path, size):
        every.append(frame)
        taken += frame.nbytes
        try:
            require_within(taken, VIDEO_BYTES, "bytes of its frames up to here, all held in memory")
        except LimitError as error:
            raise VideoError(f"{path}: {error}; cut it into clips") from error
    if not every:
        raise VideoError(f"{path}: no frame could be decoded; copy the file again from its source")
    together = np.empty((len(every), *every[0].shape), dtype=np.uint8)
    for number in reversed(range(len(every))):
        together[number] = every.pop()
    return together


def decode_at(path: Path, indices: Iterable[int]) -> np.ndarray:
    """The frames with these numbers (presentation order), in the order asked. uint8 [len(indices), H, W, 3].

    Decodes from the start up to the last one wanted.

    Raises:
        VideoError: a number is beyond the last frame, or a frame cannot be decoded.
    """
    wanted = list(indices)
    found: dict[int, np.ndarray] = {}
    for number, frame in enumerate(frames(path)):
        if number in wanted:
            found[number] = frame
        if number >= max(wanted):
            break
    if missing := sorted(set(wanted) - set(found)):
        raise VideoError(f"{path}: frame {missing[0]} does not exist or cannot be decoded")
    return np.stack([found[i] for i in wanted])


def encode(path: Path, frames: np.ndarray, fps: float, crf: int = 20) -> None:
    """Write uint8 [T, H, W, 3] RGB frames as h264 mp4, one thread, so that equal input gives equal bytes.

    Args:
        fps: frames a second; stored exactly as a fraction with denominator up to 1001.
        crf: x264 quality, 0 (lossless) to 51; 18-23 looks lossless.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise VideoError(f"{path}: expected uint8 [T, H, W, 3] with T > 0, found {frames.dtype} {frames.shape}")
    encode_stream(path, frames, fps, crf)


def encode_stream(path: Path, frames: Iterable[np.ndarray], fps: float, crf: int = 20) -> None:
    """``encode`` for frames that come one by one (uint8 [H, W, 3] RGB each, one size): memory does not grow.

    Raises:
        VideoError: no frame came, or a frame has another size or type than the first (says which).
    """
    with encoding(path, fps, crf) as put:
        for frame in frames:
            put(frame)


@contextmanager
def encoding(path: Path, fps: float, crf: int = 20) -> Iterator[Callable[[np.ndarray], None]]:
    """``encode_stream`` for frames that somebody else hands in: yields what takes the next one. The file takes its name
    when the block ends well.

    Raises:
        VideoError: see ``encode_stream``.
    """
    size: tuple[int, ...] | None = None
    number = 0
    with replacing(path) as temporary, av.open(str(temporary), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.thread_count = 1
        stream.options = X264 | {"crf": str(crf)}

        def put(frame: np.ndarray) -> None:
            nonlocal size, number
            size = size or frame.shape
            if frame.shape != size or frame.ndim != 3 or frame.shape[-1] != 3 or frame.dtype != np.uint8:
                raise VideoError(f"{path}: frame {number} is {frame.dtype} {frame.shape}, expected uint8 like {size}")
            if number == 0:
                stream.height, stream.width, stream.pix_fmt = size[0], size[1], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
            number += 1

        yield put
        if size is None:
            raise VideoError(f"{path}: no frame to write")
        container.mux(stream.encode(None))


def frames(path: Path, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
    """What ``decode`` returns, one by one: uint8 [H, W, 3] RGB each; memory does not grow.

    Raises:
        VideoError: the file cannot be opened, or a frame cannot be decoded (says which).
    """
    number = 0
    with opened(path) as (container, stream):
        try:
            for frame in container.decode(stream):
                yield rgb(frame, size)
                number += 1
        except FFmpegError as error:
            raise VideoError(f"{path}: frame {number} cannot be decoded ({error.strerror})") from error


def resize(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample uint8 [T, H, W, 3] to (height, width) with the same filter as ``decode(size=)``."""
    return np.stack([rgb(av.VideoFrame.from_ndarray(np.ascontiguousarray(f), format="rgb24"), size) for f in frames])


def fit(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample uint8 [T, H, W, 3] to (height, width) without changing the shape of things; black bars fill the rest."""
    height, width = frames.shape[1:3]
    scale = min(size[0] / height, size[1] / width)
    inner = max(round(height * scale), 1), max(round(width * scale), 1)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    fitted = np.zeros((len(frames), *size, 3), dtype=np.uint8)
    fitted[:, top : top + inner[0], left : left + inner[1]] = resize(frames, inner)
    return fitted


def rgb(frame: av.VideoFrame, size: tuple[int, int] | None) -> np.ndarray:
    """A decoded picture as uint8 [H, W, 3], resampled to (height, width) by area averaging."""
    if size is None or size == (frame.height, frame.width):
        return frame.to_ndarray(format="rgb24")
    height, width = size
    coloured = frame if frame.format.name == "rgb24" else frame.reformat(format="rgb24")
    return coloured.reformat(width, height, interpolation=Interpolation.AREA).to_ndarray()


def require_bounded(path: Path) -> None:
    """Refuse an mp4 or mov whose tables declare more samples or edits than they hold, or than a video has.

    Read from its boxes before a library makes lists of it: a few bytes can declare a billion samples of one size, and
    an edit list multiplies the samples by its entries. Other containers write a header for each packet, so they can
    declare no more than they are long.

    Raises:
        ValueError: it does (says how many).
    """
    size, samples = path.stat().st_size, 0
    with path.open("rb") as stream:
        if stream.read(8)[4:] not in _FIRST:
            return
        for number, (kind, start, end) in enumerate(_boxes(stream, 0, size)):
            require_within(number, _MOST_BOXES, "boxes")
            stream.seek(start)
            if kind == b"cmov":
                raise ValueError("its index is packed (cmov), which no camera writes; write the file anew")
            if kind in (b"stsz", b"stz2"):
                samples += _listed(kind, stream.read(12), end - start, size)
            if kind == b"trun":
                samples += _in_run(stream.read(8), end - start)
            if kind == b"elst":
                require_within(int.from_bytes(stream.read(8)[4:]), EDITS, "entries of an edit list")
            require_within(samples, VIDEO_FRAMES, "samples")


def _boxes(stream: BinaryIO, start: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, where it ends) of each box, those within boxes too."""
    if depth > _DEEPEST:
        raise ValueError(f"its boxes are nested deeper than {_DEEPEST}; copy it again")
    while end - start >= 8:
        stream.seek(start)
        length, kind = struct.unpack(">I4s", stream.read(8))
        head = 8
        if length == 1:
            length, head = int.from_bytes(stream.read(8)), 16
        length = length or end - start
        if length < head:
            return
        stop = min(start + length, end)
        yield kind, start + head, stop
        if kind in _HOLDS:
            yield from _boxes(stream, start + head, stop, depth + 1)
        start += length


def _listed(kind: bytes, content: bytes, length: int, size: int) -> int:
    """Samples that a table of sizes lists: sizes of their own lie behind it, one for all must fit into the file."""
    if len(content) < 12:
        return 0
    _, each, count = struct.unpack(">III", content)
    held = 8 * length // (each & 0xFF or 8) if kind == b"stz2" else (size // each if each else length // 4)
    if count > held:
        raise ValueError(f"its table lists {count:,} samples and the file has room for {held:,}; copy it again")
    return count


def _in_run(content: bytes, length: int) -> int:
    if len(content) < 8:
        return 0
    flags, count = struct.unpack(">II", content)
    written = 4 * sum(bool(flags & one) for one in _RUN_FIELDS)
    if written and count > length // written:
        raise ValueError(f"a fragment lists {count:,} samples and has room for {length // written:,}; copy it again")
    return count
