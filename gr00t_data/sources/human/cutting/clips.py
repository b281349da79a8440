"""Which stretches of a video become clips: what was narrated, less cuts and fast head turns, in bounded lengths."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from gr00t_data.sources.human.cutting.motion import HeadMotion, Stretch, joined, measure_head_motion
from gr00t_data.sources.human.cutting.narrations import Marked, Unused, marked_stretches
from gr00t_data.sources.human.footage import Footage, Narration, PlannedClip
from gr00t_data.sources.human.hands.speed import pieces_between_rests
from gr00t_data.sources.human.hands.tracks import HandTracks
from gr00t_data.sources.human.settings import ClipSettings
from gr00t_data.video.footage import read_footage
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import Packets

FindTracks = Callable[[PlannedClip], HandTracks | None]
"""The path of the hands through a stretch, if it is known."""


@dataclass(frozen=True)
class Plan:
    """What becomes of one video.

    Attributes:
        clips: ascending by start within an annotator's pass.
        unused: narrations and pieces that became no clip, with reasons.
        facts: of the video.
        motion: of the wearer's head, over the stretches that were looked at.
        fast_s: stretches in which the view moves too fast.
    """

    clips: tuple[PlannedClip, ...]
    unused: tuple[Unused, ...]
    facts: Packets
    motion: HeadMotion
    fast_s: tuple[Stretch, ...]


def plan_in_full(
    footage: Footage, settings: ClipSettings = ClipSettings(), find_tracks: FindTracks | None = None
) -> Plan:
    """Cut one video by its narrations; without any, where the hands rest, else evenly.

    Args:
        find_tracks: gives the path of the hands for footage that nobody narrated.

    Raises:
        VideoError: the video cannot be read.
    """
    facts = watched(footage.video, read_footage, footage.video)
    marked, unused = marked_stretches(footage, facts.duration_s, settings.point_cap_s)
    margin = settings.shortest_s
    near = [(max(one.start_s - margin, 0.0), min(one.end_s + margin, facts.duration_s)) for one in marked]
    spans = joined(near) if footage.narrations else [(0.0, facts.duration_s)]
    measure = partial(measure_head_motion, limit=settings.head_limit, every_s=settings.looks_every_s)
    motion = watched(facts.path, measure, facts, spans, pictures=facts.frames)
    fast = motion.fast(settings.head_limit)
    if not footage.narrations:
        marked, unused = _unnarrated(footage, facts, motion, fast, settings, find_tracks)
    clips = list[PlannedClip]()
    for one in marked:
        # Past the end of an episode lies another one, not what the same hands do next.
        ends = (one.start_s, one.end_s) if footage.dataset == "lerobot" else (0.0, facts.duration_s)
        pieces, refused = _pieces(one, ends, motion.cuts_s, fast, settings)
        unused += [Unused(one.narration.uid, reason) for reason in refused]
        for piece, masked in pieces:
            clip = _clip(footage, one, piece, masked, motion)
            reason = _overlap(clip, clips, settings.largest_overlap)
            if reason:
                unused.append(Unused(one.narration.uid, reason))
            else:
                clips.append(clip)
    return Plan(tuple(clips), tuple(unused), facts, motion, tuple(fast))


def _clip(
    footage: Footage, one: Marked, piece: Stretch, masked: tuple[Stretch, ...], motion: HeadMotion
) -> PlannedClip:
    by_hand = bool(footage.narrations)
    return PlannedClip(
        footage=footage,
        start_s=round(piece[0], 6),
        end_s=round(piece[1], 6),
        instruction=one.instruction,
        original=one.narration.text,
        narration=one.narration.uid if by_hand else None,
        masked_s=masked,
        narrated_s=one.said_s if by_hand else None,
        head_speed=motion.median(*piece),
    )


def _pieces(
    one: Marked, ends: Stretch, cuts_s: Iterable[float], fast: list[Stretch], settings: ClipSettings
) -> tuple[list[tuple[Stretch, tuple[Stretch, ...]]], list[str]]:
    """(piece, stretches masked inside it) of a narrated stretch, and reasons for what was left out.

    Args:
        ends: how far a short piece may be widened.
    """
    turned = sum(_common((one.start_s, one.end_s), stretch) for stretch in fast)
    share = 1 - turned / (one.end_s - one.start_s)
    said = f"{one.start_s:.2f} to {one.end_s:.2f} s"
    if share < settings.calm_least:
        return [], [f"{said}: {100 * (1 - share):.0f} % of it is a fast turn of the head, or cannot be decoded"]
    walls = sorted({*(edge for stretch in fast for edge in stretch), *cuts_s, *ends})
    long_turns = [stretch for stretch in fast if stretch[1] - stretch[0] > settings.mask_longest_s]
    found, reasons = [], []
    for start, end in _split((one.start_s, one.end_s), long_turns, cuts_s):
        start, end = _trimmed((start, end), fast)
        inside = tuple(stretch for stretch in fast if start < stretch[0] and stretch[1] < end)
        if end - start < settings.shortest_s and not inside:
            start, end = _widened((start, end), walls, settings.shortest_s)
        if end - start < settings.shortest_s - 1e-6:
            why = f"{end - start:.2f} s are left of {said} between turns of the head, shot cuts and the video's ends"
            reasons.append(f"only {why}; at least {settings.shortest_s:g} s are needed")
            continue
        for piece in _divided((start, end), settings.longest_s):
            masks = tuple((max(a, piece[0]), min(b, piece[1])) for a, b in inside if _common((a, b), piece) > 0)
            found.append((piece, masks))
    return found, reasons


def _common(one: Stretch, other: Stretch) -> float:
    return max(min(one[1], other[1]) - max(one[0], other[0]), 0.0)


def _split(stretch: Stretch, turns: list[Stretch], cuts_s: Iterable[float]) -> list[Stretch]:
    """The stretch without these turns, broken at the cuts."""
    pieces, start = [], stretch[0]
    for begin, end in sorted([*turns, *((cut, cut) for cut in cuts_s)]):
        if begin < stretch[1] and end > start:
            pieces, start = [*pieces, (start, begin)], max(end, start)
    return [(begin, end) for begin, end in [*pieces, (start, stretch[1])] if end - begin > 1e-3]


_EDGE_S = 0.25
"""Less calm than this between a turn and the end of a piece is not worth keeping the turn."""


def _trimmed(piece: Stretch, fast: list[Stretch]) -> Stretch:
    """The piece without fast turns at its ends."""
    start, end = piece
    for begin, stop in fast:
        if begin - start < _EDGE_S and stop > start and begin < end:
            start = stop
    for begin, stop in reversed(fast):
        if end - stop < _EDGE_S and begin < end and stop > start:
            end = begin
    return start, max(end, start)


def _widened(piece: Stretch, walls: list[float], length_s: float) -> Stretch:
    """The piece made ``length_s`` long around its middle, pushed aside by the walls next to it."""
    low = max((wall for wall in walls if wall <= piece[0] + 1e-6), default=piece[0])
    high = min((wall for wall in walls if wall >= piece[1] - 1e-6), default=piece[1])
    start = (piece[0] + piece[1] - length_s) / 2
    start = min(max(start, low), max(high - length_s, low))
    return start, min(start + length_s, high)


def _divided(piece: Stretch, longest_s: float) -> list[Stretch]:
    edges = np.linspace(*piece, int(np.ceil((piece[1] - piece[0]) / longest_s - 1e-6)) + 1)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _overlap(clip: PlannedClip, earlier: list[PlannedClip], most: float) -> str:
    """Why a clip shows too much of what another one shows already; empty when it does not."""
    for other in earlier:
        common = _common((clip.start_s, clip.end_s), (other.start_s, other.end_s))
        shorter = min(clip.end_s - clip.start_s, other.end_s - other.start_s)
        if common > most * shorter + 1e-6 or (common == shorter and clip.instruction == other.instruction):
            return (
                f"{clip.start_s:.2f} to {clip.end_s:.2f} s: {common:.2f} s of it are already used for "
                f"{other.narration} ({other.instruction!r}); one frame is not taught under two "
                f"instructions (largest_overlap {most:g})"
            )
    return ""


def _unnarrated(
    footage: Footage,
    facts: Packets,
    motion: HeadMotion,
    fast: list[Stretch],
    settings: ClipSettings,
    find_tracks: FindTracks | None,
) -> tuple[list[Marked], list[Unused]]:
    """Stretches of a video that nobody narrated, under the instruction of the settings."""
    if not settings.instruction:
        reason = "nobody narrated it, so no clip has an instruction; add a CSV of narrations, or give --instruction"
        return [], [Unused(footage.uid, reason)]
    whole = PlannedClip(footage, 0.0, facts.duration_s, settings.instruction, settings.instruction)
    tracks = find_tracks(whole) if find_tracks else None
    calm = _split((0.0, facts.duration_s), fast, motion.cuts_s)
    stretches = [
        piece
        for stretch in calm
        for piece in (pieces_between_rests(tracks, stretch, settings.shortest_s, settings.longest_s) or [stretch])
    ]
    marked = [
        Marked(Narration(f"{footage.uid}@{start:.2f}", settings.instruction, start, end), start, end,
               settings.instruction)
        for start, end in stretches
    ]  # fmt: skip
    return marked, []
