"""Which frames of an episode may be sampled: those whose action chunk is whole, less those that findings leave out."""

from collections.abc import Iterator

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.times import gap_rows
from gr00t_data.curate.finding import Finding, Verdict
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.embodiment.robot import Embodiment

Ranges = tuple[tuple[int, int], ...]
"""Half-open ranges of frames."""

_IDLE_KEPT_S = 0.5


def keep_ranges(subject: Subject, frames: int) -> Ranges:
    """Half-open ranges of the frames that may be sampled: all below ``frames``, less those whose chunk crosses a gap.

    A chunk that begins at frame f uses rows f to f + horizon - 1, so the horizon - 1 frames up to a gap go.
    """
    ranges, start = [], 0
    for gap in gap_rows(subject):
        last = int(gap) - subject.embodiment.action_horizon + 2
        ranges.append((start, min(last, frames)))
        start = int(gap) + 1
    ranges.append((start, frames))
    return tuple((first, end) for first, end in ranges if end > first)


def without_frames(keep: Ranges, check: Check, frames: tuple[int, int] | None, embodiment: Embodiment) -> Ranges:
    """The ranges less what a finding of ``check`` about these frames leaves out; see ``Check.leaves_out``."""
    if frames is None or check.leaves_out == "nothing":
        return keep
    first, last = frames
    spare = round(_IDLE_KEPT_S * embodiment.control_hz)
    if check.leaves_out == "chunks":
        first -= embodiment.action_horizon - 1
    elif check.leaves_out == "start":
        last -= spare
    elif check.leaves_out == "end":
        first += spare
    pieces = [piece for start, end in keep for piece in ((start, min(end, first)), (max(start, last + 1), end))]
    return tuple((start, end) for start, end in pieces if end > start)


def check_kept(verdict: Verdict) -> Iterator[Finding]:
    """KEEP-01: an accepted episode has a frame to sample."""
    if verdict.accepted and not verdict.keep:
        yield KEEP_01.finding(f"episode {verdict.episode_index}: the findings leave no frame to sample; leave it out")


(KEEP_01,) = Look(Verdict, check_kept, 0).finds(
    Check("KEEP-01", "error", "no frame is left to sample", "the episode would never be drawn", spoils=False),
)
