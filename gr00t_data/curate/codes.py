"""The checks by their stable codes, and the thresholds they use."""

from dataclasses import dataclass
from typing import NamedTuple


class Check(NamedTuple):
    """What a code means: a short title, and what happens to training when it is ignored."""

    title: str
    consequence: str


CHECKS: dict[str, Check] = {
    "FILE-01": Check("data file missing or unreadable", "the loader stops when it reaches the episode"),
    "COLUMN-01": Check("declared or needed column missing", "the loader stops when it reaches the episode"),
    "SHAPE-01": Check("state or action has another width than the embodiment", "every part would be cut wrongly"),
    "NAN-01": Check("NaN or infinite values", "the loss becomes NaN and the run is lost"),
    "LIMIT-01": Check("values outside the limits of a part", "wrong unit or joint order, or a broken sensor"),
    "ROWS-01": Check("row count differs from the declared length", "frames and rows are matched wrongly"),
    "ROWS-02": Check("episode shorter than the action horizon", "no complete action chunk can be cut from it"),
    "ROWS-03": Check("row numbers are not 0, 1, 2 ...", "rows were dropped, swapped or merged from several episodes"),
    "TIME-01": Check("timestamps do not increase", "rows are out of order: actions jump in time"),
    "TIME-02": Check("gap in the timestamps", "an action chunk across the gap moves faster than the robot did"),
    "TIME-03": Check("row spacing differs from the control rate", "the policy replays motions at another speed"),
    "TIME-04": Check("timestamps do not start at zero", "readers that match by time may pick the next video frame"),
    "TIME-05": Check("timestamps reach past the last video frame", "the last rows see a repeated or missing image"),
    "VIDEO-01": Check("video file missing", "the loader stops when it reaches the episode"),
    "VIDEO-02": Check("video cut off or not decodable", "the loader stops when it reaches the frame"),
    "VIDEO-03": Check("video shorter than the rows", "images and actions drift apart"),
    "VIDEO-04": Check("video longer than the rows", "images and actions drift apart"),
    "VIDEO-05": Check("video frame rate differs from the control rate", "readers that match by time pick wrong frames"),
    "VIDEO-06": Check("video size differs from the embodiment", "the image is stretched to another shape"),
    "TEXT-01": Check("no instruction", "the policy learns to ignore language"),
    "TEXT-02": Check("placeholder instead of an instruction", "the policy learns to ignore language"),
    "TEXT-03": Check("several texts listed for one episode", "a reader may take the wrong one as the instruction"),
    "SUCCESS-01": Check("demonstration marked unsuccessful", "the policy imitates a failure"),
    "SUCCESS-02": Check("demonstration labelled not valid", "the policy imitates a failure"),
    "META-01": Check("totals of info.json do not match the episodes", "half copied: files may be missing"),
    "META-02": Check("frame rate differs from the embodiment's control rate", "motions are replayed at another speed"),
    "META-03": Check("modality.json disagrees with the embodiment", "every part would be cut wrongly"),
    "META-04": Check("no modality.json", "the published GR00T loader cannot read the folder"),
    "META-05": Check("no frame_index column", "readers of LeRobot v2.1 expect it"),
    "META-06": Check("declared camera has no files", "readers that use every declared camera stop"),
    "META-07": Check("camera of the embodiment is absent", "the policy would get no image"),
    "META-08": Check("no episodes, or one listed twice", "nothing can be learnt, or one episode counts double"),
    "STORE-01": Check("the whole store is barred", "a store-level error makes every episode unusable"),
    "KEEP-01": Check("no frame is left to sample", "the episode would never be drawn"),
}
"""Code -> title and consequence. Codes are never given another meaning."""


@dataclass(frozen=True)
class Thresholds:
    """Numbers that the checks compare with. Shares are 0..1; periods are multiples of 1 / control rate.

    Attributes:
        limit_ignore_share: an excess over a limit below this share of the limit's range is rounding, not a finding.
        limit_far_share: one value beyond a limit by more than this share of the range is an error.
        limit_near_share: beyond this share, many frames (``limit_many_share``) are an error.
        limit_many_share: share of the frames that counts as many.
        gap_periods: a step of time longer than this is a gap (dropped rows).
        gap_many_share: more gaps than this share of the rows is an error.
        rate_error_share: the median spacing off the control period by more than this share is an error.
        video_extra_frames: difference between frames and rows that is a warning; beyond it is an error.
    """

    limit_ignore_share: float = 1e-3
    limit_far_share: float = 0.5
    limit_near_share: float = 0.05
    limit_many_share: float = 0.2
    gap_periods: float = 1.5
    gap_many_share: float = 0.05
    rate_error_share: float = 0.1
    video_extra_frames: int = 2


THRESHOLDS = Thresholds()

_WORDS = """
todo tbd fixme n/a na none null nan unknown untitled test testing task instruction placeholder description valid invalid
xxx default prompt dummy foo
"""
_PHRASES = ("task description", "your task here", "no instruction", "do something", "enter text", "lorem ipsum")
PLACEHOLDERS = frozenset([*_WORDS.split(), *_PHRASES])
"""Texts (lower case, without punctuation at the ends) that stand where an instruction should."""
