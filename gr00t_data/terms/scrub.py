"""Taking the lines about withdrawn clips out of files that hold others too: tables of a store, its seal, indexes.

The digest of a store stays what it was, since manifests and records name the store by it. Its seal holds the hashes of
what is there now, and under ``purged`` those of what was there when it was sealed.
"""

import logging
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from gr00t_data.disk import read_json, write_json, write_json_lines
from gr00t_data.integrity import digest_of, read_sealed, write_sealed
from gr00t_data.seal import SEAL, Seal, read_seal
from gr00t_data.store.layout import dataset_stats
from gr00t_data.store.provenance import EpisodeSource, Facts
from gr00t_data.store.store import PENDING, EpisodeStore, StoreError, json_lines
from gr00t_data.store.tables import read_table
from gr00t_data.terms.withdrawal import Withdrawals

_LOG = logging.getLogger(__name__)
_STATS, _WHOLE, _EPISODES = "meta/episodes_stats.jsonl", "meta/stats.json", "meta/episodes.jsonl"
_PICTURE = "first_frame_png"
"""Of the source of a generated clip: the picture that it begins with."""
_CONSENT = "CONSENT-01"
_MANIFEST = "manifest.jsonl"
"""What a drop of dreams says of each of its clips, a line each."""


def scrub(store: EpisodeStore, episodes: Collection[int]) -> list[Path]:
    """Take the statistics and pictures of episodes out of the tables of a store whose files of them are deleted.

    Returns:
        the files that were rewritten; none when it was done before.
    """
    changed = [*_episode_stats(store, episodes), *_pictures(store, episodes)]
    seal = read_seal(store.root)
    assert seal is not None  # only sealed stores are reached
    gone = [name for name in _files_of(store, episodes) if name in seal.files]
    if changed or gone:
        _reseal(store.root, seal, [*changed, *_whole_stats(store)], gone)
    return changed


def _files_of(store: EpisodeStore, episodes: Collection[int]) -> list[str]:
    """Rows and videos of episodes that are deleted, by their names in the seal."""
    paths = [store.data_place(episode) for episode in episodes]
    paths += [store.video_place(episode, camera) for episode in episodes for camera in store.cameras]
    return [path.relative_to(store.root).as_posix() for path in paths if not path.is_file()]


def _episode_stats(store: EpisodeStore, episodes: Collection[int]) -> Iterator[Path]:
    path = store.root / _STATS
    lines = json_lines(path) if path.is_file() else []
    kept = [line for line in lines if line.get("episode_index") not in episodes]
    if len(kept) < len(lines):
        write_json_lines(path, kept)
        yield path


def _pictures(store: EpisodeStore, episodes: Collection[int]) -> Iterator[Path]:
    path = store.root / _EPISODES
    lines = [dict(line) for line in json_lines(path)]
    found = [line for line in lines if line.get("episode_index") in episodes and _PICTURE in _source(line)]
    for line in found:
        line["source"] = {name: fact for name, fact in _source(line).items() if name != _PICTURE}
    if found:
        write_json_lines(path, lines)
        yield path


def _source(line: dict[str, Any]) -> dict[str, Any]:
    return line.get("source") or {}


def _whole_stats(store: EpisodeStore) -> list[Path]:
    """Statistics over all rows, measured again over those that are left."""
    path = store.root / _WHOLE
    if not path.is_file():
        return []
    left = [read_table(data) for row in store.rows if (data := _whole(store, row.index))]
    write_json(path, dataset_stats(left) if left else {})
    return [path]


def _whole(store: EpisodeStore, episode: int) -> Path | None:
    """The rows of an episode; None where they are deleted, or damaged: that must not keep those of others here."""
    try:
        path = store.data_path(episode)
    except StoreError as error:
        _LOG.warning("left out of meta/stats.json: %s", error)
        return None
    return path if path.is_file() else None


def _reseal(root: Path, seal: Seal, changed: Iterable[Path], gone: Iterable[str]) -> None:
    files, before = dict(seal.files), dict(seal.purged)
    for name in [path.relative_to(root).as_posix() for path in changed]:
        before.setdefault(name, files.get(name, ""))
        files[name] = digest_of(root / name)
    before |= {name: files.pop(name) for name in gone}
    Seal(seal.digest, files, before).write(root)


def scrub_dreams(dreams: Path, withdrawals: Withdrawals) -> list[Path]:
    """Delete the clips that were dreamt from pictures of these people, finished or not, and their lines.

    Returns:
        the files that were deleted or rewritten.
    """
    changed = list[Path]()
    for folder in sorted(dreams.iterdir()) if dreams.is_dir() else []:
        for path in (folder / _MANIFEST, *sorted(folder.glob("*/*.json"))):
            lines = json_lines(path) if path.name == _MANIFEST and path.is_file() else []
            lines = lines or ([read_json(path)] if path.suffix == ".json" and path.is_file() else [])
            theirs = [line for line in lines if _is_of(line, withdrawals)]
            gone = [folder / str(line[name]) for line in theirs for name in ("file", "first_frame") if name in line]
            gone += [folder / "truth" / f"{Path(str(line['file'])).stem}.npy" for line in theirs if "file" in line]
            for file in [one for one in gone if one.is_file()]:
                file.unlink()
                changed.append(file)
            if theirs and path.name == _MANIFEST:
                write_json_lines(path, [line for line in lines if line not in theirs])
            elif theirs:
                path.unlink()
            changed += [path] if theirs else []
    return changed


def _is_of(line: Facts, withdrawals: Withdrawals) -> bool:
    return withdrawals.of_source(EpisodeSource.model_validate({"generated": dict(line)})) is not None


def scrub_verdicts(indexes: Iterable[Path], episodes: Collection[int]) -> list[Path]:
    """Leave of the verdicts on episodes that they withdrew: findings quote values, the digest of rows tells them.

    Returns:
        the indexes that were rewritten.
    """
    changed = []
    for path in indexes:
        index = read_sealed(path)
        verdicts = [_bare(one) if one["episode_index"] in episodes else one for one in index["verdicts"]]
        if verdicts != index["verdicts"]:
            write_sealed(path, {**index, "verdicts": verdicts})
            changed.append(path)
    return changed


def _bare(verdict: dict[str, Any]) -> dict[str, Any]:
    findings = [finding for finding in verdict["findings"] if finding["code"] == _CONSENT]
    return {**verdict, "findings": findings, "rows_digest": ""}


def unfinished_with(stores: Path, withdrawals: Withdrawals) -> Iterator[Path]:
    """Every file of stores that were never finished and hold a clip of these people, or of whom nobody can say: a
    killed ingest left them, and the next one makes the others again."""
    for folder in sorted(stores.iterdir()) if stores.is_dir() else []:
        is_finished = (folder / SEAL).is_file() and not folder.name.startswith(".")
        if folder.is_dir() and not is_finished and _may_hold(folder, withdrawals):
            yield from sorted(folder.rglob("*"))


def _may_hold(folder: Path, withdrawals: Withdrawals) -> bool:
    try:
        return any(map(withdrawals.of_source, _sources_in(folder)))
    except (LookupError, OSError, TypeError, ValueError):
        return True


def _sources_in(folder: Path) -> Iterator[EpisodeSource]:
    written = [read_sealed(path) for path in sorted((folder / PENDING).glob("*.json"))]
    listed = json_lines(folder / _EPISODES) if (folder / _EPISODES).is_file() else []
    for line in [*written, *listed]:
        yield EpisodeSource.model_validate(line.get("source") or {})
