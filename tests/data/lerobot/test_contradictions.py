"""LeRobot v3.0 folders whose episodes contradict each other, as old merge tools leave them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.lake import Lake
from gr00t_data.lerobot.to_v3 import FileSizes
from gr00t_data.sources.ingest import ingest
from gr00t_data.video import files as video
from tests.data.builders import GR1
from tests.data.lerobot.folders import CAMERA, assert_same_frames, change_episodes, read, store_of, v3_of

ROWS = (20, 24, 28, 32)
Lines = list[dict[str, Any]]


def put(lines: Lines, number: int, **entries: float) -> None:
    lines[number] |= {f"videos/{CAMERA}/{name}": value for name, value in entries.items()}


def same_clip(lines: Lines) -> None:
    put(lines, 2, from_timestamp=20 / 20, to_timestamp=44 / 20)


def half_of_it(lines: Lines) -> None:
    put(lines, 2, from_timestamp=32 / 20, to_timestamp=60 / 20)


def in_last_file(lines: Lines) -> None:
    for number in range(len(lines)):
        put(lines, number, file_index=1)


@pytest.mark.parametrize("change", [same_clip, half_of_it])
def test_episodes_that_name_the_same_frames_are_rejected(tmp_path: Path, change: Callable[[Lines], None]) -> None:
    store = store_of(tmp_path / "s", lengths=ROWS)
    drop = v3_of(store, tmp_path / "drop")
    change_episodes(drop, change)
    sealed = ingest(drop, GR1, Lake(tmp_path / "lake"))
    verdicts = build_index(sealed, GR1, tmp_path / "index").verdicts
    assert [verdict.accepted for verdict in verdicts] == [True, False, False, True]
    for index, rival in ((1, 2), (2, 1)):
        told = [finding.message for finding in verdicts[index].findings if finding.code == "VIDEO-01"]
        assert f"names frames that episode {rival} names too" in told[0] and "copy it again" not in told[0]
    for index in (0, 3):
        ours, theirs = (video.decode(one.video_path(index, "ego_view")) for one in (sealed, store))
        assert (ours == theirs).all()


def test_episodes_that_all_name_the_last_file_are_rejected(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", lengths=ROWS)
    size_mb = sum(store.video_path(n, "ego_view").stat().st_size for n in (0, 1)) / 2**20
    drop = v3_of(store, tmp_path / "drop", FileSizes(video_mb=size_mb * 1.1))
    files = sorted((drop / "videos").rglob("*.mp4"))
    assert len(files) == 2
    change_episodes(drop, in_last_file)
    verdicts = build_index(ingest(drop, GR1, Lake(tmp_path / "lake")), GR1, tmp_path / "index").verdicts
    assert not any(verdict.accepted for verdict in verdicts)


def test_rounded_edges_are_no_contradiction(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", lengths=ROWS)
    folder = v3_of(store, tmp_path / "v3")

    def late(lines: Lines) -> None:
        for number, line in enumerate(lines):
            end = line[f"videos/{CAMERA}/to_timestamp"] + 0.4 / 20
            put(lines, number, to_timestamp=end)

    change_episodes(folder, late)
    assert_same_frames(store, read(folder, tmp_path / "v21")[0])
