"""Lineage both ways: from a checkpoint to the episodes it saw, from an episode to everything that holds it. No torch.

Everything is read from files that the stages left: ``episodes.json`` and ``manifest.json`` of the checkpoints, the
manifests, the seals of the stores, the indexes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.curate.index import load_index
from gr00t_data.lake import Lake
from gr00t_data.stages.names import SHORTEST_DIGEST
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import EpisodeStore, listed_in, sealed_in
from gr00t_model.lineage.chain import LineageError
from gr00t_model.lineage.record import Record, chain_of, checkpoints, listed_checkpoints
from gr00t_model.loop.run import list_states


@dataclass(frozen=True)
class Sight:
    """One episode that a checkpoint has seen.

    Attributes:
        store: name of its store when it was mixed.
        source: where it came from, in one line.
        verdict_today: what the index that the mixture was made by says now, the newest where the manifest names none.
        digest: first characters of that of its store.
        through: the base through which it came; empty when this checkpoint drew it itself.
    """

    store: str
    episode: int
    kind: Kind
    licence: str
    embodiment: str
    samples: int
    source: str
    instruction: str
    verdict_today: str
    digest: str
    through: str


@dataclass(frozen=True)
class Holder:
    """What holds an episode or has seen it: a clip, a store, a manifest, a checkpoint; how, and where it lies.

    ``unreadable ...`` is what may, and why nobody can say.
    """

    what: str
    name: str
    how: str
    path: str


def of_checkpoint(lake: Lake, folder: Path) -> list[Sight]:
    """Every episode a checkpoint has seen, those of the checkpoints it started from included."""
    own, *before = chain_of(folder)
    stores = {store.digest: store for store in sealed_in(lake.stores)}
    indexes = Record.load(folder).indexes if own.what == "checkpoint" else {}
    verdicts = Verdicts(lake)
    return [
        Sight(
            store=link.stores.get(entry.store, "?"),
            episode=entry.episode,
            kind=entry.kind,
            licence=entry.licence,
            embodiment=entry.embodiment or "?",
            samples=entry.samples,
            source=_source(stores.get(entry.store), entry.episode),
            instruction=entry.instruction,
            verdict_today=verdicts.of(entry.store, entry.episode, indexes.get(entry.store) if link is own else None)
            if entry.store in stores
            else "the store is gone",
            digest=entry.store[:16],
            through="" if link is own else link.name,
        )
        for link in (own, *before)
        for entry in link.episodes
    ]


def _source(store: EpisodeStore | None, number: int) -> str:
    """Where an episode came from, in one line."""
    if store is None:
        return "unknown, the store is gone"
    where = store.about.source.drop or store.about.source.simulator or "unknown"
    own = next((row.source.facts() for row in store.rows if row.index == number), {})
    told = ", ".join(f"{name} {value}" for name, value in sorted(own.items()))
    return f"{where} ({told})" if told else where


class Verdicts:
    """What an index of each store says; each is read once. One that cannot be read says so itself."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._known: dict[tuple[str, str | None], dict[int, str]] = {}
        self._otherwise: dict[tuple[str, str | None], str] = {}

    def of(self, digest: str, number: int, index: str | None = None) -> str:
        """Accepted, or rejected with its codes.

        Args:
            index: file name of the index that is asked; the newest of the store where it is None or gone.
        """
        key = digest, index
        if key not in self._known:
            files = sorted(self._lake.index.glob(f"{digest[:16]}-*.json"), key=lambda path: path.stat().st_mtime_ns)
            file = next((path for path in files if path.name == index), files[-1] if files else None)
            try:
                self._known[key] = _verdicts_in(file) if file else {}
            except (OSError, LookupError, TypeError, ValueError) as error:
                self._known[key], self._otherwise[key] = {}, f"not known: {file} cannot be read ({error!r})"
        return self._known[key].get(number, self._otherwise.get(key, "not checked"))


def _verdicts_in(index: Path) -> dict[int, str]:
    texts = {}
    for verdict in load_index(index).verdicts:
        codes = sorted({finding.code for finding in verdict.findings if finding.severity == "error"})
        texts[verdict.episode_index] = "accepted" if verdict.accepted else f"rejected: {' '.join(codes)}"
    return texts


def of_episode(lake: Lake, text: str) -> list[Holder]:
    """Everything that holds a store, or one episode of it.

    Args:
        text: ``STORE`` or ``STORE/EPISODE``; the store by name or by the first characters of its digest.

    Raises:
        LineageError: neither the lake nor a manifest knows such a store, or it has no such episode.
    """
    name, slash, number_text = text.rpartition("/")
    if not (slash and number_text.isdigit()):  # a digest may be all digits
        name, slash = text, ""
    digest = _store_digest(lake, name.rstrip("/"))
    number = int(number_text) if slash else None
    numbers = None if number is None else frozenset({number})
    rows = [
        *_in_stores(lake, digest, number),
        *manifest_rows(lake, digest, numbers),
        *checkpoint_rows(lake, digest, numbers),
    ]
    if not rows:
        raise LineageError(f"{text}: nothing in {lake.root} holds that episode")
    return [*rows, *unreadable(lake)]


