"""Lineage of a person: their clips, and every store, mixture and checkpoint that holds or has seen them. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gr00t_data.lake import Lake
from gr00t_data.store.store import sealed_in
from gr00t_data.terms.withdrawal import Withdrawal, names_like, read, with_clips
from gr00t_model.lineage.chain import LineageError, Link, SeenEpisode, unknown
from gr00t_model.lineage.lineage import Holder, Verdicts, checkpoint_rows, manifest_rows, run_rows, unreadable
from gr00t_model.lineage.record import Settings, checkpoints, links_of


def of_participant(lake: Lake, participant: str, dataset: str | None = None, video: str | None = None) -> list[Holder]:
    """Everything that holds or has seen a person: clips, manifests and checkpoints. Clips of stores that were deleted
    are known from the list of withdrawals.

    Raises:
        LineageError: nothing in the lake is of that person.
    """
    reached = reach(lake, Withdrawal(participant, dataset, video))
    rows = list(_clips(lake, reached))
    for digest, (name, episodes) in reached.items():
        held = frozenset(episodes)
        holders = [*manifest_rows(lake, digest, held), *checkpoint_rows(lake, digest, held)]
        holders += run_rows(lake, name, digest, held)
        rows += [replace(one, how=f"{one.how} (of {name})") for one in holders]
    if not rows:
        entry = Withdrawal(participant, dataset, video)
        raise LineageError(f"{lake.root}: no clip is of {entry.who}{names_like(lake, entry)}")
    return [*rows, *unreadable(lake)]


def _links(lake: Lake) -> list[Link]:
    """What every checkpoint of the lake has seen, itself and through what it was made from."""
    return [link for record in checkpoints(lake) for link in (record.link("checkpoint", ""), *record.chain)]


def reach(lake: Lake, entry: Withdrawal, links: Sequence[Link] | None = None) -> dict[str, tuple[str, set[int]]]:
    """Store digest -> (store name, episodes) of a person: in the stores, in what checkpoints of the lake have recorded,
    and those noted at an earlier withdrawal.

    Args:
        links: what those checkpoints have seen, for who asks about several people; None reads it.
    """
    found: dict[str, tuple[str, set[int]]] = {}
    for clip in with_clips(lake, entry).clips:
        found.setdefault(clip.digest, (clip.store, set()))[1].update(clip.episodes)
    for link in _links(lake) if links is None else links:
        for seen in _recorded(link, entry):
            found.setdefault(seen.store, (link.stores.get(seen.store, "?"), set()))[1].add(seen.episode)
    return found


def _recorded(link: Link, entry: Withdrawal) -> Iterator[SeenEpisode]:
    """The episodes of a link whose own record names the person."""
    yield from (one for one in link.episodes if any(entry.reaches(*person) for person in one.people))


def _clips(lake: Lake, reached: dict[str, tuple[str, set[int]]]) -> Iterator[Holder]:
    verdicts, stores = Verdicts(lake), {store.digest: store for store in sealed_in(lake.stores)}
    for digest, (name, episodes) in reached.items():
        store = stores.get(digest)
        for number in sorted(episodes):
            how = (
                "the store is gone"
                if store is None
                else f"{verdicts.of(digest, number)}; {store.row(number).instruction}"
            )
            yield Holder("clip", f"{name}/{number}", how, str(store.root) if store else "")


class ConsentError(ValueError):
    """Weights that have learned from someone who withdrew; the message names who, and what to start from instead."""


def learned_from(lake: Lake, chain: Sequence[Link]) -> dict[str, int]:
    """Who withdrew of the people that weights have seen -> clips they have seen."""
    found: dict[str, int] = {}
    entries = read(lake.root).entries
    links = _links(lake) if entries else []
    for entry in entries:
        clips = {(digest, number) for digest, (_, numbers) in reach(lake, entry, links).items() for number in numbers}
        seen = {(one.store, one.episode) for link in chain for one in link.episodes} & clips
        seen |= {(one.store, one.episode) for link in chain for one in _recorded(link, entry)}
        if seen:
            found[entry.who] = len(seen)
    return found


def consent(lake: Lake, chain: Sequence[Link]) -> str:
    """What is known of the consent of the people that weights have seen, for people; "" when nothing bars it."""
    if people := learned_from(lake, chain):
        who = ", ".join(f"{count} clips of {name}" for name, count in people.items())
        return f"learned from {who}, who withdrew"
    gone = ", ".join(f"{link.what} {link.name}" for link in chain if not link.recorded)
    return f"unknown: no record is found of {gone}" if gone else ""


def require_consent(lake: Lake, config: Settings) -> None:
    """Whether a run may start from its base and its embedding: neither has seen anybody who withdrew, as far back as
    their records go, and there is a record of each.

    Raises:
        ConsentError: one of them has, or nobody can say.
    """
    for what, folder in config.started_from:
        chain = links_of(folder, what, config.model.preset) if folder.is_dir() else (unknown(what, folder.name),)
        if learned_from(lake, chain):
            raise ConsentError(
                f"{folder}: this {what} has {consent(lake, chain)}; start from weights that have not: the "
                "base model (start `base`), or a checkpoint trained on a mixture made since"
            )
        if said := consent(lake, chain):
            raise ConsentError(
                f"{folder}: whether anybody withdrew whom this {what} has learned from is {said}; put that folder back "
                "where it was, state the licence (`license:`) in the README.md of weights that came from elsewhere, "
                "or start from weights with a record"
            )
