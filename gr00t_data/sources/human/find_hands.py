"""The hands of a clip: from a file that is there already, else from the detector if somebody asked for it."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from gr00t_data.sources.content import require_no_link
from gr00t_data.sources.human.detector.client import HandDetector
from gr00t_data.sources.human.footage import Footage, PlannedClip
from gr00t_data.sources.human.hands.assign import assign_sides
from gr00t_data.sources.human.hands.detections import read_detections
from gr00t_data.sources.human.hands.egodex import read_egodex
from gr00t_data.sources.human.hands.tracks import HandTracks, HandTracksError
from gr00t_data.sources.human.hands.vitra import read_vitra, refuse_pickle
from gr00t_data.video.footage import read_footage
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import Packets

DETECTORS = ("mediapipe",)

BESIDE = (".hands.json", ".hands.npz", ".hands.safetensors", ".hdf5", ".npy")
"""How a file of tracks beside its video is called: the name of the video with this instead of its suffix."""

_SAME_TIME_S = 0.02


def find_tracks(clip: PlannedClip, detector: str | HandDetector | None) -> HandTracks | None:
    """The tracks of a clip's video, or of a part of it that holds the clip.

    Args:
        detector: ``mediapipe``, or a detector that is open already (it is not closed); None only takes files.

    Raises:
        HandTracksError: a file of tracks that does not belong to the video, or cannot be used.
        DetectorError: the detector is not set up, or stopped.
        VideoError: the video cannot be read.
        ValueError: a detector of another name.
    """
    if (path := tracks_beside(clip.footage)) is not None:
        return read_tracks(path, clip.footage.video)
    if detector is None:
        return None
    if isinstance(detector, HandDetector):
        return _detected(clip, detector)
    if detector not in DETECTORS:
        raise ValueError(f"{detector!r} is no detector of hands; expected {', '.join(DETECTORS)}")
    with HandDetector() as opened:
        return _detected(clip, opened)


def _detected(clip: PlannedClip, detector: HandDetector) -> HandTracks:
    return assign_sides(detector.detect(clip.footage.video, (clip.start_s, clip.end_s)))


def tracks_beside(footage: Footage) -> Path | None:
    """The file that the dataset names, else one beside the video."""
    if footage.tracks is not None:
        return footage.tracks
    beside = (footage.video.with_suffix(ending) for ending in BESIDE)
    return next((path for path in beside if path.is_file()), None)


def read_tracks(path: Path, video: Path) -> HandTracks:
    """The tracks of one video from a file of any kind that is known here.

    Raises:
        HandTracksError: no such file, another kind, a pickle, or one that belongs to another video.
        VideoError: the video cannot be read.
    """
    require_no_link(path)
    if not path.is_file():
        raise HandTracksError(f"{path}: no such file; copy it again, or take it out of the description of the video")
    stamps = [(one.stat().st_size, one.stat().st_mtime_ns) for one in (path, video) if one.is_file()]
    return _read(path, video, tuple(stamps))


@lru_cache(maxsize=4)
def _read(path: Path, video: Path, stamps: tuple[tuple[int, int], ...]) -> HandTracks:
    """Read once for all clips of a video; ``stamps`` are only there so that a changed file is read again."""
    facts = watched(video, read_footage, video)
    size = facts.upright_px
    if path.suffix == ".json":
        return _from_json(path, facts)
    if path.suffix in (".hdf5", ".h5"):
        tracks = read_egodex(path, len(facts.times_s), size)
        return replace(tracks, times_s=facts.times_s)  # which a copy of the video may have changed a little
    if path.suffix == ".npy":
        raise refuse_pickle(path)
    if path.suffix in (".npz", ".safetensors"):
        return read_vitra(path, facts.times_s, size)
    raise HandTracksError(f"{path}: {path.suffix!r} is no kind of tracks; expected .json .hdf5 .npz .safetensors")


def _from_json(path: Path, facts: Packets) -> HandTracks:
    found = read_detections(path)
    frames = len(facts.times_s)
    if len(found.times_s) != frames:
        raise HandTracksError(
            f"{path}: has {len(found.times_s)} frames, the video has {frames}; it belongs to another video, or one of "
            "the two is cut off: run `gr00t hands detect` on this video"
        )
    apart_s = np.abs(found.times_s - facts.times_s)
    if apart_s.max() > _SAME_TIME_S:
        at = int(apart_s.argmax())
        raise HandTracksError(
            f"{path}: frame {at} is at {found.times_s[at]:.3f} s, in the video at {facts.times_s[at]:.3f} s; run "
            "`gr00t hands detect` on this video"
        )
    if found.picture_px != facts.upright_px:
        raise HandTracksError(
            f"{path}: its pixels are those of a picture of {found.picture_px[0]}x{found.picture_px[1]}, the video "
            f"shows {facts.upright_px[0]}x{facts.upright_px[1]}; run `gr00t hands detect` on this video"
        )
    return assign_sides(found)
