"""One camera of the episode under inspection: its file, or all that can be seen in it."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from gr00t_data.curate.finding import Severity
from gr00t_data.curate.subject.signals import MOVING_SHARE_HZ, speed_of
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.curate.subject.view import View, view_of
from gr00t_data.embodiment.robot import Camera
from gr00t_data.store.store import StoreError
from gr00t_data.video.files import VideoError
from gr00t_data.video.packets import probe


@dataclass(frozen=True)
class CameraFile:
    """A camera of which nothing can be seen.

    Attributes:
        path: its file; None when the store maps no such camera.
        error: why it cannot be read; empty when it is not there.
        changed: whether that is because it is not the file that was sealed.
    """

    subject: Subject
    camera: Camera
    path: Path | None
    error: str
    changed: bool = field(default=False, kw_only=True)

    @property
    def where(self) -> str:
        """How messages name the camera."""
        return f"{self.path}: episode {self.subject.row.index}: camera {self.camera.name!r}"

    @property
    def used(self) -> bool:
        """Whether the default selection uses it: it gives errors where another one gives warnings."""
        return self.camera.name in self.subject.embodiment.selection().cameras

    @property
    def severity(self) -> Severity:
        """Of what is wrong with it as a whole."""
        return "error" if self.used else "warning"


@dataclass(frozen=True)
class Sight(CameraFile):
    """A camera and what was decoded of it.

    Attributes:
        speed: float64 [T - 1], the fastest joint of each step, share of its range a row.
        explained: bool [N], the frames that a finding covers; ``check_frozen`` marks them for the looks after it.
    """

    view: View
    speed: np.ndarray
    explained: np.ndarray

    @cached_property
    def moving(self) -> np.ndarray:
        """bool [N]: whether the robot moves from the row before each frame to its own."""
        if not len(self.speed):
            return np.zeros(len(self.view.number), dtype=bool)
        speed = self.speed[np.clip(self.view.number - 1, 0, len(self.speed) - 1)]
        return speed > MOVING_SHARE_HZ / self.subject.embodiment.control_hz


def sight_of(subject: Subject, camera: Camera, view: View) -> Sight:
    """A sight of which nothing is explained yet."""
    explained = np.zeros(len(view.number), dtype=bool)
    return Sight(subject, camera, view.path, "", view, speed_of(subject.signals), explained)


def look_through(subject: Subject, camera: Camera) -> Sight | CameraFile:
    """Decode a camera of an episode; never raises for what is in the file."""
    path = _path(subject, camera)
    if path is None or not path.is_file():
        return CameraFile(subject, camera, path, "")
    try:
        packets = probe(subject.store.verify_file(path, subject.row.index))
        if not packets.frames:
            raise VideoError(f"{path}: holds no video frame; copy it again from its source")
        return sight_of(subject, camera, view_of(packets))
    except StoreError as error:
        return CameraFile(subject, camera, path, str(error), changed=True)
    except (VideoError, OSError) as error:
        return CameraFile(subject, camera, path, str(error))


def _path(subject: Subject, camera: Camera) -> Path | None:
    if camera.name not in subject.store.cameras:
        return None
    try:
        return subject.store.video_place(subject.row.index, camera.name)
    except (KeyError, ValueError):
        # The template of info.json is broken or leads out of the folder.
        return subject.store.root / "videos"
