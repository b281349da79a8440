"""Generated clips that are wrong in some way: every one becomes an episode or a refusal that names it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gr00t_data.disk import digest_file
from gr00t_data.lake import Lake
from gr00t_data.sources.neural.ingest import ingest_clips
from gr00t_data.sources.neural.settings import ClipsMade
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe
from tests.data.builders import GR1
from tests.data.sources.neural.drops import listed, movie, pictures


def taken(drop: Path, lake: Path, **settings) -> tuple[EpisodeStore, dict[str, str]]:
    """The store of a drop, and the reasons of what was refused."""
    store = ingest_clips(drop, GR1, Lake(lake), settings=ClipsMade(**settings))
    return store, {one.episode: one.reason for one in store.about.source.refused}


def test_sizes_that_differ_within_a_drop(tmp_path: Path) -> None:
    movie(tmp_path / "drop/0_wide.mp4", pictures(9)[:, :40])
    movie(tmp_path / "drop/1_tall.mp4", pictures(9, 1).transpose(0, 2, 1, 3)[:, :, :46])
    movie(tmp_path / "drop/2_large.mp4", pictures(9, 2).repeat(4, 1).repeat(4, 2))
    store, refused = taken(tmp_path / "drop", tmp_path / "lake")
    assert not refused and [row.instruction for row in store.rows] == ["wide", "tall", "large"]
    for row in store.rows:
        facts = probe(store.video_path(row.index, "ego_view"))
        assert (facts.height, facts.width) == (256, 256)
    sizes = [row.source.facts()["size_px"] for row in store.rows]
    assert sizes == [[40, 80], [80, 46], [192, 320]]


def test_a_single_frame_and_an_empty_file(tmp_path: Path) -> None:
    movie(tmp_path / "drop/0_still.mp4", pictures(1))
    movie(tmp_path / "drop/1_fold.mp4", pictures(2, 1))
    (tmp_path / "drop/2_empty.mp4").write_bytes(b"")
    (tmp_path / "drop/3_text.mp4").write_text("this is no video")
    store, refused = taken(tmp_path / "drop", tmp_path / "lake")
    assert [row.instruction for row in store.rows] == ["fold"]
    assert "has 1 frame; a motion needs at least 2" in refused["0_still.mp4"]
    assert refused.keys() == {"0_still.mp4", "2_empty.mp4", "3_text.mp4"}


@pytest.mark.parametrize("fps", [0, -8, 1000, "fast", float("nan")])
def test_a_rate_that_cannot_be(tmp_path: Path, fps: object) -> None:
    movie(tmp_path / "drop/one.mp4")
    movie(tmp_path / "drop/two.mp4", seed=1)
    lines = [{"file": "one.mp4", "instruction": "fold", "fps": fps}, {"file": "two.mp4", "instruction": "wipe"}]
    store, refused = taken(listed(tmp_path / "drop", *lines), tmp_path / "lake")
    assert len(store.rows) == 1 and "one.mp4" in refused


def test_the_rate_that_was_said_counts_not_that_of_the_container(tmp_path: Path) -> None:
    movie(tmp_path / "drop/one.mp4", fps=8)
    listed(tmp_path / "drop", {"file": "one.mp4", "instruction": "fold", "fps": 20, "time_warp": 2})
    store, _ = taken(tmp_path / "drop", tmp_path / "lake")
    source = store.rows[0].source.facts()
    assert source is not None and source["clock"] == "manifest" and source["container_fps"] == 8
    # 9 frames, each 2/20 s of the robot: 0.8 s, 17 rows at 20 Hz.
    assert store.rows[0].length == 17 and source["period_s"] == 0.1
    store, _ = taken(tmp_path / "drop", tmp_path / "other", fps=4)
    assert store.rows[0].length == 17  # what the drop says comes before the option


def test_a_corrupt_tail_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    for seed in range(3):
        movie(tmp_path / f"drop/{seed}_fold.mp4", pictures(20, seed))
    whole = (tmp_path / "drop/1_fold.mp4").read_bytes()
    (tmp_path / "drop/1_fold.mp4").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray((tmp_path / "drop/2_fold.mp4").read_bytes())
    damaged[-400:] = bytes(400)
    (tmp_path / "drop/2_fold.mp4").write_bytes(bytes(damaged))
    store, refused = taken(tmp_path / "drop", tmp_path / "lake")
    assert "frame 0 cannot be decoded" in refused["1_fold.mp4"] or "cut off" in refused["1_fold.mp4"]
    # What a decoder makes of zeros is its own choice: taken whole or refused, never shorter.
    whole_rows = store.rows[0].length
    assert all(row.length == whole_rows for row in store.rows) and len(store.rows) + len(refused) == 3


def test_identical_names_never_overwrite(tmp_path: Path) -> None:
    movie(tmp_path / "drop/a/0_fold.mp4", seed=0)
    movie(tmp_path / "drop/b/0_fold.mp4", seed=1)
    movie(tmp_path / "drop/fold/0.mp4", seed=2)
    store, refused = taken(tmp_path / "drop", tmp_path / "lake")
    clips = [row.source.clip for row in store.rows]
    assert clips == ["a/0_fold.mp4", "b/0_fold.mp4", "fold/0.mp4"] and not refused
    assert {row.instruction for row in store.rows} == {"fold"}
    shown = [video.decode(store.video_path(row.index, "ego_view"))[0] for row in store.rows]
    assert len({frame.tobytes() for frame in shown}) == 3


WORDS = ["wipe and/or dry", 'l\'outil de "Zoë"', "把杯子放到盘子上", "a\\b: <c> | d?", "…" * 120]


def test_instructions_survive_every_step(tmp_path: Path) -> None:
    (tmp_path / "drop/labels").mkdir(parents=True)
    for number, text in enumerate(WORDS, start=1):
        (tmp_path / f"drop/labels/{number}.txt").write_text(text + "\n", encoding="utf-8")
        movie(tmp_path / f"drop/videos/{number}.mp4", seed=number)
    store, refused = taken(tmp_path / "drop", tmp_path / "lake")
    assert not refused and [row.instruction for row in store.rows] == WORDS
    column = GR1.language_column
    assert [EpisodeStore.open(store.root).texts(row.index, column)[0] for row in store.rows] == WORDS


def test_a_manifest_that_names_what_is_not_there(tmp_path: Path) -> None:
    movie(tmp_path / "drop/one.mp4")
    lines = [{"file": "one.mp4", "instruction": "fold"}, {"file": "gone.mp4", "instruction": "wipe"}]
    listed(tmp_path / "drop", *lines, {"file": "one.mp4", "instruction": "again"})
    store, refused = taken(tmp_path / "drop", tmp_path / "lake")
    assert len(store.rows) == 1 and "there is no such file" in refused["gone.mp4"]
    assert "(as line 1)" in refused["one.mp4"]
    listed(tmp_path / "empty", {"file": "gone.mp4", "instruction": "wipe"})
    with pytest.raises(StoreError, match=r"none of its 1 clips could be used: gone.mp4: .*manifest.jsonl:1: names"):
        taken(tmp_path / "empty", tmp_path / "lake")


def first(path: Path, level: int) -> Path:
    Image.fromarray(np.full((48, 80, 3), level, dtype=np.uint8)).save(path)
    return path


def test_the_first_frame_that_was_given(tmp_path: Path) -> None:
    for number in range(5):
        movie(tmp_path / f"drop/{number}.mp4", seed=number)
    digest = digest_file(first(tmp_path / "drop/given.png", 90))
    (tmp_path / "drop/text.png").write_text("no picture")
    given = [{"first_frame": "given.png", "first_frame_sha256": digest}, {"first_frame": "gone.png"}]
    given += [{"first_frame": "../../secret.png"}, {"first_frame": "text.png"}]
    given += [{"first_frame": "given.png", "first_frame_sha256": "0" * 64}]
    lines = [{"file": f"{number}.mp4", "instruction": "fold", **more} for number, more in enumerate(given)]
    store, refused = taken(listed(tmp_path / "drop", *lines), tmp_path / "lake")
    assert len(store.rows) == 1 and store.rows[0].source.first_frame_png
    for name, part in (("1", "no such file"), ("2", "leads out"), ("3", "no readable picture"), ("4", "has the hash")):
        assert part in refused[f"{name}.mp4"], name
