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
    "TEXT-04": Check("instruction garbled, cut off, or a file name", "the words say nothing to the language model"),
    "TEXT-05": Check("rows of one episode have several instructions", "half of the motion is learnt under wrong words"),
    "TEXT-06": Check("rows and episodes.jsonl give another instruction", "what is read depends on the reader"),
    "TEXT-07": Check("every episode has the same instruction", "the policy learns to ignore language"),
    "TEXT-08": Check("tasks.jsonl lists a text or a number twice", "one task counts as two, or two as one"),
    "TEXT-09": Check("the annotation asked for leads to no column", "the published GR00T loader stops at the start"),
    "TEXT-10": Check("instruction of another task than the motion", "the policy learns wrong words for what it does"),
    "TEXT-11": Check("colour or direction that the pictures do not show", "the policy learns wrong words for things"),
    "ORIGIN-01": Check("generated or simulated, but called real", "generated data passes as measured"),
    "DUP-01": Check("the same rows and video as another episode", "one demonstration counts double"),
    "DUP-02": Check("a copy of another episode, encoded, cropped or trimmed", "one demonstration counts double"),
    "DUP-03": Check("shares its video or its motion with another episode", "images and actions do not belong together"),
    "DUP-04": Check("two cameras of an episode show the same", "one of the views is missing"),
    "SPLIT-01": Check("an episode is in two splits", "evaluation measures memory"),
    "SPLIT-02": Check("copies or one scene on both sides of a split", "evaluation measures memory"),
    "SPLIT-03": Check("a split names episodes that are not there", "readers of splits stop or read less"),
    "VIDEO-07": Check("first video frame is not shown at zero", "readers that match by time pick wrong frames"),
    "VIDEO-08": Check("variable frame rate", "readers that match by time pick wrong frames"),
    "VIDEO-09": Check("video is marked to be turned when shown", "training sees it as stored, people see it turned"),
    "VIDEO-10": Check("camera frozen while the robot moves", "the policy learns to act without seeing"),
    "VIDEO-11": Check("frames repeated: the camera was slower than the rows", "images are older than their rows say"),
    "VIDEO-12": Check("a piece of the video is played twice", "images and actions do not belong together"),
    "MOTION-01": Check("isolated spike", "the policy learns a jerk that no robot made"),
    "MOTION-02": Check("jump from one row to the next", "an action chunk across it teleports the robot"),
    "MOTION-03": Check("values cut off at a level", "the policy never learns to go further"),
    "MOTION-04": Check("joint does not move although it should", "the policy is blind to a joint, or never moves it"),
    "MOTION-05": Check(
        "rows repeat: a stream stalled or was slower", "states or actions are older than their rows say"
    ),
    "MOTION-06": Check("sign inverted against the other episodes", "it opens where it should close"),
    "MOTION-07": Check("joints or sides in another order", "the policy moves the wrong joint"),
    "MOTION-08": Check("the action copies the state", "the policy learns to stay where it is"),
    "MOTION-09": Check("state and action are shifted in time", "the policy reacts too late or too early"),
    "MOTION-10": Check("the episode runs backwards", "the policy learns to undo the task"),
    "MOTION-11": Check("joint trembles", "the policy imitates noise"),
    "MOTION-12": Check("regular jumps between action chunks", "the policy learns the seams of its labels"),
    "MOTION-13": Check("chatter", "the policy opens and closes a hand without reason"),
    "MOTION-14": Check("quaternion not of length one, or changing sign", "rotations are averaged to nonsense"),
    "MOTION-15": Check("state stands beside its command", "the state is wrong by a constant all along"),
    "IDLE-01": Check("nothing moves at the start", "the policy learns not to begin"),
    "IDLE-02": Check("nothing moves at the end", "the policy learns to wait"),
    "SYNC-01": Check("camera late or early against the rows", "the policy acts on what was, not on what is"),
    "SYNC-02": Check("video of another episode", "images and actions do not belong together"),
    "SYNC-03": Check("two cameras are shifted in time", "the views contradict each other"),
    "SYNC-04": Check("video runs backwards against the rows", "images and actions do not belong together"),
    "IMAGE-01": Check("blurred", "the policy cannot see what it must act on"),
    "IMAGE-02": Check("dark", "the policy cannot see what it must act on"),
    "IMAGE-03": Check("overexposed", "the policy cannot see what it must act on"),
    "IMAGE-04": Check("low contrast", "the policy cannot see what it must act on"),
    "IMAGE-05": Check("wandering bands", "the policy learns the flicker of the light"),
    "IMAGE-06": Check("few levels of brightness", "shapes and colours are lost"),
    "IMAGE-07": Check("noise", "detail is lost"),
    "IMAGE-08": Check("flicker", "the policy learns the flicker of the light"),
    "IMAGE-09": Check("compressed away", "detail is lost"),
    "IMAGE-10": Check("mirrored or turned", "left and right, or up and down, mean the opposite"),
    "IMAGE-11": Check("red and blue exchanged", "colour words lose their meaning"),
    "IMAGE-12": Check("no colour", "colour words lose their meaning"),
    "IMAGE-13": Check("the whole view jumps", "the policy learns two geometries in one episode"),
    "IMAGE-14": Check("another view than in the other episodes", "the policy learns another geometry"),
    "IMAGE-15": Check("part of the picture is covered", "the policy cannot see what it must act on"),
    "IMAGE-16": Check("something is elsewhere at once", "the policy learns physics that do not exist"),
    "IMAGE-18": Check("two cameras are exchanged", "each view is taken for the other"),
    "IMAGE-19": Check("black frames", "the policy acts without seeing"),
    "IMAGE-20": Check("another scene than in the other episodes", "images and actions do not belong together"),
    "STATS-01": Check("stats.json missing or incomplete", "the loader stops, or normalises in another way"),
    "STATS-02": Check("stats.json holds NaN or no numbers", "every normalised value becomes NaN"),
    "STATS-03": Check("stats.json does not describe the rows", "actions are scaled wrongly"),
    "META-09": Check("names of the dimensions missing or too few", "LeRobot's tools stop with a KeyError"),
    "META-10": Check("info.json declares another width than the rows have", "the loader stops or cuts parts wrongly"),
    "HANDS-01": Check("no hand in human video", "there is nothing to learn from a person who does nothing"),
    "HANDS-02": Check("hands visible in too few rows", "the future that FLARE aligns with shows no work"),
    "HANDS-03": Check("left and right hand exchanged", "the policy learns to act with the wrong hand"),
    "HANDS-04": Check("a hand jumps", "an action chunk across it teleports the hand"),
    "HANDS-05": Check("hands are only followed in short pieces", "no complete action chunk can be cut from it"),
    "HANDS-06": Check("more than two hands", "the policy imitates a bystander"),
    "HANDS-07": Check("nobody looked for hands", "clips without any work pass as demonstrations"),
    "HANDS-08": Check("a hand is not known in some rows", "none: they are masked part by part"),
    "STORE-01": Check("the whole store is barred", "a store-level error makes every episode unusable"),
    "CONSENT-01": Check("a participant withdrew", "the weights would hold what a person took back"),
    "MASK-01": Check("rows marked as not to be sampled", "the policy learns from a blurred turn of the head"),
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
