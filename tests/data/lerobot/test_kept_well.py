"""What sets of others hold oddly and rightly: codings, many episodes, rows in any order, clocks that run on."""

import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.lake import Lake
from gr00t_data.lerobot.convert import convert
from gr00t_data.sources.ingest import ingest
from gr00t_data.store.episode import Episode
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video.cutting import read_whole
from tests.data.builders import GR1, episode, sealed
from tests.data.films import moving
from tests.data.lerobot.folders import LENGTHS, assert_same_rows, change_rows, read, silent, store_of, v3_of
from tests.data.sources.rig import rig

KINDS = {
    "10-bit": ("libx264", "yuv420p10le", {"g": "10", "bf": "2", "preset": "veryfast"}),
    "4:4:4": ("libx264", "yuv444p", {"g": "10", "bf": "0", "preset": "veryfast"}),
    "VP9": ("libvpx-vp9", "yuv420p", {"g": "10", "deadline": "realtime", "cpu-used": "8"}),
    "MJPEG": ("mjpeg", "yuvj420p", {"q": "3"}),
    "HEVC": ("libx265", "yuv420p", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2"}),
    "12-bit depth": ("libx265", "gray12le", {"preset": "ultrafast", "x265-params": "log-level=none:lossless=1"}),
}


def filmed(path: Path, kind: str, rows: int, seed: int) -> Path:
    """A video of one of ``KINDS``; depth is millimetres up to 4095."""
    encoder, pixels, options = KINDS[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(encoder, rate=20, options=options)
        stream.height, stream.width, stream.pix_fmt = 64, 80, pixels
        for number, image in enumerate(moving(rows, seed)):
            if pixels == "gray12le":
                frame = av.VideoFrame.from_ndarray(image[..., 0].astype(np.uint16) * 16 + number, format="gray12le")
            else:
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def raw_frames(path: Path) -> tuple[str, list[bytes]]:
    """The pixel format, and every frame as its bytes."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return frames[0].format.name, [frame.to_ndarray().tobytes() for frame in frames]


@pytest.mark.parametrize("kind", KINDS)
def test_every_coding_comes_back_from_v3_as_it_was(tmp_path: Path, kind: str) -> None:
    films = [filmed(tmp_path / f"{n}.mp4", kind, rows, n) for n, rows in enumerate(LENGTHS)]
    episodes = [
        episode(rows, n, instruction=f"task {n}", video={"ego_view": path})
        for n, (rows, path) in enumerate(zip(LENGTHS, films, strict=True))
    ]
    store = sealed(tmp_path / "s", episodes)
    convert(store.root, tmp_path / "v3", "v3.0", silent)
    convert(tmp_path / "v3", tmp_path / "back", "v2.1", silent)
    back = EpisodeStore.open(tmp_path / "back")
    assert_same_rows(store, back)
    for row in store.rows:
        one, other = (raw_frames(each.video_path(row.index, "ego_view")) for each in (store, back))
        assert one == other and len(one[1]) == row.length and one[0] == KINDS[kind][1]


def test_a_thousand_and_three_episodes_both_ways(tmp_path: Path) -> None:
    """The last three lie in a folder of their own in v2.1."""
    camera = "  - {name: front_view, role: front, column: observation.images.front_view}\n"
    robot = rig(tmp_path, **{"[front_view]": "[]", f"cameras:\n{camera}": "cameras: []\n"})
    numbers = [np.array([[n / 1000, 0.5, -0.5, n % 2], [n / 1000, 0.25, 0.0, 1.0]]) for n in range(1003)]
    episodes = [Episode(f"task {n % 7}", np.arange(2) / 20, one, one.round(), {}) for n, one in enumerate(numbers)]
    store = sealed(tmp_path / "s", episodes, robot=robot)
    convert(store.root, tmp_path / "v3", "v3.0", silent)
    convert(tmp_path / "v3", tmp_path / "back", "v2.1", silent)
    back = EpisodeStore.open(tmp_path / "back")
    assert back.rows == store.rows and len(back.rows) == 1003
    assert back.data_path(1002).parent.name == "chunk-001"
    for index in (0, 999, 1000, 1002):
        assert back.columns(index).equals(store.columns(index))
        assert back.state(index)[0, 0] == pytest.approx(index / 1000)


def test_episodes_whose_rows_lie_between_those_of_others(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    owners = np.random.default_rng(0).permutation(np.repeat(np.arange(3), LENGTHS))
    between = np.empty(len(owners), dtype=np.int64)
    between[np.argsort(owners, kind="stable")] = np.arange(len(owners))
    change_rows(folder, lambda table: table.take(pa.array(between)))
    found, _ = read(folder, tmp_path / "v21")
    for row in store.rows:
        np.testing.assert_array_equal(found.state(row.index), store.state(row.index))
        np.testing.assert_array_equal(found.action(row.index), store.action(row.index))


def test_rows_that_are_shuffled_reject_their_episodes(tmp_path: Path) -> None:
    folder = v3_of(store_of(tmp_path / "s"), tmp_path / "v3")
    order = np.random.default_rng(0).permutation(sum(LENGTHS))
    change_rows(folder, lambda table: table.take(pa.array(order)))
    found, _ = read(folder, tmp_path / "v21")
    verdicts = build_index(found, GR1, tmp_path / "index").verdicts
    assert [one.accepted for one in verdicts] == [False] * 3
    assert all("TIME-01" in {finding.code for finding in one.findings} for one in verdicts)


def test_a_clock_that_runs_on_over_the_episodes(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    folder = v3_of(store, tmp_path / "v3")
    times = pa.array((np.arange(sum(LENGTHS)) / 20).astype(np.float32))
    change_rows(folder, lambda t: t.set_column(t.column_names.index("timestamp"), "timestamp", times))
    found, _ = read(folder, tmp_path / "v21")
    for row in store.rows:
        np.testing.assert_array_equal(found.state(row.index), store.state(row.index))
        wanted, got = (read_whole(one.video_path(row.index, "ego_view")) for one in (store, found))
        assert got.frames == wanted.frames == row.length
        assert raw_frames(wanted.path) == raw_frames(got.path)


def test_links_of_the_hub_cache_are_refused_with_the_command(tmp_path: Path) -> None:
    """A snapshot of the cache is links to blobs beside it."""
    folder = v3_of(store_of(tmp_path / "s"), tmp_path / "v3")
    snapshot = tmp_path / "datasets--me--cups/snapshots/0a1b2c"
    for number, path in enumerate(sorted(one for one in folder.rglob("*") if one.is_file())):
        blob, link = tmp_path / f"datasets--me--cups/blobs/{number:040x}", snapshot / path.relative_to(folder)
        for each in (blob, link):
            each.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, blob)
        link.symlink_to(blob)
    with pytest.raises(StoreError) as refused:
        ingest(snapshot, GR1, Lake(tmp_path / "lake"))
    command = f"cp -rL {snapshot} COPY"
    assert command in str(refused.value)
    shutil.copytree(snapshot, tmp_path / "COPY", symlinks=False)
    assert len(ingest(tmp_path / "COPY", GR1, Lake(tmp_path / "lake")).rows) == 3
