"""python -m benchmarks.doctor [--only NAME] [--json] [--seed N] [--severity X]"""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from benchmarks.command import Json, command, say, show
from benchmarks.doctor import table
from benchmarks.doctor.catalogue import DEFECTS
from benchmarks.doctor.clean import clean_stores, video_hours
from benchmarks.doctor.controls import CONTROLS
from benchmarks.doctor.judgement import Judgement, judge
from benchmarks.doctor.score import Job, Score, run
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore

_EMBODIMENT = "gr1"


def _wanted(name: str, group: str, only: list[str] | None) -> bool:
    return not only or any(fnmatch(name, one) or fnmatch(group, one) for one in only)


def _facts(path: Path, judgement: Judgement) -> dict[str, float]:
    opened = EpisodeStore.open(path)
    hours = video_hours(opened)
    return {
        "episodes": len(opened.rows),
        "rejected": len(judgement.rejected),
        "hours": hours,
        "seconds_per_hour": judgement.seconds / hours,
    }


def _scores(jobs: list[Job], workers: int) -> Iterator[Score]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for done, score in enumerate(pool.map(run, jobs), start=1):
            facts = asdict(score)
            short = {key: facts[key] for key in ("planted", "named", "noticed", "codes", "false_alarms")}
            say(f"{done}/{len(jobs)} {score.name} in {score.store}: {short}")
            yield score


@command
def main(
    work: Annotated[Path, Parameter(help="Folder for the clean stores (kept) and the damaged copies.")] = Path(
        tempfile.gettempdir(), "doctor-benchmark"
    ),
    only: Annotated[list[str] | None, Parameter(help="Defect, control or group; wildcards; may be repeated.")] = None,
    store: Annotated[str | None, Parameter(help="Only this clean store.")] = None,
    seed: Annotated[int, Parameter(help="Chooses episodes and details.")] = 0,
    severity: Annotated[float, Parameter(help="Multiplies the stated magnitudes.")] = 1.0,
    workers: Annotated[int, Parameter(help="Processes.")] = 2,
    as_json: Json = False,
) -> None:
    """Plant every defect into copies of clean episodes and print what the doctor names."""
    os.environ |= {"OMP_NUM_THREADS": "1", "SVT_LOG": "1"}
    work.mkdir(parents=True, exist_ok=True)
    embodiment = load_embodiment(_EMBODIMENT)
    clean = {name: path for name, path in clean_stores(work, embodiment).items() if store in (None, name)}
    before = {name: judge(path, embodiment) for name, path in clean.items()}
    facts = {name: _facts(clean[name], judgement) for name, judgement in before.items()}
    jobs = [
        Job(case.name, name, str(clean[name]), before[name], _EMBODIMENT, str(work), seed, severity)
        for case in (*DEFECTS, *CONTROLS)
        for name in case.stores
        if name in clean and _wanted(case.name, getattr(case, "group", "control"), only)
    ]
    scores = list(_scores(jobs, workers))
    show(table.plain(scores, facts), table.lines(scores, facts), as_json, indent=2)
