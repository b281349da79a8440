"""What a mixture will do, said before any training; and how two mixtures differ."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from gr00t_data.batches.mixture.manifest import EpisodeEntry, MixtureManifest
from gr00t_data.rates import Pace
from gr00t_data.store.provenance import Facts
from gr00t_data.store.texts import Changes

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
class SourcePreview:
    """What the run draws of one source.

    Attributes:
        repeats, repeats_per_epoch: how often each frame is drawn in the run, and in as many samples as there are
            frames.
        hz, horizon_s, horizon_frames: frames a second, and an action chunk in seconds and in frames of the source;
            None when no chunk was given.
    """

    store: str
    kind: str
    licence: str
    probability: float
    episodes: int
    held_out: int
    frames: int
    hours: float
    repeats: float
    repeats_per_epoch: float
    hz: float | None = None
    horizon_s: float | None = None
    horizon_frames: float | None = None


@dataclass(frozen=True)
class Preview:
    """What a number of samples of a manifest will be made of.

    Attributes:
        samples: how many the run draws in all.
        kinds, tasks: share of the samples by kind and by instruction (the most frequent ones, then ``others``).
        warnings: traps, in words.
    """

    manifest: str
    embodiment: str
    samples: int
    frames: int
    hours: float
    sources: tuple[SourcePreview, ...]
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
        SourcePreview(
            store=Path(source.store).name,
            kind=source.kind,
            licence=source.licence,
            probability=source.weight,
            episodes=len(entries),
            held_out=len(source.episodes) - len(entries),
            frames=count,
            hours=count / pace.recorded_hz / 3600,
            repeats=drawn * source.weight / max(count, 1),
            repeats_per_epoch=sum(frames) * source.weight / max(count, 1),
            **_horizon(pace, horizon),
        )
        for source, entries, count, pace in zip(manifest.sources, training, frames, paces, strict=True)
    )
    kinds: dict[str, float] = defaultdict(float)
    tasks: dict[str, float] = defaultdict(float)
    for source, entries, count in zip(manifest.sources, training, frames, strict=True):
        kinds[source.kind] += source.weight
        for entry in entries:
            for text, shown in entry.frames_by_text().items():
                tasks[text] += source.weight * shown / max(count, 1)
    hours = sum(row.hours for row in rows)
    return Preview(
        manifest.digest,
        manifest.embodiment,
        drawn,
        sum(frames),
        hours,
        rows,
        dict(kinds),
        _most(tasks),
        (*_nothing_held_out(manifest), *_warnings(rows, training)),
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


def _nothing_held_out(manifest: MixtureManifest) -> tuple[str, ...]:
    if manifest.held_out:
        return ()
    return (
        "no episode is held out, so nothing is left to evaluate on: give a held-out share above 0, and at least two "
        "episodes of a store that are no copies of each other",
    )


def _warnings(rows: tuple[SourcePreview, ...], training: list[list[EpisodeEntry]]) -> list[str]:
    found = []
    every = sum(row.frames for row in rows)
    for row, entries in zip(rows, training, strict=True):
        store, share = row.store, row.probability
        if row.repeats > MANY_REPEATS:
            found.append(
                f"{store}: each of its {row.frames} frames is drawn {row.repeats:.0f} times; the policy will "
                "know it by heart: lower its share, or record more"
            )
        if share < SMALL_SHARE:
            found.append(
                f"{store}: gets {share:.2%} of the samples and is hardly seen: raise its share or leave it out"
            )
        if share * MUCH_LESS < row.frames / every:
            found.append(
                f"{store}: holds {row.frames / every:.0%} of the frames and gets {share:.0%} of the samples; if its "
                "weight was meant per frame, note that weights here are shares of the samples and are not multiplied "
                "by the number of frames"
            )
        if len(entries) < FEW_EPISODES:
            found.append(f"{store}: has {len(entries)} episode(s) to train on")
    return found


@dataclass(frozen=True)
class Change:
    """A value of both mixtures."""

    before: str | int | float
    after: str | int | float


@dataclass(frozen=True)
class SourceDifference:
    """What changed of one store: numbers of episodes, and its share of the samples."""

    episodes_removed: tuple[int, ...] = ()
    episodes_added: tuple[int, ...] = ()
    keep_ranges_changed: tuple[int, ...] = ()
    instructions_changed: tuple[int, ...] = ()
    now_held_out: tuple[int, ...] = ()
    no_longer_held_out: tuple[int, ...] = ()
    weight: Change | None = None


@dataclass(frozen=True)
class Difference:
    """What changed from one mixture to another: fields, names of stores, and each store that both have."""

    embodiment: Change | None = None
    embodiment_digest: Change | None = None
    selection: Change | None = None
    seed: Change | None = None
    sources_removed: tuple[str, ...] = ()
    sources_added: tuple[str, ...] = ()
    sources: dict[str, SourceDifference] = field(default_factory=dict)

    def facts(self) -> Facts:
        """JSON-able: what changed and nothing else, so empty when both draw the same samples."""
        return _JSON.dump_python(self, mode="json", exclude_defaults=True)


_JSON = TypeAdapter(Difference)


def difference(one: MixtureManifest, two: MixtureManifest) -> Difference:
    """What changed from ``one`` to ``two``.

    Stores are recognised by their content, so a moved store is no change and a re-made one is.
    """
    fields = ("embodiment", "embodiment_digest", "selection", "seed")
    before, after = ({source.digest: source for source in manifest.sources} for manifest in (one, two))
    held = [{(m.sources[s].digest, index) for s, index in m.held_out} for m in (one, two)]
    sources = {}
    for digest in sorted(before.keys() & after.keys()):
        old, new = ({e.index: e for e in manifest[digest].episodes} for manifest in (before, after))
        both = sorted(old.keys() & new.keys())
        found = SourceDifference(
            episodes_removed=tuple(sorted(old.keys() - new.keys())),
            episodes_added=tuple(sorted(new.keys() - old.keys())),
            keep_ranges_changed=tuple(i for i in both if old[i].keep != new[i].keep),
            instructions_changed=tuple(i for i in both if _spoken(old[i]) != _spoken(new[i])),
            now_held_out=tuple(i for i in both if (digest, i) in held[1] - held[0]),
            no_longer_held_out=tuple(i for i in both if (digest, i) in held[0] - held[1]),
            weight=_change(before[digest].weight, after[digest].weight),
        )
        if found != SourceDifference():
            sources[Path(after[digest].store).name] = found
    return Difference(
        **{name: _change(getattr(one, name), getattr(two, name)) for name in fields},
        sources_removed=tuple(Path(before[d].store).name for d in before.keys() - after.keys()),
        sources_added=tuple(Path(after[d].store).name for d in after.keys() - before.keys()),
        sources=sources,
    )


def _spoken(entry: EpisodeEntry) -> tuple[str, Changes | None]:
    return entry.instruction, entry.text_changes


def _change(before: str | int | float, after: str | int | float) -> Change | None:
    return None if before == after else Change(before, after)
