"""The rule of a release: when a candidate is not worse than what stands. Shared by shell and graph."""

from typing import TYPE_CHECKING

from pydantic import Field

from gr00t_data.settings import Settings

if TYPE_CHECKING:
    from gr00t_model.evaluate.paired import Measure


class Rule(Settings):
    """When a candidate is not worse than the released checkpoint.

    It is refused when one measure is worse beyond doubt (its 95 % interval lies wholly on the worse side of zero), or
    worse by more than the margin on average. ``strict`` asks for more: the whole interval within the margin, which
    needs hundreds of scenes. The first candidate of an embodiment has nothing beside it: it must beat the better of
    its two baselines on held-out episodes.
    """

    success_margin: float = Field(default=0.1, ge=0, description="Success may be lower by this share on average.")
    error_margin: float = Field(default=0.1, ge=0, description="Open-loop error may be higher by this share of it.")
    first_ratio: float = Field(
        default=1.0, gt=0, description="First release: open-loop error over the better baseline must be below this."
    )
    strict: bool = Field(default=False, description="Ask for proof: the whole interval within the margins.")

    def objection(self, measure: "Measure") -> str | None:
        """Why this measure speaks against the candidate; None when it does not."""
        margin = self.success_margin if measure.unit == "share" else self.error_margin * measure.released
        interval = measure.loss_interval
        about = f"{measure.name}: {measure.candidate:.3f} against {measure.released:.3f} released"
        if interval is not None and interval[0] > 0:
            return f"{about} is worse, the 95% interval of the loss is [{interval[0]:.3f}, {interval[1]:.3f}]"
        if measure.loss > margin:
            return f"{about} is worse by more than {margin:.3f}"
        if self.strict and (interval is None or interval[1] > margin):
            return f"{about}: {measure.pairs} pairs do not show that it is not worse by more than {margin:.3f}"
        return None
