"""Runs in the interpreter that has MediaPipe, and imports nothing of this package: pictures in, hands out.

Standard input: for each picture three little-endian uint32, height, width and 1 when the picture does not follow the
one before, then height * width * 3 bytes of RGB. Standard output: for each picture one line of JSON, a list of
``[label, score, [[x, y] * 21]]`` in pixels, with the label as MediaPipe gives it.
"""

import json
import os
import struct
import sys
from typing import Any, BinaryIO


def serve(reading: BinaryIO, writing: BinaryIO, settings: dict[str, Any]) -> None:
    """Answer until the input ends. ``settings`` are the arguments of MediaPipe's ``Hands``."""
    import mediapipe  # pyright: ignore[reportMissingImports]
    import numpy as np

    model: Any = mediapipe.solutions.hands.Hands(static_image_mode=False, **settings)
    while len(head := reading.read(12)) == 12:
        height, width, fresh = struct.unpack("<III", head)
        picture = np.frombuffer(reading.read(height * width * 3), dtype=np.uint8).reshape(height, width, 3)
        if fresh:
            model.reset()
        found = model.process(picture)
        pairs = zip(found.multi_hand_landmarks or (), found.multi_handedness or (), strict=True)
        writing.write(json.dumps([hand(*pair, width, height) for pair in pairs]).encode() + b"\n")
        writing.flush()


def hand(points: Any, sides: Any, width: int, height: int) -> list[Any]:
    """Label, score and landmarks in pixels."""
    side = sides.classification[0]
    return [side.label, side.score, [[point.x * width, point.y * height] for point in points.landmark]]


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the libraries print must not get between the answers
    serve(sys.stdin.buffer, answers, json.loads(sys.argv[1]))
