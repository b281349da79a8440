"""The path of an episode, stage by stage: drop -> store -> index -> statistics and manifest. Folder in, folder out.

The shell and the Dagster graph call these same functions. Each is idempotent: done work is found and not done again.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.mixture.weights import ACTING, Weighing, weigh
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake, working
from gr00t_data.progress import Progress, silent
from gr00t_data.stages.interventions import interventions_only
from gr00t_data.stages.settings import MixtureSettings, Shares
from gr00t_data.stages.stores import Checked, checked_stores
from gr00t_data.store.notes import Note


@working
def measure_statistics(lake: Lake, embodiment: Embodiment, shares: Shares = Shares()) -> tuple[NormStats, Path]:
    """Measure every accepted episode; the result becomes ``norm_stats_<embodiment>`` of the lake.

    Only stores that were never measured are read; the tallies of the others are kept in the lake.

    Args:
        shares: those of the mixture, so that the statistics are those of what is drawn.
    """
    checked = _chosen(lake, embodiment, shares)
    weights, weighing = None, weighing_of(checked, shares)
    if weighing != Weighing() or shares.rollouts != "all":
        drawn = _drawn(checked, weighing)
        checked = [pair for pair in checked if pair[0].root.name in drawn]
        weights = [drawn[store.root.name] for store, _ in checked]
    with lake.turn(name := f"norm_stats_{embodiment.name}"):
        statistics = measure(checked, embodiment, weights=weights, kept=lake.statistics / "tallies")
        path = lake.statistics / f"{statistics.digest[:16]}.json"
        statistics.save(path)
        lake.point(name, path, statistics.digest)
    return statistics, path


@working
def mix(
    lake: Lake, embodiment: Embodiment, settings: MixtureSettings = MixtureSettings()
) -> tuple[MixtureManifest, Path]:
    """Write the mixture of the lake's stores (``plan_mix``); it becomes ``mixture_<embodiment>`` of the lake."""
    with lake.turn(f"mixture_{embodiment.name}"):
        manifest = plan_mix(lake, embodiment, settings)
        path = lake.mixtures / f"{manifest.digest[:16]}.json"
        manifest.save(path)
        lake.point(manifest.name, path, manifest.digest)
    return manifest, path


def plan_mix(lake: Lake, embodiment: Embodiment, settings: MixtureSettings = MixtureSettings()) -> MixtureManifest:
    """The mixture of the lake's stores, not written down.

    Raises:
        StoreError: no accepted episode.
        WeighingError: a share for a store that is not there, or a ratio or cap that cannot be met.
        LicenceError: a store does not fit the profile; names it and how to leave it out.
    """
    checked = _chosen(lake, embodiment, settings)
    shares = _drawn(checked, weighing_of(checked, settings))
    return build_manifest(
        f"mixture_{embodiment.name}",
        embodiment,
        [(store, index, shares[store.root.name]) for store, index in checked if store.root.name in shares],
        selection=settings.selection or None,
        seed=settings.seed,
        held_out_share=settings.held_out_share,
        licence_profile=settings.licence_profile,
        kept=lake.cache / "motions",
    )


def export_mixture(
    manifest: MixtureManifest, target: Path, progress: Progress = silent, *, held_out: bool = False
) -> list[Note]:
    """Write the accepted episodes of a mixture to ``target`` as one LeRobot v3.0 dataset, whole episodes.

    ``meta/gr00t_mixture.json`` keeps what such a dataset has no room for: weights, keep ranges, origin of each episode.

    Args:
        held_out: also those that training never draws.

    Raises:
        StoreError: the target is taken, or sources differ in rate, cameras or parts; names the source.
        ValueError: a store is not the one that was mixed.
    """
    from gr00t_data.lerobot.joined import Chosen, export_joined

    left_out = set() if held_out else set(manifest.held_out)
    chosen = []
    for number, source in enumerate(manifest.sources):
        keep = {entry.index: entry.keep for entry in source.episodes if (number, entry.index) not in left_out}
        chosen.append(Chosen(source.open(), source.weight, keep))
    facts = {"mixture": manifest.name, "digest": manifest.digest, "held_out_episodes": held_out}
    return export_joined(chosen, target, progress, facts=facts)


def _chosen(lake: Lake, embodiment: Embodiment, shares: Shares) -> list[Checked]:
    """The stores with the verdicts that count."""
    checked = checked_stores(lake, embodiment, shares.stores)
    if shares.rollouts == "all":
        return checked
    cut = [(store, interventions_only(store, index)) for store, index in checked]
    return [(store, index) for store, index in cut if index.accepted]


def weighing_of(checked: Sequence[Checked], shares: Shares) -> Weighing:
    """How the shares come about. Where nobody says how many generated samples are drawn, that is one for each recorded
    one, as DreamGen co-trains, if there are both and no share is given."""
    ratio, kinds = shares.neural_per_real, {store.kind for store, _ in checked}
    if ratio is None and not shares.weights and "neural" in kinds and kinds & ACTING:
        ratio = 1.0
    wish = (shares.temperature, shares.weights, ratio or None, shares.max_synthetic, shares.human)
    return Weighing(*wish, by=shares.weigh_by)


def _drawn(checked: Sequence[Checked], weighing: Weighing) -> dict[str, float]:
    """Store name -> share of the samples."""
    frames = {store.root.name: sum(verdict.kept_frames for verdict in index.accepted) for store, index in checked}
    return weigh(frames, {store.root.name: store.kind for store, _ in checked}, weighing)


def sample_actions(
    lake: Lake, embodiment: Embodiment, names: Sequence[str] = ("*",), episodes: int = 50
) -> dict[str, np.ndarray]:
    """Action rows of up to ``episodes`` accepted episodes, for figures: part of the default selection -> [T, D]."""
    pairs = [(s, v.episode_index) for s, index in checked_stores(lake, embodiment, names) for v in index.accepted]
    chosen = pairs[:: max(len(pairs) // episodes, 1)]
    rows = np.concatenate([store.action(index) for store, index in chosen])
    parts = [embodiment.action_part(name) for name in embodiment.selection(None).action]
    return {part.name: rows[:, part.start : part.end] for part in parts}
