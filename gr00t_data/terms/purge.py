"""Deleting what a withdrawn participant left in a lake: pictures, rows, and everything that was derived of them.

Only what is of withdrawn clips goes. The other episodes of their stores stay as they were sealed and as they were
accepted; the records (who, when, which clips) stay too, so that lineage can still name what has seen them.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gr00t_data.disk import digest_json
from gr00t_data.integrity import read_sealed
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore, listed_in, sealed_in
from gr00t_data.terms.scrub import scrub, scrub_dreams, scrub_verdicts, unfinished_with
from gr00t_data.terms.withdrawal import Withdrawal, WithdrawalError, Withdrawals, read, with_clips

_LOG = logging.getLogger(__name__)
Reached = list[tuple[EpisodeStore, list[int]]]

_SORTED_CACHES = frozenset({"features", "frames", "motions", "model_digests.json"})
"""What lies in the cache under these names says of which clips it is; all the rest goes, and is made again."""


def purge(lake: Lake, entry: Withdrawal) -> list[Path]:
    """Delete the files of an entry's clips, and what else holds their values; at once again it finds nothing more.

    Caches, tallies and statistics that hold them among others go whole, and are made again by the next mixture, without
    them. Of stores, indexes and seals, the lines about them are taken out; the seal notes what it had before.

    Returns:
        the files that were deleted or rewritten. A store that cannot be read is not reached, which the log says.
        Originals in the landing are not touched: see ``originals``; nor are runs and checkpoints, whose weights cannot
        unlearn: lineage names them.

    Raises:
        WithdrawalError: the entry is not on the list of the lake; nothing is deleted.
    """
    with lake.purging():
        return _purged(lake, entry)


def _purged(lake: Lake, entry: Withdrawal) -> list[Path]:
    if entry.key not in {one.key for one in read(lake.root).entries}:
        raise WithdrawalError(f"{lake.root}: {entry.who} is not on the list of withdrawals; withdraw first")
    for name, reason in listed_in(lake.stores)[1].items():
        _LOG.warning("store %s is not looked into: %s", name, reason)
    entry = with_clips(lake, entry)
    reached = list(_reached(lake, entry))
    gone = [path for path in dict.fromkeys(_files(lake, entry, reached)) if path.is_file()]
    for path in gone:
        path.unlink()
    gone += scrub_dreams(lake.root / "dreams", Withdrawals((entry,)))
    for store, episodes in reached:
        gone += scrub(store, episodes)
        gone += scrub_verdicts(sorted(lake.index.glob(f"{store.digest[:16]}-*.json")), episodes)
    return gone


def _files(lake: Lake, entry: Withdrawal, reached: Reached) -> Iterator[Path]:
    yield from unfinished_with(lake.stores, Withdrawals((entry,)))
    if not reached:
        return
    clips = {(store.digest, episode) for store, episodes in reached for episode in episodes}
    yield from _features(lake, {f"{digest[:12]}/{episode}" for digest, episode in clips})
    yield from _statistics(lake, clips)
    yield from _pictures_of_judgements(lake, reached, clips)
    if lake.cache.is_dir():
        others = (path for path in lake.cache.iterdir() if path.name not in _SORTED_CACHES and not _is_frames(path))
        yield from (file for path in others for file in (path, *path.rglob("*")))
    for store, episodes in reached:
        decoded = [folder for folder in lake.cache.rglob(f"{store.digest[:16]}-*x*") if folder.is_dir()]
        yield from (lake.cache / "motions").glob(f"{store.root.name}-{16 * '?'}.*")  # rows of a whole store
        yield from (lake.root / "sheets").glob(f"{store.digest[:16]}*")  # a contact sheet shows every clip of a store
        yield from (lake.root / "unpacking" / store.root.name).rglob("*")  # what a killed ingest left of an archive
        yield from _tallies(lake, store)
        for episode in episodes:
            yield store.data_place(episode)
            yield from (store.video_place(episode, camera) for camera in store.cameras)
            yield from (path for folder in decoded for path in folder.glob(f"*/{episode:06d}.npy*"))


def _is_frames(path: Path) -> bool:
    """Whether a folder of the cache holds decoded frames of one store: ``<digest 16>-<height>x<width>``."""
    digest, _, size = path.name.partition("-")
    return len(digest) == 16 and "x" in size


def _features(lake: Lake, clips: set[str]) -> Iterator[Path]:
    """Caches of a frozen backbone's features, each of all clips of a mixture.

    Those that hold one of the clips go whole, and unfinished ones, which do not say what they hold: a mixture without
    the clips has another anyway.
    """
    for folder in sorted((lake.cache / "features").glob("*/")):
        listed = _json(folder / "clips.json")
        if not listed or clips & {str(one["name"]) for one in listed["clips"]}:
            yield from sorted(folder.iterdir())


def _json(path: Path) -> dict[str, Any]:
    """What a file says; nothing where it cannot be read, so that nothing is known to be free of the clips."""
    try:
        return dict(read_sealed(path))
    except (OSError, TypeError, ValueError):
        return {}


def _tallies(lake: Lake, store: EpisodeStore) -> Iterator[Path]:
    """Kept tallies hold the rows of a store as they are, those of a group the rows of its stores."""
    kept = lake.statistics / "tallies"
    for side in ("state", "action"):
        yield from kept.glob(f"{store.root.name}-{side}-*")
        yield from kept.glob(f"group-*-{store.digest[0]}-{side}-*")


def _statistics(lake: Lake, clips: set[tuple[str, int]]) -> Iterator[Path]:
    """Statistics of which nobody can say that they were measured without the clips: extremes are values of somebody."""
    held = [_episodes_of(_json(path)) for path in lake.mixtures.glob("*.json")]
    clean = {digest_json(sorted([digest, number] for digest, number in one)) for one in held if not one & clips}
    for path in sorted(lake.statistics.glob("*.json")):
        if _json(path).get("measured") not in clean:
            yield path


def _episodes_of(manifest: dict[str, Any]) -> set[tuple[str, int]]:
    sources = manifest.get("sources", ())
    return {(str(source["digest"]), int(one["index"])) for source in sources for one in source["episodes"]}


def _pictures_of_judgements(lake: Lake, reached: Reached, clips: set[tuple[str, int]]) -> Iterator[Path]:
    """Contact sheets of gates that judged the clips, and the figures of evaluations on mixtures that hold them."""
    named = {name for store, _ in reached for name in (store.digest[:12], store.root.name)}
    for folder in (lake.root / "gate").glob("*/"):
        told = f"{folder.name} {_json(folder / 'report.json')}"
        if any(name in told for name in named):
            yield from folder.rglob("*.png")
    for folder in lake.evaluations.glob("*/"):
        manifests = [path for one in lake.checkpoints.glob(f"*-{folder.name}") for path in one.rglob("manifest.json")]
        if not manifests or any(_episodes_of(_json(path)) & clips for path in manifests):
            yield from (path for path in folder.rglob("*.png") if path.name not in ("loss.png", "comparison.png"))


def originals(lake: Lake, entry: Withdrawal) -> list[Path]:
    """The videos in the landing that the clips were cut from, where they still lie there.

    One video or annotation file may be about several people, so deleting them is left to whoever keeps them.
    """
    found = set[Path]()
    for store, episodes in _reached(lake, with_clips(lake, entry)):
        drop = store.about.source.drop
        sources = [store.row(episode).source for episode in episodes]
        names = {name for source in sources for name in (source.video, source.clip)}
        found |= {lake.landing / drop / name for name in names if drop and name}
    return sorted(path for path in found if path.is_file())


def footage(lake: Lake, entry: Withdrawal) -> set[str]:
    """SHA-256 of the videos that the clips were cut from, where their stores say it: what was found in these (hands)
    is kept outside the lake, under that name."""
    clips = (
        store.row(episode).source for store, episodes in _reached(lake, with_clips(lake, entry)) for episode in episodes
    )
    return {str(sha256) for clip in clips if (sha256 := clip.facts().get("video_sha256"))}


def _reached(lake: Lake, entry: Withdrawal) -> Iterator[tuple[EpisodeStore, list[int]]]:
    for store in sealed_in(lake.stores):
        if reached := sorted(Withdrawals((entry,)).reached(store)):
            yield store, reached
