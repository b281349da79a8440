"""Generated clips into a sealed store of the kind ``neural``: pictures cut and on the control clock, nothing labelled.

Such a store has no state and no actions yet: both are marked absent, so that the zeros in their columns reach no loss.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gr00t_data.confined import confined
from gr00t_data.confined_worker import Limits
from gr00t_data.disk import claimed, digest_file, digest_json, folder_digests
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import require_intact
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_data.sources.content import require_no_links_out, same_or_refuse, store_name
from gr00t_data.sources.neural.clip import Clip
from gr00t_data.sources.neural.finding import find_clips
from gr00t_data.sources.neural.reading import ClipError, read_clip_episode
from gr00t_data.sources.neural.settings import ClipsMade
from gr00t_data.sources.neural.views import ViewError
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import Refusal, StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
from gr00t_data.terms.withdrawal import read as read_withdrawals
from gr00t_data.video.files import VideoError


def ingest_clips(
    drop: Path,
    embodiment: Embodiment,
    lake: Lake,
    *,
    name: str | None = None,
    licence: str = "unknown",
    settings: ClipsMade = ClipsMade(),
    progress: Progress = silent,
) -> EpisodeStore:
    """Turn a drop of generated clips into a sealed store ``lake.stores/<name>``; the drop is never changed.

    The same drop with the same settings again is a no-op; a killed ingest goes on with the next clip. Clips that cannot
    be used are listed with their reasons in ``about.source.refused``: unreadable ones, copies of another clip,
    other robots, pictures whose layout does not fit.

    Args:
        settings: rate, layout and provenance for clips that do not bring their own.
        progress: called with (clips looked at, clips in all).

    Raises:
        ClipsError: the drop holds no clips.
        IntegrityError: the drop brings a record of its files, and one is not as recorded.
        StoreError: the name is taken by other content, or no clip could be used.
        WithdrawalError: the list of those who withdrew cannot be believed.
    """
    drop = Path(drop)
    require_no_links_out(drop)
    root = lake.stores / store_name(name or drop.name)
    with lake.at_work(), claimed(root):
        read_withdrawals(lake.root)
        return _ingested(drop, root, embodiment, licence, settings, progress)


def _ingested(
    drop: Path, root: Path, embodiment: Embodiment, licence: str, settings: ClipsMade, progress: Progress
) -> EpisodeStore:
    require_intact(drop, remedy="copy the drop again, or generate it again: `gr00t dream`")
    digests = {key: value for key, value in folder_digests(drop).items() if key != "_SUCCESS"}
    source = StoreSource(drop=drop.name, content=digest_json(digests), settings=settings.model_dump())
    if (root / SEAL).is_file():
        return same_or_refuse(EpisodeStore.open(root), source, drop)
    found = find_clips(drop)
    said = {"format": f"generated video ({found.form})", "findings": tuple(found.findings)}
    source = source.model_copy(update=said)
    clips, absent = _with_one_kind_of_labels(found.clips, embodiment)
    writer = StoreWriter.create(root, embodiment, kind="neural", licence=licence, source=source, absent=absent)
    writer.claim([source.facts(), embodiment.digest], "drop, settings or embodiment")
    refused = [*found.refused, *_take(writer, clips, embodiment, settings, progress)]
    if not len(writer):
        reasons = "; ".join(f"{one.episode}: {one.reason}" for one in refused[:3])
        raise StoreError(f"{drop}: none of its {len(refused)} clips could be used: {reasons}")
    return writer.seal(refused)


def _take(
    writer: StoreWriter,
    clips: list[Clip],
    embodiment: Embodiment,
    settings: ClipsMade,
    progress: Progress,
) -> list[Refusal]:
    there = {record.source.clip for record in writer.records}
    first_of, refused = dict[str, str](), list[Refusal]()
    for number, clip in enumerate(clips, start=1):
        content = digest_json([digest_file(path) for _, path in sorted(clip.videos.items())])
        if (first := first_of.setdefault(content, clip.name)) != clip.name:
            refused.append(Refusal(clip.name, f"holds the same bytes as {first!r}; one of them is enough"))
        elif clip.name not in there:
            try:
                writer.append(_read(clip, embodiment, settings))
            except (VideoError, ValueError) as error:
                refused.append(Refusal(clip.name, str(error)))
        progress(number, len(clips))
    return refused


def _read(clip: Clip, embodiment: Embodiment, settings: ClipsMade) -> Episode:
    """``read_clip_episode``, in a worker."""
    limits = Limits.of_input(sum(path.stat().st_size for path in clip.videos.values()))
    raises = (ClipError, ViewError, VideoError)
    return confined(clip.name, read_clip_episode, clip, embodiment, settings, limits=limits, raises=raises)


def _with_one_kind_of_labels(clips: tuple[Clip, ...], embodiment: Embodiment) -> tuple[list[Clip], list[str]]:
    """Keep actions only when every clip has them in the embodiment's width; and what the store then does not have."""
    widths = {None if clip.action is None else clip.action.shape[1] for clip in clips}
    if widths != {embodiment.action_dim}:
        return [replace(clip, action=None) for clip in clips], ["state", "action"]
    moved = np.any([np.any(clip.action != 0, axis=0) for clip in clips if clip.action is not None], axis=0)
    still = [f"action.{part.name}" for part in embodiment.action if not moved[part.slice].any()]
    return list(clips), ["state", *still]
