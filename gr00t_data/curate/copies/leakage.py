"""Leakage: what must not be split between training and evaluation, and whether a given split keeps to it.

Episodes belong together when they are copies of each other or come from the same place: the same scene of a simulator,
the same source video. A split that takes one of them for training and another for evaluation measures memory.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.copies.duplicates import Contents, Copy, clusters, find_copies
from gr00t_data.curate.copies.fingerprints import Fingerprint, Key, fingerprint
from gr00t_data.curate.finding import Finding
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.episode import EpisodeRow
from gr00t_data.store.store import EpisodeStore

PLACES = ("scene", "source_video", "video", "recording", "take", "group")
"""Facts of an episode's ``source`` that say where it was taken; episodes that share one belong together."""


def place_of(row: EpisodeRow) -> str | None:
    """Where an episode was taken, as text; None when its metadata does not say."""
    source = row.source.facts()
    if "simulator" in source and "seed" in source:
        facts = {name: source.get(name) for name in ("simulator", "task", "seed")}
    else:
        facts = {name: source[name] for name in PLACES if source.get(name) not in (None, "")}
    return json.dumps(facts, sort_keys=True, default=str) if facts else None


def episode_groups(
    sources: Sequence[tuple[EpisodeStore, Sequence[int]]],
    embodiment: Embodiment,
    fingerprints: Iterable[Fingerprint] | None = None,
) -> dict[Key, Key]:
    """Episode -> the first member of its group; alone in it when nothing says otherwise.

    Args:
        sources: (store, episode numbers). The key of an episode is (position of its store as text, number).
        fingerprints: with those keys, when they were taken before; None reads states and actions (no video).

    A place that all episodes of all sources share is no reason to keep them together: nothing could be split.
    """
    rows = {(str(s), index): store.row(index) for s, (store, numbers) in enumerate(sources) for index in numbers}
    taken = _motions(sources, embodiment) if fingerprints is None else list(fingerprints)
    together = find_copies(taken)
    first: dict[str, Key] = {}
    places = {key: place for key, row in rows.items() if (place := place_of(row)) is not None}
    if len(set(places.values())) > 1 or len(places) < len(rows):
        for key, place in places.items():
            before = first.setdefault(place, key)
            if before != key:
                together.append(Copy(before, key, "same motion"))
    return clusters(rows, together)


def _motions(sources: Sequence[tuple[EpisodeStore, Sequence[int]]], embodiment: Embodiment) -> list[Fingerprint]:
    every = (
        fingerprint(store, index, embodiment, pictures={}, name=str(s))
        for s, (store, numbers) in enumerate(sources)
        for index in numbers
    )
    return [one for one in every if one is not None]


def leaks(training: Collection[Key], held_out: Collection[Key], groups: Mapping[Key, Key]) -> list[tuple[Key, Key]]:
    """(training episode, held-out episode) pairs of one group, one pair a held-out episode, in their order."""
    taught: dict[Key, Key] = {}
    for key in training:
        taught.setdefault(groups.get(key, key), key)
    return [(taught[groups.get(key, key)], key) for key in held_out if groups.get(key, key) in taught]


def choose_held_out(
    orders: Sequence[Sequence[int]], counts: Sequence[int], groups: Mapping[Key, Key]
) -> list[tuple[int, int]]:
    """Whole groups to hold out of several sources; where every group is one episode, the first of each order.

    Args:
        orders: of each source, its episode numbers in the order of preference.
        counts: of each source, how many to hold out. A group that would exceed the count, or leave a source without
            training episodes, is passed over, unless it is the only way to hold anything out of that source.
        groups: from ``episode_groups``.

    Returns:
        (source, episode number), sorted.
    """
    members: dict[Key, list[tuple[int, int]]] = {}
    for source, order in enumerate(orders):
        for index in order:
            key = (str(source), index)
            members.setdefault(groups.get(key, key), []).append((source, index))
    held: set[tuple[int, int]] = set()
    left = [len(order) - 1 for order in orders]
    for source, count in enumerate(counts):
        ranked = [members[groups.get((str(source), index), (str(source), index))] for index in orders[source]]
        _hold(ranked, source, count, held, left)
        if count and not any(s == source for s, _ in held):
            _hold(sorted(ranked, key=len)[:1], source, len(orders[source]), held, left)
    return sorted(held)


