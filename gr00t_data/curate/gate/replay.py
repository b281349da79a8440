"""Scores of a clip against the replay of its inferred actions in the simulator, from the scene it begins with."""

import numpy as np

from gr00t_data.curate.checks.cuts import largest_beside
from gr00t_data.curate.copies.fingerprints import planes
from gr00t_data.curate.gate.pictures import Scored, seen_motion, smoothed, unlike
from gr00t_data.curate.subject.camera_evidence import boxed
from gr00t_data.curate.subject.view import View
from gr00t_data.replayed import Replayed

_CELLS = 16
_ROBOT_MARGIN_PX = 5
_LASTING_FRAMES = 7
_NEAR_FRAMES = 3
_GAIN = 2.0
_FEWEST_FRAMES = 12


def replay_scores(view: View, replayed: Replayed) -> Scored:
    """What the clip shows and the replay does not. All are NaN for clips of fewer than 12 frames.

    replay_robot: mean difference where the replayed robot is (5 pixels of 64 around it included), levels of Y, U and V.
    replay_scene: the largest difference that lasts for 7 frames in a cell away from the robot, same levels.
    replay_flow: 1 - correlation of seen and replayed optical flow over cells and frames. unexplained: optical flow
    where the replay has less than half of it within a cell and 3 frames, pixels summed over cells, in the worst frame.
    """
    rows = view.number[view.number < len(replayed.frames)]
    if len(rows) < _FEWEST_FRAMES:
        return {}
    clip = view.small[: len(rows)].astype(np.float32)
    again = planes(replayed.frames[rows]).astype(np.float32)
    robot = _widened(replayed.robot[rows])
    apart = clip - again
    # An encoder and the way colours are stored shift all of a picture by a level or two.
    different = np.abs(apart - np.median(apart, axis=(2, 3), keepdims=True)).sum(1)
    on_robot = np.where(robot, different, 0).sum((1, 2)) / np.maximum(robot.sum((1, 2)), 1)
    lasting = _lasting(different, robot)
    seen, told = smoothed(seen_motion(clip[:, 0])), smoothed(seen_motion(again[:, 0]))
    left_over = np.maximum(seen - _GAIN * _nearby(told), 0).sum((1, 2))
    return {
        "replay_robot": (float(on_robot.mean()), int(rows[on_robot.argmax()])),
        "replay_scene": (float(lasting.max()), int(rows[lasting.argmax()])),
        "replay_flow": (unlike(seen, told), int(rows[np.abs(seen - told).sum((1, 2)).argmax()])),
        "unexplained": (float(left_over.max()), int(rows[left_over.argmax()])),
    }


def _widened(mask: np.ndarray) -> np.ndarray:
    """bool [T, s, s]: the mask and what is near to it."""
    import cv2

    side = 2 * _ROBOT_MARGIN_PX + 1
    kernel = np.ones((side, side), dtype=np.uint8)
    return np.stack([cv2.dilate(one.astype(np.uint8), kernel) for one in mask]).astype(bool)


def _lasting(different: np.ndarray, robot: np.ndarray) -> np.ndarray:
    """float64 [T]: the largest difference of a cell that lasts from each frame on; cells with robot in them are out."""
    seen = np.where(boxed(robot.astype(np.float32), _CELLS) > 0, 0.0, boxed(different, _CELLS))
    return np.lib.stride_tricks.sliding_window_view(seen, _LASTING_FRAMES, axis=0).min(-1).max((1, 2))


def _nearby(motion: np.ndarray) -> np.ndarray:
    """The largest motion within one cell and 3 frames."""
    from scipy.ndimage import maximum_filter

    return maximum_filter(largest_beside(motion), (2 * _NEAR_FRAMES + 1, 1, 1), mode="nearest")


def outcome_scores(replayed: Replayed) -> dict[str, float]:
    """What the replay comes to, in metres.

    target: by how much the hands come nearer to another object than to the one that the instruction names (negative
    when the named one is nearer). unfinished: what is missing at the end of what the instruction asks.
    """
    found = {"unfinished": replayed.left_m}
    if replayed.named is None or len(replayed.names) < 2:
        return found
    apart_m = np.linalg.norm(replayed.hands_m[:, :, None] - replayed.starts_m, axis=-1).min((0, 1))
    others_m = np.delete(apart_m, replayed.named)
    return {**found, "target": float(apart_m[replayed.named] - others_m.min())}
