"""Labelling: the frames of a store without actions become rows with them in a new store; the old one stays as it is."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.batches.values.masks import LABEL_VALID
from gr00t_data.curate.subject.signals import spans
from gr00t_data.disk import claimed
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import Refusal, StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
from gr00t_data.terms.licences import joined, of_store
from gr00t_data.video import files as video
from gr00t_data.video.cutting import cut, read_whole
from gr00t_data.video.packets import probe
from gr00t_model.idm.artifact import Artifact
from gr00t_model.idm.combine import Labels, combine_windows
from gr00t_model.idm.examples import ExamplesError, read_pictures
from gr00t_model.idm.predict import Clip, predict_clips
from gr00t_model.idm.timing import TimingError

LIBRARIES = ("av", "numpy", "opencv-python-headless", "pyarrow", "scipy", "torch")

VOTES, VALID, SPREAD = "label_votes", LABEL_VALID, "label_spread"
"""Columns: windows that spoke about a row; 1 where at least two did; how far they are apart (see ``Labels``),
averaged over parts, and ``label_spread.<part>`` for each."""

_FEWEST_VOTES = 2
"""With one vote nothing tells whether it is right. More need not be asked: rows at the ends of a clip, of which few
windows speak, are hardly worse than others (``error_by_votes`` of an evaluation)."""

_KEPT_COLUMNS = ("source_frame",)
_STILL_SHARE = 0.05
"""Dimensions that hardly moved in training have no scale of their own: tiny differences in them would count most."""


class LabelError(ValueError):
    """A store that this model cannot label; the message says why and what could."""


_REFUSES = (TimingError, LabelError, ExamplesError, video.VideoError)
"""What is wrong with a clip, not with the program: the clip is left out and its reason kept."""


@dataclass(frozen=True)
class Labelled:
    """One clip with its labels, ready to be written.

    Attributes:
        rows: rows that have at least one vote; those after them are left out.
    """

    episode: int
    rows: int
    labels: Labels
    columns: dict[str, np.ndarray]


def label_store(
    store: EpisodeStore,
    artifact: Artifact,
    target: Path,
    *,
    batch_size: int = 32,
    workers: int = 1,
    guesses: frozenset[str] = frozenset(),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> EpisodeStore:
    """Predict the actions of every clip and seal them with the clip's pictures as a new store of the kind ``neural``.

    A window looks at frame t and the frame one gap later and speaks about the frames between; windows start at every
    frame that has such a second frame, so no gap is ever shortened. Rows that no window speaks about (at the end, when
    the gap is longer than the horizon of the model) are left out. The result does not depend on ``batch_size`` beyond
    rounding, nor on ``workers`` at all. A killed labelling goes on with the next clip.

    Args:
        workers: threads that decode clips ahead of the model.
        guesses: predicted parts that are masked all the same, because the model only guesses them.

    Raises:
        LabelError: another embodiment, or no clip could be labelled.
        TimingError: the store has another time step than the model.
        StoreError: the target is taken by something else.
    """
    _check(store, artifact)
    source = StoreSource(
        labelled=store.root.name,
        store=store.digest,
        idm=artifact.digest,
        timing=asdict(artifact.timing),
        made_from=store.about.source.facts(),
    )
    with claimed(target):
        if (target / SEAL).is_file():
            return _same_or_refuse(EpisodeStore.open(target), source)
        writer = _writer(target, store, artifact, source, guesses)
        writer.claim(source.facts(), "store or model")
        refused = _label_all(writer, store, artifact, batch_size, workers, progress)
        if not len(writer):
            raise LabelError(f"{store.root}: no clip could be labelled: {'; '.join(one.reason for one in refused[:3])}")
        return writer.seal(refused)


def _writer(
    target: Path, store: EpisodeStore, artifact: Artifact, source: StoreSource, guesses: frozenset[str]
) -> StoreWriter:
    predicted = {part.name for part in artifact.robot.parts} - guesses
    unknown = [f"action.{part.name}" for part in artifact.robot.embodiment.action if part.name not in predicted]
    return StoreWriter.create(
        target,
        artifact.robot.embodiment,
        kind="neural",
        licence=joined([of_store(store), *(str(one["licence"]) for one in artifact.facts.get("stores", ()))]),
        source=source,
        absent=["state", *unknown],
    )


def _check(store: EpisodeStore, artifact: Artifact) -> None:
    robot = artifact.robot.embodiment
    if store.about.embodiment != robot.name:
        raise LabelError(
            f"{store.root}: is of embodiment {store.about.embodiment!r}, the model is of {robot.name!r}; "
            "label it with a model of its own embodiment"
        )
    artifact.timing.check_store(store)
    if unseen := [camera for camera in artifact.robot.cameras if camera not in store.cameras]:
        raise LabelError(
            f"{store.root}: its clips show {', '.join(store.cameras)}, the model also looks at {', '.join(unseen)}; "
            f"train one on what they show (`gr00t idm train --selection NAME`, a selection of {robot.name} without "
            f"{', '.join(unseen)}), or generate clips with all of its views"
        )


def _label_all(
    writer: StoreWriter,
    store: EpisodeStore,
    artifact: Artifact,
    batch_size: int,
    workers: int,
    progress: Callable[[int, int], None],
) -> list[Refusal]:
    done = {record.source.labelled_episode for record in writer.records}
    todo = [row.index for row in store.rows if row.index not in done]
    refused: list[Refusal] = []
    sent: deque[tuple[int, Clip]] = deque()

    def clips() -> Iterator[Clip]:
        for index, pictures in _decoded(store, todo, artifact, workers):
            try:
                sent.append((index, _clip(store, index, pictures, artifact)))
            except _REFUSES as error:
                refused.append(Refusal(f"episode {index}", str(error)))
                continue
            yield sent[-1][1]

    for number, chunks in enumerate(predict_clips(artifact, clips(), batch_size=batch_size), start=1):
        index, clip = sent.popleft()
        try:
            writer.append(_episode(store, artifact, combined(index, chunks, clip, artifact), writer))
        except video.VideoError as error:
            refused.append(Refusal(f"episode {index}", str(error)))
        progress(len(done) + number + len(refused), len(store.rows))
    return refused


def _clip(store: EpisodeStore, index: int, pictures: np.ndarray | Exception, artifact: Artifact) -> Clip:
    """The windows of an episode: one for every frame that has another one a gap later.

    Raises:
        LabelError: it is not longer than the gap; TimingError, VideoError, ExamplesError: it cannot be used.
    """
    if isinstance(pictures, Exception):
        raise pictures
    artifact.timing.check_period(store.row(index).source.period_s)
    gap = artifact.timing.frame_gap
    if len(pictures) <= gap:
        raise LabelError(
            f"has {len(pictures)} rows, and the model compares pictures {gap} rows apart; generate a longer clip"
        )
    return Clip(pictures, np.arange(len(pictures) - gap), (index,))


def _decoded(
    store: EpisodeStore, indices: Sequence[int], artifact: Artifact, workers: int
) -> Iterator[tuple[int, np.ndarray | Exception]]:
    """The clips' pictures in order, at most ``workers`` of them decoded ahead."""

    def read(index: int) -> np.ndarray | Exception:
        try:
            return read_pictures(store, index, artifact.robot.cameras, artifact.image_size)
        except (video.VideoError, ExamplesError) as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        waiting = deque((index, pool.submit(read, index)) for index in indices[:workers])
        for later in (*indices[workers:], *[None] * min(workers, len(indices))):
            index, future = waiting.popleft()
            if later is not None:
                waiting.append((later, pool.submit(read, later)))
            yield index, future.result()


