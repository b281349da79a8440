"""Pictures of others: their size is read from the header, and refused, before a pixel is unpacked."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from gr00t_data.limits import JPEG_SCANS, PICTURE_PIXELS, LimitError, require_within

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG")
"""Other decoders of Pillow start programs (EPS) or read more than one picture."""
_SCAN = b"\xff\xda"


class PictureError(ValueError):
    """Bytes that are no PNG or JPEG, or one that is larger than it may be."""


def opened(data: bytes) -> "Image":
    """A PNG or JPEG, its header read, its pixels not yet.

    Raises:
        PictureError: it is neither, or too large (says by how much).
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
        require_within(picture.width * picture.height, PICTURE_PIXELS, f"{picture.width} x {picture.height} pixels")
        if picture.format == "JPEG":
            require_within(data.count(_SCAN), JPEG_SCANS, "scans of a JPEG")
    except (LimitError, Image.DecompressionBombError) as error:
        raise PictureError(f"picture of {len(data)} bytes: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"picture of {len(data)} bytes is no JPEG or PNG: it begins with {data[:8]!r}") from error
    return picture


def opened_file(path: Path) -> "Image":
    """``opened`` for a file. PictureError names it; its size in bytes is looked at first."""
    try:
        require_within(path.stat().st_size, 4 * PICTURE_PIXELS, "bytes of a picture")
        return opened(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PictureError(f"{path}: {error}; write a PNG or JPEG") from error
