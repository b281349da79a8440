"""python -m benchmarks.doctor [--real FOLDER [-e ROBOT]] [--only NAME] [--json] [--seed N] [--severity X]"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from benchmarks.command import Json, command, say, show
from benchmarks.doctor import table
from benchmarks.doctor.clean import clean_stores, video_hours
from benchmarks.doctor.controls import CONTROLS
from benchmarks.doctor.defects.catalogue import DEFECTS
from benchmarks.doctor.judgement import Judgement, judge
from benchmarks.doctor.real import REAL, real_store
from benchmarks.doctor.score import Job, Score, run
from gr00t_data.curate.examine import examine
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.store.store import EpisodeStore


def _wanted(name: str, group: str, only: list[str] | None) -> bool:
    return not only or any(fnmatch(name, one) or fnmatch(group, one) for one in only)


def _facts(path: Path, robot: Embodiment, judgement: Judgement) -> dict[str, Any]:
    """What the doctor says about a clean store, and costs: its episodes are examined again, here, to measure it."""
    opened = EpisodeStore.open(path)
    hours = video_hours(opened)
    since = time.process_time()
    for row in opened.rows:
        examine(opened, row.index, robot.fitting(opened.cameras))
    seconds = judgement.seconds + time.process_time() - since
    return {
        "episodes": len(opened.rows),
        "rejected": len(judgement.rejected),
        "why": judgement.why_rejected(),
        "hours": hours,
        "seconds_per_hour": seconds / hours if hours else 0.0,
    }


def _scores(jobs: list[Job], workers: int) -> Iterator[Score]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for done, score in enumerate(pool.map(run, jobs), start=1):
            facts = asdict(score)
            shown = ("skipped",) if score.skipped else ("planted", "named", "noticed", "codes", "false_alarms")
            short = {key: facts[key] for key in shown}
            say(f"{done}/{len(jobs)} {score.name} in {score.store}: {short}")
            yield score


@command
def main(
    work: Annotated[Path, Parameter(help="Folder for the clean stores (kept) and the damaged copies.")] = Path(
        tempfile.gettempdir(), "doctor-benchmark"
    ),
    only: Annotated[list[str] | None, Parameter(help="Defect, control or group; wildcards; may be repeated.")] = None,
    store: Annotated[str | None, Parameter(help="Only this clean store.")] = None,
    real: Annotated[
        Path | None, Parameter(help="A LeRobot v2 or v3.0 folder of real episodes: a bed of its own.")
    ] = None,
    embodiment: Annotated[str, Parameter(name=("--embodiment", "-e"), help="Its robot: a name, or a YAML.")] = "gr1",
    episodes: Annotated[int, Parameter(help="With --real: how many of its episodes, 5 to 40.")] = 14,
    without: Annotated[list[int] | None, Parameter(help="With --real: an episode known to be bad; repeatable.")] = None,
    camera_hz: Annotated[float | None, Parameter(help="With --real: pictures a second of slower cameras.")] = None,
    seed: Annotated[int, Parameter(help="Chooses episodes and details.")] = 0,
    severity: Annotated[float, Parameter(help="Multiplies the stated magnitudes.")] = 1.0,
    workers: Annotated[int, Parameter(help="Processes.")] = 2,
    as_json: Json = False,
) -> None:
    """Plant every defect into copies of clean episodes and print what the doctor names."""
    os.environ |= {"OMP_NUM_THREADS": "1", "SVT_LOG": "1"}
    work.mkdir(parents=True, exist_ok=True)
    robot = load_embodiment(embodiment)
    if real is not None:
        clean = {REAL: real_store(real, work, robot, episodes, without or [], camera_hz)}
    else:
        clean = {name: path for name, path in clean_stores(work, robot).items() if store in (None, name)}
    before = {name: judge(path, robot) for name, path in clean.items()}
    facts = {name: _facts(clean[name], robot, judgement) for name, judgement in before.items()}
    jobs = [
        Job(case.name, name, str(clean[name]), before[name], embodiment, str(work), seed, severity)
        for case in (*DEFECTS, *CONTROLS)
        for name in clean
        if name in (REAL, *case.stores) and _wanted(case.name, getattr(case, "group", "control"), only)
    ]
    scores = list(_scores(jobs, workers))
    show(table.plain(scores, facts), table.lines(scores, facts), as_json, indent=2)
