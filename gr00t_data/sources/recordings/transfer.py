"""Raw episodes into a store: read, aligned, pictures encoded; several at once, each one whole or not at all."""

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gr00t_data.disk import DiskError
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
from gr00t_data.workers import worker_pool

_AHEAD = 2
"""Episodes a worker may be ahead of the store: bounds the disk that encoded videos wait on."""
_SAME_RATE_SHARE = 0.01
ReadEpisode = Callable[[Path, Mapping, Embodiment, str], RawEpisode]
"""(drop, mapping, embodiment, name) -> one episode of it, raising StreamError. It travels between processes."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to bring one episode in.

    Attributes:
        episode: its name within the drop.
        folder: where its encoded videos are put.
    """

    read: ReadEpisode
    drop: Path
    mapping: Mapping
    embodiment: Embodiment
    episode: str
    folder: Path


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
        workers: processes; 1 works in this one.
        progress: called with (episodes done, episodes in all).

    Returns:
        the episodes that were refused, with reasons.
    """
    work = writer.pending / "work"
    shutil.rmtree(work, ignore_errors=True)
    there = {record.source.episode for record in writer.records}
    missing = [name for name in names if name not in there]
    jobs = [
        Job(read, drop, mapping, writer.embodiment, name, work / str(number)) for number, name in enumerate(missing)
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
        yield from map(bring_in, jobs)
        return
    with worker_pool(workers) as pool:
        waiting: deque[Future[Episode | Refusal]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(bring_in, job))
                if len(waiting) >= workers * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def bring_in(job: Job) -> Episode | Refusal:
    """Read, align and encode one episode; what is wrong with its data becomes a refusal."""
    try:
        raw = job.read(job.drop, job.mapping, job.embodiment, job.episode)
        aligned = align(raw, job.embodiment, job.mapping.tolerance_s)
        return episode_of(raw, aligned, job.embodiment, job.folder)
    except (StreamError, AlignError, MappingError, LimitError, video.VideoError) as error:
        return Refusal(job.episode, str(error))
    except DiskError:
        raise
    except Exception as error:  # a reader of foreign bytes met what nobody foresaw: it costs this episode, no other
        return Refusal(job.episode, f"{job.drop}: {job.episode}: cannot be read ({type(error).__name__}: {error})")


def episode_of(raw: RawEpisode, aligned: Aligned, embodiment: Embodiment, folder: Path) -> Episode:
    """The aligned episode with its videos as files: those of the drop where they can stay, encoded ones in ``folder``.

    Raises:
        StreamError, VideoError: a picture cannot be read (says which).
    """
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
    video.encode_stream(target, map(even_size, camera.frames.take(pictures.tolist())), hz)
    return target


def _can_stay(path: Path, pictures: np.ndarray, hz: float) -> bool:
    """Whether the frames of a file are exactly the rows, at the control rate: then it is not encoded again."""
    facts = probe(path)
    if facts.frames != len(pictures) or not np.array_equal(pictures, np.arange(len(pictures))):
        return False
    steps = np.diff(facts.pts_s)
    return bool((np.abs(steps * hz - 1) < _SAME_RATE_SHARE).all())