def _hold(
    ranked: Sequence[list[tuple[int, int]]], source: int, count: int, held: set[tuple[int, int]], left: list[int]
) -> None:
    """Add whole groups to ``held`` while ``source`` has at most ``count`` held out and every source keeps one."""
    mine = sum(1 for s, _ in held if s == source)
    for group in ranked:
        more = Counter(s for s, index in group if (s, index) not in held)
        if mine + more[source] <= count and all(number <= left[s] for s, number in more.items()):
            mine += more[source]
            held |= set(group)
            for s, number in more.items():
                left[s] -= number


def check_splits(contents: Contents) -> Iterator[tuple[None, Finding]]:
    """SPLIT-01 to SPLIT-03: the ``splits`` of info.json overlap, part what belongs together, or name no episodes."""
    groups = clusters([one.key for one in contents.fingerprints], contents.copies)
    yield from ((None, finding) for finding in split_findings(contents.store, groups))


def split_findings(store: EpisodeStore, groups: Mapping[Key, Key]) -> Iterator[Finding]:
    """The same, of one store.

    Args:
        groups: from ``episode_groups([(store, numbers)], ...)``, or from ``clusters``; the numbers are what counts.
    """
    path = f"{store.root}/meta/info.json"
    there = {row.index for row in store.rows}
    splits = {}
    for name, text in _declared(store.info.get("splits")).items():
        numbers = _numbers(text)
        if numbers is None or not numbers <= there:
            message = f"{path}: split {name!r} is {text!r}, the store has {len(there)} episodes; correct the range"
            yield SPLIT_03.finding(message)
        splits[name] = sorted((numbers or set()) & there)
    by_number = {key[1]: (root[0], root[1]) for key, root in groups.items()}
    names = sorted(splits, key=lambda name: (name != "train", name))
    for position, one in enumerate(names):
        for two in names[position + 1 :]:
            yield from _between(path, (one, splits[one]), (two, splits[two]), by_number)


def _between(
    path: str, one: tuple[str, list[int]], two: tuple[str, list[int]], groups: Mapping[int, Key]
) -> Iterator[Finding]:
    if both := sorted(set(one[1]) & set(two[1])):
        message = f"{path}: splits {one[0]!r} and {two[0]!r} share {_named(both)}; take each for one of them"
        yield SPLIT_01.finding(message)
    keys = {index: ("", index) for index in (*one[1], *two[1])}
    pairs = leaks(
        [keys[index] for index in one[1] if index not in both],
        [keys[index] for index in two[1] if index not in both],
        {keys[index]: groups.get(index, keys[index]) for index in keys},
    )
    if pairs:
        listed = ", ".join(f"{first[1]} and {second[1]}" for first, second in pairs[:5])
        message = (
            f"{path}: splits {one[0]!r} and {two[0]!r} part episodes that belong together ({listed}"
            f"{' ...' if len(pairs) > 5 else ''}): copies, or one scene; move whole groups to one side"
        )
        yield SPLIT_02.finding(message)


def _declared(splits: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in splits.items()} if isinstance(splits, dict) else {}


def _numbers(text: str) -> set[int] | None:
    """Episode numbers of "0:90" or "0:10,20:30"; None when it is neither."""
    numbers: set[int] = set()
    for piece in text.split(","):
        start, colon, end = piece.strip().partition(":")
        if not (colon and start.isdigit() and end.isdigit()) or int(end) > 10_000_000:
            return None
        numbers |= set(range(int(start), int(end)))
    return numbers


def _named(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"episodes {', '.join(map(str, numbers[:5]))}{more}"


SPLIT_01, SPLIT_02, SPLIT_03 = Look(Contents, check_splits, 4).finds(
    Check("SPLIT-01", "warning", "an episode is in two splits", "evaluation measures memory"),
    Check("SPLIT-02", "warning", "copies or one scene on both sides of a split", "evaluation measures memory"),
    Check("SPLIT-03", "info", "a split names episodes that are not there", "readers of splits stop or read less"),
)
