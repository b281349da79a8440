"""A recorder that is killed, or whose disk fills up: no half episode lands, and no whole one is lost."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.unlisted import unlisted
from gr00t_model.serve.rollouts.recording import RecordingError
from gr00t_model.serve.steps import end_payload, record_payload
from tests.model.serve.rollouts.rolling import ROOMY, recorder, step, tell, wait
from tests.pipelines.small_disk import fill, small_disk

VICTIM = """
import os, signal, sys
from pathlib import Path
from tests.model.serve.rollouts.rolling import recorder, step, tell, wait
from gr00t_model.serve.steps import record_payload
from gr00t_data.store import writing

made = recorder(Path(sys.argv[1]))
tell(made, "whole", 20)
wait(lambda: made.counts.episodes == 1)
if sys.argv[2] == "episode":  # in the middle of one
    made.record("a", record_payload("half", [step(row) for row in range(20)]))
    wait(lambda: made.counts.rows == 40)
    os.kill(os.getpid(), signal.SIGKILL)
place, name = {"append": (writing.layout, "episode_stats"), "seal": (writing, "seal_folder")}[sys.argv[2]]
setattr(place, name, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
if sys.argv[2] == "append":
    tell(made, "half", 20)
made.close(20)
"""


def recorded(landing: Path, name: str = "night") -> list[str | None]:
    store = EpisodeStore.open(landing / name)
    assert not unlisted(store)
    return [row.source.episode for row in store.rows]


def hidden(landing: Path) -> list[str]:
    return sorted(path.name for path in (landing / ".night.recording").rglob("*") if path.is_file())


@pytest.mark.parametrize("moment", ["episode", "append", "seal"])
def test_what_a_killed_recorder_leaves_is_whole_or_not_there(tmp_path: Path, moment: str) -> None:
    done = subprocess.run([sys.executable, "-c", VICTIM, str(tmp_path), moment], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == [".night.recording"]  # nothing that a landing looks at
    again = recorder(tmp_path)
    assert recorded(tmp_path) == ["whole"]
    tell(again, "after", 20)
    again.close(20)
    assert recorded(tmp_path, "night-2") == ["after"] and hidden(tmp_path) == ["lock"]


def test_a_full_disk_costs_the_episode_and_no_other(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        made = recorder(disk)
        tell(made, "before", 20)
        wait(lambda: made.counts.episodes == 1)
        made.record("a", record_payload("half", [step(row) for row in range(20)]))
        ballast = fill(disk)
        made.end_episode("a", end_payload("half", True))
        wait(lambda: made.counts.lost == 1)
        ballast.unlink()
        tell(made, "after", 20)
        made.close(20)
        assert recorded(disk) == ["before", "after"]


def test_where_there_is_little_room_no_episode_begins(tmp_path: Path) -> None:
    made = recorder(tmp_path, replace(ROOMY, free_bytes=1 << 60))
    with pytest.raises(RecordingError, match="bytes free; free some space"):
        made.record("a", record_payload("one", [step(0)]))
    made.close(20)
