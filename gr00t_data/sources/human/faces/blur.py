"""Faces in egocentric video are made unrecognisable before a frame is written. What was found is counted, never kept.

A picture is searched every few frames. Between the searches, and for a while before and after a face is found, the box
is carried along with the motion of the picture, so that a face that the detector loses for some frames stays hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

_CELLS = 4
"""A hidden face is painted in as many flat cells across its box, which is larger than the face: too few to know one."""
_POINTS = 40
"""Corners of a box whose motion says where it goes."""
_SAME_FACE = 0.2
"""Boxes that share this part of their union are taken for one face."""


@dataclass(frozen=True)
class FaceBox:
    """Where a face is, in pixels of the picture; right and bottom are outside of it. ``score`` is 0..1."""

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0

    def moved(self, x_px: float, y_px: float) -> Self:
        """The box elsewhere."""
        return type(self)(self.left + x_px, self.top + y_px, self.right + x_px, self.bottom + y_px, self.score)

    def grown(self, share: float) -> Self:
        """The box larger by ``share`` of its size on each side."""
        x, y = share * (self.right - self.left), share * (self.bottom - self.top)
        return type(self)(self.left - x, self.top - y, self.right + x, self.bottom + y, self.score)

    def shared(self, other: "FaceBox") -> float:
        """Area in both boxes over the area in either, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        both = max(width, 0.0) * max(height, 0.0)
        either = self._area() + other._area() - both
        return both / either if either > 0 else 0.0

    def _area(self) -> float:
        return max(self.right - self.left, 0.0) * max(self.bottom - self.top, 0.0)


class FaceDetector(Protocol):
    """Finds faces in one picture.

    Attributes:
        name: of the model, with its version; kept as provenance of every clip.
        licence: of the model.
    """

    name: str
    licence: str

    def __call__(self, picture: np.ndarray) -> list[FaceBox]:
        """The faces of a picture, uint8 [H, W, 3] RGB."""
        ...

    def close(self) -> None:
        """Give back what it holds; it is not asked again."""
        ...


class FaceBlur:
    """Hides the faces of a clip."""

    def __init__(
        self, detector: FaceDetector, *, every_frames: int = 3, hold_frames: int = 15, margin: float = 0.4
    ) -> None:
        """Choose how often and how widely.

        Args:
            every_frames: a picture is searched once in as many frames, and the last one always.
            hold_frames: for so long a face stays hidden before it was first and after it was last found.
            margin: the hidden box is larger than what was found by this share of its size, on each side.
        """
        if every_frames < 1 or hold_frames < every_frames or margin < 0:
            raise ValueError(
                f"every_frames {every_frames}, hold_frames {hold_frames}, margin {margin}: expected 1 <= every_frames "
                "<= hold_frames, so that nothing is open between two searches, and margin >= 0"
            )
        self.detector = detector
        self.every_frames, self.hold_frames, self.margin = every_frames, hold_frames, margin

    def __call__(self, frames: np.ndarray) -> tuple[np.ndarray, list[list[FaceBox]]]:
        """Hide every face that can be found.

        Args:
            frames: uint8 [T, H, W, 3] RGB, one shot of a camera.

        Returns:
            a changed copy of the frames, and for each frame the boxes that were hidden in it (to count and to log).
        """
        boxes = self.find(frames)
        hidden = frames.copy()
        for frame, found in zip(hidden, boxes, strict=True):
            for box in found:
                hide(frame, box)
        return hidden, boxes

    def find(self, frames: np.ndarray) -> list[list[FaceBox]]:
        """The boxes to hide in each frame, margin included."""
        count = len(frames)
        searched = sorted({*range(0, count, self.every_frames), count - 1} - {-1})
        found = {number: self.detector(frames[number]) for number in searched}
        boxes: list[list[FaceBox]] = [[] for _ in range(count)]
        grey = _Grey(frames)
        for number, here in found.items():
            for box in here:
                boxes[number].append(box.grown(self.margin))
                for step in (1, -1):
                    self._carry(box, number, step, found, grey, boxes)
        return boxes

    def _carry(
        self,
        box: FaceBox,
        start: int,
        step: int,
        found: dict[int, list[FaceBox]],
        grey: "_Grey",
        boxes: list[list[FaceBox]],
    ) -> None:
        """Follow a face in one direction of time until it is found again, or for as long as it is held."""
        for distance in range(1, self.hold_frames + 1):
            number = start + step * distance
            if not 0 <= number < len(boxes):
                return
            box = box.moved(*grey.motion(number - step, number, box))
            if any(box.shared(other) > _SAME_FACE for other in found.get(number, ())):
                return
            boxes[number].append(box.grown(self.margin + 0.02 * distance))


class _Grey:
    """The frames in grey, each made once, and how pieces of them move."""

    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self._made: dict[int, np.ndarray] = {}

    def _of(self, number: int) -> np.ndarray:
        import cv2

        if number not in self._made:
            self._made[number] = cv2.cvtColor(self._frames[number], cv2.COLOR_RGB2GRAY)
        return self._made[number]

    def motion(self, before: int, after: int, box: FaceBox) -> tuple[float, float]:
        """By how many pixels (x, y) what is in the box has moved; nothing where nothing can be followed."""
        import cv2

        first, second = self._of(before), self._of(after)
        left, top, right, bottom = _inside(box, first.shape)
        if right - left < 4 or bottom - top < 4:
            return 0.0, 0.0
        mask = np.zeros_like(first)
        mask[top:bottom, left:right] = 255
        points = cv2.goodFeaturesToTrack(first, _POINTS, 0.01, 2, mask=mask)
        if points is None:
            return 0.0, 0.0
        moved, followed, _ = cv2.calcOpticalFlowPyrLK(first, second, points, points.copy())
        steps = (moved - points)[followed.ravel() == 1].reshape(-1, 2)
        return (float(np.median(steps[:, 0])), float(np.median(steps[:, 1]))) if len(steps) else (0.0, 0.0)


def hide(frame: np.ndarray, box: FaceBox) -> None:
    """Paint a box over, in place: the means of few large cells, smoothed. The picture in it cannot be had back.

    Args:
        frame: uint8 [H, W, 3].
    """
    import cv2

    left, top, right, bottom = _inside(box, frame.shape)
    if right <= left or bottom <= top:
        return
    piece = frame[top:bottom, left:right]
    cells = cv2.resize(piece, (min(_CELLS, right - left), min(_CELLS, bottom - top)), interpolation=cv2.INTER_AREA)
    flat = cv2.resize(cells, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)
    frame[top:bottom, left:right] = cv2.GaussianBlur(flat, (0, 0), max((right - left) / (2 * _CELLS), 1.0))


def _inside(box: FaceBox, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """left, top, right, bottom in whole pixels, cut off at the picture's edge."""
    height, width = shape[:2]
    left, top = max(int(np.floor(box.left)), 0), max(int(np.floor(box.top)), 0)
    return left, top, min(int(np.ceil(box.right)), width), min(int(np.ceil(box.bottom)), height)


def counts(boxes: Sequence[Sequence[FaceBox]], detector: FaceDetector) -> dict[str, Any]:
    """What may be kept of a search: how many, by what; where they were is not in it.

    The detector's licence has a name of its own: it made no label, so it does not bind what is learned.
    """
    return {
        "detector": detector.name,
        "detector_licence": detector.licence,
        "frames": len(boxes),
        "frames_with_faces": sum(1 for found in boxes if found),
        "most_in_a_frame": max((len(found) for found in boxes), default=0),
    }
