"""What would become of a drop of footage, said before anything is written."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gr00t_data.progress import Progress, silent
from gr00t_data.sources.human import readers
from gr00t_data.sources.human.consent import admit
from gr00t_data.sources.human.cutting.clips import ClipSettings, Plan, plan_in_full
from gr00t_data.sources.human.find_hands import find_tracks, tracks_beside
from gr00t_data.sources.human.footage import Footage
from gr00t_data.video.files import VideoError

Row = dict[str, str | int | float]
"""What is shown of one thing, under the headings of a table; JSON-able."""


@dataclass(frozen=True)
class Inspection:
    """What was seen.

    Attributes:
        facts: about the drop as a whole.
        videos: one row a video that was looked into.
        clips: one row a clip that would come out.
        problems: what cannot be used or is odd, each with ``what`` and ``reason``.
    """

    facts: Row
    videos: list[Row]
    clips: list[Row]
    problems: list[dict[str, str]]


def inspect_drop(
    drop: Path,
    settings: ClipSettings = ClipSettings(),
    *,
    most_videos: int = 20,
    progress: Progress = silent,
) -> Inspection:
    """Look into some videos of a drop, evenly spread, and plan their clips.

    Raises:
        DropError: the drop holds no footage, or annotations that cannot be understood.
    """
    found = readers.find(drop)
    count = len(found.footage)
    chosen = np.unique(np.linspace(0, max(count - 1, 0), min(most_videos, count)).round().astype(int))
    problems = [{"what": "drop", "reason": finding} for finding in found.findings]
    problems += [{"what": one.episode, "reason": one.reason} for one in found.refused]
    videos, clips, seconds, used_s = list[Row](), list[Row](), 0.0, 0.0
    for done, number in enumerate(chosen.tolist()):
        footage = found.footage[number]
        progress(done, len(chosen))
        if reason := admit(footage):
            problems.append({"what": footage.uid, "reason": reason})
        try:
            planned = plan_in_full(footage, settings, lambda clip: find_tracks(clip, None))
        except (VideoError, ValueError) as error:
            problems.append({"what": footage.uid, "reason": str(error)})
            continue
        videos.append(_video_row(footage, planned))
        clips += [
            {
                "video": footage.uid,
                "seconds": f"{clip.start_s:.2f} - {clip.end_s:.2f}",
                "masked": ", ".join(f"{start:.2f}-{end:.2f}" for start, end in clip.masked_s),
                "instruction": clip.instruction,
                "was": "" if clip.original == clip.instruction else clip.original,
                "narrated": "" if clip.narrated_s is None else f"{clip.narrated_s[0]:.2f} - {clip.narrated_s[1]:.2f}",
            }
            for clip in planned.clips
        ]
        problems += [{"what": one.narration, "reason": one.reason} for one in planned.unused]
        seconds += planned.facts.duration_s
        used_s += sum(clip.end_s - clip.start_s for clip in planned.clips)
    facts: Row = {
        "drop": str(drop),
        "format": found.form,
        "videos": f"{count}, looked into {len(chosen)}" if count > len(chosen) else count,
        "narrations": sum(len(one.narrations) for one in found.footage),
        "participants": len({one.participant for one in found.footage if one.participant}),
        "licences": ", ".join(sorted({one.licence for one in found.footage})),
        "seconds": round(seconds, 2),
        "clips": len(clips),
        "seconds in clips": round(used_s, 2),
        "problems": len(problems),
    }
    return Inspection(facts, videos, clips, problems)


def _video_row(footage: Footage, planned: Plan) -> Row:
    facts, motion = planned.facts, planned.motion
    known = motion.speed[np.isfinite(motion.speed)]
    turned = f" turned {facts.turn_deg}" if facts.turn_deg else ""
    width, height = facts.upright_px
    return {
        "video": footage.uid,
        "seconds": round(facts.duration_s, 2),
        "picture": f"{width}x{height}{turned} {facts.codec}",
        "fps": f"{facts.shown_fps:.2f}{'' if facts.steady else ' varying'}",
        "sound": "dropped" if facts.sound else "none",
        "narrations": len(footage.narrations),
        "clips": len(planned.clips),
        "head speed": f"{np.median(known):.2f}" if len(known) else "",
        "fast turns": ", ".join(f"{start:.2f}-{end:.2f}" for start, end in planned.fast_s[:6]),
        "shot cuts": ", ".join(f"{cut:.2f}" for cut in motion.cuts_s[:6]),
        "hands": "" if (path := tracks_beside(footage)) is None else path.name,
    }
