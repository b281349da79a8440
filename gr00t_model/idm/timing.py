"""The time step of an inverse dynamics model, and the refusal of clips that have another one.

Two frames with another distance in time than those of training look like a faster or slower motion; the actions then
come out too small or too large by that factor, and nothing in them shows it.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

from gr00t_data.store.store import EpisodeStore

_SAME_SHARE = 0.01
_COARSEST_SHARE = 0.5


class TimingError(ValueError):
    """Frames whose distance in time is unknown or not that of the model; the message says both and the remedy."""


@dataclass(frozen=True)
class Timing:
    """What a model was trained on.

    Attributes:
        fps: frames a second of the video it was trained on, Hz.
        frame_gap: frames from the first picture of a pair to the second.
        action_hz: actions a second of its output, Hz.
        horizon: actions of one prediction; the first belongs to the first picture.
    """

    fps: float
    frame_gap: int
    action_hz: float
    horizon: int

    def __post_init__(self) -> None:
        if min(self.fps, self.frame_gap, self.action_hz, self.horizon) <= 0:
            raise TimingError(f"expected positive numbers, found {asdict(self)}")
        if abs(self.fps - self.action_hz) > _SAME_SHARE * self.fps:
            raise TimingError(
                f"the video has {self.fps:g} frames and the actions {self.action_hz:g} rows a second; a store has one "
                "row a frame: train on a store"
            )

    @property
    def gap_s(self) -> float:
        """Seconds between the two pictures."""
        return self.frame_gap / self.fps

    @classmethod
    def from_dict(cls, value: dict[str, Any], where: str) -> Self:
        """The inverse of ``asdict``; TimingError names ``where`` when a number is missing."""
        try:
            numbers = float(value["fps"]), int(value["frame_gap"]), float(value["action_hz"]), int(value["horizon"])
        except (KeyError, TypeError, ValueError) as error:
            raise TimingError(
                f"{where}: does not say fps, frame_gap, action_hz and horizon of its training ({error!r}); "
                "without them it cannot label anything"
            ) from error
        return cls(*numbers)

    def check_store(self, store: EpisodeStore) -> None:
        """Refuse a store whose rows are not as far apart as those of training.

        Raises:
            TimingError: another rate.
        """
        if abs(store.fps - self.fps) > _SAME_SHARE * self.fps:
            raise TimingError(
                f"{store.root}: has {store.fps:g} rows a second, the model was trained at {self.fps:g} with "
                f"{self.frame_gap} frames ({self.gap_s:.3g} s) between its pictures; its actions would be off by a "
                f"factor of {store.fps / self.fps:.3g}: ingest the clips for an embodiment of {self.fps:g} Hz, which "
                "resamples them, or train a model at this rate"
            )

    def check_period(self, period_s: float | None) -> None:
        """Refuse a clip that was resampled from so few frames that the pictures of a pair are not where they should be.

        Args:
            period_s: seconds between the frames that were generated; None when the rows are the frames.

        Raises:
            TimingError: half a frame is more than a quarter of the gap.
        """
        if period_s is not None and period_s > _COARSEST_SHARE * self.gap_s:
            raise TimingError(
                f"was generated with {1 / period_s:.3g} frames a second of the robot's time; pairs {self.gap_s:.3g} s "
                "apart cannot be found within a quarter of that: generate more frames, or use a model with a wider gap"
            )
