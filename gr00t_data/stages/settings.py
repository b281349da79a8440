"""Settings of the stages that make and mix data, one model an operation: library, shell and graph read the same."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field

from gr00t_data.settings import Settings
from gr00t_data.sources.told import Told

Task = Literal["reach", "push", "pick_and_place"]
TASKS: tuple[Task, ...] = ("reach", "push", "pick_and_place")
"""Of the embedded simulator."""


class Demonstrations(Settings):
    """What the simulator records. Episodes of one task take the seeds seed, seed + 1, ...; evaluation begins at 1e6."""

    reach: int = Field(default=160, ge=0, description="Episodes of 'reach the ...' in the simulator.")
    push: int = Field(default=50, ge=0, description="Episodes of 'push the ... to the left/right' in the simulator.")
    pick_and_place: int = Field(
        default=50, ge=0, description="Episodes of 'pick up the ... and place it ...' in the simulator."
    )
    seed: int = Field(default=0, ge=0, description="First seed; each simulated episode takes the next one.")
    shoves: bool = Field(default=False, description="Push the simulated hand aside now and then, to show recovery.")
    workers: int = Field(default=2, ge=1, description="Processes that record or encode; the bytes do not depend on it.")

    @classmethod
    def of(cls, episodes: Mapping[Task, int], *, seed: int = 0, shoves: bool = False, workers: int = 2) -> Self:
        """So many episodes of these tasks, and none of the others."""
        return cls(**{**dict.fromkeys(TASKS, 0), **episodes}, seed=seed, shoves=shoves, workers=workers)

    @property
    def episodes(self) -> dict[Task, int]:
        """Task -> how many, of the tasks that are recorded at all."""
        counts: dict[Task, int] = {task: getattr(self, task) for task in TASKS}
        return {task: count for task, count in counts.items() if count}


class DropSettings(Settings):
    """What a drop is, where it does not say it itself."""

    embodiment: str = Field(default="gr1", description="Name of a bundled embodiment, or path of your own YAML.")
    licence: str = Field(default="unknown", description="Licence of the content; follows it into every checkpoint.")
    fps: float | None = Field(
        default=None, gt=0, description="Rows a second of a recording without stamps, where it does not say it itself."
    )
    quaternions: Literal["said", "wxyz", "xyzw"] = Field(
        default="said", description="How a recording writes its quaternions; 'said': as it says itself."
    )
    unit: list[str] = Field(
        default=[],
        description="Unit it was recorded in where that is not the robot file's: rad, deg, ticks, percent, "
        "range_m100_100 ... of all such parts, or PART=UNIT; ingest converts.",
    )

    instruction: str | None = Field(
        default=None, min_length=1, description="What the robot was asked to do, where an episode does not say it."
    )

    @property
    def told(self) -> Told:
        """What is said in place of the drop."""
        return Told(self.fps, None if self.quaternions == "said" else self.quaternions, self.instruction)


class Shares(Settings):
    """Which stores, and the share of the samples that each gets."""

    stores: list[str] = Field(default=["*"], description="Pattern of store names in the lake.")
    weights: dict[str, float] = Field(
        default={}, description="STORE=SHARE of the samples; stores not named share the rest by their frames."
    )
    temperature: float = Field(
        default=1.0, ge=1, description="1 makes every frame equally likely; larger values lift small stores."
    )
    weigh_by: str = Field(
        default="frames", description="What the stores without a share are weighed by; a module of `weigh_by`."
    )
    neural_per_real: float | None = Field(
        default=None,
        ge=0,
        description="Neural samples for one that was executed (real, simulated, rollout); 0: by their frames. "
        "Left out: 1 where there are both and no weights are given.",
    )
    max_synthetic: float | None = Field(
        default=None, ge=0, le=1, description="Largest share of simulated and neural samples."
    )
    human: float | None = Field(
        default=None, ge=0, le=1, description="Share of samples of human video; 0 leaves it out. Left out: by frames."
    )
    rollouts: Literal["all", "interventions"] = Field(
        default="all",
        description="Frames of rollouts that succeeded: all, or those at which a person acted in place of the policy.",
    )


class MixtureSettings(Shares):
    """What is mixed, and how."""

    selection: str = Field(default="", description="Named parts and cameras of the embodiment; empty is its default.")
    seed: int = Field(default=0, ge=0, description="Seed of the order and of the held-out episodes.")
    held_out_share: float = Field(default=0.1, ge=0, lt=1, description="Share of each store's episodes to evaluate on.")
    licence_profile: Literal["any", "commercial"] = Field(
        default="any", description="'commercial' refuses stores and weights whose licences do not allow products."
    )
