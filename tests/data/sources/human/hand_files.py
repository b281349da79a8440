"""Files with the path of two hands, in the layouts in which datasets publish them, over motions that are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy.spatial.transform import Rotation

from gr00t_data.sources.human.footage import Footage, PlannedClip
from gr00t_data.sources.human.hands.detections import Detection, Detections
from gr00t_data.sources.human.hands.egodex import JOINTS
from gr00t_data.sources.human.hands.tracks import HandTracks
from gr00t_data.video import files as video

FPS = 30.0
INTRINSIC = np.array([[120.0, 0.0, 48.0], [0.0, 120.0, 32.0], [0.0, 0.0, 1.0]])
SIZE = (96, 64)
OPENCV_TO_ARKIT = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Motion:
    """Poses in the world of ARKit (Y up), float64 [T, 4, 4] each: the camera with x right, y down, z forward."""

    camera: np.ndarray
    hands: dict[str, np.ndarray]

    @property
    def frames(self) -> int:
        return len(self.camera)


def poses(rotations: Rotation, places: np.ndarray) -> np.ndarray:
    """float64 [T, 4, 4]."""
    found = np.tile(np.eye(4), (len(places), 1, 1))
    found[:, :3, :3], found[:, :3, 3] = rotations.as_matrix(), places
    return found


def motion(frames: int = 60, seed: int = 0, turning: float = 0.3) -> Motion:
    """A head that looks down at two hands, turns and walks a little, while the hands move and turn smoothly."""
    phase = np.random.default_rng(seed).uniform(0, 6, 12)
    t = np.arange(frames) / FPS
    # Looking along -z of the world and 30 degrees down: x right, y down, z forward in the columns of the matrix.
    looking = Rotation.from_matrix([[1, 0, 0], [0, -1, 0], [0, 0, -1]])
    head = Rotation.from_euler("yx", np.stack([turning * np.sin(2 * t + phase[0]), -0.5 + 0 * t], axis=1)) * looking
    eye = np.stack([0.05 * np.sin(t + phase[1]), 1.6 + 0.01 * np.sin(5 * t), 0.1 * t], axis=1)
    hands = {}
    for number, side in enumerate(("left", "right")):
        p = phase[2 + 5 * number :]
        x = (0.18 if number else -0.18) + 0.08 * np.sin(2 * t + p[0])
        place = np.stack([x, 1.25 + 0.06 * np.sin(3 * t + p[1]), -0.45 + 0.05 * np.cos(2 * t + p[2])], axis=1)
        turn = Rotation.from_euler("xyz", np.stack([np.sin(t + p[3]), 0.5 * t, 0.7 * np.cos(t + p[4])], axis=1))
        hands[side] = poses(turn, place)
    return Motion(poses(head, eye), hands)


def joint_offsets(frames: int) -> dict[str, np.ndarray]:
    """Name -> float64 [T, 3] in the wrist: fingers along x, spread over z; thumb and index open and close."""
    t, found = np.arange(frames) / FPS, {}
    for number, joint in enumerate(JOINTS):
        finger, place = divmod(number - 1, 4)
        offset = np.array([0.0, 0.0, 0.0]) if number == 0 else np.array([0.05 + 0.02 * place, 0.0, 0.02 * (finger - 2)])
        found[joint] = np.tile(offset, (frames, 1))
    found["ThumbTip"][:, 1] = 0.04 + 0.03 * np.sin(3 * t)
    return found


def write_egodex(
    path: Path, moved: Motion, *, arkit_axes: bool = False, confidence: dict[str, np.ndarray] | None = None
) -> Path:
    """The layout of EgoDex. ``arkit_axes``: the camera with x right, y up, z backward."""
    camera = moved.camera.copy()
    if arkit_axes:
        camera[:, :3, :3] = camera[:, :3, :3] @ OPENCV_TO_ARKIT
    with h5py.File(path, "w") as file:
        file["camera/intrinsic"] = INTRINSIC
        file["transforms/camera"] = camera
        for side, wrist in moved.hands.items():
            for joint, offset in joint_offsets(moved.frames).items():
                pose = wrist.copy()
                pose[:, :3, 3] += np.einsum("tij,tj->ti", wrist[:, :3, :3], offset)
                file[f"transforms/{side}{joint}"] = pose
        for joint, values in (confidence or {}).items():
            file[f"confidences/{joint}"] = values
        file.attrs["llm_description"] = "fold the towel"
    return path


def vitra_arrays(moved: Motion) -> dict[str, np.ndarray]:
    """The arrays of a VITRA episode, named as in its nested dict."""
    found = {"extrinsics": np.linalg.inv(moved.camera), "intrinsics": INTRINSIC}
    for side, wrist in moved.hands.items():
        offsets = np.stack(list(joint_offsets(moved.frames).values()), axis=1)
        joints = wrist[:, None, :3, 3] + np.einsum("tij,tkj->tki", wrist[:, :3, :3], offsets)
        found |= {
            f"{side}.transl_worldspace": wrist[:, :3, 3],
            f"{side}.global_orient_worldspace": wrist[:, :3, :3],
            f"{side}.joints_worldspace": joints,
            f"{side}.kept_frames": np.ones(moved.frames, dtype=np.int64),
        }
    return found


def write_video(path: Path, frames: int, fps: float = FPS) -> Path:
    """A small grey video."""
    levels = (np.arange(frames) * 3 % 200).astype(np.uint8)
    width, height = SIZE
    video.encode(path, np.broadcast_to(levels[:, None, None, None], (frames, height, width, 3)), fps)
    return path


def clip_of(path: Path, start_s: float, end_s: float, tracks: Path | None = None) -> PlannedClip:
    """A stretch of a video of nobody in particular."""
    footage = Footage(path.stem, path, "folder", (), "P00", "research", "CC-BY-4.0", tracks)
    return PlannedClip(footage, start_s, end_s, "fold the towel", "fold the towel")


def hand_points(x: float, y: float, size: float = 100.0) -> np.ndarray:
    """float32 [21, 2]: a flat hand whose palm is near (x, y), as large as ``size``."""
    across = np.repeat(np.linspace(-0.5, 0.5, 5), 4)
    along = np.tile(np.linspace(0.1, 0.5, 4), 5)
    points = np.concatenate([[[0.0, -0.5]], np.stack([across, along], axis=1)])
    return (np.array([x, y]) + size * points).astype(np.float32)


def detections(frames: Sequence[Sequence[tuple[int, float, float]]], scores: float = 0.9) -> Detections:
    """From (side, x, y) of the hands in each frame, at 30 Hz."""
    hands = tuple(tuple(Detection(side, scores, hand_points(x, y)) for side, x, y in frame) for frame in frames)
    return Detections(np.arange(len(hands)) / FPS, hands, (1920, 1080), "a detector 1.0", "Apache-2.0")


def tracks_of(moved: Motion, present: np.ndarray | None = None) -> HandTracks:
    """The same motion as tracks."""
    present = np.ones((moved.frames, 2), dtype=bool) if present is None else present
    world = np.stack([moved.hands["left"], moved.hands["right"]], axis=1)
    wrists = np.linalg.inv(moved.camera)[:, None] @ world
    apart = 0.05 + 0.02 * np.sin(np.arange(moved.frames) / 10)
    return HandTracks(
        times_s=np.arange(moved.frames) / FPS,
        present=present,
        confidence=np.ones((moved.frames, 2), dtype=np.float32),
        landmarks_px=None,
        wrist_poses=np.where(present[..., None, None], wrists, np.nan),
        apertures_m=np.where(present, apart[:, None], np.nan),
        cameras=moved.camera,
        source="known motion",
        licence="CC-BY-4.0",
        wrist_axes="arkit",
    )
