"""Pictures as recordings hold them, compressed or raw, as uint8 [H, W, 3] RGB."""

import numpy as np

from gr00t_data.limits import PICTURE_PIXELS, require_within
from gr00t_data.pictures import PictureError, opened
from gr00t_data.sources.recordings.streams import StreamError

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_CHANNELS = {"rgb8": 3, "8UC3": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "8UC4": 4, "mono8": 1, "8UC1": 1}
_PACKED = {"yuv422": "YUV2RGB_UYVY", "uyvy": "YUV2RGB_UYVY", "yuv422_yuy2": "YUV2RGB_YUY2", "yuyv": "YUV2RGB_YUY2"}
_MOSAIC = {"rggb": "BayerBG2RGB", "bggr": "BayerRG2RGB", "gbrg": "BayerGR2RGB", "grbg": "BayerGB2RGB"}
"""OpenCV's conversions: it names a mosaic by the second row's second and third pixel, ROS by the first two by two."""
_CONVERSIONS = _PACKED | {f"bayer_{pattern}8": name for pattern, name in _MOSAIC.items()}


def decoded(data: bytes | np.ndarray) -> np.ndarray:
    """A JPEG or PNG as uint8 [H, W, 3].

    Raises:
        StreamError: not a picture, cut off, or larger than any camera's.
    """
    import cv2

    raw = np.frombuffer(data, dtype=np.uint8) if isinstance(data, bytes) else np.asarray(data, dtype=np.uint8).ravel()
    _refuse_cut(raw.tobytes())
    try:
        opened(raw.tobytes())
        picture = cv2.imdecode(raw, cv2.IMREAD_COLOR_RGB) if len(raw) else None
    except PictureError as error:
        raise StreamError(str(error)) from error
    except cv2.error as error:
        raise StreamError(f"picture of {len(raw)} bytes cannot be decoded ({error.err})") from error
    if picture is None:
        raise StreamError(f"picture of {len(raw)} bytes cannot be decoded; leave the episode out")
    return picture


def _refuse_cut(data: bytes) -> None:
    """A JPEG without its end marker after its last scan: decoders fill the rest with grey and say nothing."""
    if data.startswith(_JPEG_START) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN):
        raise StreamError(f"picture of {len(data)} bytes is a JPEG that was cut off; leave the episode out")


def raw_picture(data: bytes | np.ndarray, height: int, width: int, step: int, encoding: str) -> np.ndarray:
    """Rows of pixels as ``sensor_msgs/Image`` lays them out, as uint8 [height, width, 3].

    Args:
        step: bytes of one row, which may be padded.

    Raises:
        StreamError: another encoding (depth), fewer bytes than the size needs, or an odd width of pixel pairs.
        LimitError: more pixels than any camera has.
    """
    channels = 2 if encoding in _PACKED else 1 if encoding in _CONVERSIONS else _CHANNELS.get(encoding)
    if channels is None:
        known = ", ".join((*_CHANNELS, *_CONVERSIONS))
        raise StreamError(f"picture has encoding {encoding!r}, expected one of {known}")
    step = step or width * channels
    raw = np.frombuffer(data, dtype=np.uint8) if isinstance(data, bytes) else np.asarray(data, dtype=np.uint8).ravel()
    require_within(height * width, PICTURE_PIXELS, f"picture of {height} x {width}, pixels")
    if height <= 0 or width <= 0 or step < width * channels or len(raw) < height * step:
        raise StreamError(f"picture of {height} x {width} needs {height * step} bytes, found {len(raw)}")
    pixels = raw[: height * step].reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    if encoding in _CONVERSIONS:
        return _converted(pixels, encoding)
    return _rgb(pixels, swap=encoding.startswith("bgr"))


def _converted(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """Pairs of pixels that share their colour (BT.601, as cameras send them), or a mosaic, as uint8 [H, W, 3]."""
    import cv2

    height, width = pixels.shape[:2]
    if (encoding in _PACKED and width % 2) or (encoding not in _PACKED and min(height, width) < 2):
        raise StreamError(f"picture of {height} x {width} cannot be {encoding}, whose pixels come in twos")
    return cv2.cvtColor(np.ascontiguousarray(pixels), getattr(cv2, f"COLOR_{_CONVERSIONS[encoding]}"))


def _rgb(pixels: np.ndarray, swap: bool) -> np.ndarray:
    if pixels.shape[-1] == 1:
        return np.repeat(pixels, 3, axis=-1)
    return np.ascontiguousarray(pixels[..., 2::-1] if swap else pixels[..., :3])


def even_size(picture: np.ndarray) -> np.ndarray:
    """With the last row or column repeated where the count is odd: video stores colours for two by two pixels."""
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def array_picture(pixels: np.ndarray, where: str) -> np.ndarray:
    """One picture of an array dataset, as uint8 [H, W, 3]: uint8 as it is, floats from 0..1; channels last or first.

    Raises:
        StreamError: another shape or type.
    """
    if pixels.ndim == 3 and pixels.shape[0] in (3, 4) and pixels.shape[-1] not in (3, 4):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4):
        raise StreamError(f"{where}: a picture has shape {pixels.shape}, expected [height, width, 3]")
    if np.issubdtype(pixels.dtype, np.floating):
        if not np.isfinite(pixels).all() or pixels.min(initial=0) < 0 or pixels.max(initial=0) > 1:
            raise StreamError(f"{where}: a float picture has values outside 0 .. 1")
        pixels = np.rint(pixels * 255).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise StreamError(f"{where}: a picture has type {pixels.dtype}, expected uint8")
    return _rgb(pixels, swap=False)
