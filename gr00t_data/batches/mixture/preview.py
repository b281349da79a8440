"""What a mixture will do, said before any training; and how two mixtures differ."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gr00t_data.batches.mixture.manifest import EpisodeEntry, MixtureManifest
from gr00t_data.rates import Pace

MANY_REPEATS = 100
"""A source drawn more often than this per frame in one run is learnt by heart: a warning."""

SMALL_SHARE = 0.01
"""A source that is drawn less than this is hardly seen: a warning."""

MUCH_LESS = 5
"""A source that gets this many times less than its part of the frames may have been weighed by mistake: a warning."""

FEW_EPISODES = 2
"""Fewer episodes than this leave nothing to hold out: a warning."""

_TASKS_SHOWN = 20


@dataclass(frozen=True)
class Preview:
    """What a number of samples of a manifest will be made of.

    Attributes:
        samples: how many the run draws in all.
        sources: one row a source: store, kind, licence, probability, episodes, frames, hours, repeats (how often each
            frame is drawn in the run), repeats_per_epoch (in as many samples as there are frames), hz (frames
            a second), horizon_s and horizon_frames (an action chunk in seconds and in its frames).
        kinds, tasks: share of the samples by kind and by instruction (the most frequent ones, then ``others``).
        warnings: traps, in words.
    """

    manifest: str
    embodiment: str
    samples: int
    frames: int
    hours: float
    sources: tuple[dict[str, Any], ...]
    kinds: dict[str, float]
    tasks: dict[str, float]
    warnings: tuple[str, ...]


def preview(
    manifest: MixtureManifest, control_hz: float, samples: int | None = None, horizon: int | None = None
) -> Preview:
    """Look ahead. Nothing is read but the manifest.

    Args:
        control_hz: steps a second of the embodiment.
        samples: what the run will draw; None is one epoch, as many samples as frames.
        horizon: steps of an action chunk; with it, each source says what that is in seconds and in its own frames.
    """
    training = _training_entries(manifest)
    frames = [sum(entry.kept_frames for entry in entries) for entries in training]
    paces = [Pace(source.recorded_hz or control_hz, control_hz) for source in manifest.sources]
    drawn = sum(frames) if samples is None else samples
    rows = tuple(
        {
            "store": Path(source.store).name,
            "kind": source.kind,
            "licence": source.licence,
            "probability": source.weight,
            "episodes": len(entries),
            "held_out": len(source.episodes) - len(entries),
            "frames": count,
            "hours": count / pace.recorded_hz / 3600,
            "repeats": drawn * source.weight / max(count, 1),
            "repeats_per_epoch": sum(frames) * source.weight / max(count, 1),
            **_horizon(pace, horizon),
        }
        for source, entries, count, pace in zip(manifest.sources, training, frames, paces, strict=True)
    )
    kinds: dict[str, float] = defaultdict(float)
    tasks: dict[str, float] = defaultdict(float)
    for source, entries, count in zip(manifest.sources, training, frames, strict=True):
        kinds[source.kind] += source.weight
        for entry in entries:
            tasks[entry.instruction] += source.weight * entry.kept_frames / max(count, 1)
    hours = sum(row["hours"] for row in rows)
    return Preview(
        manifest.digest,
        manifest.embodiment,
        drawn,
        sum(frames),
        hours,
        rows,
        dict(kinds),
        _most(tasks),
        tuple(_warnings(rows, training)),
    )


def _training_entries(manifest: MixtureManifest) -> list[list[EpisodeEntry]]:
    held_out = set(manifest.held_out)
    return [[e for e in source.episodes if (s, e.index) not in held_out] for s, source in enumerate(manifest.sources)]


def _horizon(pace: Pace, steps: int | None) -> dict[str, float]:
    """How long an action chunk is, in seconds and in frames of the source: the same time for all of them."""
    if steps is None:
        return {}
    return {"hz": pace.recorded_hz, "horizon_s": steps / pace.control_hz, "horizon_frames": steps * pace.rows_a_step}


def _most(shares: Mapping[str, float]) -> dict[str, float]:
    order = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = dict(order[:_TASKS_SHOWN])
    if rest := order[_TASKS_SHOWN:]:
        shown[f"({len(rest)} others)"] = sum(share for _, share in rest)
    return shown


def _warnings(rows: tuple[dict[str, Any], ...], training: list[list[EpisodeEntry]]) -> list[str]:
    found = []
    every = sum(row["frames"] for row in rows)
    for row, entries in zip(rows, training, strict=True):
        store, share = row["store"], row["probability"]
        if row["repeats"] > MANY_REPEATS:
            found.append(
                f"{store}: each of its {row['frames']} frames is drawn {row['repeats']:.0f} times; the policy will "
                "know it by heart: lower its share, or record more"
            )
        if share < SMALL_SHARE:
            found.append(
                f"{store}: gets {share:.2%} of the samples and is hardly seen: raise its share or leave it out"
            )
        if share * MUCH_LESS < row["frames"] / every:
            found.append(
                f"{store}: holds {row['frames'] / every:.0%} of the frames and gets {share:.0%} of the samples; if its "
                "weight was meant per frame, note that weights here are shares of the samples and are not multiplied "
                "by the number of frames"
            )
        if len(entries) < FEW_EPISODES:
            found.append(f"{store}: has {len(entries)} episode(s) to train on")
    return found


Difference = dict[str, Any]


def difference(one: MixtureManifest, two: MixtureManifest) -> Difference:
    """What changed from ``one`` to ``two``: fields, sources, weights, episodes. Empty when both draw the same samples.

    Stores are recognised by their content, so a moved store is no change and a re-made one is.
    """
    changes: Difference = {}
    for name in ("embodiment", "embodiment_digest", "selection", "seed"):
        if getattr(one, name) != getattr(two, name):
            changes[name] = {"before": getattr(one, name), "after": getattr(two, name)}
    before, after = ({source.digest: source for source in manifest.sources} for manifest in (one, two))
    changes |= _if_any("sources_removed", [Path(before[d].store).name for d in before.keys() - after.keys()])
    changes |= _if_any("sources_added", [Path(after[d].store).name for d in after.keys() - before.keys()])
    held = [{(m.sources[s].digest, index) for s, index in m.held_out} for m in (one, two)]
    sources = {}
    for digest in sorted(before.keys() & after.keys()):
        old, new = ({e.index: e for e in manifest[digest].episodes} for manifest in (before, after))
        own = _if_any("episodes_removed", sorted(old.keys() - new.keys()))
        own |= _if_any("episodes_added", sorted(new.keys() - old.keys()))
        both = sorted(old.keys() & new.keys())
        own |= _if_any("keep_ranges_changed", [i for i in both if old[i].keep != new[i].keep])
        own |= _if_any("instructions_changed", [i for i in both if old[i].instruction != new[i].instruction])
        own |= _if_any("now_held_out", [i for i in both if (digest, i) in held[1] - held[0]])
        own |= _if_any("no_longer_held_out", [i for i in both if (digest, i) in held[0] - held[1]])
        if before[digest].weight != after[digest].weight:
            own["weight"] = {"before": before[digest].weight, "after": after[digest].weight}
        sources |= _if_any(Path(after[digest].store).name, own)
    return changes | _if_any("sources", sources)


def _if_any(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}
