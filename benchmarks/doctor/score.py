"""Plant, run the doctor, compare with what it said about the clean store."""

import shutil
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.doctor.anatomy import Unplantable
from benchmarks.doctor.controls import CONTROLS, Control
from benchmarks.doctor.defects.catalogue import DEFECTS
from benchmarks.doctor.defects.defect import STORE, Defect, Planting, Targets
from benchmarks.doctor.folder import Folder
from benchmarks.doctor.judgement import ERROR, Judgement, judge
from gr00t_data.disk import folder_digests
from gr00t_data.embodiment.robot import load_embodiment

_OF_STORE = "STORE-01"
"""Every episode carries it when the store is barred: it says nothing of its own."""


@dataclass(frozen=True)
class Job:
    """One defect or control to be planted into one clean store."""

    name: str
    store: str
    clean: str
    before: Judgement
    embodiment: str
    work: str
    seed: int
    severity: float


@dataclass(frozen=True)
class Score:
    """What came of one job.

    Attributes:
        planted: things to find (0 for a control).
        named: of them, those with an accepted code on the right episode.
        noticed: of them, those with any new finding on the right episode.
        false_alarms: new findings on episodes that were not touched ("episode 4 IMAGE-03").
        wrongly_rejected: clean episodes that are rejected now.
        codes: the new codes on the right episodes.
        skipped: why it was not planted; empty when it was.
    """

    name: str
    store: str
    planted: int
    named: int
    noticed: int
    false_alarms: tuple[str, ...]
    wrongly_rejected: tuple[int, ...]
    codes: tuple[str, ...]
    seconds: float
    skipped: str = ""


def matches(code: str, accepted: Iterable[str]) -> bool:
    """Whether a code is one of the accepted ones; ``IMAGE-*`` accepts the whole family."""
    return any(code.startswith(one[:-1]) if one.endswith("*") else code == one for one in accepted)


def run(job: Job) -> Score:
    """Plant one job into a copy of its store and score the doctor; the copy is removed."""
    by_name = {one.name: one for one in (*DEFECTS, *CONTROLS)}
    case = by_name[job.name]
    root = Path(tempfile.mkdtemp(prefix=f"{job.name}.", dir=job.work))
    root.rmdir()
    try:
        planting = _planting(job, case, Folder.copy(Path(job.clean), root))
        if isinstance(case, Control):
            numbers = case.change(planting)
            return _score(job, judge(root, planting.embodiment), [], (), numbers)
        before = folder_digests(root)
        targets = case.plant(planting)
        if folder_digests(root) == before:
            raise Unplantable("the store would be the same as before")
        if case.refresh:
            planting.folder.refresh()
        copies = {number: min(target - {STORE}) for target in targets for number in target - job.before.codes.keys()}
        return _score(job, judge(root, planting.embodiment), targets, case.codes.split(), copies, case.rig)
    except Unplantable as error:
        return Score(job.name, job.store, 0, 0, 0, (), (), (), 0.0, skipped=str(error))
    finally:
        shutil.rmtree(root)


def _planting(job: Job, case: Defect | Control, folder: Folder) -> Planting:
    generator = np.random.default_rng([job.seed, zlib.crc32(f"{job.name} {job.store}".encode())])
    share = case.share if isinstance(case, Defect) else 0
    wanted = max(round(share * len(folder.store.rows)), 1)
    numbers = _without_it(job, case, folder)
    order = [*generator.choice(numbers, min(wanted, len(numbers)), replace=False).tolist()]
    spare = generator.permutation([number for number in numbers if number not in order]).tolist()
    return Planting(
        folder, load_embodiment(job.embodiment), tuple(sorted(order)), generator, job.severity, tuple(spare)
    )


def _without_it(job: Job, case: Defect | Control, folder: Folder) -> list[int]:
    """The episodes that do not carry a code of the defect already. Raises Unplantable where all do, or the store."""
    accepted = case.codes.split() if isinstance(case, Defect) else ()
    if isinstance(case, Defect) and case.rig and any(matches(c, accepted) for c in job.before.codes.get(STORE, {})):
        raise Unplantable("the store has it already")
    has = {e for e, codes in job.before.codes.items() if any(matches(code, accepted) for code in codes)}
    numbers = [row.index for row in folder.store.rows if row.index not in has]
    if not numbers:
        raise Unplantable("every episode of the store has it already")
    return numbers


def _score(
    job: Job, after: Judgement, targets: Targets, accepted: Sequence[str], numbers: dict[int, int], rig: bool = False
) -> Score:
    new = after.new(job.before, numbers)
    of_store = bool(targets) and all(target == {STORE} for target in targets)
    touched = set().union(*targets) | {STORE} if targets else set()
    found = [
        set().union(*(new.get(e, set()) for e in (new if of_store and not rig else target))) - {_OF_STORE}
        for target in targets
    ]
    elsewhere = {} if of_store else {e: codes - {_OF_STORE} for e, codes in new.items() if e not in touched}
    before = {now for now in after.rejected if numbers.get(now, now) in job.before.rejected}
    barred = (of_store and not rig) or any(_OF_STORE in codes for codes in new.values())
    barred = barred or any(after.codes[STORE][code][0] == ERROR for code in new.get(STORE, ()))
    return Score(
        name=job.name,
        store=job.store,
        planted=len(targets),
        named=sum(any(matches(code, accepted) for code in codes) for codes in found),
        noticed=sum(bool(codes) for codes in found),
        false_alarms=tuple(f"episode {e} {code}" for e, codes in sorted(elsewhere.items()) for code in sorted(codes)),
        wrongly_rejected=() if barred else tuple(sorted(after.rejected - before - touched)),
        codes=tuple(sorted(set().union(*found))),
        seconds=after.seconds,
    )
