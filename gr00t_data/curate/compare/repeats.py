"""Cameras that are slower than the rows: the whole rig, which the store is told once, or some of the episodes."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.compare.evidence import Cameras
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import FEWEST, usual
from gr00t_data.curate.subject.camera_evidence import CameraEvidence

_REPEATED_SHARE = 0.04
_FEWEST_REPEATS = 3
_FEWEST_SEEN = 8
"""Frames in which motion is seen, below which an episode says nothing of how often its camera repeats."""

_SPREAD_FLOOR = 0.03
_FAR_SPREADS = 4.0
_MANY = 0.2


def compare_repeats(cameras: Cameras) -> Iterator[tuple[int | None, str, Finding]]:
    """VIDEO-11: (episode, camera, finding); the episode is None for what holds of the whole rig."""
    for camera in cameras.embodiment.cameras:
        seen = {one.index: one.cameras[camera.name] for one in cameras.evidence if camera.name in one.cameras}
        known = {index: one for index, one in seen.items() if one.seen >= _FEWEST_SEEN}
        yield from _of_camera(known, camera.name, cameras.embodiment.control_hz)


def _of_camera(
    known: dict[int, CameraEvidence], camera: str, control_hz: float
) -> Iterator[tuple[int | None, str, Finding]]:
    shares = np.array([len(one.repeated) / one.seen for one in known.values()])
    if len(known) >= FEWEST and float(np.median(shares)) > _REPEATED_SHARE:
        yield None, camera, _of_rig(list(known.values()), shares, camera, control_hz)
    centre, spread = usual(shares, _SPREAD_FLOOR) if len(known) >= FEWEST else (0 * shares, 0 * shares)
    for (index, one), share, middle, far in zip(known.items(), shares, centre, spread, strict=True):
        if len(one.repeated) < _FEWEST_REPEATS or share <= max(
            _REPEATED_SHARE, 2 * middle, middle + _FAR_SPREADS * far
        ):
            continue
        others = f", in the other episodes in {100 * middle:.0f} %" if len(known) >= FEWEST else ""
        finding = VIDEO_11.finding(
            f"camera {camera!r} repeats the frame before in {len(one.repeated)} of {one.seen} frames in which motion "
            f"is seen{others}; the camera was slower than the rows: record it at the control rate",
            (int(one.repeated[0]), int(one.repeated[-1])),
            severity="error" if len(known) >= FEWEST and share > middle + _MANY else "warning",
        )
        yield index, camera, finding


def _of_rig(known: list[CameraEvidence], shares: np.ndarray, camera: str, control_hz: float) -> Finding:
    often = int((shares > _REPEATED_SHARE).sum())
    share = sum(len(one.repeated) for one in known) / sum(one.seen for one in known)
    return VIDEO_11.finding(
        f"camera {camera!r} repeats the frame before in {100 * share:.0f} % of the frames in which motion is seen, in "
        f"{often} of {len(known)} episodes: it delivers about {(1 - share) * control_hz:.1f} pictures a second for "
        f"{control_hz:g} rows; record at the rate of the camera, or count with pictures that are up to "
        f"{1000 / control_hz:.0f} ms old"
    )


(VIDEO_11,) = Look(Cameras, compare_repeats, 1).finds(
    Check("VIDEO-11", "warning", "frames repeated: the camera was slower than the rows",
          "images are older than their rows say", spoils=False),
)  # fmt: skip
