"""Make a manifest: accepted episodes of checked stores, their shares, and what is kept for evaluation."""

import math
from collections.abc import Sequence
from pathlib import Path

from gr00t_data.batches.mixture.admission import check_source, require_profile
from gr00t_data.batches.mixture.held_out import held_out_episodes, mixture_groups
from gr00t_data.batches.mixture.manifest import EpisodeEntry, MixtureManifest, MixtureSource
from gr00t_data.curate.finding import Verdict
from gr00t_data.curate.index import Index
from gr00t_data.curate.one_unit import require_one_unit
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rates import pace_of
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.texts import without_blanks
from gr00t_data.terms.licences import Profile, of_store

LIBRARIES = ("numpy", "pyarrow", "scipy")


def build_manifest(
    name: str,
    embodiment: Embodiment,
    sources: Sequence[tuple[EpisodeStore, Index, float]],
    *,
    selection: str | None = None,
    seed: int = 0,
    held_out_share: float = 0.1,
    licence_profile: Profile = "any",
    kept: Path | None = None,
) -> MixtureManifest:
    """Write a mixture down. Only accepted episodes enter it.

    Args:
        sources: (store, its index, weight); a weight is the share of the samples that come from the source, relative
            to the other weights, however many frames it has.
        selection: parts and cameras of the embodiment; None is its default, or where a source lacks a camera of that,
            the one that fits (see ``Embodiment.fitting``).
        held_out_share: share of the episodes of each source, 0 <= share < 1, kept for evaluation; at least one when the
            share is above zero and the source has two or more. Which ones depends on the seed and the content only.
            Copies, and episodes of one scene or source video, are held out together or not at all.
        licence_profile: ``commercial`` refuses every source under which, for all that is known, nothing may be sold.
        kept: folder for what is needed of each store to recognise copies, so that no store is read twice; the manifest
            does not depend on it.

    Raises:
        ValueError: no source, a weight that is not a positive number, no accepted episode in a source, an index of
            another store or embodiment, a missing camera, a rate that is too low for the embodiment, a share out of
            range, or two stores whose joints are in different units; names the source. ``LicenceError`` (also a
            ValueError): a source does not fit the profile.
    """
    if not sources:
        raise ValueError(f"mixture {name!r}: has no source; give at least one store")
    if not 0 <= held_out_share < 1:
        raise ValueError(f"mixture {name!r}: held_out_share is {held_out_share}, expected 0 <= share < 1")
    common = set[str].intersection(*({*store.cameras} for store, _, _ in sources))
    chosen = (embodiment if selection else embodiment.fitting(common)).selection(selection)
    for store, index, weight in sources:
        check_source(name, store, index, weight, embodiment, chosen.cameras)
    require_one_unit(f"mixture {name!r}", [index for _, index, _ in sources], embodiment)
    total = math.fsum(weight for _, _, weight in sources)
    entries = tuple(_mixture_source(store, index, weight / total, embodiment) for store, index, weight in sources)
    digests = {
        (str(s), v.episode_index): v.rows_digest for s, (_, index, _) in enumerate(sources) for v in index.accepted
    }
    stores = [store for store, _, _ in sources]
    require_profile(name, entries, licence_profile)
    groups = mixture_groups(entries, stores, embodiment, digests, kept) if held_out_share else {}
    return MixtureManifest(
        name=name,
        embodiment=embodiment.name,
        embodiment_digest=embodiment.digest,
        selection=chosen.name,
        seed=seed,
        sources=entries,
        held_out=held_out_episodes(entries, groups, held_out_share, seed),
        licence_profile=licence_profile,
    )


def _mixture_source(store: EpisodeStore, index: Index, weight: float, embodiment: Embodiment) -> MixtureSource:
    pace = pace_of(store, embodiment)
    episodes = map(_entry, index.accepted)
    recorded_hz = None if pace.agrees else pace.recorded_hz
    licence = of_store(store, {verdict.episode_index for verdict in index.accepted})
    facts = str(store.root), store.digest, store.kind, licence, weight, tuple(episodes), recorded_hz, store.about.slot
    return MixtureSource(*facts, index.file_name)


def _entry(verdict: Verdict) -> EpisodeEntry:
    instruction, changes = without_blanks(verdict.instruction, verdict.text_changes)
    return EpisodeEntry(verdict.episode_index, verdict.length, verdict.keep, instruction, changes or None)