def unreadable(lake: Lake) -> list[Holder]:
    """Stores, manifests and checkpoints that cannot be read: each is a row of every answer, and stops none."""
    faults = [("store", lake.stores / name, why) for name, why in listed_in(lake.stores)[1].items()]
    faults += [("manifest", path, why) for path, why in _listed_manifests(lake)[1].items()]
    faults += [("checkpoint", path, why) for path, why in listed_checkpoints(lake)[1].items()]
    return [Holder(f"unreadable {what}", path.stem, why, str(path)) for what, path, why in faults]


def _store_digest(lake: Lake, name: str) -> str:
    """The digest of the store that ``name`` means, also of one that is gone but still named by a manifest."""
    last = Path(name).name
    known = {store.digest: store.root.name for store in sealed_in(lake.stores)}
    for _, manifest in _manifests(lake):
        known = {source.digest: Path(source.store).name for source in manifest.sources} | known
    for record in checkpoints(lake):
        known = record.store_names | known
    found = [digest for digest, own in known.items() if own == last]
    if not found and len(last) >= SHORTEST_DIGEST:
        found = [digest for digest in known if digest.startswith(last)]
    if len(found) == 1:
        return found[0]
    if found:
        raise LineageError(f"{name}: means {len(found)} stores; give the digest: {', '.join(d[:16] for d in found)}")
    raise LineageError(
        f"{name}: neither a checkpoint, nor a store of {lake.root} by name or digest "
        f"(known stores: {', '.join(sorted(known.values())[:8]) or 'none'})"
    )


def _manifests(lake: Lake) -> list[tuple[Path, MixtureManifest]]:
    return _listed_manifests(lake)[0]


def _listed_manifests(lake: Lake) -> tuple[list[tuple[Path, MixtureManifest]], dict[Path, str]]:
    """The manifests of the lake, each looked at alone, and why others cannot be read."""
    whole, damaged = list[tuple[Path, MixtureManifest]](), dict[Path, str]()
    for path in sorted(lake.mixtures.glob("*.json")) if lake.mixtures.is_dir() else []:
        if path.name.startswith("."):
            continue
        try:
            whole.append((path, MixtureManifest.load(path)))
        except (OSError, ValueError) as error:
            damaged[path] = str(error)
    return whole, damaged


def _in_stores(lake: Lake, digest: str, number: int | None) -> Iterator[Holder]:
    verdicts = Verdicts(lake)
    for store in sealed_in(lake.stores):
        numbers = [row.index for row in store.rows]
        if store.digest != digest or (number is not None and number not in numbers):
            continue
        how = f"{len(numbers)} episodes" if number is None else verdicts.of(digest, number)
        yield Holder("store", store.root.name, f"{how}; {store.kind}, {store.licence}", str(store.root))


def manifest_rows(lake: Lake, digest: str, numbers: frozenset[int] | None) -> Iterator[Holder]:
    """A row for each manifest that holds a store, or some episodes of it."""
    for path, manifest in _manifests(lake):
        how = _place_in(manifest, digest, numbers)
        if how:
            yield Holder("manifest", f"{manifest.name} {path.stem}", how, str(path))


def _place_in(manifest: MixtureManifest, digest: str, wanted: frozenset[int] | None) -> str:
    """How a manifest holds a store or episodes of it; empty when it does not."""
    for position, source in enumerate(manifest.sources):
        if source.digest != digest:
            continue
        held_out = {episode for at, episode in manifest.held_out if at == position}
        numbers = {entry.index for entry in source.episodes}
        held = numbers & (numbers if wanted is None else wanted)
        if wanted is None or len(wanted) > 1:
            return f"{len(held - held_out)} for training, {len(held & held_out)} held out" if held else ""
        return "held out" if held & held_out else "training" if held else ""
    return ""


def checkpoint_rows(lake: Lake, digest: str, numbers: frozenset[int] | None) -> Iterator[Holder]:
    """A row for each checkpoint that has seen a store or some episodes of it, or held them out."""
    named = [(path.stem, lake.pointed(path.stem)) for path in sorted((lake.root / "current").glob("released_*.json"))]
    released = {name: found[0] for name, found in named if found}
    for record in checkpoints(lake):
        own = record.link("checkpoint", "")
        for link in (own, *record.chain):
            found = [e for e in link.episodes if e.store == digest and (numbers is None or e.episode in numbers)]
            held_out = any(store == digest and (numbers is None or n in numbers) for store, n in link.held_out)
            if not found and not held_out:
                continue
            samples = sum(entry.samples for entry in found)
            how = f"{len(found)} episodes drawn {samples} times" if found else "held out, never drawn"
            how += "" if link is own else f", through {link.name}"
            pointers = ", ".join(name for name, target in released.items() if target == record.folder)
            what = f"checkpoint ({pointers})" if pointers else "checkpoint"
            yield Holder(what, record.folder.name, how, str(record.folder))


def run_rows(lake: Lake, name: str, digest: str, numbers: frozenset[int]) -> Iterator[Holder]:
    """A row for each training that was given episodes of a store, itself or in a mixture, with the states it keeps."""
    holding = [(path, manifest) for path, manifest in _manifests(lake) if _place_in(manifest, digest, numbers)]
    marks = {mark for path, manifest in holding for mark in (path.stem, manifest.digest)}
    marks |= {digest, f'stores/{name}"'}
    for path in sorted(lake.root.glob("*/*/RUN.json")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if any(mark in text for mark in marks):
            steps = list_states(path.parent / "states")
            how = f"trained on them; keeps states of steps {', '.join(map(str, steps))}" if steps else "trained on them"
            yield Holder("run", path.parent.name, how, str(path.parent))
