"""Raw episodes into a store: read, aligned, pictures encoded; several at once, each one whole or not at all."""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from gr00t_data.confined import ConfinedError, confined
from gr00t_data.confined_worker import Limits, alive
from gr00t_data.disk import DiskError, visible_files
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.limits import LimitError
from gr00t_data.sources.recordings.align import Aligned, align
from gr00t_data.sources.recordings.clocks import AlignError
from gr00t_data.sources.recordings.images import even_size
from gr00t_data.sources.recordings.mapping import Mapping, MappingError
from gr00t_data.sources.recordings.streams import CameraStream, RawEpisode, StreamError, VideoFile
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource, Refusal
from gr00t_data.store.writing import StoreWriter
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe
from gr00t_data.workers import in_threads

_SAME_RATE_SHARE = 0.01
ReadEpisode = Callable[[Path, Mapping, Embodiment, str], RawEpisode]
"""(drop, mapping, embodiment, name) -> one episode of it, raising StreamError. It travels between processes."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to bring one episode in.

    Attributes:
        episode: its name within the drop.
        folder: where its encoded videos are put.
        limits: what reading and encoding it may use.
    """

    read: ReadEpisode
    drop: Path
    mapping: Mapping
    embodiment: Embodiment
    episode: str
    folder: Path
    limits: Limits = field(default_factory=Limits)


def transfer(
    writer: StoreWriter,
    read: ReadEpisode,
    drop: Path,
    mapping: Mapping,
    names: Sequence[str],
    *,
    workers: int,
    progress: Callable[[int, int], None],
) -> list[Refusal]:
    """Append every named episode of a drop that the store does not have yet, in this order.

    Order and bytes do not depend on ``workers`` nor on how often the work was interrupted.

    Args:
        workers: processes at once. None of them is this one: a file that ends its reader costs its own episode.
        progress: called with (episodes done, episodes in all).

    Returns:
        the episodes that were refused, with reasons.
    """
    work = writer.pending / "work"
    shutil.rmtree(work, ignore_errors=True)
    there = {record.source.episode for record in writer.records}
    missing = [name for name in names if name not in there]
    limits = Limits.of_input(sum(file.stat().st_size for file in ([drop] if drop.is_file() else visible_files(drop))))
    jobs = [
        Job(read, drop, mapping, writer.embodiment, name, work / str(number), limits)
        for number, name in enumerate(missing)
    ]
    refused, done = [], len(names) - len(missing)
    progress(done, len(names))
    for job, outcome in zip(jobs, _outcomes(jobs, workers), strict=True):
        if isinstance(outcome, Refusal):
            refused.append(outcome)
        else:
            writer.append(outcome)
        shutil.rmtree(job.folder, ignore_errors=True)
        done += 1
        progress(done, len(names))
    shutil.rmtree(work, ignore_errors=True)
    return refused


def _outcomes(jobs: Sequence[Job], workers: int) -> Iterator[Episode | Refusal]:
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_brought_in, jobs)
        return
    yield from in_threads(_brought_in, jobs, workers)


def _brought_in(job: Job, stop: threading.Event | None = None) -> Episode | Refusal:
    """``bring_in`` in a worker; that it ended is a refusal too."""
    try:
        what = f"{job.drop}: {job.episode}"
        outcome = confined(what, bring_in, job, limits=job.limits, raises=(DiskError,), stop=stop)
    except ConfinedError as error:
        return Refusal(job.episode, str(error))
    allowed = [folder.resolve() for folder in (job.folder, job.drop if job.drop.is_dir() else job.drop.parent)]
    for camera, found in outcome.video.items() if isinstance(outcome, Episode) else ():
        if isinstance(found, Path) and not any(found.resolve().is_relative_to(folder) for folder in allowed):
            out = (
                f"camera {camera!r}: {found} leads out of the drop (to {found.resolve()}); copy the file itself into it"
            )
            return Refusal(job.episode, f"{job.drop}: {job.episode}: {out}")
    return outcome


def bring_in(job: Job) -> Episode | Refusal:
    """Read, align and encode one episode; what is wrong with its data becomes a refusal."""
    try:
        raw = _told(job.read(job.drop, job.mapping, job.embodiment, job.episode), job.mapping)
        aligned = align(raw, job.embodiment, job.mapping.tolerance_s)
        return episode_of(raw, aligned, job.embodiment, job.folder)
    except (StreamError, AlignError, MappingError, LimitError, video.VideoError) as error:
        return Refusal(job.episode, str(error))
    except (DiskError, MemoryError):
        raise
    except Exception as error:  # a reader of foreign bytes met what nobody foresaw: it costs this episode, no other
        return Refusal(job.episode, f"{job.drop}: {job.episode}: cannot be read ({type(error).__name__}: {error})")


def _told(raw: RawEpisode, mapping: Mapping) -> RawEpisode:
    """The episode with the instruction that a person gave for those without one."""
    if raw.instruction.strip() or not mapping.instruction.told:
        return raw
    notes = (*raw.notes, "its instruction was told when it was taken in; it says none")
    return replace(raw, instruction=mapping.instruction.told, notes=notes)


def episode_of(raw: RawEpisode, aligned: Aligned, embodiment: Embodiment, folder: Path) -> Episode:
    """The aligned episode with its videos as files: those of the drop where they can stay, encoded ones in ``folder``.

    Raises:
        StreamError, VideoError: a picture cannot be read (says which).
    """
    try:
        raw.instruction.encode()
    except UnicodeEncodeError as error:
        raise StreamError(f"{raw.name}: its instruction holds what is no letter ({error}); correct it") from error
    videos: dict[str, np.ndarray | Path] = {}
    for name, camera in raw.cameras.items():
        try:
            videos[name] = _video(camera, aligned.pictures[name], embodiment.control_hz, folder / f"{name}.mp4")
        except (StreamError, video.VideoError) as error:
            raise type(error)(f"{raw.name}: camera {name!r}: {error}") from error
    notes = {"notes": list(raw.notes)} if raw.notes else {}
    said = {**raw.source, "episode": raw.name, **notes, "alignment": asdict(aligned.evidence)}
    return Episode(
        instruction=raw.instruction,
        times_s=np.arange(len(aligned)) / embodiment.control_hz,
        state=aligned.state,
        action=aligned.action,
        video=videos,
        success=raw.success,
        source=EpisodeSource.model_validate(said),
        columns=aligned.columns,
    )


def _video(camera: CameraStream, pictures: np.ndarray, hz: float, target: Path) -> Path:
    if isinstance(camera.frames, VideoFile) and _can_stay(camera.frames.path, pictures, hz):
        return camera.frames.path
    target.parent.mkdir(parents=True, exist_ok=True)
    video.encode_stream(target, _even(camera.frames.take(pictures.tolist())), hz)
    return target


def _even(pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for picture in pictures:
        alive()  # an hour takes its time: what is bounded is one picture
        yield even_size(picture)


def _can_stay(path: Path, pictures: np.ndarray, hz: float) -> bool:
    """Whether the frames of a file are exactly the rows, at the control rate: then it is not encoded again."""
    facts = probe(path)
    if facts.frames != len(pictures) or not np.array_equal(pictures, np.arange(len(pictures))):
        return False
    steps = np.diff(facts.pts_s)
    return bool((np.abs(steps * hz - 1) < _SAME_RATE_SHARE).all())
