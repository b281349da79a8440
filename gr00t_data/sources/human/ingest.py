"""A drop of egocentric video into a sealed store of the kind ``human``: clips on the control clock, faces hidden.

Without labels of hands such a store has no state and no actions: both are marked absent, so that the zeros in their
columns reach no loss. Rows in fast turns of the head are marked in the column ``masked``; the checks leave them out.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from gr00t_data.disk import claimed, digest_file, digest_json, own_files
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_data.sources.content import same_or_refuse, store_name
from gr00t_data.sources.human import readers
from gr00t_data.sources.human.consent import admit
from gr00t_data.sources.human.cutting.clips import Plan, plan_in_full
from gr00t_data.sources.human.detector.client import HandDetector
from gr00t_data.sources.human.find_hands import find_tracks
from gr00t_data.sources.human.footage import Footage, PlannedClip
from gr00t_data.sources.human.hands.labels import label, row_times_s
from gr00t_data.sources.human.hands.tracks import HandTracks
from gr00t_data.sources.human.provenance import clip_name, provenance
from gr00t_data.sources.human.reading import Hide, read_episode
from gr00t_data.sources.human.settings import HumanSettings
from gr00t_data.store.provenance import EpisodeSource, Refusal, StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
from gr00t_data.terms import licences
from gr00t_data.terms.withdrawal import read as read_withdrawals
from gr00t_data.video.files import VideoError

LIBRARIES = ("av", "h5py", "pyarrow", "scipy")

_FINISHED = "finished"


def ingest_human(
    drop: Path,
    embodiment: Embodiment,
    lake: Lake,
    *,
    name: str | None = None,
    settings: HumanSettings = HumanSettings(),
    progress: Progress = silent,
) -> EpisodeStore:
    """Turn a drop of footage into a sealed store ``lake.stores/<name>``; the drop is never changed.

    The same drop with the same settings again is a no-op; a killed ingest goes on with the next clip. What became no
    clip is listed with its reason in ``about.source.refused``.

    Args:
        progress: called with (narrations done, narrations in all); a video that nobody narrated counts as one.

    Raises:
        DropError: the drop holds no footage, or annotations that cannot be understood.
        StoreError: the name is taken by other content, or no clip could be used.
        FaceDetectorError: no face detector is set up, and nobody stated that there are no faces.
    """
    drop = Path(drop)
    root = lake.stores / store_name(name or drop.name)
    with lake.at_work(), claimed(root):
        return _ingested(drop, root, embodiment, lake, settings, progress)


def _ingested(
    drop: Path, root: Path, embodiment: Embodiment, lake: Lake, settings: HumanSettings, progress: Progress
) -> EpisodeStore:
    digests = {path.relative_to(drop).as_posix(): digest_file(path) for path in own_files(drop)}
    digests.pop("_SUCCESS", None)
    source = StoreSource(drop=drop.name, content=digest_json(digests), settings=settings.to_dict())
    if (root / SEAL).is_file():
        return same_or_refuse(EpisodeStore.open(root), source, drop)
    found = readers.find(drop)
    said = {"format": f"egocentric video ({found.form})", "findings": tuple(found.findings)}
    source = source.model_copy(update=said)
    footage = [_with_defaults(one, settings) for one in found.footage]
    licence = licences.joined(one.licence for one in footage)
    writer = StoreWriter.create(root, embodiment, kind="human", licence=licence, source=source)
    writer.claim([source.facts(), embodiment.digest], "drop, settings or embodiment")
    withdrawn = read_withdrawals(lake.root)
    reasons = [admit(one, withdrawn) for one in footage]
    admitted = [one for one, reason in zip(footage, reasons, strict=True) if reason is None]
    refused = [Refusal(one.uid, reason) for one, reason in zip(footage, reasons, strict=True) if reason is not None]
    refused = [*found.refused, *refused]
    with ExitStack() as stack:
        taking = _Taking(writer, drop, digests, embodiment, settings, stack)
        refused += taking.take(admitted, progress)
    if not len(writer):
        reasons = "; ".join(f"{one.episode}: {one.reason}" for one in refused[:3])
        raise StoreError(f"{drop}: no clip could be made; {len(refused)} things were refused: {reasons}")
    absent = tuple(sorted({name for record in writer.records for name in record.source.absent}))
    licence = licences.joined(record.source.licence or "" for record in writer.records)
    writer.about = writer.about.model_copy(update={"absent": absent, "licence": licence})
    return writer.seal(refused)


def _with_defaults(footage: Footage, settings: HumanSettings) -> Footage:
    """What the options state for footage that does not say it itself. A licence is added to one that is known."""
    said = [one for one in (footage.licence, settings.licence) if one and one.strip().lower() != "unknown"]
    return replace(
        footage,
        licence=licences.joined(said),
        consent=footage.consent or settings.consent,
        participant=footage.participant or settings.participant,
    )


class _Taking:
    """Footage into a store, clip by clip; what is there already is not made again."""

    def __init__(
        self,
        writer: StoreWriter,
        drop: Path,
        digests: dict[str, str],
        embodiment: Embodiment,
        settings: HumanSettings,
        stack: ExitStack,
    ) -> None:
        self.writer, self.drop, self.digests = writer, drop, digests
        self.embodiment, self.settings, self._stack = embodiment, settings, stack
        self.there = {record.source.clip for record in writer.records}
        self._detector: HandDetector | None = None
        self._hide: Hide | None = None

    def take(self, footage: list[Footage], progress: Progress) -> list[Refusal]:
        """Append the clips of all footage; returns what was refused."""
        refused, first_of = list[Refusal](), dict[str, Path]()
        done, total = 0, sum(_weight(one) for one in footage)
        for one in footage:
            progress(done, total)
            digest = self._digest(one)
            if (first := first_of.setdefault(digest, one.video)) != one.video:
                reason = f"{one.video}: holds the same bytes as {first.name!r}; one of them is enough"
                refused.append(Refusal(one.uid, reason))
            else:
                refused += self._once(one, digest, partial(_forward, progress, done, _weight(one), total))
            done += _weight(one)
        progress(total, total)
        return refused

    def _once(self, footage: Footage, digest: str, progress: Callable[[float], None]) -> list[Refusal]:
        """What was refused of one footage, whose clips are in the store when this returns."""
        finished = self.writer.pending / _FINISHED / f"{digest_json([footage.uid, digest])[:24]}.json"
        if finished.is_file():
            said = read_sealed(finished, f"delete {self.writer.root} and ingest the drop again")
            return [Refusal(**left) for left in (said["refused"] if isinstance(said, dict) else said)]
        refused = self._take_one(footage, progress)
        write_sealed(finished, {"refused": [vars(one) for one in refused]})
        return refused

    def _take_one(self, footage: Footage, progress: Callable[[float], None]) -> list[Refusal]:
        """Append the clips of one footage; returns what was refused of it."""
        try:
            planned = plan_in_full(footage, self.settings.clips, self._tracks)
        except (VideoError, ValueError) as error:
            return [Refusal(footage.uid, str(error))]
        refused = [Refusal(one.narration, one.reason) for one in planned.unused]
        for number, clip in enumerate(planned.clips, start=1):
            refused += self._append(clip, planned)
            progress(number / len(planned.clips))
        return refused

    def _digest(self, footage: Footage) -> str:
        return self.digests[footage.video.relative_to(self.drop).as_posix()]

    def _append(self, clip: PlannedClip, planned: Plan) -> list[Refusal]:
        if (name := clip_name(clip)) in self.there:
            return []
        try:
            tracks = self._usable(self._tracks(clip))
            times_s = row_times_s(clip, tracks, self.embodiment, self.settings.wrists)
            labels = label(clip, tracks, self.embodiment, times_s, self.settings.wrists)
            if self.settings.labels == "wrist" and labels.mode != "wrist":
                why = labels.evidence.get("reason")
                return [Refusal(name, f"has no wrists in space ({why}); ingest it with --labels action-free")]
            episode = read_episode(
                clip, planned.facts, self.embodiment, times_s, labels, self.settings.pictures, self._faces()
            )
        except (VideoError, ValueError) as error:
            return [Refusal(name, str(error))]
        licences_of_labels = (text for _, text in licences.stated_in(labels.evidence))  # they follow the clip
        licence = licences.joined([clip.footage.licence, *licences_of_labels])
        said = provenance(clip, self.drop, self._digest(clip.footage)) | episode.source.facts()
        source = EpisodeSource.model_validate({**said, "licence": licence, "absent": labels.absent})
        self.writer.append(replace(episode, source=source))
        return []

    def _usable(self, tracks: HandTracks | None) -> HandTracks | None:
        """Without its depth where only pictures are wanted: labels are then not made, hands are still counted."""
        if tracks is None or self.settings.labels == "wrist":
            return tracks
        return replace(tracks, wrist_poses=None, apertures_m=None)

    def _tracks(self, clip: PlannedClip) -> HandTracks | None:
        if self.settings.hands is not None and self._detector is None:
            self._detector = self._stack.enter_context(HandDetector())
        return find_tracks(clip, self._detector)

    def _faces(self) -> Hide | None:
        if self.settings.faces == "none":
            return None
        if self._hide is None:
            self._hide = _face_hider(self._stack)
        return self._hide


def _weight(footage: Footage) -> int:
    return max(len(footage.narrations), 1)


def _forward(progress: Progress, done: int, weight: int, total: int, share: float) -> None:
    progress(done + int(weight * share), total)


def _face_hider(stack: ExitStack) -> Hide:
    from gr00t_data.sources.human.faces.blur import FaceBlur, counts
    from gr00t_data.sources.human.faces.detectors import find_detector

    detector = find_detector()
    stack.callback(detector.close)
    blur = FaceBlur(detector)

    def hide(frames):
        hidden, boxes = blur(frames)
        return hidden, counts(boxes, detector)

    return hide
