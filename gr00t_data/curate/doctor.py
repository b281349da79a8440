"""The doctor: every episode on its own, then all against each other. One function for shell, index and benchmark."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from pydantic import TypeAdapter

from gr00t_data.confined import ConfinedError, confined
from gr00t_data.confined_worker import Limits
from gr00t_data.curate.checks.catalogue import CHECKS, camera_of, found_in, without_consequences
from gr00t_data.curate.checks.pixels import SMALLEST_PX
from gr00t_data.curate.compare.evidence import Cameras, EpisodeEvidence, Rows, Sound, Views
from gr00t_data.curate.compare.units import scales
from gr00t_data.curate.copies.duplicates import Contents
from gr00t_data.curate.examine import check_store, concluded, examine
from gr00t_data.curate.finding import Finding, Scale, Verdict
from gr00t_data.curate.rig import of_the_rig
from gr00t_data.curate.robust import FEWEST
from gr00t_data.curate.subject.subject import FILE_02
from gr00t_data.disk import PathError
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.progress import Progress, silent
from gr00t_data.rates import at_recorded_rate
from gr00t_data.store.store import EpisodeStore
from gr00t_data.workers import in_threads

LIBRARIES = ("av", "imagehash", "numpy", "opencv-python-headless", "pyarrow", "pyyaml", "scipy")
"""Another version of one of these can change what is found."""

FEWEST_TO_REJECT = 12
"""In stores of fewer episodes, being unlike the others is a warning and rejects nothing."""


@dataclass(frozen=True)
class Report:
    """What the doctor found.

    Attributes:
        store_path: the folder.
        embodiment: name of what it was checked against.
        findings: about the store as a whole.
        verdicts: one an episode, by number.
        scales: see ``units.scales``.
        proposed: the YAML of the robot that it was checked against, where nobody described that; empty otherwise.
    """

    store_path: str
    embodiment: str
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    scales: dict[str, Scale] = field(default_factory=dict)
    proposed: str = ""

    @property
    def rejects(self) -> bool:
        """Whether an episode is rejected, or the store as a whole has an error."""
        return any(f.severity == "error" for f in self.findings) or not all(v.accepted for v in self.verdicts)

    def to_json(self) -> dict[str, object]:
        """The object that ``gr00t doctor --json`` prints."""
        return {
            "store": self.store_path,
            "findings": _PLAIN.dump_python(self.findings, mode="json"),
            "episodes": [
                {
                    "episode_index": verdict.episode_index,
                    "verdict": "accepted" if verdict.accepted else "rejected",
                    "findings": _PLAIN.dump_python(verdict.findings, mode="json"),
                }
                for verdict in self.verdicts
            ],
            **({"proposed_robot": self.proposed} if self.proposed else {}),
        }


_PLAIN = TypeAdapter(tuple[Finding, ...])


def diagnose(store: EpisodeStore, embodiment: Embodiment, *, progress: Progress = silent, workers: int = 1) -> Report:
    """Check every episode of a store on its own, then all against each other. Nothing is written.

    Args:
        workers: processes; the result does not depend on it.

    Raises:
        StoreError: the metadata was changed after sealing: nothing can be said about any episode.
    """
    store.verify_metadata()
    findings = check_store(store, embodiment)
    embodiment = at_recorded_rate(embodiment.fitting(store.cameras), store)
    numbers = sorted({row.index for row in store.rows})
    verdicts: dict[int, Verdict] = {}
    evidence: list[EpisodeEvidence] = []
    for done, (verdict, seen) in enumerate(_examined(store, numbers, embodiment, findings, workers), start=1):
        verdicts[verdict.episode_index] = verdict
        evidence.append(seen)
        progress(done, len(numbers))
        if seen.fingerprint is not None:
            verdicts[verdict.episode_index] = replace(verdict, rows_digest=seen.fingerprint.rows)
    # Where rows or pictures are wrong, other episodes must not be judged by them; what all have in common spoils none.
    own, _ = of_the_rig(store.root, {index: list(verdict.findings) for index, verdict in verdicts.items()})
    compared, of_store = compare(store, evidence, embodiment, own)
    every, of_rig = of_the_rig(store.root, {n: [*one.findings, *compared[n]] for n, one in verdicts.items()})
    every, of_rig = {n: without_consequences(each) for n, each in every.items()}, without_consequences(of_rig)
    measured = scales(Rows({one.index: one.rows for one in evidence if one.rows is not None}, embodiment))
    final = [concluded(verdicts[index], every[index], embodiment) for index in numbers]
    return Report(str(store.root), embodiment.name, (*findings, *of_store, *of_rig), tuple(final), measured)


@dataclass(frozen=True)
class _Examination:
    """What a worker needs to examine any episode of a store; ``turn`` is another one each time a store is examined."""

    root: Path
    embodiment: Embodiment
    findings: tuple[Finding, ...]
    turn: str

    def of(self, number: int) -> tuple[Verdict, EpisodeEvidence]:
        """``examine``, in a worker."""
        return examine(_opened(self.root, self.turn), number, self.embodiment, self.findings)


@lru_cache(maxsize=1)
def _opened(root: Path, turn: str) -> EpisodeStore:
    """The store that this process is asked about, opened once a turn: it may have changed since the last one."""
    return EpisodeStore.open(root)


def _examined(
    store: EpisodeStore, numbers: list[int], embodiment: Embodiment, findings: list[Finding], workers: int
) -> Iterator[tuple[Verdict, EpisodeEvidence]]:
    """Every episode, each read by a process that may die of it."""
    examination = _Examination(store.root, embodiment, tuple(findings), uuid4().hex)
    yield from in_threads(partial(_guarded, store, examination), numbers, workers)


def _guarded(
    store: EpisodeStore, examination: _Examination, number: int, stop: threading.Event
) -> tuple[Verdict, EpisodeEvidence]:
    what = f"{store.root}: episode {number}"
    try:
        return confined(what, examination.of, number, limits=_limits(store, number), stop=stop)
    except ConfinedError as error:
        row = store.row(number)
        verdict = Verdict(number, False, row.length, (), row.instruction, (FILE_02.finding(str(error)),))
        return verdict, EpisodeEvidence(number, row.instruction)


def _limits(store: EpisodeStore, number: int) -> Limits:
    try:
        places = [store.data_place(number), *(store.video_place(number, camera) for camera in store.cameras)]
    except PathError:  # leads out of the store, which is a finding
        return Limits()
    size_bytes = sum(place.stat().st_size for place in places if place.is_file())
    return Limits.of_input(size_bytes, store.row(number).length * len(store.cameras))


def compare(
    store: EpisodeStore,
    evidence: list[EpisodeEvidence],
    embodiment: Embodiment,
    alone: Mapping[int, Sequence[Finding]] = MappingProxyType({}),
) -> tuple[dict[int, list[Finding]], list[Finding]]:
    """(findings by episode, findings of the store) that need more than one episode, messages naming the episode.

    Args:
        alone: what each episode shows on its own; the others are not judged by rows or pictures that are wrong.
    """
    found: dict[int, list[Finding]] = defaultdict(list)
    of_store: list[Finding] = []
    for index, camera, finding in _unlike(store, evidence, embodiment):
        if index is None:
            of_store.append(replace(finding, message=f"{store.root}: {finding.message}"))
        else:
            found[index].append(_placed(finding, store, index, camera))
    known = {one.index: (*alone.get(one.index, ()), *found.get(one.index, ())) for one in evidence}
    for camera in embodiment.cameras:
        sound = frozenset(index for index, findings in known.items() if not _spoilt(findings, camera.name))
        for index, finding in found_in(Sound(evidence, camera.name, embodiment.control_hz, sound)):
            found[index].append(_placed(finding, store, index, camera.name))
    found = defaultdict(list, {n: [_sure(finding, len(evidence)) for finding in all_] for n, all_ in found.items()})
    fingerprints = [one.fingerprint for one in evidence if one.fingerprint is not None]
    for index, finding in found_in(Contents(store, embodiment, fingerprints)):
        (of_store if index is None else found[index]).append(finding)
    return found, of_store


def _spoilt(findings: Sequence[Finding], camera: str) -> bool:
    """Whether rows, or pictures of this camera, are known to be wrong."""
    errors = (one for one in findings if one.severity == "error" and CHECKS[one.code].spoils)
    return any(camera_of(one) in (None, camera) for one in errors)


def _unlike(
    store: EpisodeStore, evidence: list[EpisodeEvidence], embodiment: Embodiment
) -> Iterator[tuple[int | None, str | None, Finding]]:
    """(episode, camera, finding) of rows, and of pictures alone; without an episode where it is of the store."""
    rows = {one.index: one.rows for one in evidence if one.rows is not None}
    for index, finding in found_in(Rows(rows, embodiment)):
        yield index, None, finding
    if store.kind == "human":  # A camera on a head shows another scene in every episode.
        return
    for camera in embodiment.cameras:
        seen = {one.index: one.cameras[camera.name] for one in evidence if camera.name in one.cameras}
        cameras = {index: one for index, one in seen.items() if min(one.size) >= SMALLEST_PX}
        for index, finding in found_in(Views(camera.name, cameras)) if len(cameras) >= FEWEST else ():
            yield index, camera.name, finding
    yield from found_in(Cameras(evidence, embodiment))


def _sure(finding: Finding, episodes: int) -> Finding:
    """The finding, as a warning where too few episodes are there to know what is usual: one of five is always odd."""
    if episodes >= FEWEST_TO_REJECT or CHECKS[finding.code].fact or finding.severity != "error":
        return finding
    return replace(finding, severity="warning")


def _placed(finding: Finding, store: EpisodeStore, index: int, camera: str | None) -> Finding:
    """The finding with file and episode before its message."""
    path = store.video_place(index, camera) if camera else store.data_place(index)
    return replace(finding, message=f"{path}: episode {index}: {finding.message}")
