"""Shots: what is to be dreamed. Each is a first frame, an instruction, and where both came from. No torch."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import Field

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.pictures import opened_file
from gr00t_data.settings import Settings
from gr00t_data.store.store import EpisodeStore
from gr00t_model.dream.world_model import DreamError

DREAM_SEED = 500_000
"""First scene seed of dreams: demonstrations count from 0, evaluation from 1,000,000."""
_PICTURES = (".png", ".jpg", ".jpeg")
_SIMULATED_PX = 256

Picture = UInt8[np.ndarray, "h w 3"]


class FirstFrames(Settings):
    """Where first frames come from.

    Attributes:
        source: ``simulator`` draws scenes with other objects, places and light for each seed; ``store`` takes frames of
            recorded episodes; ``images`` takes every PNG and JPEG of a folder, sorted by name.
        path: of the store or the folder.
        tasks: of the simulator, in turn. seed: of its first scene, each shot takes the next one.
        count: shots before candidates; 0 takes every episode or picture. With several instructions for each frame it
            counts frames.
        view: camera of a store that is shown, or ``grid_2x2``; empty for the first camera of the default selection.
    """

    source: Literal["simulator", "store", "images"] = "simulator"
    path: str = ""
    tasks: tuple[str, ...] = ("reach", "push", "pick_and_place")
    seed: int = Field(default=DREAM_SEED, ge=0)
    count: int = Field(default=0, ge=0)
    view: str = ""


class Instructions(Settings):
    """What is asked for.

    Attributes:
        texts: instructions, one for each first frame in turn; ``{thing}`` stands for every object of a simulated scene
            in turn. None: what the scene, the episode, or a text file beside the image says.
        every: each first frame with each of the texts.
        prompt: what the model is told; ``{instruction}`` stands for the instruction.
    """

    texts: tuple[str, ...] = ()
    every: bool = False
    prompt: str = "{instruction}"


@dataclass(frozen=True)
class Shot:
    """One first frame with one instruction.

    Attributes:
        prompt: what the model is told.
        origin: where the frame came from, JSON-able: the identity of the shot together with the prompt.
        picture: reads or draws the frame; not part of the identity.
        things: objects that an instruction may name.
    """

    instruction: str
    prompt: str
    origin: dict[str, Any]
    picture: Callable[[], Picture] = field(compare=False)
    things: tuple[str, ...] = ()


def shots(frames: FirstFrames, instructions: Instructions, embodiment: Embodiment) -> list[Shot]:
    """The shots in order. Pictures are drawn and read later, one by one.

    Raises:
        DreamError: no first frame, an unknown task, a frame without an instruction, or a prompt without a place for it.
    """
    if "{instruction}" not in instructions.prompt:
        raise DreamError(f"the prompt {instructions.prompt!r} has no {{instruction}}; say where it goes")
    sources = {"simulator": _simulated, "store": _recorded, "images": _photographed}
    found = list(sources[frames.source](frames, embodiment))
    if not found:
        raise DreamError(f"{frames.path or frames.source}: no first frame found; give more, or another source")
    return [one for number, shot in enumerate(found) for one in _told(shot, number, instructions)]


def _told(shot: Shot, number: int, instructions: Instructions) -> Iterator[Shot]:
    """The shot with each instruction that it gets."""
    texts = instructions.texts or (shot.instruction,)
    chosen = texts if instructions.every else (texts[number % len(texts)],)
    for text in chosen:
        if not text.strip():
            raise DreamError(f"{shot.origin}: has no instruction; give some with --instruction or --instructions")
        if "{thing}" in text and not shot.things:
            raise DreamError(f"{text!r}: only objects of a simulated scene are known; write the object's name")
        things = shot.things if instructions.every else shot.things[number % max(len(shot.things), 1) :][:1]
        for thing in things if "{thing}" in text else ("",):
            said = text.replace("{thing}", thing)
            prompt = instructions.prompt.replace("{instruction}", said)
            yield Shot(said, prompt, shot.origin, shot.picture, shot.things)


def _simulated(frames: FirstFrames, embodiment: Embodiment) -> Iterable[Shot]:
    from gr00t_data.sources.sim.body import ROBOT
    from gr00t_data.sources.sim.draw import draw_scene
    from gr00t_data.sources.sim.tasks import TASKS

    unknown = [task for task in frames.tasks if task not in TASKS]
    if unknown or not frames.tasks:
        raise DreamError(f"no task {unknown[0] if unknown else 'at all'!r}; choose from {', '.join(TASKS)}")
    if embodiment.name != ROBOT:
        told = f"the simulator's robot is {ROBOT}, not {embodiment.name}; take first frames of a store or images"
        raise DreamError(told)
    for number in range(frames.count or 1):
        task, seed = frames.tasks[number % len(frames.tasks)], frames.seed + number
        scene = draw_scene(task, seed)
        origin = {"scene": {"simulator": "tabletop", "task": task, "seed": seed}}
        things = tuple(thing.name for thing in scene.things)
        yield Shot(scene.instruction, "", origin, lambda task=task, seed=seed: scene_picture(task, seed), things)


def scene_picture(task: str, seed: int, size_px: int = _SIMULATED_PX) -> Picture:
    """What the robot sees when ``TabletopEnv(task).reset(seed)`` starts."""
    from gr00t_data.sources.sim.env import CAMERA, TabletopEnv

    observation, _ = TabletopEnv(task, size_px).reset(seed)
    return observation["video"][CAMERA]


def _recorded(frames: FirstFrames, embodiment: Embodiment) -> Iterable[Shot]:
    from gr00t_data.sources.neural.rollout import named_scene
    from gr00t_model.dream.pictures import view_of

    store = EpisodeStore.open(frames.path)
    if store.about.embodiment not in (None, embodiment.name):
        raise DreamError(f"{store.root}: is of {store.about.embodiment!r}, the clips are to show {embodiment.name!r}")
    view = view_of(embodiment, frames.view)
    for row in store.rows[: frames.count or None]:
        origin = {"source_episode": f"{store.digest}:{row.index}", "view": view.name}
        origin |= {"scene": asdict(scene)} if (scene := named_scene(row.source.facts())) else {}
        read = lambda row=row: view.first(store, row.index)  # noqa: E731 - bound to its row
        yield Shot(row.instruction, "", origin, read)


def _photographed(frames: FirstFrames, embodiment: Embodiment) -> Iterable[Shot]:
    folder = Path(frames.path)
    if not frames.path or not folder.is_dir():
        raise DreamError(f"{frames.path!r}: no such folder; give one with PNG or JPEG pictures")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
    for path in paths[: frames.count or None]:
        beside = path.with_suffix(".txt")
        said = beside.read_text("utf-8").strip() if beside.is_file() else ""
        origin = {"image": path.name, "image_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        yield Shot(said, "", origin, lambda path=path: read_picture(path))


def read_picture(path: Path) -> Picture:
    """A PNG or JPEG as RGB, turned the way its camera was held.

    Raises:
        DreamError: it cannot be read.
    """
    from PIL import ImageOps

    try:
        with opened_file(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DreamError(f"{path}: cannot be read as a picture ({error}); save it again as PNG") from error
