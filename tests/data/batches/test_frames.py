"""The frames cache: decoded once, whole or absent, whatever the number of processes."""

import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches import frames
from gr00t_data.batches.frames import FramesCache, FramesError
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.video import files as video
from tests.data.builders import episode, sealed


def test_frames_are_those_of_the_video(manifest: MixtureManifest, tmp_path: Path) -> None:
    store = manifest.sources[0].open()
    cache = FramesCache(tmp_path, (8, 12))
    array = cache.array(store, 1, "ego_view")
    assert array.shape == (24, 8, 12, 3) and array.dtype == np.uint8 and not array.flags.writeable
    np.testing.assert_array_equal(array, video.decode(store.video_path(1, "ego_view"), (8, 12)))
    # Grey levels 40, 44, 48 ... of the second episode survive the codec within two levels.
    np.testing.assert_allclose(array.mean((1, 2, 3)), 40 + 4 * np.arange(24), atol=2)


def test_built_once(manifest: MixtureManifest, tmp_path: Path) -> None:
    calls = []
    cache = FramesCache(tmp_path, (8, 8))
    assert cache.build(manifest, ["ego_view"], lambda done, total: calls.append((done, total))) == 4
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.npy"))
    assert len(files) == 4 and all(re.search("-8x8-[0-9a-f]{8}/ego_view/00000", file) for file in files)
    assert cache.build(manifest, ["ego_view"]) == 0
    next(tmp_path.rglob("*.npy")).unlink()
    assert cache.build(manifest, ["ego_view"]) == 1


def test_two_processes_give_the_same_files(manifest: MixtureManifest, tmp_path: Path) -> None:
    FramesCache(tmp_path / "one", (8, 8)).build(manifest, ["ego_view"])
    FramesCache(tmp_path / "two", (8, 8)).build(manifest, ["ego_view"], processes=2)
    contents = [
        {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.npy")}
        for root in (tmp_path / "one", tmp_path / "two")
    ]
    assert contents[0] == contents[1] and len(contents[0]) == 4


def test_a_broken_video_leaves_nothing(tmp_path: Path) -> None:
    """In a folder without a seal, as foreign data has none."""
    store = sealed(tmp_path / "s", [episode()])
    (store.root / "meta/seal.json").unlink()
    path = store.video_path(0, "ego_view")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(video.VideoError, match=str(path)):
        FramesCache(tmp_path / "cache", (8, 8)).array(store, 0, "ego_view")
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_few_files_stay_open(manifest: MixtureManifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_OPEN_ARRAYS", 1)
    store, cache = manifest.sources[0].open(), FramesCache(tmp_path, (8, 8))
    first = cache.array(store, 0, "ego_view")
    assert cache.array(store, 0, "ego_view") is first
    cache.array(store, 1, "ego_view")
    again = cache.array(store, 0, "ego_view")
    assert again is not first
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("damage", ["length", "no checksum", *range(0, 128, 9), 500])
@pytest.mark.parametrize("suffix", [".npy", ".crc32"])
def test_damage_is_seen_named_and_mended(
    manifest: MixtureManifest, tmp_path: Path, suffix: str, damage: str | int, caplog
) -> None:
    """Every byte of the header, and of the checksum."""
    store, cache = manifest.sources[0].open(), FramesCache(tmp_path, (8, 8))
    whole = cache.array(store, 0, "ego_view").copy()
    path = cache.path(store, 0, "ego_view").with_suffix(suffix)
    content = bytearray(path.read_bytes())
    if damage == "no checksum":
        path.with_suffix(".crc32").unlink()
    elif isinstance(damage, str):
        path.write_bytes(content[:-5])
    else:
        content[damage % len(content)] ^= 1 << damage % 8
        path.write_bytes(content)
    np.testing.assert_array_equal(FramesCache(tmp_path, (8, 8)).array(store, 0, "ego_view"), whole)
    assert f"{path.with_suffix('.npy')}: " in caplog.text and "; they are decoded again" in caplog.text


def test_checksums_of_before_are_believed(manifest: MixtureManifest, tmp_path: Path, caplog) -> None:
    store, cache = manifest.sources[0].open(), FramesCache(tmp_path, (8, 8))
    whole = cache.array(store, 0, "ego_view")
    path = cache.path(store, 0, "ego_view")
    path.with_suffix(".crc32").write_text(f"{zlib.crc32(whole.tobytes()):08x}\n")
    assert np.array_equal(FramesCache(tmp_path, (8, 8)).array(store, 0, "ego_view"), whole) and not caplog.text


def test_a_budget(manifest: MixtureManifest, tmp_path: Path) -> None:
    """84 frames of 8 x 8 x 3 bytes; frames of other sizes make room, the longest unused first."""
    needed = 84 * 8 * 8 * 3
    for side in (4, 6):
        FramesCache(tmp_path, (side, side)).build(manifest, ["ego_view"])
    for number, folder in enumerate(sorted(tmp_path.glob("*-4x4-*"))):
        os.utime(folder, (number, number))
    small = sum(path.stat().st_size for path in tmp_path.glob("*-6x6-*/**/*") if path.is_file())
    cache = FramesCache(tmp_path, (8, 8), budget_bytes=needed + small + 100)
    assert cache.needed_bytes(manifest, ["ego_view"]) == needed and cache.build(manifest, ["ego_view"]) == 4
    assert {folder.name.split("-")[1] for folder in tmp_path.iterdir()} == {"6x6", "8x8"}
    with pytest.raises(FramesError, match=r"take 0.0 GB at 8 x 8, the budget is 0.0 GB.*data.order=clips"):
        FramesCache(tmp_path, (8, 8), budget_bytes=needed - 1).build(manifest, ["ego_view"])
