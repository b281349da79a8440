"""Kept tallies: the rows of a store are counted once, and of many stores only those are merged that are new.

Tallies lie in files named by what they were made of. Beyond ``EXACT_ROWS`` rows the stores form sixteen groups by the
first character of their digest, each with a tally of its own: one more store changes one group, and what comes out is
the same whatever was there before.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from gr00t_data.batches.statistics.tally import EXACT_ROWS, Tally, weighted
from gr00t_data.batches.values.masks import unmasked_values
from gr00t_data.batches.values.pace import composed_parts
from gr00t_data.code_key import code_key
from gr00t_data.curate.finding import Verdict
from gr00t_data.curate.index import Index
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.integrity import KEPT, read_kept, write_kept
from gr00t_data.rates import Pace, pace_of
from gr00t_data.store.store import EpisodeStore

Checked = tuple[EpisodeStore, Index]
Side = Literal["state", "action"]

LIBRARIES = ("crick", "numpy", "pyarrow", "scipy")


def tallies_of(
    side: Side, checked: Sequence[Checked], embodiment: Embodiment, kept: Path | None, *, grouped: bool
) -> list[Tally]:
    """The tallies of stores with accepted episodes, to be merged into one.

    Args:
        kept: folder where they are found again.
        grouped: many stores may come as one tally; else one a store, in the order given.
    """
    rows = sum(verdict.length for _, index in checked for verdict in index.accepted)
    if not grouped or rows <= EXACT_ROWS:
        return [tally_store(side, store, index, embodiment, kept) for store, index in checked]
    groups: dict[str, list[Checked]] = {}
    for pair in sorted(checked, key=lambda pair: pair[0].digest):
        groups.setdefault(pair[0].digest[0], []).append(pair)
    return [_group(side, letter, members, embodiment, kept) for letter, members in groups.items()]


def _group(side: Side, letter: str, members: Sequence[Checked], embodiment: Embodiment, kept: Path | None) -> Tally:
    name = _name(embodiment, [[store.digest, _numbers(store, index)] for store, index in members])
    stem = f"group-{embodiment.name}-{letter}-{side}"
    if kept and (found := _loaded(kept / f"{stem}-{name}{KEPT}")):
        return found
    tallies = [tally_store(side, store, index, embodiment, kept) for store, index in members]
    total = sum(tally.count for tally in tallies)
    joined = weighted(tallies, [tally.count / total for tally in tallies])
    joined.settle()
    if kept:
        old = list(kept.glob(f"{stem}-*"))
        write_kept(kept / f"{stem}-{name}{KEPT}", joined.to_bytes())
        for path in old:
            path.unlink(missing_ok=True)
    return joined


def tally_store(
    side: Side, store: EpisodeStore, index: Index, embodiment: Embodiment, kept: Path | None = None
) -> Tally:
    """The tally of state or action over the accepted episodes of one store, parts side by side.

    Args:
        kept: folder where it is found again, named by the store, the accepted episodes and the embodiment.
    """
    accepted = _numbers(store, index)
    name = f"{store.root.name}-{side}-{_name(embodiment, [store.digest, accepted])}{KEPT}"
    if kept and (found := _loaded(kept / name)):
        return found
    parts, pace = (embodiment.state, None) if side == "state" else (embodiment.action, pace_of(store, embodiment))
    tally = _tally(store, accepted, parts, pace)
    if kept:
        write_kept(kept / name, tally.to_bytes())
    return tally


def _numbers(store: EpisodeStore, index: Index) -> list[int]:
    return [verdict.episode_index for verdict in accepted_of(store, index)]


def _name(embodiment: Embodiment, content: Sequence[object]) -> str:
    return digest_json([code_key(__name__), embodiment.digest, content])[:16]


def _loaded(path: Path) -> Tally | None:
    content = read_kept(path)
    return None if content is None else Tally.from_bytes(content)


def _tally(store: EpisodeStore, episodes: Sequence[int], parts: Sequence[Part], pace: Pace | None) -> Tally:
    tally = None
    for episode, values in unmasked_values(store, episodes, parts, "state" if pace is None else "action"):
        if pace is not None:
            values = composed_parts(values, parts, pace)
        try:
            rows = Tally.of(np.concatenate([values[part.name] for part in parts], axis=1))
        except ValueError as error:
            raise ValueError(f"{store.data_place(episode)}: episode {episode}: {error}") from error
        if tally is None:
            tally = rows
        else:
            tally.merge(rows)
    assert tally is not None
    tally.settle()
    return tally


def accepted_of(store: EpisodeStore, index: Index) -> Sequence[Verdict]:
    """The accepted episodes; ValueError when the index is of another store, or rows were changed after sealing."""
    if index.store_digest != store.digest:
        raise ValueError(
            f"{store.root}: has digest {store.digest[:12]}, the index is of {index.store_digest[:12]}; "
            "the store was changed after the check: check it again"
        )
    store.verify_rows(verdict.episode_index for verdict in index.accepted)
    return index.accepted
