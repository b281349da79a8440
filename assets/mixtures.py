"""Groups curate and mix: statistics and the mixture of one embodiment, over all accepted episodes of the lake."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from assets.declaring import asset_of
from assets.reporting import Made, figure, left_out, table
from assets.settings import config_of
from assets.versions import code_version
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages.settings import MixtureSettings, Shares

if TYPE_CHECKING:
    from gr00t_data.batches.mixture.manifest import MixtureManifest


class StatisticsConfig(config_of(Shares)):
    """Which stores are measured. Give it the shares of the mixture."""


class MixtureConfig(config_of(MixtureSettings)):
    """What is mixed, and how."""


def make_statistics(embodiment: Embodiment, config: StatisticsConfig, lake: Lake) -> Made:
    """Measure and report."""
    from gr00t_data.curate.figures import action_histograms
    from gr00t_data.stages.mix import measure_statistics, sample_actions

    statistics, path = measure_statistics(lake, embodiment, config)
    rows = [
        {"part": f"{side}.{name}", "dim": i, "unit": unit(embodiment, side, name), "count": part.count}
        | {key: round(getattr(part, key)[i], 5) for key in ("mean", "std", "min", "max", "q01", "q99")}
        for side, parts in (("state", statistics.state), ("action", statistics.action))
        for name, part in parts.items()
        for i in range(len(part.mean))
    ]
    frames = max(part.count for part in statistics.state.values())
    metadata = {
        "frames": frames,
        "measured": statistics.measured[:16],
        "statistics": table(rows),
        "actions": figure(action_histograms(sample_actions(lake, embodiment, config.stores)), "action histograms"),
        **left_out(lake),
    }
    return Made(path, statistics.digest, metadata)


def unit(embodiment: Embodiment, side: str, part: str) -> str:
    """The unit of a part."""
    return (embodiment.state_part if side == "state" else embodiment.action_part)(part).unit


def make_mixture(embodiment: Embodiment, config: MixtureConfig, lake: Lake) -> Made:
    """Write the manifest and report what it will sample."""
    from gr00t_data.stages.mix import mix

    manifest, path = mix(lake, embodiment, config)
    rows = [
        {
            "store": source.store.rpartition("/")[2],
            "kind": source.kind,
            "licence": source.licence,
            "weight": round(source.weight, 4),
            "episodes": len(source.episodes),
            "held out": sum(1 for number, _ in manifest.held_out if number == i),
            "frames": sum(entry.kept_frames for entry in source.episodes),
            "digest": source.digest[:12],
        }
        for i, source in enumerate(manifest.sources)
    ]
    metadata = {
        "data_source": data_source(manifest),
        "selection": manifest.selection,
        "licence profile": manifest.licence_profile,
        "seed": manifest.seed,
        "training frames": manifest.frames,
        "episodes": sum(len(source.episodes) for source in manifest.sources),
        "held-out episodes": len(manifest.held_out),
        "sources": table(rows),
        **left_out(lake),
    }
    return Made(path, manifest.digest, metadata)


def data_source(manifest: "MixtureManifest") -> str:
    """Where the episodes of a mixture come from: the kinds of its stores."""
    kinds = {source.kind for source in manifest.sources}
    return "simulator" if kinds == {"simulated"} else "+".join(sorted(kinds))


SOURCES = ("teleop_episodes", "human_clips")
"""Assets whose stores the mixture of a robot takes, beside those of its generated trajectories."""


def sources_of(name: str) -> tuple[str, ...]:
    """The assets whose stores statistics and mixture of the embodiment ``name`` take."""
    return (*SOURCES, f"neural_trajectories_{name}")


def mixture_assets(embodiment: Embodiment, sources: Sequence[str] | None = None) -> list[dg.AssetsDefinition]:
    """``norm_stats_<embodiment>`` and ``mixture_<embodiment>``.

    Args:
        sources: assets whose stores they take; None: recorded episodes, footage of people, and generated trajectories.
    """
    name = embodiment.name
    sources = sources_of(name) if sources is None else sources

    norm_stats = asset_of(
        f"norm_stats_{name}",
        code_version("norm_stats", embodiment),
        StatisticsConfig,
        lambda _, config, lake: make_statistics(embodiment, config, lake),
        deps=sources,
        group="curate",
        kinds={"polars", "json"},
        team="robot-data",
        description=(
            f"Count, mean, std, min, max, q01 and q99 of every state and action part of `{name}` over all accepted "
            "episodes, with the hash of the episodes that were measured."
        ),
    )
    mixture = asset_of(
        f"mixture_{name}",
        code_version("mixture", embodiment),
        MixtureConfig,
        lambda _, config, lake: make_mixture(embodiment, config, lake),
        deps=sources,
        group="mix",
        kinds={"json"},
        team="robot-data",
        description=(
            f"The manifest of what `{name}` trains on: stores with weights, accepted episodes with keep ranges, "
            "held-out episodes, and a seed. Sample i is a pure function of this file and i."
        ),
    )
    return [norm_stats, mixture]
