"""From narrations to the stretches they mark: intervals as they are, points by the midpoints to their neighbours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isinf

from gr00t_data.sources.human.cutting.wording import instruction_of
from gr00t_data.sources.human.footage import Footage, Narration


@dataclass(frozen=True)
class Marked:
    """A stretch of video that somebody described.

    Attributes:
        start_s, end_s: seconds of the video, start < end, both inside of it.
        instruction: the cleaned sentence.
    """

    narration: Narration
    start_s: float
    end_s: float
    instruction: str

    @property
    def said_s(self) -> tuple[float, float]:
        """The annotator's own borders, seconds; twice the same for a point in time, the video's end for none."""
        start_s, end_s = self.narration.start_s, self.narration.end_s
        if end_s is None:
            return start_s, start_s
        return start_s, self.end_s if isinf(end_s) else end_s


@dataclass(frozen=True)
class Unused:
    """A narration, or a piece of its stretch, that became no clip, and why."""

    narration: str
    reason: str


def marked_stretches(footage: Footage, duration_s: float, point_cap_s: float) -> tuple[list[Marked], list[Unused]]:
    """What the narrations of a video mark, by annotator and start, and the narrations that mark nothing usable.

    A point in time reaches to the midpoints between it and its neighbours of the same annotator, and at most half of
    ``point_cap_s`` to each side (as EgoVLP, Lin et al. 2022, builds windows for Ego4D, with a cap).
    """
    marked, unused = list[Marked](), list[Unused]()
    ordered = sorted(footage.narrations, key=lambda one: (one.annotator, one.start_s, one.uid))
    for _, same in groupby(ordered, key=lambda one: one.annotator):
        for narration, start_s, end_s in _bounds(list(same), point_cap_s, duration_s):
            reason = _fault(narration, start_s, end_s, duration_s)
            wording = instruction_of(narration.text)
            if reason or wording.refusal:
                unused.append(Unused(narration.uid, reason or wording.refusal))
                continue
            inside = max(start_s, 0.0), min(end_s, duration_s)
            marked.append(Marked(narration, *inside, wording.text))
    return marked, unused


def _bounds(
    narrations: Sequence[Narration], cap_s: float, duration_s: float
) -> Iterator[tuple[Narration, float, float]]:
    points = [one.start_s for one in narrations if one.end_s is None]
    for narration in narrations:
        if narration.end_s is not None:
            yield narration, narration.start_s, duration_s if isinf(narration.end_s) else narration.end_s
            continue
        at = narration.start_s
        earlier, later = [t for t in points if t < at], [t for t in points if t > at]
        start = max(at - cap_s / 2, (earlier[-1] + at) / 2 if earlier else 0.0)
        end = min(at + cap_s / 2, (at + later[0]) / 2 if later else at + cap_s / 2)
        yield narration, start, end


def _fault(narration: Narration, start_s: float, end_s: float, duration_s: float) -> str:
    """Why the borders cannot be used; empty when they can."""
    said = f"{start_s:.2f} to {end_s:.2f} s"
    if narration.end_s is None and not 0 <= narration.start_s <= duration_s:
        return f"stands at {narration.start_s:.2f} s, the video lasts {duration_s:.2f} s; correct the time"
    if end_s <= start_s:
        return f"goes from {said}: it ends before it begins; exchange or correct the times"
    if start_s >= duration_s or end_s <= 0:
        return f"goes from {said}, the video lasts {duration_s:.2f} s: it lies outside; correct the times"
    inside = min(end_s, duration_s) - max(start_s, 0.0)
    if inside < 0.5 * (end_s - start_s):
        return f"goes from {said}, the video lasts {duration_s:.2f} s: most of it lies outside; correct the times"
    return ""
