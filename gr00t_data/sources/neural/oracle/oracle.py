"""Oracle dreams: recorded episodes with the actions hidden and, if asked, a defect planted; what is true is known.

They test labelling and the gate without a video model. They say nothing about how real a generated video looks.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.progress import Progress, silent
from gr00t_data.sources.neural.oracle.defects_picture import PICTURE_DEFECTS
from gr00t_data.sources.neural.oracle.defects_scene import SCENE_DEFECTS, pictures
from gr00t_data.sources.neural.oracle.planting import Frames, Material, Plant, Planted, PlantError, every_row
from gr00t_data.sources.neural.reading import FIRST_FRAME, FIRST_PX, png_text
from gr00t_data.sources.neural.rollout import Rollout, named_scene, rollout_of
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource, Facts, Refusal, StoreSource
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_data.video import files as video

DEFECTS: Mapping[str, Plant] = MappingProxyType({**PICTURE_DEFECTS, **SCENE_DEFECTS})
"""Defect -> how it is planted. Where the scene can be drawn again that is done, else pictures are changed."""


@dataclass(frozen=True)
class Wanted:
    """One dream: the episode it is made of, its defect (None for none), and how strong that is (1: as documented)."""

    episode: int
    defect: str | None = None
    strength: float = 1.0


@dataclass(frozen=True)
class Dream:
    """One dream and the truth about it.

    Attributes:
        videos: camera -> frames.
        action: float64 [T, A], the actions that the frames show.
        made: provenance, as a line of a manifest has it: ``model``, ``seed``, ``scene``, ``defect``, ...
        first_frame: uint8 [H, W, 3] of the first camera, what a generator would have been given.
    """

    instruction: str
    videos: dict[str, Frames]
    action: np.ndarray
    made: Facts
    first_frame: np.ndarray


def dreams_of(store: EpisodeStore, wanted: Sequence[Wanted], seed: int = 0) -> Iterator[Dream]:
    """The dreams one by one; each is a pure function of its place, the store and the seed.

    Raises:
        ValueError: an unknown defect.
        PlantError: an episode cannot have its defect.
    """
    for _, one in _each(store, wanted, seed, ()):
        if isinstance(one, Refusal):
            raise PlantError(one.reason)
        yield one


def _each(
    store: EpisodeStore, wanted: Sequence[Wanted], seed: int, done: Collection[int | None]
) -> Iterator[tuple[int, Dream | Refusal]]:
    """Place in ``wanted`` and dream, without the places ``done``; a refusal where an episode cannot have the defect."""
    if unknown := [one.defect for one in wanted if one.defect and one.defect not in DEFECTS]:
        raise ValueError(f"no defect {unknown[0]!r}; choose from {', '.join(sorted(DEFECTS))}")
    for number, one in enumerate(wanted):
        if number in done:
            continue
        try:
            yield number, _dream(store, one, np.random.default_rng([seed, number]), seed)
        except PlantError as error:
            name = f"episode {one.episode}"
            yield number, Refusal(name, f"{store.root}: {name}: the defect {one.defect!r} {error}")


def _dream(store: EpisodeStore, wanted: Wanted, generator: np.random.Generator, seed: int) -> Dream:
    row, scene = store.row(wanted.episode), named_scene(store.row(wanted.episode).source.facts())
    again = scene is not None and not row.source.shoves
    rollout = rollout_of(store, wanted.episode) if again else None
    state = generator.bit_generator.state
    planted: dict[str, Planted] = {}
    first: list[np.ndarray] = []
    for camera in store.cameras:
        generator.bit_generator.state = state  # every camera shows the same defect at the same time
        material = _material(store, wanted, camera, rollout, generator)
        first.append(material.frames[0])
        planted[camera] = _planted(material, wanted.defect)
    one = next(iter(planted.values()))
    action = store.action(wanted.episode)[one.rows] if one.action is None else one.action
    made = {"model": "oracle", "seed": seed, "licence": store.licence, "prompt": row.instruction}
    made |= {"source_episode": f"{store.digest}:{wanted.episode}"} | ({"scene": asdict(scene)} if scene else {})
    if wanted.defect:
        drawn = rollout is not None and wanted.defect in SCENE_DEFECTS
        defect = {"name": wanted.defect, "frames": list(one.span), "severity": one.severity, "unit": one.unit}
        defect |= {"strength": wanted.strength, "drawn_by": "simulator" if drawn else "image operations"}
        made |= {"defect": defect}
    said = row.instruction if one.instruction is None else one.instruction
    return Dream(said, {camera: each.frames for camera, each in planted.items()}, action, made, first[0])


def _material(
    store: EpisodeStore, wanted: Wanted, camera: str, rollout: Rollout | None, generator: np.random.Generator
) -> Material:
    numbers = [row.index for row in store.rows]
    other = numbers[(numbers.index(wanted.episode) + 1) % len(numbers)]
    frames = video.decode(store.video_path(wanted.episode, camera))
    return Material(
        # Drawn again, all dreams of a simulator are encoded once, whether or not a defect was drawn into them.
        frames=frames if rollout is None else pictures(rollout, frames),
        other=video.decode(store.video_path(other, camera)) if wanted.defect == "scene_cut" else np.zeros((0, 0, 0, 3)),
        instruction=store.row(wanted.episode).instruction,
        other_instruction=store.row(other).instruction,
        rollout=rollout,
        strength=wanted.strength,
        generator=generator,
    )


def _planted(material: Material, defect: str | None) -> Planted:
    if defect is None:
        return Planted(material.frames, every_row(material.frames), (0, 0), 0.0, "")
    plant = SCENE_DEFECTS.get(defect) if material.rollout is not None else PICTURE_DEFECTS.get(defect)
    return (plant or DEFECTS[defect])(material)


def dream(
    store: EpisodeStore,
    embodiment: Embodiment,
    wanted: Sequence[Wanted],
    target: Path,
    *,
    seed: int = 0,
    truth: Path | None = None,
    progress: Progress = silent,
) -> EpisodeStore:
    """Seal the dreams as a store of the kind ``neural`` without state and actions. ``source`` of each says the truth:
    the episode it came from, what was planted, in which frames, how much.

    Args:
        truth: where to seal the same clips with their true actions, as a perfect inverse dynamics model would label
            them; None: nowhere.

    Episodes that cannot have their defect are named in ``about.source.refused``.

    Raises:
        ValueError: an unknown defect.
        PlantError: not one dream could be made.
    """
    source = StoreSource(oracle=store.root.name, store=store.digest, seed=seed)
    writers = [_writer(store, embodiment, target, source, ["state", "action"])]
    if truth:
        writers.append(_writer(store, embodiment, truth, source, ["state"]))
    # All are written in step; a kill in between leaves the second one dream behind, which is then made again.
    there = [{record.source.dream for record in writer.records} for writer in writers]
    refused: list[Refusal] = []
    for number, one in _each(store, wanted, seed, set.intersection(*there)):
        if isinstance(one, Refusal):
            refused.append(one)
        else:
            for writer, known, hidden in zip(writers, there, (True, False), strict=False):
                if number not in known:
                    writer.append(_episode(one, number, wanted[number], embodiment, hidden))
        progress(number + 1, len(wanted))
    if not len(writers[0]):
        raise PlantError(f"{store.root}: no dream could be made: {refused[0].reason if refused else 'none wanted'}")
    sealed = [writer.seal(refused) for writer in writers]
    return sealed[0]


def _writer(
    store: EpisodeStore, embodiment: Embodiment, target: Path, source: StoreSource, absent: list[str]
) -> StoreWriter:
    return StoreWriter.create(target, embodiment, kind="neural", licence=store.licence, source=source, absent=absent)


def _episode(one: Dream, number: int, wanted: Wanted, embodiment: Embodiment, hidden: bool) -> Episode:
    action = np.zeros_like(one.action) if hidden else one.action
    first = video.resize(one.first_frame[None], (FIRST_PX, FIRST_PX))[0]
    said = {"dream": number, "oracle_episode": wanted.episode, "defect": wanted.defect, "generated": one.made}
    said |= {FIRST_FRAME: png_text(first)}
    return Episode(
        instruction=one.instruction,
        times_s=np.arange(len(action)) / embodiment.control_hz,
        state=np.zeros((len(action), embodiment.state_dim)),
        action=action,
        video=dict(one.videos),
        source=EpisodeSource.model_validate(said),
    )
