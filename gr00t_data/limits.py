"""How large what others wrote may be: one limit a kind, each with its reason, asked before anything is made of it.

Together they keep the reading of one item below a gigabyte. ``GR00T_LIMITS`` in the environment multiplies them all,
for who has larger data and the memory for it.
"""

import math
import os

MIB = 1 << 20

PICTURE_PIXELS = 64_000_000
"""Twice the largest sensor of a machine camera; unpacked, 192 MB."""
JPEG_SCANS = 100
"""A progressive JPEG has about ten; each costs a pass over all of its pixels."""
VIDEO_PIXELS = 36_000_000
"""A frame of 8K has 33 million; decoders keep several."""
VIDEO_FRAMES = 2_000_000
"""Eleven hours at 50 Hz; what is written down of each frame takes 250 bytes."""
VIDEO_BYTES = 512 * MIB
"""All frames of a clip that is held in memory, unpacked: 190 of 1280 x 720. Generated clips have 49 to 121."""
EDITS = 1_000
"""Entries of an mp4's edit list, which have one or two; a player multiplies them by the frames."""
JSON_BYTES = 256 * MIB
"""The metadata of a million episodes."""
JSON_VALUES = 4_000_000
"""Texts, numbers and brackets of one JSON document: each takes up to 100 bytes as an object of Python."""
LINES = 2_000_000
"""Episodes of a dataset, a line each; the largest published one has 100,000."""
TEXT_BYTES = 64 * MIB
"""A table of narrations; the largest published one has 80,000 lines and 20 MB."""
TOKENIZER_BYTES = 64 * MIB
"""A file of a tokenizer; that of Qwen3 has 11 MB."""
YAML_BYTES = 4 * MIB
"""What people write by hand, and the list of files of a long bag."""
TABLE_BYTES = 512 * MIB
"""A parquet file, unpacked. LeRobot v3.0 rotates files at 100 MB packed, which rows unpack to a few times that."""
TABLE_COLUMNS = 2_000
"""Columns of a parquet file; the metadata of LeRobot v3.0 has ten for each feature."""
EPISODE_VALUES = 32_000_000
"""Numbers of one episode, which are computed with as float64: 256 MB; two hours of 88 at 50 Hz."""
CHUNK_BYTES = 64 * MIB
"""A record or chunk of a log, unpacked; recorders write 1 to 8 MB, and a raw picture of 4K has 25 MB."""
LOG_RATIO = 100
"""How much larger than its file a whole log may unpack to, beyond one chunk: LZ4 gives 255 for zeros alone."""
LOG_VALUES = 40_000_000
"""Numbers that are taken from one log: an hour of 11 values at 1 kHz."""
LOG_UNKNOWN = 100_000
"""Records of a log of kinds that its format does not have, which readers pass over: nobody writes that many."""
MESSAGE_VALUES = 100_000
"""Numbers of one message under one name; no robot has so many joints."""
DEFINITION_BYTES = 1 * MIB
"""Text of a message definition; the largest of ROS has 20 kB."""
DEFINITION_FIELDS = 10_000
"""Numbers and texts of a message as its definition lays them out, lists of variable length counted once."""
MESSAGE_PARTS = 500_000
"""Messages within one message, as a list of points holds them; each takes about 500 bytes."""
ROWS = 300_000
"""Rows of an episode: four hours at 20 Hz, and with 100 values a row not more than ``EPISODE_VALUES``."""
FILES = 200_000
"""Files of an archive: 50,000 episodes with three cameras, each in a file."""
ARCHIVE_RATIO = 100
"""How much larger than the archive its files may be, beyond ``ARCHIVE_FREE_BYTES``; JSON packs to a twentieth."""
ARCHIVE_FREE_BYTES = 64 * MIB


class LimitError(ValueError):
    """Something is larger than it may be; the message says what, how large, and how large it may be."""


def factor() -> float:
    """What ``GR00T_LIMITS`` multiplies every limit by; 1 when it is not set.

    Raises:
        LimitError: it is no number from 1 up.
    """
    said = os.environ.get("GR00T_LIMITS", "").strip() or "1"
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not 1 <= value < math.inf:
        raise LimitError(f"GR00T_LIMITS: is {said!r}, expected a number from 1 up, which multiplies every limit")
    return value


def require_within(found: float, limit: float, what: str) -> None:
    """Refuse what is larger than its limit.

    Args:
        what: the thing and its unit, read before the number: ``"/drop/a.png: pixels"``.

    Raises:
        LimitError: it is too large.
    """
    if found <= limit:
        return
    most = limit * factor()
    if found > most:
        raise LimitError(
            f"{what}: {found:,.0f}, at most {most:,.0f} are read; it is damaged or made to fill the memory. If it is "
            f"meant to be so large, set GR00T_LIMITS={math.ceil(found / limit)}, which multiplies every limit"
        )
