"""Finding: one check's result on one episode. Verdict: what the findings of an episode add up to."""

from dataclasses import dataclass
from typing import Literal

from gr00t_data.store.texts import Changes

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing that a check saw.

    Attributes:
        code: stable name of the check, a key of ``catalogue.CHECKS``.
        severity: ``error`` rejects the episode, ``warning`` may cost training quality, ``info`` is worth knowing.
        message: file, episode, frame, what was found, what was expected, and what to do.
        frames: first and last frame it concerns (both included), or None when it is not about frames.
    """

    code: str
    severity: Severity
    message: str
    frames: tuple[int, int] | None = None


@dataclass(frozen=True)
class Scale:
    """What the joints of a part reach in a store, to compare it with other stores.

    Attributes:
        unit: that they read as; empty where the values leave it open.
        low, high: the lowest and the highest value of each joint.
    """

    unit: str
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether an episode may be used, which frames of it, and why.

    Attributes:
        episode_index: the episode's number in its store.
        accepted: False as soon as one finding is an error.
        length: frames in the episode (rows that could be read, else the length the metadata declares).
        keep: half-open frame ranges that may be sampled; empty when rejected.
        instruction: what the robot was asked to do at row 0.
        text_changes: (row, text) where it was asked to do something else from there on.
        findings: in the order of the checks.
        rows_digest: SHA-256 of state and action as float32, by which equal episodes are known; empty when unreadable.
    """

    episode_index: int
    accepted: bool
    length: int
    keep: tuple[tuple[int, int], ...]
    instruction: str
    findings: tuple[Finding, ...]
    rows_digest: str = ""
    text_changes: Changes = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, each once, sorted."""
        return tuple(sorted({finding.code for finding in self.findings}))

    @property
    def kept_frames(self) -> int:
        """Number of frames that may be sampled."""
        return sum(end - start for start, end in self.keep)
