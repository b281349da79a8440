"""python -m benchmarks.doctor [--only NAME] [--json] [--seed N] [--severity X]"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.doctor import table
from benchmarks.doctor.catalogue import DEFECTS
from benchmarks.doctor.clean import clean_stores, video_hours
from benchmarks.doctor.controls import CONTROLS
from benchmarks.doctor.judgement import Judgement, judge
from benchmarks.doctor.score import Job, Score, run
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore

_EMBODIMENT = "gr1"


def main(
    work: Annotated[Path, typer.Option(help="Folder for the clean stores (kept) and the damaged copies.")] = Path(
        tempfile.gettempdir(), "doctor-benchmark"
    ),
    only: Annotated[
        list[str] | None, typer.Option(help="Defect, control or group; wildcards; may be repeated.")
    ] = None,
    store: Annotated[str | None, typer.Option(help="Only this clean store.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses episodes and details.")] = 0,
    severity: Annotated[float, typer.Option(help="Multiplies the stated magnitudes.")] = 1.0,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
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
    print(table.as_json(scores, facts) if as_json else table.as_markdown(scores, facts))


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
            print(f"{done}/{len(jobs)} {score.name} in {score.store}: {short}", file=sys.stderr, flush=True)
            yield score


if __name__ == "__main__":
    typer.run(main)
