"""kill -9 at random instants: what is finished afterwards has the bytes of a run that nobody disturbed."""

import os
import resource
import shutil
from pathlib import Path

import pytest

from gr00t_data.disk import DiskError, folder_digests
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.stages.stores import sealed_stores
from tests.pipelines.drops import GR1, put
from tests.pipelines.killing import KILLED, delays_s, duration_s, run, server, stages

KILLS = int(os.environ.get("GR00T_KILLS", "20"))
MADE = ("stores", "index", "statistics", "mixtures", "landed", "current")


def bytes_of(lake: Lake) -> dict[str, str]:
    """Every file that the stages left, hidden ones and locks left out."""
    return {f"{name}/{key}": digest for name in MADE for key, digest in folder_digests(lake.root / name).items()}


def clear(lake: Lake) -> None:
    """Back to the landing alone."""
    for name in MADE:
        shutil.rmtree(lake.root / name, ignore_errors=True)


def two_drops(root: Path) -> Lake:
    lake = Lake(root)
    put(lake, "monday", episodes=2)
    put(lake, "tuesday", episodes=2, bad=(1,), seed=1)
    return lake


@pytest.mark.slow
def test_kills_at_random_leave_the_bytes_of_an_undisturbed_run(tmp_path: Path) -> None:
    lake = two_drops(tmp_path / "lake")
    run(stages, lake.root)  # the first one also waits for the server
    wanted = bytes_of(lake)
    clear(lake)
    whole_s = duration_s(stages, lake.root)
    assert bytes_of(lake) == wanted
    clear(lake)
    killed = 0
    for number, delay_s in enumerate(delays_s(KILLS, whole_s, seed=0)):
        killed += run(stages, lake.root, kill_after_s=float(delay_s)) == KILLED
        for store in sealed_stores(lake, GR1):
            store.verify()  # what carries a seal is whole at every instant
        if number % 4 == 3:  # then a run that is left alone ends it
            assert run(stages, lake.root) == 0
            assert bytes_of(lake) == wanted
            assert not [path for path in lake.stores.iterdir() if path.name.startswith(".")]
            clear(lake)
    assert killed >= KILLS // 2


@pytest.mark.slow
def test_two_runs_at_once_leave_the_bytes_of_one(tmp_path: Path) -> None:
    lake = two_drops(tmp_path / "lake")
    assert run(stages, lake.root) == 0
    wanted = bytes_of(lake)
    for _ in range(3):
        clear(lake)
        both = [server().Process(target=stages, args=(str(lake.root),)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join()
        assert [process.exitcode for process in both] == [0, 0]
        assert bytes_of(lake) == wanted


def _with_small_files(root: str) -> None:
    """Files may not grow beyond 8 kB here, which is how a quota shows."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        take_in(Lake(Path(root)), "monday", GR1)
    except DiskError as error:
        Path(root, "said.txt").write_text(str(error))


def test_a_disk_without_room_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    lake = two_drops(tmp_path / "lake")
    assert run(_with_small_files, lake.root) == 0
    assert "nothing was left half-written" in (lake.root / "said.txt").read_text()
    assert list(lake.stores.iterdir()) == [] and not (lake.root / "landed").exists()
    take_in(lake, "monday", GR1).verify()
