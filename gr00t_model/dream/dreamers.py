"""Dreamers: what makes the clip of one shot. A world model from its first frame, or the simulator's expert. No torch
until a world model is opened."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8

from gr00t_data.store.store import EpisodeStore
from gr00t_model.dream.pictures import fitted
from gr00t_model.dream.shots import Shot
from gr00t_model.dream.world_model import ClipShape, DreamError, Sampler, WorldModel

_ORACLE_PX, _ORACLE_HZ, _ORACLE_FRAMES = 256, 20.0, 140


@dataclass(frozen=True)
class Dreamt:
    """One clip.

    Attributes:
        frames: uint8 [T, H, W, 3].
        first_frame: what it was to begin with.
        made: provenance that only this clip has.
        truth: float64 [T, A], the actions that the frames show, where they are known (nobody labels with them).
        instruction: what the clip is said to show; empty: what was asked for.
    """

    frames: UInt8[np.ndarray, "t h w 3"]
    first_frame: UInt8[np.ndarray, "h w 3"]
    made: dict[str, object] = field(default_factory=dict)
    truth: np.ndarray | None = None
    instruction: str = ""


class Dreamer(Protocol):
    """Makes clips one by one."""

    @property
    def facts(self) -> dict[str, Any]:
        """Provenance of all its clips; JSON-able."""
        ...

    @property
    def usual(self) -> ClipShape:
        """The clips it makes when nobody asks for others."""
        ...

    def check(self, shape: ClipShape, shots: list[Shot], candidates: int) -> None:
        """Raises DreamError for what it cannot make, before anything is made."""
        ...

    def make(self, shot: Shot, number: int, seed: int, shape: ClipShape) -> Dreamt:
        """The clip of a shot; a pure function of its arguments."""
        ...


@dataclass(frozen=True)
class FromFirstFrame:
    """A world model as a dreamer."""

    model: WorldModel

    @property
    def facts(self) -> dict[str, Any]:
        return self.model.facts

    @property
    def usual(self) -> ClipShape:
        return self.model.usual

    def check(self, shape: ClipShape, shots: list[Shot], candidates: int) -> None:
        self.model.check(shape)

    def make(self, shot: Shot, number: int, seed: int, shape: ClipShape) -> Dreamt:
        first = fitted(shot.picture(), (shape.height, shape.width))
        return Dreamt(self.model.generate(first[None], [shot.prompt], [seed], shape)[0], first)


@dataclass(frozen=True)
class Oracle:
    """The simulator's expert in the scene of the first frame. Its dreams are perfect: they test all that follows.

    Attributes:
        store: of the first frames, when defects are to be planted.
        defects: planted in turn; an empty name for none.
    """

    store: EpisodeStore | None = None
    defects: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        return {"model": "oracle", "model_sha256": None, "adapter_sha256": None, "sampler": {"expert": "tabletop"}}

    @property
    def usual(self) -> ClipShape:
        return ClipShape(frames=_ORACLE_FRAMES, fps=_ORACLE_HZ, height=_ORACLE_PX, width=_ORACLE_PX)

    def check(self, shape: ClipShape, shots: list[Shot], candidates: int) -> None:
        """Square pictures at the simulator's rate, of scenes it knows, with the instruction of the scene."""
        if shape.height != shape.width or shape.fps != _ORACLE_HZ:
            raise DreamError(f"the oracle draws square pictures at {_ORACLE_HZ:g} fps, asked for {shape}")
        if candidates > 1:
            raise DreamError("the expert does the same every time, so candidates of the oracle would be copies; take 1")
        if strange := [shot.origin for shot in shots if "scene" not in shot.origin]:
            raise DreamError(f"the oracle knows scenes of its simulator only, not {strange[0]}; take another generator")
        if any(self.defects) and self.store is None:
            raise DreamError("defects are planted into recorded roll-outs; give --from the simulator's store")
        for shot in shots:
            if shot.instruction != _scene_instruction(shot):
                raise DreamError(
                    f"the expert does what its scene asks for, {_scene_instruction(shot)!r}, not {shot.instruction!r}; "
                    "leave the instructions to the scene, or take another generator"
                )

    def make(self, shot: Shot, number: int, seed: int, shape: ClipShape) -> Dreamt:
        if self.store is not None:
            return self._replayed(self.store, shot, number, shape)
        from gr00t_data.sources.sim.demos import record_episode

        scene = shot.origin["scene"]
        episode = record_episode(scene["task"], scene["seed"], shape.height)
        frames = episode.video["ego_view"]
        assert isinstance(frames, np.ndarray)
        return Dreamt(frames, frames[0], {"success": episode.success}, episode.action)

    def _replayed(self, store: EpisodeStore, shot: Shot, number: int, shape: ClipShape) -> Dreamt:
        """The recorded roll-out of the shot's episode, with a defect where one is due."""
        from gr00t_data.sources.neural.oracle.oracle import Wanted, dreams_of
        from gr00t_data.video.files import fit

        episode = int(shot.origin["source_episode"].rpartition(":")[2])
        defect = self.defects[number % len(self.defects)] if self.defects else ""
        one = next(dreams_of(store, [Wanted(episode, defect or None)], seed=number))
        size = (shape.height, shape.width)
        frames = fit(next(iter(one.videos.values())), size)
        made = {"defect": one.made["defect"]} if "defect" in one.made else {}
        return Dreamt(frames, fitted(one.first_frame, size), made, one.action, one.instruction)


def _scene_instruction(shot: Shot) -> str:
    from gr00t_data.sources.sim.draw import draw_scene

    scene = shot.origin["scene"]
    return draw_scene(scene["task"], scene["seed"]).instruction


def open_world_model(folder: Path, adapter: Path | None, sampler: Sampler, kept: Path | None = None) -> WorldModel:
    """The model of a folder, by what the folder holds.

    Raises:
        DreamError: neither a nano model nor a Diffusers checkpoint, or an adapter for a model that takes none.
        IntegrityError: a file is not the one that was recorded.
    """
    from gr00t_model.dream.local_folder import folder_digest
    from gr00t_model.dream.nano.config import NANO_CONFIG, NanoConfig

    if (folder / NANO_CONFIG).is_file():
        from gr00t_data.disk import read_json
        from gr00t_data.integrity import require_intact
        from gr00t_model.dream.nano.network import Nano

        if adapter:
            raise DreamError(f"{folder}: a nano model is trained whole and takes no adapter; leave --adapter out")
        require_intact(folder, asked=True)
        config = NanoConfig.model_validate(read_json(folder / NANO_CONFIG)["config"])
        return Nano(folder, config, sampler, folder_digest(folder, kept))
    from gr00t_model.dream.pipelines import open_published

    return open_published(folder, adapter, sampler, kept)
