"""What is dreamed, by which model, and how one is trained: settings that library, shell and graph share. Not heavy."""

from pydantic import Field

from gr00t_data.settings import Settings
from gr00t_model.loop.config import TRACK

SIMULATED_FRAMES = 32
"""First frames where nobody says how many; of a store or a folder all are taken."""


class Sizes(Settings):
    """Of the clips; what is left out the model decides."""

    frames: int | None = Field(default=None, description="Pictures in a clip; the model's own number by default.")
    fps: float | None = Field(default=None, description="Pictures a second of the robot's own time.")
    height: int | None = Field(default=None, description="Pixels.")
    width: int | None = Field(default=None, description="Pixels.")


class WorldModelSettings(Settings):
    """What a world model is trained on. What it leaves open is changed in ``config.DreamTraining``."""

    base: str = Field(default="", description="Folder of a published model, whose adapters are tuned.")
    stores: list[str] = Field(default=["*"], description="Pattern of store names; repeat for several.")
    sizes: Sizes = Sizes()
    settings: list[str] = Field(
        default=[], description="steps=500, rank=4, optimizer.lr=1e-4, view=grid_2x2, stride_frames=3 ..."
    )
    track: list[str] = Field(default=[], description=TRACK)


class ContinuationSettings(Settings):
    """What a world model is measured on."""

    stores: list[str] = Field(default=["*"], description="Pattern of store names; repeat for several.")
    adapter: str = Field(
        default="", description="The LoRA adapter that goes onto the model, by folder or name of its run."
    )
    clips: int = Field(default=32, ge=1, description="Held-out clips to continue.")
    sampling_steps: int | None = Field(
        default=None,
        ge=1,
        description="Denoising steps; the model's own by default. One or two come near to the mean of what may happen, "
        "many draw one of the things that may.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the clips.")


class DreamSettings(Settings):
    """One drop of clips. What it leaves open is changed in the job itself, see ``job.DreamJob``."""

    generator: str = Field(
        default="oracle",
        description="oracle (the simulator's expert, its actions hidden), nano (the lake's latest world model), or one "
        "by folder or name of its run: a nano model or a Diffusers checkpoint (Wan, Cosmos-Predict2).",
    )
    adapter: str = Field(
        default="", description="The LoRA adapter that goes onto the model, by folder or name of its run."
    )
    source: str = Field(
        default="simulator",
        description="First frames: simulator, a store by name or path, or a folder of PNG and JPEG pictures.",
    )
    tasks: list[str] = Field(default=["reach", "push", "pick_and_place"], description="Simulator tasks, in turn.")
    count: int | None = Field(
        default=None,
        ge=0,
        description=f"First frames; by default {SIMULATED_FRAMES} scenes of the simulator, all of a store or folder.",
    )
    instructions: list[str] = Field(
        default=[],
        description="In place of the source's own, in turn; {thing} names an object of a simulated scene.",
    )
    sizes: Sizes = Sizes()
    candidates: int = Field(default=1, ge=1, le=1000, description="Clips of each first frame and instruction.")
    seed: int = Field(default=0, ge=0, description="Seed of the clips.")
    licence: str = Field(default="", description="Of the clips; that of the training data where it is known.")
    defects: list[str] = Field(default=[], description="Plant into the oracle's dreams, in turn; '' for none.")
    settings: list[str] = Field(
        default=[],
        description="sampler.steps=30, sampler.offload=model, sampler.tiling=true, sampler.guardrail=none, "
        "first_frames.seed=600000, first_frames.view=grid_2x2, instructions.every=true, "
        "instructions.prompt='A robot: {instruction}' ...",
    )
