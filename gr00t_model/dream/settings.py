"""What is dreamed, and by which model: settings that library, shell and graph share. Nothing heavy."""

from pydantic import Field

from gr00t_data.settings import Settings

SIMULATED_FRAMES = 32
"""First frames where nobody says how many; of a store or a folder all are taken."""


class DreamSettings(Settings):
    """One drop of clips. What it leaves open is changed in the job itself, see ``job.DreamJob``."""

    generator: str = Field(
        default="oracle",
        description="oracle (the simulator's expert, its actions hidden), nano (the lake's latest world model), or a "
        "folder: a nano model or a Diffusers checkpoint (Wan, Cosmos-Predict2).",
    )
    adapter: str = Field(default="", description="Folder of the LoRA adapter that goes onto the model.")
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
    candidates: int = Field(default=1, ge=1, le=1000, description="Clips of each first frame and instruction.")
    seed: int = Field(default=0, ge=0, description="Seed of the clips.")
    licence: str = Field(default="", description="Of the clips; that of the training data where it is known.")
    defects: list[str] = Field(default=[], description="Plant into the oracle's dreams, in turn; '' for none.")
