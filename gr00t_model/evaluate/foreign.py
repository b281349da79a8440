"""A folder with a model that no run of ours left, tried as if one had: on a mixture of the lake."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gr00t_data.batches.rows import Member
from gr00t_model.groot.weights.nvidia import read_config
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.config import TrainConfig

RECIPE = "published folder"


@dataclass(frozen=True)
class Foreign:
    """What a folder of others is tried on, and how it acts.

    Attributes:
        member: mixture and statistics of the robot. The mixture's held-out episodes are predicted, and errors are
            counted in the statistics' standard deviations; the folder acts by its own.
        embodiment: name or YAML of the robot.
        tag: whose statistics and slot of the folder act; None: the robot's.
        tokenizer: folder of the tokenizer; None: it lies in the folder.
    """

    member: Member
    embodiment: str
    tag: str | None = None
    tokenizer: str | None = None

    @property
    def acting(self) -> dict[str, Any]:
        """For ``Policy.from_checkpoint``."""
        selection = self.member.manifest.selection
        return {"embodiment": self.embodiment, "selection": selection, "tag": self.tag, "tokenizer": self.tokenizer}

    def checkpoint(self, folder: Path) -> Checkpoint:
        """The folder as a checkpoint that was trained for no steps on that mixture.

        Raises:
            WeightsError, ConfigError: the folder has no configuration, or that of another version of GR00T.
        """
        return Checkpoint(
            folder=folder,
            config=read_config(folder),
            statistics=self.member.statistics,
            embodiment=self.member.embodiment,
            manifest=self.member.manifest,
            train_config=TrainConfig(recipe=RECIPE, steps=1, batch_size=1),
            steps=0,
            episodes=(),
            members=(self.member,),
        )
