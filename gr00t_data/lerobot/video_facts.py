"""What info.json says of a video column, completed from its files: readers of LeRobot and GR00T take rate and channels
from there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gr00t_data.disk import visible_files
from gr00t_data.store.provenance import Facts
from gr00t_data.video.files import VideoError
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import Packets, probe

_AXES = ["height", "width", "channel"]


def video_facts(track: Packets, fps: float) -> dict[str, object]:
    """``info`` of a video feature, as LeRobot writes it of a file of the column.

    Args:
        fps: rows a second, Hz; the rate of frames that nobody declares.
    """
    rate = track.fps or fps
    return {
        "video.height": track.height,
        "video.width": track.width,
        "video.codec": track.codec,
        "video.pix_fmt": track.pixel_format,
        "video.is_depth_map": False,
        "video.fps": int(rate) if rate == int(rate) else rate,
        "video.channels": 3,
        "has_audio": track.sound,
    }


def with_video_facts(info: Facts, root: Path) -> dict[str, object]:
    """The info.json of the v2 folder ``root``, in which every video column that has a readable file says what it is.

    What is said already stays.
    """
    said: Mapping[str, Any] = info
    features = {
        name: _completed(feature, root, name, float(said["fps"])) if feature.get("dtype") == "video" else feature
        for name, feature in said["features"].items()
    }
    return {**info, "features": features}


def _completed(feature: Mapping[str, Any], root: Path, column: str, fps: float) -> Mapping[str, Any]:
    track = _first_of(root, column)
    if track is None:
        return feature
    said = feature.get("info") or feature.get("video_info") or {}
    facts = video_facts(track, fps) | said
    if said.get("is_depth_map"):  # as later versions of LeRobot call it
        facts["video.is_depth_map"] = True
    where = {"info": facts} | ({"video_info": facts} if "video_info" in feature else {})
    shape = feature.get("shape") or [track.height, track.width, 3]
    return {**feature, "shape": shape, "names": feature.get("names") or _AXES, **where}


def _first_of(root: Path, column: str) -> Packets | None:
    for path in visible_files(root / "videos", "*.mp4") if (root / "videos").is_dir() else []:
        if path.parent.name == column:
            try:
                return watched(path, probe, path)
            except VideoError:
                continue  # its episode is rejected for it; another one tells as much
    return None
