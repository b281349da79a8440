"""Of rollouts, the frames at which a person acts in place of the policy, for who draws them alone (HG-DAgger)."""

from dataclasses import replace

from gr00t_data.curate.checks.kept import Ranges
from gr00t_data.curate.finding import Verdict
from gr00t_data.curate.index import Index
from gr00t_data.curate.subject.signals import runs_of
from gr00t_data.store.store import EpisodeStore

INTERVENTION = "intervention"
"""Column of rollouts: bool [T], a person acted in place of the policy."""


def interventions_only(store: EpisodeStore, index: Index) -> Index:
    """The verdicts on a store of rollouts with keep ranges cut to the frames that a person acts at. A chunk that begins
    there may end after the person let go. Episodes without such a frame count as rejected; other kinds stay.

    Raises:
        StoreError: a column cannot be read.
    """
    if store.kind != "rollout" or INTERVENTION not in store.features:
        return index
    return replace(index, verdicts=tuple(_cut(store, one) if one.accepted else one for one in index.verdicts))


def _cut(store: EpisodeStore, verdict: Verdict) -> Verdict:
    acted = runs_of(store.matrix(verdict.episode_index, INTERVENTION)[:, 0] > 0)
    keep = _common(verdict.keep, tuple((first, last + 1) for first, last in acted))
    return replace(verdict, keep=keep, accepted=bool(keep))


def _common(some: Ranges, others: Ranges) -> Ranges:
    """Half-open ranges that lie in both."""
    both = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return tuple((first, end) for first, end in both if first < end)
