"""`make finetune_gr1` from an installed environment: wall time and peak memory, in a lake of its own.

python -m benchmarks.finetune
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.command import command

ROOT = Path(__file__).parents[1]
_POLL_S = 0.5


def resident_bytes(process: psutil.Process) -> int:
    """Memory of a process and its descendants; pages shared between them are divided among them (PSS)."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total


@command
def main() -> None:
    """Run it, print seconds and megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "dagster")
        home.mkdir()
        home.joinpath("dagster.yaml").write_text((ROOT / ".dagster/dagster.yaml").read_text())
        environment = os.environ | {"GR00T_LAKE": str(Path(folder, "lake")), "DAGSTER_HOME": str(home)}
        started, peak = time.monotonic(), 0
        with Path(folder, "log").open("w+") as log:
            process = subprocess.Popen(["make", "finetune_gr1"], cwd=ROOT, env=environment, stdout=log, stderr=log)
            while process.poll() is None:
                peak = max(peak, resident_bytes(psutil.Process(process.pid)))
                time.sleep(_POLL_S)
            if process.returncode:
                log.seek(0)
                raise SystemExit("".join(log.readlines()[-40:]))
        print(f"make finetune_gr1: {time.monotonic() - started:.0f} s (bound 600), peak {peak / 1e9:.2f} GB (bound 4)")
