"""Where a clip came from, as its episode keeps it: enough to find the stretch again and to ask who may use it."""

from pathlib import Path
from typing import Any

from gr00t_data.sources.human.consent import consent_of
from gr00t_data.sources.human.footage import Footage, PlannedClip


def clip_name(clip: PlannedClip) -> str:
    """``P01_01 0001.250-0003.400``: unique within a drop, and the order of the clips of a video."""
    return f"{clip.footage.uid} {clip.start_s:010.3f}-{clip.end_s:010.3f}"


def provenance(clip: PlannedClip, drop: Path, video_sha256: str) -> dict[str, Any]:
    """JSON-able: video, stretch, words, people and licence of one clip.

    ``participant``, ``dataset`` and ``video_uid`` are what a withdrawal is matched with.
    """
    footage = clip.footage
    return {
        "clip": clip_name(clip),
        "dataset": footage.dataset,
        "video": footage.video.relative_to(drop).as_posix(),
        "video_uid": footage.uid,
        "video_sha256": video_sha256,
        "participant": footage.participant,
        "consent": consent_of(footage),
        "licence": footage.licence,
        "start_s": clip.start_s,
        "end_s": clip.end_s,
        "narration": clip.narration,
        "narrated_s": None if clip.narrated_s is None else list(clip.narrated_s),
        "original": clip.original,
        "masked_s": [list(stretch) for stretch in clip.masked_s],
        "head_speed": round(clip.head_speed, 4) if clip.head_speed == clip.head_speed else None,
        "extra": _extra(footage, clip.narration),
    }


def _extra(footage: Footage, narration: str | None) -> dict[str, Any]:
    """What else the dataset says of the video and of this narration."""
    said = {name: value for name, value in footage.extra.items() if name != "narrations"}
    return {**said, **footage.extra.get("narrations", {}).get(narration, {})}
