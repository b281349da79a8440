"""Deleting what a withdrawn participant left in a lake: pictures, rows, decoded copies and features of them.

Only files of withdrawn clips go. The other episodes of their stores stay as they were sealed and as they were accepted;
the records (who, when, which clips) stay too, so that lineage can still name what has seen them.
"""

from collections.abc import Iterator
from pathlib import Path

from gr00t_data.disk import read_json
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore, sealed_in
from gr00t_data.terms.withdrawal import Withdrawal, WithdrawalError, Withdrawals, read


def purge(lake: Lake, entry: Withdrawal) -> list[Path]:
    """Delete the files of an entry's clips; at once again it finds nothing more.

    Caches that hold them among others go whole, and are made again by the next mixture, without them.

    Returns:
        the files that were deleted. Originals in the landing are not touched: see ``originals``.

    Raises:
        WithdrawalError: the entry is not on the list of the lake; nothing is deleted.
    """
    if entry.key not in {one.key for one in read(lake.root).entries}:
        raise WithdrawalError(f"{lake.root}: {entry.who} is not on the list of withdrawals; withdraw first")
    gone = [path for path in _files(lake, entry) if path.is_file()]
    for path in gone:
        path.unlink()
    return gone


def _files(lake: Lake, entry: Withdrawal) -> Iterator[Path]:
    reached = list(_reached(lake, entry))
    yield from _features(
        lake, {f"{store.digest[:12]}/{episode}" for store, episodes in reached for episode in episodes}
    )
    for store, episodes in reached:
        decoded = [folder for folder in lake.cache.rglob(f"{store.digest[:16]}-*x*") if folder.is_dir()]
        yield from (lake.cache / "motions").glob(f"{store.root.name}-{16 * '?'}.safetensors")  # rows of a whole store
        yield from (lake.root / "sheets").glob(f"{store.digest[:16]}*")  # a contact sheet shows every clip of a store
        for episode in episodes:
            yield store.data_path(episode)
            yield from (store.video_path(episode, camera) for camera in store.cameras)
            yield from (path for folder in decoded for path in folder.glob(f"*/{episode:06d}.npy*"))


def _features(lake: Lake, clips: set[str]) -> Iterator[Path]:
    """Caches of a frozen backbone's features, each of all clips of a mixture.

    Those that hold one of the clips go whole, and unfinished ones, which do not say what they hold: a mixture without
    the clips has another anyway.
    """
    for folder in sorted((lake.cache / "features").glob("*/")):
        listed = folder / "clips.json"
        if not listed.is_file() or clips & {str(one["name"]) for one in read_json(listed)["clips"]}:
            yield from sorted(folder.iterdir())


def originals(lake: Lake, entry: Withdrawal) -> list[Path]:
    """The videos in the landing that the clips were cut from, where they still lie there.

    One video or annotation file may be about several people, so deleting them is left to whoever keeps them.
    """
    found = set[Path]()
    for store, episodes in _reached(lake, entry):
        drop = store.about.source.drop
        names = {store.row(episode).source.video for episode in episodes}
        found |= {lake.landing / drop / name for name in names if drop and name}
    return sorted(path for path in found if path.is_file())


def footage(lake: Lake, entry: Withdrawal) -> set[str]:
    """SHA-256 of the videos that the clips were cut from, where their stores say it: what was found in these (hands)
    is kept outside the lake, under that name."""
    clips = (store.row(episode).source for store, episodes in _reached(lake, entry) for episode in episodes)
    return {str(sha256) for clip in clips if (sha256 := clip.facts().get("video_sha256"))}


def _reached(lake: Lake, entry: Withdrawal) -> Iterator[tuple[EpisodeStore, list[int]]]:
    for store in sealed_in(lake.stores):
        if reached := sorted(Withdrawals((entry,)).reached(store)):
            yield store, reached
