"""Who finds the faces: MediaPipe in an interpreter of its own, or a YuNet file through OpenCV. Both work offline."""

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from gr00t_data.disk import digest_file
from gr00t_data.sources.human.detector.environment import VERSION, end, mediapipe_python, quiet
from gr00t_data.sources.human.faces.blur import FaceBox, FaceDetector

MODEL_VARIABLE = "GR00T_FACE_MODEL"
"""Environment variable: path of an ONNX file of YuNet (OpenCV model zoo), used instead of MediaPipe."""

_LEAST_SCORE = 0.25
"""Low on purpose: a face too few is a person recognised. A box too many hides what the hands do, so each is looked at
again.
"""
_NEAR, _FAR = 0, 1
_AGAIN_BOXES, _AGAIN_PX = 4.0, 128
"""The second look: a piece of four boxes across, by the near-range model at its own size. Faces of 24 px and more score
0.79 and up there; a plate with cutlery, which the first look takes for a face at 0.7, scores nothing.
"""
_FACE_OF_TILE = 0.075
"""MediaPipe's full-range model finds faces from this share of its picture's width on (24 of 24 at 8 %, 18 at 6 %)."""
_SMALLEST_FACE_PX = 24.0
_SMALLEST_FACE_SHARE = 1 / 64
"""Faces are looked for down to 24 px, and in large pictures down to this share of the longer side."""
_OVERLAP = 0.25
_TILE_INPUT_PX = 256
"""Tiles are shrunk to this before they are searched; the model itself works at 192."""
_PROGRAM = Path(__file__).with_name("program.py")


class FaceDetectorError(RuntimeError):
    """No detector, or one that stopped; the message says what to do."""


