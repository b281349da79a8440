"""Runs in the interpreter that has MediaPipe, and imports nothing of this package: pictures in, boxes out.

Standard input: for each picture, model, height and width (three little-endian uint32) and height * width * 3 bytes of
RGB. Model 0 is MediaPipe's for faces up to two metres away, 1 that for up to five metres, which sees smaller ones.
Standard output: for each picture, a little-endian uint32 count and that many rows of five float32: left, top, right,
bottom (pixels) and score.
"""

import struct
import sys
from typing import Any, BinaryIO


def serve(reading: BinaryIO, writing: BinaryIO, least_score: float) -> None:
    """Answer until the input ends."""
    import mediapipe  # pyright: ignore[reportMissingImports]
    import numpy as np

    detection: Any = mediapipe.solutions.face_detection.FaceDetection
    models = [detection(model_selection=number, min_detection_confidence=least_score) for number in (0, 1)]
    while len(head := reading.read(12)) == 12:
        model, height, width = struct.unpack("<III", head)
        picture = np.frombuffer(reading.read(height * width * 3), dtype=np.uint8).reshape(height, width, 3)
        rows = [row(found, width, height) for found in models[model].process(picture).detections or ()]
        writing.write(struct.pack("<I", len(rows)) + b"".join(struct.pack("<5f", *each) for each in rows))
        writing.flush()


def row(found: Any, width: int, height: int) -> tuple[float, float, float, float, float]:
    """left, top, right, bottom in pixels, and the score."""
    box = found.location_data.relative_bounding_box
    left, top = box.xmin * width, box.ymin * height
    return left, top, left + box.width * width, top + box.height * height, found.score[0]


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1]))
