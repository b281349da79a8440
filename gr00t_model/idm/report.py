"""What is measured of an inverse dynamics model, and its file ``report.json``. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter

from gr00t_data.integrity import RECORD, IntegrityError, digest_of, read_sealed, write_sealed
from gr00t_model.idm.timing import Timing

Measured = Annotated[
    float,
    BeforeValidator(lambda value: nan if value is None else value),
    PlainSerializer(lambda value: value if isfinite(value) else None),
]
"""NaN where nothing moves; None in the file, because JSON has no NaN."""


class GuessError(ValueError):
    """A model that says no more than predictors without one; the message says by how much, and the way out."""


@dataclass(frozen=True)
class Scores:
    """One predictor against the recorded actions, over windows.

    Attributes:
        r2: mean over moving dimensions of 1 - squared error / variance; 1 is exact, 0 is no better than the mean of the
            held-out episodes.
        error: mean absolute error in the unit of the part; over several parts in standard deviations of the training
            data.
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
class Worth:
    """What labels of a model are worth.

    Attributes:
        good: whether they say more than predictors without a model: over all that moves, and in the parts that have at
            least half of it.
        text: the same as a sentence.
        guesses: moving parts in which a predictor without a model is as good.
    """

    good: bool
    text: str
    guesses: frozenset[str] = frozenset()


@dataclass(frozen=True)
class IdmReport:
    """On episodes that the model has not seen.

    Attributes:
        parts: part -> predictor (idm, mean_action, previous_action, linear_on_pixels) -> scores.
        moving: predictor -> scores over all moving dimensions, each in standard deviations of the training data.
        moves: part -> how many of its dimensions move.
        code: of the measurement; "" of a version that mixed units.
        model: digest of the record of the measured model's files; "" where nobody noted it.
    """

    episodes: int
    windows: int
    frame_gap: int
    timing: Timing
    moving: dict[str, Scores]
    labels: Labels
    parts: dict[str, dict[str, Scores]] = field(default_factory=dict)
    moves: dict[str, int] = field(default_factory=dict)
    code: str = ""
    model: str = ""

    def worth(self) -> Worth:
        """Whether to label with the model. Labels of one that guesses would pass a gate that its own labels set."""
        own, best, who = _against(self.moving)
        if not isfinite(own):
            return Worth(False, "nothing moved in the held-out episodes: not measured")
        text = f"R2 {own:.2f} on held-out episodes, {who.replace('_', ' ')} has {best:.2f}"
        parts = {name: _against(table)[:2] for name, table in self.parts.items()}
        moving = {name: pair for name, pair in parts.items() if isfinite(pair[0])}
        guesses = frozenset(name for name, (told, without) in moving.items() if told <= max(without, 0.0))
        dims = {name: self.moves.get(name, 1) for name in moving}
        half = 2 * sum(dims[name] for name in guesses) <= sum(dims.values())
        if guesses:
            text += f"; no better than a guess: {', '.join(sorted(guesses))}"
        return Worth(own > best and half, text, guesses)

    @classmethod
    def load(cls, model: Path) -> "IdmReport":
        """The report that lies beside a model; IntegrityError when it is not the one that was written for it."""
        path, remedy = model / "report.json", "delete it, and measure again: `gr00t idm train`"
        report = _REPORT.validate_python(read_sealed(path, remedy))
        if report.model and report.model != record_digest(model):
            raise IntegrityError(f"{path}: is the report of another model; {remedy}")
        return report

    def save(self, model: Path) -> None:
        """Write it beside the model."""
        write_sealed(model / "report.json", self.facts())

    def facts(self) -> dict[str, object]:
        """As in the file."""
        return _REPORT.dump_python(self, mode="json")


def record_digest(model: Path) -> str:
    """SHA-256 of the record of a model's files; empty where it has none."""
    return digest_of(model / RECORD) if (model / RECORD).is_file() else ""


def _against(table: Mapping[str, Scores]) -> tuple[float, float, str]:
    """R2 of the model, and the best R2 without one with its name; NaN where nothing moved."""
    found = {who: one.r2 for who, one in table.items() if isfinite(one.r2)}
    own = found.pop("idm", nan)
    best = max(found, key=lambda who: found[who], default="")
    return (own, found[best], best) if best else (nan, nan, "")


_REPORT = TypeAdapter(IdmReport)


def guessed_parts(model: Path, any_model: bool = False) -> frozenset[str]:
    """The parts that a model only guesses, as its report says; none of a model that nobody measured.

    Args:
        any_model: take what it says of every part.

    Raises:
        GuessError: it is no better than a guess.
    """
    if any_model or not (model / "report.json").is_file():
        return frozenset()
    worth = IdmReport.load(model).worth()
    if not worth.good:
        raise GuessError(
            f"{model}: {worth.text}; its labels would be guesses: train it longer or on more episodes, or take them "
            "all the same with --any-model"
        )
    return worth.guesses
