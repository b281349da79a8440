"""The path of an episode, stage by stage: drop -> store -> index -> statistics and manifest. Folder in, folder out.

The shell and the Dagster graph call these same functions. Each is idempotent: done work is found and not done again.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.mixture.weights import Weighing, weigh
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.lerobot.v3_layout import Note
from gr00t_data.stages.stores import Checked, checked_stores
from gr00t_data.terms.licences import Profile

Progress = Callable[[int, int], None]

BY_FRAMES = Weighing()
"""Every frame of a mixture is equally likely."""


def _silent(done: int, total: int) -> None:
    """No progress."""


def measure_statistics(
    lake: Lake,
    embodiment: Embodiment,
    names: Sequence[str] = ("*",),
    *,
    weighing: Weighing = BY_FRAMES,
) -> tuple[NormStats, Path]:
    """Measure every accepted episode; the result becomes ``norm_stats_<embodiment>`` of the lake.

    Only stores that were never measured are read; the tallies of the others are kept in the lake.

    Args:
        weighing: that of the mixture, so that the statistics are those of what is drawn.
    """
    checked = checked_stores(lake, embodiment, names)
    weights = None
    if weighing != BY_FRAMES:
        shares = _shares(checked, weighing)
        checked = [pair for pair in checked if pair[0].root.name in shares]
        weights = [shares[store.root.name] for store, _ in checked]
    statistics = measure(checked, embodiment, weights=weights, kept=lake.statistics / "tallies")
    path = lake.statistics / f"{statistics.digest[:16]}.json"
    statistics.save(path)
    lake.point(f"norm_stats_{embodiment.name}", path, statistics.digest)
    return statistics, path


def mix(
    lake: Lake,
    embodiment: Embodiment,
    names: Sequence[str] = ("*",),
    *,
    weighing: Weighing = BY_FRAMES,
    selection: str | None = None,
    seed: int = 0,
    held_out_share: float = 0.1,
    licence_profile: Profile = "any",
) -> tuple[MixtureManifest, Path]:
    """Write the mixture of the lake's stores (``plan_mix``); it becomes ``mixture_<embodiment>`` of the lake."""
    options = {"selection": selection, "seed": seed, "held_out_share": held_out_share}
    manifest = plan_mix(lake, embodiment, names, weighing=weighing, licence_profile=licence_profile, **options)
    path = lake.mixtures / f"{manifest.digest[:16]}.json"
    manifest.save(path)
    lake.point(manifest.name, path, manifest.digest)
    return manifest, path


def plan_mix(
    lake: Lake,
    embodiment: Embodiment,
    names: Sequence[str] = ("*",),
    *,
    weighing: Weighing = BY_FRAMES,
    selection: str | None = None,
    seed: int = 0,
    held_out_share: float = 0.1,
    licence_profile: Profile = "any",
) -> MixtureManifest:
    """The mixture of the lake's stores, not written down.

    Args:
        weighing: how the shares of the stores come about; by default every frame is equally likely.
        licence_profile: ``commercial`` refuses stores whose licences do not allow products.

    Raises:
        StoreError: no accepted episode.
        WeighingError: a share for a store that is not there, or a ratio or cap that cannot be met.
        LicenceError: a store does not fit the profile; names it and how to leave it out.
    """
    checked = checked_stores(lake, embodiment, names)
    shares = _shares(checked, weighing)
    return build_manifest(
        f"mixture_{embodiment.name}",
        embodiment,
        [(store, index, shares[store.root.name]) for store, index in checked if store.root.name in shares],
        selection=selection,
        seed=seed,
        held_out_share=held_out_share,
        licence_profile=licence_profile,
        kept=lake.cache / "motions",
    )


def export_mixture(
    manifest: MixtureManifest, target: Path, progress: Progress = _silent, *, held_out: bool = False
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
        entries = [entry for entry in source.episodes if (number, entry.index) not in left_out]
        facts: dict[str, Any] = {"weight": source.weight, "keep": {entry.index: entry.keep for entry in entries}}
        chosen.append(Chosen(source.open(), tuple(entry.index for entry in entries), facts))
    facts = {"mixture": manifest.name, "digest": manifest.digest, "held_out_episodes": held_out}
    return export_joined(chosen, target, progress, facts=facts)


def usual_ratio(
    lake: Lake, embodiment: Embodiment, names: Sequence[str], shares: Mapping[str, float], wanted: float | None
) -> float | None:
    """``Weighing.neural_per_real`` for a wish: a ratio; 0, by their frames; None, the usual.

    That is 1, as DreamGen co-trains, where there are generated stores and recorded ones and no share is given.
    """
    if wanted is not None:
        return wanted or None
    kinds = {store.kind for store, _ in checked_stores(lake, embodiment, names)}
    return 1.0 if not shares and "neural" in kinds and kinds & {"real", "simulated"} else None


def _shares(checked: Sequence[Checked], weighing: Weighing) -> dict[str, float]:
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