class MediaPipeFaces:
    """MediaPipe's full-range model over tiles of the picture, so that small faces are found; its short-range model
    then looks at each of them again.
    """

    name = f"mediapipe {VERSION} face_detection full_range in tiles, confirmed by short_range"
    licence = "Apache-2.0"

    def __init__(self, python: Path, least_score: float = _LEAST_SCORE) -> None:
        """Start it.

        Args:
            python: the interpreter that has MediaPipe.
        """
        command = [str(python), "-I", str(_PROGRAM), str(least_score)]
        self._process = subprocess.Popen(  # noqa: S603 - the interpreter that the user set up, and our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        end(self._process)

    def __call__(self, picture: np.ndarray) -> list[FaceBox]:
        """The faces of uint8 [H, W, 3] RGB.

        Raises:
            FaceDetectorError: the process ended.
        """
        import cv2

        found: list[FaceBox] = []
        for left, top, side_x, side_y in tiles(picture.shape[1], picture.shape[0]):
            tile = picture[top : top + side_y, left : left + side_x]
            scale = min(_TILE_INPUT_PX / max(side_x, side_y), 1.0)
            if scale < 1:
                tile = cv2.resize(tile, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            for x0, y0, x1, y1, score in self._ask(tile, _FAR):
                found.append(FaceBox(left + x0 / scale, top + y0 / scale, left + x1 / scale, top + y1 / scale, score))
        return [box for box in merged(found) if self._confirmed(picture, box)]

    def _confirmed(self, picture: np.ndarray, box: FaceBox) -> bool:
        """Whether a second look at its surroundings sees a face in the middle, about as large as the box."""
        import cv2

        side = max(box.right - box.left, box.bottom - box.top, 1.0)
        half = round(_AGAIN_BOXES * side / 2)
        x, y = round((box.left + box.right) / 2), round((box.top + box.bottom) / 2)
        piece = picture[max(y - half, 0) : max(y + half, 0), max(x - half, 0) : max(x + half, 0)]
        around = (
            max(half - y, 0),
            max(y + half - picture.shape[0], 0),
            max(half - x, 0),
            max(x + half - picture.shape[1], 0),
        )
        piece = cv2.copyMakeBorder(piece, *around, cv2.BORDER_REPLICATE)
        shrunk = cv2.resize(piece, (_AGAIN_PX, _AGAIN_PX), interpolation=cv2.INTER_AREA)
        middle = FaceBox(*(_AGAIN_PX * edge for edge in (0.25, 0.25, 0.75, 0.75)))
        return any(FaceBox(*row).shared(middle) > 0.05 for row in self._ask(shrunk, _NEAR))

    def _ask(self, tile: np.ndarray, model: int) -> Iterator[tuple[float, ...]]:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(
                struct.pack("<III", model, *tile.shape[:2]) + np.ascontiguousarray(tile).tobytes()
            )
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: what is read below is short, and says so
        head = self._process.stdout.read(4)
        if len(head) < 4:
            raise FaceDetectorError(
                f"{self._process.args[0]}: the face detector ended with status {self._process.wait()}; "  # type: ignore[index]
                "run `gr00t hands setup` again, it makes the environment anew"
            )
        (count,) = struct.unpack("<I", head)
        yield from struct.iter_unpack("<5f", self._process.stdout.read(20 * count))


def tiles(width_px: int, height_px: int) -> list[tuple[int, int, int, int]]:
    """left, top, width, height of what is searched: the whole picture, and tiles of one half and of the finest size.

    The finest tiles are as large as lets the model see a face of 24 px, or of 1/64 of the longer side.
    """
    longer = max(width_px, height_px)
    finest = max(_SMALLEST_FACE_PX, _SMALLEST_FACE_SHARE * longer) / _FACE_OF_TILE
    sides = [float(longer)]
    while sides[-1] > 1.5 * finest:
        sides.append(max(sides[-1] / 2.25, finest))
    places = []
    for side in sides:
        across, down = min(int(side), width_px), min(int(side), height_px)
        places += [(left, top, across, down) for top in _starts(height_px, down) for left in _starts(width_px, across)]
    return places


def _starts(length: int, side: int) -> list[int]:
    steps = int(np.ceil((length - side) / (side * (1 - _OVERLAP)))) if length > side else 0
    return [round(number * (length - side) / max(steps, 1)) for number in range(steps + 1)]


def merged(boxes: list[FaceBox]) -> list[FaceBox]:
    """The same face is found in several tiles: of boxes that overlap much, the surest is kept."""
    kept: list[FaceBox] = []
    for box in sorted(boxes, key=lambda one: -one.score):
        if not any(box.shared(other) > 0.4 for other in kept):
            kept.append(box)
    return kept


class YuNetFaces:
    """YuNet (Wu et al., Machine Intelligence Research 2023), read from an ONNX file by OpenCV."""

    licence = "MIT"

    def __init__(self, model: Path, least_score: float = _LEAST_SCORE) -> None:
        """Load it.

        Raises:
            FaceDetectorError: not a file, or not a YuNet.
        """
        import cv2

        if not model.is_file():
            raise FaceDetectorError(f"{model}: is not there; {MODEL_VARIABLE} names the ONNX file of a YuNet")
        try:
            self._model: Any = cv2.FaceDetectorYN.create(str(model), "", (320, 320), least_score)
        except cv2.error as error:
            raise FaceDetectorError(f"{model}: OpenCV cannot read it as a YuNet ({error})") from error
        self.name = f"yunet {model.name} {digest_file(model)[:12]}"

    def close(self) -> None:
        """Nothing is held."""

    def __call__(self, picture: np.ndarray) -> list[FaceBox]:
        """The faces of uint8 [H, W, 3] RGB."""
        import cv2

        self._model.setInputSize((picture.shape[1], picture.shape[0]))
        _, found = self._model.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        rows = [] if found is None else found.tolist()
        return [FaceBox(row[0], row[1], row[0] + row[2], row[1] + row[3], row[-1]) for row in rows]


def find_detector() -> FaceDetector:
    """The detector of this machine: the file that ``GR00T_FACE_MODEL`` names, else MediaPipe where it is set up.

    Raises:
        FaceDetectorError: neither is there. Footage is not taken in then: no face may be written by oversight.
    """
    if path := os.environ.get(MODEL_VARIABLE):
        return YuNetFaces(Path(path).expanduser())
    if (python := mediapipe_python()) is None:
        raise FaceDetectorError(
            "there is no face detector, so no footage is written; run `gr00t hands setup` once (needs network), or set "
            f"{MODEL_VARIABLE} to the ONNX file of a YuNet; `--faces none` states that nobody's face is in the videos"
        )
    return MediaPipeFaces(python)
