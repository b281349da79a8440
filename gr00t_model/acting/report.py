"""What a policy did: at one call, and counted over its session."""

from dataclasses import dataclass, field, fields

import numpy as np


@dataclass(frozen=True)
class ActingReport:
    """One call that was answered.

    Attributes:
        rows: observations in it; ``single``: whether the answer has no batch dimension.
        seed, denoising_steps: what the actions were drawn with.
        far_states: part -> what was found and what training saw, for values far outside it.
        blank: what was given and says nothing: a state of zeros, pictures of one colour.
        beyond_limits: part -> how many of its values lay beyond the robot's limits by more than the margin.
        clipped: whether those were cut to the limits.
        converted: keys whose numbers came in another type, and in which.
        ignored: keys that nothing reads.
        verified: whether the files of the checkpoint were compared with their recorded digests.
    """

    rows: int
    single: bool
    seed: int
    denoising_steps: int
    far_states: dict[str, str] = field(default_factory=dict)
    blank: tuple[str, ...] = ()
    beyond_limits: dict[str, int] = field(default_factory=dict)
    clipped: bool = False
    converted: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    verified: bool = False

    @property
    def clean(self) -> bool:
        """Nothing was odd about the observation, and no action lay beyond a limit."""
        return not (self.far_states or self.blank or self.beyond_limits)


@dataclass(frozen=True)
class Answer:
    """The actions in the published format, and beside them how they came about."""

    actions: dict[str, np.ndarray]
    report: ActingReport


@dataclass(frozen=True)
class Session:
    """Counts over the calls of a policy since it was made.

    Attributes:
        calls, rows: that were answered.
        refused: calls that were not, for an observation or for actions that no robot should get.
        far_states, blank: calls with such an observation.
        beyond_limits: values beyond the robot's limits; ``clipped``: those of them that were cut.
    """

    calls: int = 0
    rows: int = 0
    refused: int = 0
    far_states: int = 0
    blank: int = 0
    beyond_limits: int = 0
    clipped: int = 0

    def __add__(self, other: "Session") -> "Session":
        return Session(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @classmethod
    def of(cls, report: ActingReport) -> "Session":
        """The counts of one call."""
        beyond = sum(report.beyond_limits.values())
        return cls(
            calls=1,
            rows=report.rows,
            far_states=int(bool(report.far_states)),
            blank=int(bool(report.blank)),
            beyond_limits=beyond,
            clipped=beyond if report.clipped else 0,
        )
