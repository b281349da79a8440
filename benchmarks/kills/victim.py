"""A command that is killed, and the processes that it leaves behind."""

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

TAG = "GR00T_KILLS_TAG"
"""Set for a victim; every process that it starts inherits it, in whatever session or group it lives."""
PATIENCE_S = 120.0
"""A trainer that lost its parent saves its state first; what is left after this is an orphan."""
_POLL_S = 0.2


@dataclass(frozen=True)
class End:
    """How one run of the command ended.

    Attributes:
        status: exit status; None when it was killed.
        orphans: processes that were still there after ``PATIENCE_S`` (and were killed then).
        outlived_s: how long the last of its processes outlived it, seconds.
        output: last lines it printed.
    """

    status: int | None
    orphans: int
    outlived_s: float
    output: str


def run(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    *,
    kill_after_s: float | None = None,
    whole_group: bool = False,
) -> End:
    """Run ``command`` in ``folder``; SIGKILL it after a while unless it has ended.

    Args:
        whole_group: kill the command and what is in its process group, instead of the one process.
    """
    tag = uuid.uuid4().hex
    with (folder / "victim.log").open("w+b") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **variables, TAG: tag},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        status: int | None = None
        try:
            status = process.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
        except BaseException:  # whoever stops the benchmark leaves nothing running
            _kill(tagged(tag))
            raise
        orphans, outlived_s = wait_for(tag)
        log.seek(max(log.tell() - 4000, 0))
        return End(status, orphans, outlived_s, log.read().decode(errors="replace"))


def wait_for(tag: str, but: Collection[int] = ()) -> tuple[int, float]:
    """Wait until every process of a tag has ended, but for those with the given ids.

    Returns:
        how many had not after ``PATIENCE_S`` (they are killed), and how long it took, seconds.
    """
    start = time.monotonic()
    while left := [process for process in tagged(tag) if process.pid not in but]:
        if time.monotonic() - start > PATIENCE_S:
            _kill(left)
            return len(left), time.monotonic() - start
        time.sleep(_POLL_S)
    return 0, time.monotonic() - start


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def tagged(tag: str) -> list[psutil.Process]:
    """The living processes that inherited a tag."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(TAG) == tag and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
