"""Hands found by MediaPipe in a process of its own, chunk by chunk, each chunk kept on disk.

MediaPipe names the hand of a selfie: it takes the picture to be mirrored. A camera on the head does not mirror, so its
``Left`` is the wearer's right hand and the other way round: the names are exchanged here, once.
"""

import json
import logging
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from gr00t_data.code_key import code_key
from gr00t_data.disk import digest_file, digest_json
from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_data.sources.human.detector.environment import (
    VERSION,
    DetectorError,
    end,
    environment_folder,
    quiet,
    required_python,
)
from gr00t_data.sources.human.hands.detections import Detection, Detections, detection_from_dict, detection_to_dict
from gr00t_data.sources.human.hands.tracks import LANDMARKS, LEFT, RIGHT
from gr00t_data.video.footage import footage_pictures, read_footage
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import Packets

_LOG = logging.getLogger(__name__)
LIBRARIES = ("av", "numpy", "opencv-python-headless")

SOURCE = f"mediapipe hands {VERSION}"
LICENCE = "Apache-2.0"
"""Of MediaPipe and its hand models."""

CHUNK_FRAMES = 300
"""Frames that are found, and kept, together: ten seconds at 30 Hz. The tracker begins anew with each."""

_ASKED = {"max_num_hands": 4, "min_detection_confidence": 0.3, "min_tracking_confidence": 0.3}
"""For MediaPipe's ``Hands``. More than two hands in one frame show that somebody else is in the picture. The scores,
0..1, below which a palm or a followed hand is dropped, are lower than MediaPipe's own 0.5, so that hands that a turn of
the head blurs, or the edge of the picture cuts, are found; what is only seen for one frame is dropped later, when sides
are assigned.
"""
_LONGEST_PX = 960
_TOGETHER = 100
"""Frames that are decoded together: 160 MB of pictures."""
"""Pictures are shrunk to it. The model looks for palms at 192 px and reads hands at 224 px."""
_START_S, _FRAME_S = 120.0, 60.0
_UNMIRRORED = {"Left": RIGHT, "Right": LEFT}
_PROGRAM = Path(__file__).with_name("program.py")


