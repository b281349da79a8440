"""A case in a process of its own: built in one, tried in another, both forked from one that has the imports done."""

import contextlib
import os
import re
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hostile.case import CANARY, Case, Place
from benchmarks.hostile.watch import Canaries, audit

MOST_MB, MOST_CPU_S = 1000.0, 20.0
"""Bounds of issue and README: peak memory of one case, and its processor time."""
_FULL_BYTES = 4 << 30
"""A verb that believes a lie is stopped here, so that the machine survives to tell of it."""
_PATIENCE_S = 120
_READ_BYTES = 1 << 20
_SYSTEM = ("/usr", "/lib", "/lib64", "/proc", "/sys", "/dev", "/etc/ld.so.cache", "/etc/ssl", "/etc/mime.types")
ROOT = Path(__file__).parents[2]


@dataclass
class Outcome:
    """What a case came to.

    Attributes:
        status: exit status; negative: the signal that ended it.
        peak_mb: the largest of its processes.
        opened: what it opened, started or unpickled that it should not have.
        refused: whether the reason that was expected was given.
        beside: what is wrong with the healthy item; None where there is none.
        faults: what is wrong, in words; empty for a case that was met as it should be.
    """

    kind: str
    name: str
    status: int = 0
    peak_mb: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    output: str = ""
    opened: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refused: bool = False
    beside: str | None = None


def tried(case: Case, root: Path) -> Outcome:
    """Build a case in ``root``, an empty folder, try it, and judge it."""
    place = Place(root.resolve())
    for folder in (place.lake, place.outside, place.root / "home", place.root / "temporary"):
        folder.mkdir(parents=True)
    place.secret.write_text(f"{CANARY}\n" * 64)
    built = _in_child(lambda: _built(case, place), place.root / "built.txt")
    outcome = Outcome(case.kind, case.name)
    if built[0] != 0:
        outcome.faults.append(f"could not be built: {(place.root / 'built.txt').read_text(errors='replace')[-500:]}")
        return outcome
    canaries = Canaries([file for file in place.outside.rglob("*") if file.is_file()])
    log, printed = place.root / "audit.txt", place.root / "printed.txt"
    start = time.monotonic()
    status, usage = _in_child(lambda: _tried(case, place, log), printed)
    outcome.status, outcome.wall_s = status, time.monotonic() - start
    outcome.opened = canaries.opened() + (log.read_text().splitlines() if log.is_file() else [])
    outcome.peak_mb, outcome.cpu_s = usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime
    outcome.output = printed.read_text(errors="replace")
    _judge(outcome, case, place)
    return outcome


def _in_child(work: Callable[[], int], printed: Path) -> tuple[int, resource.struct_rusage]:
    """Fork, work there with standard output and error in a file, and wait.

    Returns:
        exit status (the signal as a negative number), and what it and all that it waited for used.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.setsid()
        status = 70
        try:
            target = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(target, 1)
            os.dup2(target, 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            status = work()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)
    late = threading.Timer(_PATIENCE_S, os.killpg, (child, signal.SIGKILL))
    late.start()
    _, ended, usage = os.wait4(child, 0)
    late.cancel()
    late.join()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(ended), usage


def _built(case: Case, place: Place) -> int:
    case.build(place)
    return 0


def _tried(case: Case, place: Place, log: Path) -> int:
    from gr00t_data.confined import end_idle
    from gr00t_model.shell.main import main

    os.environ.update(HOME=str(place.root / "home"), TMPDIR=str(place.root / "temporary"), COLUMNS="400")
    os.environ.update(GR00T_LAKE=str(place.lake), OMP_NUM_THREADS="1", GR00T_LANDING="")
    os.chdir(place.root / "home")
    resource.setrlimit(resource.RLIMIT_DATA, (_FULL_BYTES, _FULL_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FULL_BYTES, _FULL_BYTES))
    words = case.words(place)
    own = (place.drop, place.lake, place.root / "home", place.root / "temporary", place.root / "given")
    audit(log, (*own, ROOT, Path(sys.prefix), Path(sys.base_prefix), *map(Path, _SYSTEM)))
    try:
        return (case.runs or main)(words)
    finally:
        end_idle()  # what the workers used counts when they have ended


def _judge(outcome: Outcome, case: Case, place: Place) -> None:
    """Write down what is wrong."""
    said = outcome.faults.append
    outcome.refused = re.search(case.reason, outcome.output, re.DOTALL) is not None
    if outcome.status < 0 or "Traceback (most recent call last)" in outcome.output:
        said(f"crashed ({outcome.status}): {outcome.output[-700:]}")
    if not outcome.refused:
        said(f"no reason like {case.reason!r} (exit {outcome.status}): {outcome.output[-700:]}")
    if "\x1b" in outcome.output:
        said("printed an escape code")
    if case.reason and outcome.status == 0:
        said("exit status 0")
    if not case.reason and outcome.status != 0:
        said(f"is harmless and ended with {outcome.status}: {outcome.output[-700:]}")
    if outcome.peak_mb > MOST_MB:
        said(f"took {outcome.peak_mb:.0f} MB")
    if outcome.cpu_s > MOST_CPU_S:
        said(f"took {outcome.cpu_s:.1f} CPU-s")
    outcome.faults += outcome.opened
    outcome.faults += [f"leaked into {name}" for name in leaked(place)]
    if case.beside is not None:
        outcome.beside = case.beside(place)
        outcome.faults += [f"beside: {outcome.beside}"] if outcome.beside else []


def leaked(place: Place) -> list[str]:
    """Files of the lake, and what was printed, that hold the text of the canaries; and files that appeared outside."""
    files = [file for file in place.lake.rglob("*") if file.is_file() and not file.is_symlink()]
    found = [file for file in (*files, place.root / "printed.txt") if _holds(file, CANARY.encode())]
    found += [path for path in place.root.iterdir() if path.name not in _OWN]
    return [str(path.relative_to(place.root)) for path in (*found, *place.root.rglob("pwned*"))]


_OWN = ("drop", "lake", "outside", "home", "temporary", "given", "built.txt", "printed.txt", "audit.txt")


def _holds(file: Path, token: bytes) -> bool:
    before = b""
    with file.open("rb") as stream:
        while content := stream.read(_READ_BYTES):
            if token in before + content:
                return True
            before = content[-len(token) :]
    return False
