"""What an evaluation found, as ``report.json`` holds it. No torch."""

from pathlib import Path

from pydantic import Field

from gr00t_data.disk import read_json
from gr00t_data.integrity import require_intact
from gr00t_data.store.provenance import Said
from gr00t_model.evaluate.paired import Comparison
from gr00t_model.evaluate.rates import Rate


class PartErrors(Said):
    """Mean absolute errors over the same frames and steps, in ``unit``.

    Attributes:
        ratio: the policy's over the better baseline's; None when that baseline is perfect (nothing moved).
    """

    policy: float
    hold_last: float
    mean_action: float
    ratio: float | None
    unit: str


class OpenLoopErrors(Said):
    """Of the held-out episodes: errors of each part, and of all in standard deviations of the training data."""

    episodes: int
    chunks: int
    parts: dict[str, PartErrors]
    overall: PartErrors


class Share(Said):
    """``hits`` of ``trials``, their share 0 to 1 (NaN without trials), and its 95 % interval."""

    hits: int
    trials: int
    share: float
    interval_95: tuple[float, float]

    @classmethod
    def of(cls, rate: Rate) -> "Share":
        """The numbers of a rate."""
        return cls(hits=rate.hits, trials=rate.trials, share=rate.share, interval_95=rate.interval)


class Trial(Said):
    """One attempt in one scene.

    Attributes:
        swapped: whether the instruction named another object than the scene was made for.
        wrong_object: whether another object than the named one was reached, moved or lifted.
        steps: control steps until success or the limit.
    """

    task: str
    seed: int
    instruction: str
    swapped: bool
    success: bool
    wrong_object: bool
    steps: int


class TaskResult(Said):
    """Rates of one task, and every trial; ``swapped_success`` where instructions were swapped too."""

    success: Share
    wrong_object: Share
    swapped_success: Share | None = None
    trials: tuple[Trial, ...] = ()

    @property
    def rates(self) -> dict[str, Share]:
        """Name -> rate, of those that were measured."""
        named = {"success": self.success, "wrong_object": self.wrong_object, "swapped_success": self.swapped_success}
        return {name: rate for name, rate in named.items() if rate is not None}


class Variety(Said):
    """How much the targets of the alignment vary: effective rank, share of their energy, and whether they collapsed."""

    effective_rank: float
    share: float
    collapsed: bool


class AlignmentResult(Said):
    """Cosines to the future frame: predicted, and of copying the present; ``skill`` is the share of the gap closed."""

    predicted: float
    copied: float
    skill: float | None
    variety: Variety


class Evaluation(Said):
    """The content of ``report.json``.

    Attributes:
        checkpoint: digest of what was evaluated.
        others: open loop of further embodiments, by their names.
        alignment: None where there was nothing to measure.
        closed_loop: by task.
        behaviour: digest of the code that ran the closed loop.
        comparison: beside the released checkpoint; None without one.
    """

    checkpoint: str
    recipe: str
    steps: int
    open_loop: OpenLoopErrors
    others: dict[str, OpenLoopErrors] = Field(default_factory=dict)
    alignment: AlignmentResult | None = None
    closed_loop: dict[str, TaskResult] = Field(default_factory=dict)
    behaviour: str = ""
    comparison: Comparison | None = None

    @classmethod
    def load(cls, folder: Path, *, asked: bool = False) -> "Evaluation":
        """Read the report in a folder.

        Args:
            asked: hash its files, whatever was hashed before.

        Raises:
            IntegrityError: a file of the folder, a figure too, is not the one that was written.
            ValueError: it is none.
        """
        require_intact(folder, asked=asked, remedy="delete the folder and evaluate again: `gr00t eval`")
        return cls.model_validate(read_json(folder / "report.json"))