class HandDetector:
    """The process, started with the first picture. Use it in a ``with`` statement."""

    def __init__(
        self,
        *,
        python: Path | None = None,
        kept: Path | None = None,
        start_s: float = _START_S,
        frame_s: float = _FRAME_S,
    ) -> None:
        """Choose it.

        Args:
            python: the interpreter that has MediaPipe; None takes the one that ``gr00t hands setup`` made.
            kept: folder for what was found; None is one beside the environment.
            start_s, frame_s: the process is ended when it needs longer, for its first picture or for another.

        Raises:
            DetectorError: nobody has set it up.
        """
        self._python = python or required_python()
        self._kept = kept or environment_folder().parent / "hands"
        self._start_s, self._frame_s = start_s, frame_s
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._late = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def detect(
        self,
        video: Path,
        span_s: tuple[float, float] | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Detections:
        """The hands of a video. Chunks that were searched before are read from disk.

        Args:
            span_s: only the chunks that hold a part of it, seconds from the first frame; None is all.
            progress: called with (frames done, frames in all).

        Raises:
            DetectorError: the process crashed or took too long; what it said is in the message.
            VideoError: the video cannot be read.
        """
        facts, sha256 = _facts_of(video)
        chunks = list(_chunks(facts, span_s))
        total = sum(len(chunk) for chunk in chunks)
        hands: list[tuple[Detection, ...]] = []
        made_by = digest_json([SOURCE, code_key(__name__)])[:8]
        progress(0, total)
        for chunk in chunks:
            path = self._kept / sha256[:16] / f"{made_by}-{chunk[0]:08d}.json"
            found = _read(path, len(chunk))
            if found is None:
                done = len(hands)
                found = self._searched(facts, chunk, lambda count, done=done: progress(done + count, total))
                listed = [[detection_to_dict(hand) for hand in frame] for frame in found]
                write_sealed(path, {"source": SOURCE, "frames": listed})
            hands += found
            progress(len(hands), total)
        numbers = np.array([number for chunk in chunks for number in chunk], dtype=np.int64)
        return Detections(facts.times_s[numbers], tuple(hands), facts.upright_px, SOURCE, LICENCE, sha256)

    def _searched(self, facts: Packets, chunk: range, progress: Callable[[int], None]) -> list[tuple[Detection, ...]]:
        found = []
        for begin in range(0, len(chunk), _TOGETHER):
            part = chunk[begin : begin + _TOGETHER]
            for picture in watched(facts.path, footage_pictures, facts, part, _LONGEST_PX):
                hands = self.hands_of(picture, fresh=not found, upright_px=facts.upright_px)
                # As it will be read from disk, so that the second run gives what the first one did.
                found.append(tuple(detection_from_dict(detection_to_dict(hand)) for hand in hands))
                progress(len(found))
        return found

    def hands_of(self, picture: np.ndarray, *, fresh: bool, upright_px: tuple[int, int]) -> list[Detection]:
        """The hands of one picture.

        Args:
            picture: uint8 [H, W, 3] RGB.
            fresh: it does not follow the picture before.
            upright_px: width and height that the landmarks are given in.

        Raises:
            DetectorError: the process crashed or took too long.
        """
        height, width = picture.shape[:2]
        head = struct.pack("<III", height, width, int(fresh or self._process is None))
        line = self._asked(head + np.ascontiguousarray(picture).tobytes())
        scale = np.array([upright_px[0] / width, upright_px[1] / height], dtype=np.float32)
        return [Detection(_UNMIRRORED[label], score, _points(points) * scale) for label, score, points in line]

    def _asked(self, question: bytes) -> list[Any]:
        limit_s = self._frame_s if self._process else self._start_s
        process = self._process = self._process or self._started()
        assert process.stdin and process.stdout
        timer = threading.Timer(limit_s, self._end_late, [process])
        timer.start()
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(question)
                process.stdin.flush()
            answer = process.stdout.readline()
        finally:
            timer.cancel()
        if not answer.endswith(b"\n"):
            raise self._stopped(process, limit_s)
        return json.loads(answer)

    def _started(self) -> subprocess.Popen[bytes]:
        command = [str(self._python), "-I", str(_PROGRAM), json.dumps(_ASKED)]
        try:
            return subprocess.Popen(  # noqa: S603 - our own program
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, env=quiet()
            )
        except OSError as error:
            raise DetectorError(
                f"{self._python}: cannot be started ({error}); run `gr00t hands setup --again`"
            ) from error

    def _end_late(self, process: "subprocess.Popen[bytes]") -> None:
        self._late = True
        process.kill()

    def _stopped(self, process: "subprocess.Popen[bytes]", limit_s: float) -> DetectorError:
        status = process.wait()
        self._process = None
        self._said.seek(0)
        said = self._said.read()[-2000:].decode("utf-8", "replace").strip().splitlines()[-3:]
        late, self._late = self._late, False
        what = f"gave no answer within {limit_s:g} s and was ended" if late else f"ended with status {status}"
        return DetectorError(
            f"{self._python}: the hand detector {what}; it said: {' | '.join(said) or 'nothing'}. Run again to go on "
            "where it stopped; `gr00t hands setup --again` makes its environment anew"
        )


def _points(points: Sequence[Sequence[float]]) -> np.ndarray:
    return np.array(points, dtype=np.float32).reshape(LANDMARKS, 2)


def _chunks(facts: Packets, span_s: tuple[float, float] | None) -> Iterator[range]:
    """Numbers of the frames of each chunk; the chunks lie at the same places whatever is asked for."""
    frames = len(facts.times_s)
    for first in range(0, frames, CHUNK_FRAMES):
        end = min(first + CHUNK_FRAMES, frames)
        after_s = facts.times_s[end] if end < frames else np.inf
        if span_s is None or (facts.times_s[first] <= span_s[1] and after_s > span_s[0]):
            yield range(first, end)


def _read(path: Path, frames: int) -> list[tuple[Detection, ...]] | None:
    """What was kept of a chunk; None when nothing was, or it cannot be read, which the log says."""
    try:
        listed = read_sealed(path)["frames"]
        found = [tuple(detection_from_dict(hand) for hand in frame) for frame in listed]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _LOG.warning("%s: cannot be used (%s); the frames are searched again", path, error)
        return None
    return found if len(found) == frames else None


def forget(sha256: str, kept: Path | None = None) -> bool:
    """Delete what is kept of a video, for example because its wearer withdrew; whether there was anything.

    Args:
        sha256: of the video file.
        kept: as for ``HandDetector``.
    """
    folder = (kept or environment_folder().parent / "hands") / sha256[:16]
    there = folder.is_dir()
    shutil.rmtree(folder, ignore_errors=True)
    return there


def _facts_of(video: Path) -> tuple[Packets, str]:
    """What a video is, and its SHA-256.

    Raises:
        VideoError: it cannot be read.
    """
    stat = video.stat() if video.is_file() else None
    return _facts_once(video, stat and (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=4)
def _facts_once(video: Path, stamp: tuple[int, int] | None) -> tuple[Packets, str]:
    """All clips of a video ask; ``stamp`` is only there so that a changed file is read again."""
    return watched(video, read_footage, video), digest_file(video)