def combined(index: int, chunks: np.ndarray, clip: Clip, artifact: Artifact) -> Labelled:
    """The labels of one clip from what its windows say, float64 [W, T, D]."""
    labels = combine_windows(chunks, clip.starts, len(clip.pictures), artifact.robot.parts, **combining(artifact))
    rows = int(np.flatnonzero(labels.votes)[-1]) + 1
    columns = {VOTES: labels.votes[:rows], VALID: (labels.votes[:rows] >= _FEWEST_VOTES).astype(np.int64)}
    columns |= {f"{SPREAD}.{name}": spread[:rows] for name, spread in labels.spread.items()}
    columns[SPREAD] = np.mean([spread[:rows] for spread in labels.spread.values()], axis=0)
    return Labelled(index, rows, labels, columns)


def combining(artifact: Artifact) -> dict[str, Any]:
    """What ``combine_windows`` needs to know of the parts: which are binary, and the scale of each dimension.

    The scale is the standard deviation of the training data, in the unit of the part; what hardly moved has that of its
    own part, or of its range, so that a part in percent says nothing about one in radians.
    """
    modes = artifact.robot.embodiment.selection(artifact.robot.selection).action_normalization
    binary = frozenset(part.name for part in artifact.robot.parts if modes[part.name] == "binary")
    return {"binary": binary, "scale": scales(artifact)}


def scales(artifact: Artifact) -> np.ndarray:
    """float64 [D], in units: what counts as much as one standard deviation, of every predicted dimension."""
    found = []
    for part in artifact.robot.parts:
        std = np.array(artifact.robot.statistics.action[part.name].std)
        floor = np.maximum(std.max(initial=0.0), _STILL_SHARE * spans(part))
        found.append(np.maximum(std, _STILL_SHARE * floor))
    return np.concatenate(found)


def _episode(store: EpisodeStore, artifact: Artifact, labelled: Labelled, writer: StoreWriter) -> Episode:
    """The rows to write. Parts that were not predicted are zeros, which the store says are absent."""
    robot, rows, row = artifact.robot, labelled.rows, store.row(labelled.episode)
    action, first = np.zeros((rows, robot.embodiment.action_dim)), 0
    for part in robot.parts:
        action[:, part.slice] = labelled.labels.action[:rows, first : first + part.dim]
        first += part.dim
    names = [name for name in _KEPT_COLUMNS if name in store.columns(labelled.episode).columns]
    kept = {name: store.matrix(labelled.episode, name)[:rows, 0].astype(np.int64) for name in names}
    return Episode(
        instruction=row.instruction,
        times_s=store.times_s(labelled.episode)[:rows],
        state=np.zeros((rows, robot.embodiment.state_dim)),
        action=action,
        video={camera: _film(store, labelled, camera, writer) for camera in store.cameras},
        success=row.success,
        source=row.source.model_copy(update={"labelled_episode": labelled.episode, "idm": artifact.digest}),
        columns=labelled.columns | kept,
    )


def _film(store: EpisodeStore, labelled: Labelled, camera: str, writer: StoreWriter) -> Path:
    """The clip's file, cut when rows at its end are left out."""
    path = store.video_path(labelled.episode, camera)
    if probe(path).frames == labelled.rows:
        return path
    cut(read_whole(path), 0, labelled.rows - 1, target := writer.pending / f"{camera}.mp4")
    return target


def _same_or_refuse(store: EpisodeStore, source: StoreSource) -> EpisodeStore:
    if different := [key for key in ("store", "idm") if getattr(store.about.source, key) != getattr(source, key)]:
        raise StoreError(
            f"{store.root}: is sealed and was made from another {' and '.join(different)}; take another name"
        )
    return store
