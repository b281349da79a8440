"""A run of frames out of the middle of a video, decoded from the nearest picture that stands alone."""

from pathlib import Path

import numpy as np
from av.error import FFmpegError

from gr00t_data.video import VideoError, opened, rgb


def read_clip(path: Path, first: int, count: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """``count`` frames from number ``first`` on (presentation order), fewer at the end of the video.

    Only these are turned into RGB; the ones between the last independent picture and ``first`` are decoded unseen.

    Args:
        size: (height, width) in pixels to resample to (area averaging, as ``video.decode``); None keeps the file's.

    Returns:
        uint8 [n, H, W, 3], 0 < n <= count.

    Raises:
        VideoError: the video has no frame ``first``, or a frame cannot be decoded.
    """
    with opened(path) as (container, stream):
        stream.thread_type = "NONE"
        times = np.sort([packet.pts for packet in container.demux(stream) if packet.pts is not None and packet.size])
        if not 0 <= first < len(times):
            raise VideoError(f"{path}: has {len(times)} frames, asked for frame {first}; check the episode again")
        wanted = times[first : first + count]
        container.seek(int(wanted[0]), stream=stream, backward=True)
        found = []
        try:
            for frame in container.decode(stream):
                if frame.pts is None or frame.pts < wanted[0]:
                    continue
                found.append(rgb(frame, size))
                if len(found) == len(wanted):
                    break
        except FFmpegError as error:
            raise VideoError(f"{path}: frame {first + len(found)} cannot be decoded: {error}") from error
    if len(found) < len(wanted):
        raise VideoError(f"{path}: ends at frame {first + len(found)}, but lists {len(times)}; copy it again")
    return np.stack(found)
