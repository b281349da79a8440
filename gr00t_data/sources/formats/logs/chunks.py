"""The records of an MCAP file, one chunk at a time: its size is known, and refused, before it is unpacked."""

import bz2
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from gr00t_data.limits import CHUNK_BYTES, LOG_RATIO, LOG_UNKNOWN, LimitError, factor, require_within

MAGIC = b"\x89MCAP0\r\n"
"""How a file begins, and ends when its writer closed it."""
_LAST_KIND = 0x0F
"""Of the MCAP specification, which begins with 0x01."""


def most_bytes() -> int:
    """Bytes that a record of a log may have."""
    return int(CHUNK_BYTES * factor())


def unpacked_records(path: Path) -> Iterator[Any]:
    """Every record of the file in its order, those in chunks in place of the chunks.

    Raises:
        LimitError: a record or chunk, or all of them together, are larger than they may be.
        CutOffError: the file ends in the middle.
        Exception: of the library, of struct, or of a decompressor, where the file is damaged.
    """
    from mcap.exceptions import RecordLengthLimitExceeded
    from mcap.records import Chunk
    from mcap.stream_reader import StreamReader, breakup_chunk

    most, taken = CHUNK_BYTES + LOG_RATIO * path.stat().st_size, 0
    with path.open("rb") as stream:
        bounded: Any = Bounded(stream)
        reader = StreamReader(bounded, emit_chunks=True, validate_crcs=True, record_size_limit=most_bytes())
        try:
            for record in reader.records:
                if not isinstance(record, Chunk):
                    yield record
                    continue
                require_within(record.uncompressed_size, CHUNK_BYTES, "bytes of a chunk, unpacked")
                content = unpacked(record.compression, record.data)
                require_within(taken := taken + len(content), most, "bytes of all chunks up to here, unpacked")
                yield from breakup_chunk(replace(record, compression="", data=content), validate_crc=True)
        except RecordLengthLimitExceeded as error:
            raise LimitError(f"a record says that it is larger than it may be ({error})") from error
        except Exception as error:
            if not isinstance(error, LimitError) and not stream.read(1) and not _has_its_end(path):
                raise CutOffError(f"{type(error).__name__}: {error}") from error
            raise


def _has_its_end(path: Path) -> bool:
    """Whether a file ends as a writer that closed it ends it."""
    with path.open("rb") as stream:
        stream.seek(-len(MAGIC), os.SEEK_END)
        return stream.read() == MAGIC


class CutOffError(ValueError):
    """The file ends before its writer ended it."""


class Bounded:
    """A file of which nobody reads more at once than a record may have: lengths within records lie too."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._unknown = 0

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes. Raises LimitError: it is negative, more than a record may have, or the kind of one
        more record that the library skips in silence, of which a file of zeros has one every nine bytes."""
        require_within(count, CHUNK_BYTES, "bytes that a record says it has")
        if count < 0:
            raise ValueError(f"a record says that it has {count} bytes")
        found = self._stream.read(count)
        if count == 1 and found and not 0 < found[0] <= _LAST_KIND:
            self._unknown += 1
            require_within(self._unknown, LOG_UNKNOWN, "records of kinds that nobody knows")
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        """See ``io.IOBase.seek``."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """See ``io.IOBase.tell``."""
        return self._stream.tell()


def unpacked(compression: str, data: bytes) -> bytes:
    """What a chunk holds, unpacked no further than its limit: sizes in its own header are not believed.

    Raises:
        LimitError: it is larger. ValueError: packed in another way, or cut off.
    """
    import lz4.frame
    import zstandard

    most = most_bytes()
    if compression == "":
        return data
    if compression == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            content = stream.read(min(most, _MOST_PACKED * len(data)) + 1)
        whole = zstandard.frame_content_size(data) in (-1, len(content))
    elif compression in ("lz4", "bz2"):
        unpacking: Any = lz4.frame.LZ4FrameDecompressor() if compression == "lz4" else bz2.BZ2Decompressor()
        content = unpacking.decompress(data, most + 1)
        whole = unpacking.eof
    else:
        raise ValueError(f"a chunk is packed as {compression!r}; lz4 and zstd can be read")
    require_within(len(content), CHUNK_BYTES, "bytes of a chunk, unpacked (there may be more)")
    if not whole:
        raise ValueError(f"a chunk of {len(data)} bytes ({compression}) is cut off")
    return content


_MOST_PACKED = 1 << 17
"""zstd stores a block of 128 KiB in four bytes at best."""
