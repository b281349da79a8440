"""Workers of a pool: they work, they are prepared, and a killed parent leaves none."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from gr00t_data.workers import worker_pool

ROOT = Path(__file__).parents[2]
PARENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from gr00t_data.workers import worker_pool
if __name__ == "__main__":
    with worker_pool(2) as pool:
        tasks = [pool.submit(time.sleep, 0.01) for _ in range(8)]
        tasks[-1].result()
        print("working", flush=True)
        pool.submit(time.sleep, 600).result()
"""


def _prepared() -> str:
    return os.environ.get("PREPARED", "")


def _prepare() -> None:
    os.environ["PREPARED"] = "yes"


def test_workers_are_prepared_and_work():
    with worker_pool(1, _prepare) as pool:
        assert pool.submit(_prepared).result() == "yes"


def test_a_killed_parent_leaves_no_worker(tmp_path):
    """One of them is idle and one is at work when the parent is killed."""
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, program, ROOT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout and parent.stdout.readline() == "working\n"
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) >= 2
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    for process in alive:
        process.kill()
    assert not alive
