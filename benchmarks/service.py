"""What it costs to run this as a service: importing the graph, and materializing what is made already.

python -m benchmarks.service

The graph is built once, tiny, in a temporary lake; that takes a minute or two. Then each asset is materialized again,
alone and in a process of its own, as `dagster asset materialize` does it; nothing is new. Exit status 1 when importing
takes 4 seconds or more or loads torch, or when a materialization takes 10 seconds or more of the processor's time.
Seconds on the wall are shown beside those of the processor: on a machine that does nothing else the two are alike.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clocks import cpu_s
from benchmarks.command import Json, command, show, table

ROOT = Path(__file__).parents[1]
IMPORT_BOUND_S, BOUND_S = 4.0, 10.0
ASSETS = ("teleop_episodes", "norm_stats_gr1", "mixture_gr1", "base_nano", "finetune_gr1", "checkpoint_gr1")
CONFIG = {
    "teleop_episodes": {"reach": 4, "push": 2, "pick_and_place": 0, "workers": 1},
    "base_nano": {"stills": 64},
    "finetune_gr1": {"recipe": "gr1_nano_tiny"},
}
_PROGRAM = "import sys, pipelines.definitions; print('torch' in sys.modules)"


def timed(command: list[str], environment: dict[str, str]) -> tuple[dict[str, float], str]:
    """Seconds of a command and of the processes that it starts, and what it printed."""
    before, start = cpu_s(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wall, cpu = time.perf_counter() - start, cpu_s(resource.RUSAGE_CHILDREN) - before
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return {"CPU-s": round(cpu, 2), "wall-s": round(wall, 2)}, done.stdout


def materialize(keys: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Materialize some assets in one process."""
    ops = {key: {"config": CONFIG[key]} for key in keys if key in CONFIG}
    dagster = str(Path(sys.executable).parent / "dagster")
    select = ["--select", ",".join(keys), "--config-json", json.dumps({"ops": ops})]
    return timed([dagster, "asset", "materialize", *select], environment)[0]


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """What was done -> seconds."""
    (folder / "home").mkdir()
    environment = os.environ | {
        "GR00T_LAKE": str(folder / "lake"),
        "DAGSTER_HOME": str(folder / "home"),
        "DAGSTER_MODULE_NAME": "pipelines.command_line",
    }
    timed([sys.executable, "-c", _PROGRAM], environment)  # so that the files of Python's cache are there
    found, heavy = timed([sys.executable, "-c", _PROGRAM], environment)
    if heavy.strip().endswith("True"):
        raise SystemExit("importing pipelines.definitions loads torch")
    rows = {"import pipelines.definitions": found}
    materialize(list(ASSETS), environment)
    return rows | {f"{key}, made already": materialize([key], environment) for key in ASSETS}


@command
def main(as_json: Json = False) -> bool:
    """Print the seconds of each; exit status 1 when one is out of bounds."""
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    shown = table(("", "CPU-s", "wall-s"), ((name, *map("{:.1f}".format, one.values())) for name, one in rows.items()))
    show(rows, shown, as_json)
    bounds = [IMPORT_BOUND_S, *[BOUND_S] * len(ASSETS)]
    return all(one["CPU-s"] < bound for one, bound in zip(rows.values(), bounds, strict=True))
