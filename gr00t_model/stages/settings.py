"""Settings of the stages that have weights, one model an operation: library, shell and graph read the same."""

import json
from typing import Literal

from pydantic import Field

from gr00t_data.settings import Settings
from gr00t_data.stages.settings import TASKS
from gr00t_model.loop.config import TRACK
from gr00t_model.training.recipes import RECIPES


class GroundSettings(Settings):
    """How the small base model is grounded."""

    stills: int = Field(default=4000, ge=20, description="Simulator stills to learn 'where is the named object' from.")
    seed: int = Field(default=0, ge=0, description="Seed of the stills and of the weights.")
    track: list[str] = Field(default=[], description=TRACK)


class FinetuneSettings(Settings):
    """What is trained, and from where."""

    recipe: str = Field(default="gr1_nano", description=f"A recipe: {', '.join(RECIPES)}.")
    tune: str = Field(
        default="", description="What trains: action_head, low_memory or everything; empty leaves it to the recipe."
    )
    settings: list[str] = Field(
        default=[], description="Changes to the recipe, each 'a.b=c', for example 'optimizer.lr=3e-4'."
    )
    start: Literal["base", "released"] = Field(
        default="base", description="Train from the base model, or on from the released checkpoint where there is one."
    )
    extend: bool = Field(
        default=True, description="Let a run of fewer steps go on where nothing else differs; off starts at step 0."
    )
    also: list[str] = Field(
        default=[],
        description="Another embodiment in the same batches, NAME or NAME=WEIGHT, for example human_hands=0.5; each "
        "needs its own mixture and statistics.",
    )
    track: list[str] = Field(default=[], description=TRACK)

    @property
    def changes(self) -> list[str]:
        """All ``a.b=c`` changes to the recipe; those the user wrote come last."""
        named = [f"model.tune={self.tune}"] if self.tune else []
        named += [f"machine.track={json.dumps(self.track)}"] if self.track else []
        return [*named, *self.settings]


class EvaluationSettings(Settings):
    """How much is tried."""

    tasks: list[str] = Field(default=[*TASKS], description="Simulator task; 'none' for open loop only.")
    trials: int = Field(default=50, ge=1, description="Unseen scenes per task.")
    swapped: bool = Field(
        default=True, description="Also run with an instruction that names another object in the scene."
    )
    processes: int = Field(default=2, ge=1, description="Processes that simulate.")


_ANY_MODEL = Field(
    default=False, description="Label even with an inverse dynamics model, or a part, that is no better than a guess."
)


class LabellingSettings(Settings):
    """How a labelling is executed; what comes out does not depend on batch size, workers or device."""

    batch_size: int = Field(default=32, ge=1, description="Windows at once, of several clips where they are short.")
    workers: int = Field(default=1, ge=1, description="Threads that decode ahead.")
    device: str = Field(default="auto", description="cpu, cuda, cuda:1, ... or auto.")
    any_model: bool = _ANY_MODEL


class GatingSettings(Settings):
    """How generated clips are judged, and how accepted ones enter training."""

    any_model: bool = _ANY_MODEL
    replay: bool = Field(default=True, description="Execute the actions in the simulator, where its scene is known.")
    own_slot: bool = Field(
        default=True, description="Accepted clips train projectors of their own, as DreamGen does, not the robot's."
    )


class TrajectoriesSettings(GatingSettings):
    """How the graph labels and judges every store of generated clips."""
