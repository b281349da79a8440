"""What is measured of an inverse dynamics model, and its file ``report.json``. No torch."""

from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter

from gr00t_data.disk import read_json, write_json
from gr00t_model.idm.timing import Timing

Measured = Annotated[
    float,
    BeforeValidator(lambda value: nan if value is None else value),
    PlainSerializer(lambda value: value if isfinite(value) else None),
]
"""NaN where nothing moves; None in the file, because JSON has no NaN."""


@dataclass(frozen=True)
class Scores:
    """One predictor against the recorded actions, over windows.

    Attributes:
        r2: mean over moving dimensions of 1 - squared error / variance; 1 is exact, 0 is no better than the mean of the
            held-out episodes.
        error: mean absolute error in the unit of the part.
        magnitude: how far the prediction moves in a window (from its first action to its last; the sum of what is
            relative), by how far the robot did.
        along: how far it moves in the robot's direction, by how far the robot did: errors in random directions, which
            lengthen every motion and short ones most, do not show in it.
    """

    r2: Measured
    error: Measured
    magnitude: Measured = nan
    along: Measured = nan


@dataclass(frozen=True)
class LabelScores:
    """The combined windows against the recorded actions; ``steps``: how far they move from row to row, by how far the
    robot did."""

    r2: Measured
    error: float
    steps: float


@dataclass(frozen=True)
class Labels:
    """The windows combined, as labelling writes them.

    Attributes:
        error_by_votes: windows that spoke about a row -> error, in standard deviations of the training data.
        spread_tells_error: rank correlation of what the windows disagree by and what they are wrong by.
    """

    parts: dict[str, LabelScores]
    moving: LabelScores
    error_by_votes: dict[int, float]
    spread_tells_error: float


@dataclass(frozen=True)
class IdmReport:
    """On episodes that the model has not seen.

    Attributes:
        parts: part -> predictor (idm, mean_action, previous_action, linear_on_pixels) -> scores.
        moving: predictor -> scores over all moving dimensions.
    """

    episodes: int
    windows: int
    frame_gap: int
    timing: Timing
    moving: dict[str, Scores]
    labels: Labels
    parts: dict[str, dict[str, Scores]] = field(default_factory=dict)

    @classmethod
    def load(cls, model: Path) -> "IdmReport":
        """The report that lies beside a model."""
        return _REPORT.validate_python(read_json(model / "report.json"))

    def save(self, model: Path) -> None:
        """Write it beside the model."""
        write_json(model / "report.json", self.facts())

    def facts(self) -> dict[str, object]:
        """As in the file."""
        return _REPORT.dump_python(self, mode="json")


_REPORT = TypeAdapter(IdmReport)
