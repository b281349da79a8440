"""A job: everything that decides the clips of one drop, as data. Equal jobs have equal keys. No torch."""

import hashlib
from collections.abc import Mapping

from pydantic import Field

from gr00t_data.code_key import code_key
from gr00t_data.disk import digest_json
from gr00t_data.settings import Settings
from gr00t_model.dream.shots import FirstFrames, Instructions, Shot
from gr00t_model.dream.world_model import ClipShape, Sampler

ORACLE, LATEST = "oracle", "nano"


class DreamJob(Settings):
    """What to dream.

    Attributes:
        generator: ``oracle`` (the simulator's expert, its actions hidden), ``nano`` (the lake's latest world model of
            the embodiment), or a folder: of a nano model, or of a Diffusers checkpoint.
        adapter: folder of a LoRA adapter for it.
        shape: of the clips; None takes what the model was trained on. The oracle's clips are as long as they are.
        candidates: clips of each shot, to choose from later.
        seed: of the job; every clip has a seed of its own made from it.
        licence: of the clips; empty takes what the model's training data had, where that is known.
        defects: planted into the oracle's dreams in turn, an empty name for none; needs first frames of a store.
    """

    generator: str = ORACLE
    adapter: str = ""
    first_frames: FirstFrames = FirstFrames()
    instructions: Instructions = Instructions()
    shape: ClipShape | None = None
    candidates: int = Field(default=1, ge=1, le=1000)
    seed: int = Field(default=0, ge=0)
    sampler: Sampler = Sampler()
    licence: str = ""
    defects: tuple[str, ...] = ()


def clip_seed(seed: int, shot: Shot, candidate: int) -> int:
    """The seed of one clip, 0 <= seed < 2^63: it does not change when shots are added before it."""
    text = digest_json([seed, shot.origin, shot.prompt, candidate])
    return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) >> 1


def job_key(
    job: DreamJob, facts: Mapping[str, object], shape: ClipShape, listed: list[Shot], embodiment_digest: str
) -> str:
    """SHA-256 over all that decides the bytes: the model by content, shots, shape, seeds, code. Paths do not count."""
    told = [[shot.origin, shot.prompt, shot.instruction] for shot in listed]
    rest = {"candidates": job.candidates, "seed": job.seed, "licence": job.licence, "defects": job.defects}
    rest |= {"code": code_key("gr00t_model.dream.generate")}
    return digest_json({"facts": facts, "shape": shape.model_dump(), "shots": told, "e": embodiment_digest, **rest})
