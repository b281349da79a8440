"""Lineage of a person: their clips, and every store, mixture and checkpoint that holds or has seen them. No torch."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gr00t_data.lake import Lake
from gr00t_data.store.store import sealed_in
from gr00t_data.terms.withdrawal import Withdrawal, Withdrawals, clips_of, read
from gr00t_model.lineage.lineage import Holder, Verdicts, checkpoint_rows, manifest_rows
from gr00t_model.lineage.record import LineageError, Record, Settings


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
        rows += [replace(one, how=f"{one.how} (of {name})") for one in holders]
    if not rows:
        raise LineageError(f"{lake.root}: no clip is of {Withdrawal(participant, dataset, video).who}")
    return rows


def reach(lake: Lake, entry: Withdrawal) -> dict[str, tuple[str, set[int]]]:
    """Store digest -> (store name, episodes) of a person, those noted at an earlier withdrawal included."""
    noted = [clip for one in read(lake.root).entries if one.key == entry.key for clip in one.clips]
    found: dict[str, tuple[str, set[int]]] = {}
    for clip in [*noted, *clips_of(lake, Withdrawals((entry,)))]:
        found.setdefault(clip.digest, (clip.store, set()))[1].update(clip.episodes)
    return found


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


def learned_from(lake: Lake, checkpoint: Path) -> dict[str, int]:
    """Who withdrew of the people that a checkpoint has seen, those of its bases included -> clips it has seen."""
    found: dict[str, int] = {}
    record = Record.load(checkpoint)
    for entry in read(lake.root).entries:
        clips = {(digest, number) for digest, (_, numbers) in reach(lake, entry).items() for number in numbers}
        seen = {(one.store, one.episode) for each in (record, *record.bases()) for one in each.episodes} & clips
        if seen:
            found[entry.who] = len(seen)
    return found


def require_consent(lake: Lake, config: Settings) -> None:
    """Whether a run may start from its base and its embedding: neither has seen anybody who withdrew.

    Raises:
        ConsentError: one of them has.
    """
    for what, folder in config.started_from:
        if people := learned_from(lake, folder):
            who = ", ".join(f"{count} clips of {name}" for name, count in people.items())
            raise ConsentError(
                f"{folder}: this {what} has learned from {who}, who withdrew; start from weights that have not: the "
                "base model (start `base`), or a checkpoint trained on a mixture made since"
            )
