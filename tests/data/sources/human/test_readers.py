"""Five kinds of drops, each in its published layout, and what is wrong with broken ones."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lerobot.convert import convert
from gr00t_data.sources.human.readers import find
from gr00t_data.sources.human.readers.drop import DropError, seconds
from gr00t_data.store.episode import Episode
from gr00t_data.store.writing import StoreWriter
from tests.data.films import film, moving
from tests.data.sources.human.ego_films import epic_csv

SHORT = moving(10)


def test_epic_kitchens(tmp_path: Path) -> None:
    film(tmp_path / "P07/videos/P07_01.MP4", SHORT)
    film(tmp_path / "P08/videos/P08_02.mp4", SHORT)
    rows = [("P07_01_1", "P07_01", 2.5, 3.0, "open door"), ("P07_01_0", "P07_01", 0.14, 3.37, "pick up cup")]
    epic_csv(tmp_path / "EPIC_100_train.csv", [*rows, ("x", "P99_01", 0, 1, "wash")])
    found = find(tmp_path)
    (one,) = found.footage
    assert (found.form, one.uid, one.participant, one.licence) == ("epic-kitchens-100", "P07_01", "P07", "CC-BY-NC-4.0")
    assert [(n.uid, n.text, n.start_s, n.end_s) for n in one.narrations] == [
        ("P07_01_0", "pick up cup", 0.14, 3.37),
        ("P07_01_1", "open door", 2.5, 3.0),
    ]
    assert one.extra["narrations"]["P07_01_0"]["verb"] == "pick-up"
    assert "P99_01" in found.refused[0].reason and "no row of the tables names it" in found.refused[-1].reason


def test_epic_rows_that_cannot_be_read_are_refused_one_by_one(tmp_path: Path) -> None:
    film(tmp_path / "v.mp4", SHORT)
    path = epic_csv(tmp_path / "a.csv", [("n0", "v", 0, 1, "wash"), ("n0", "v", 1, 2, "dry"), ("n1", "v", 2, 3, "cut")])
    path.write_text(path.read_text().replace("00:00:02.00,00:00:03.00", "soon,00:00:03.00"))
    found = find(tmp_path)
    assert [n.uid for n in found.footage[0].narrations] == ["n0"]
    assert "there twice" in found.refused[0].reason and "'soon' is no time" in found.refused[1].reason
    assert f"{path}:3" in found.refused[0].reason


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    film(tmp_path / "v.mp4", SHORT)
    path = epic_csv(tmp_path / "a.csv", [("n0", "v", 0, 1, "wash")])
    path.write_text(path.read_text().replace(",narration,", ",words,"))
    with pytest.raises(DropError, match="has no column narration"):
        find(tmp_path)


@pytest.mark.parametrize("nested", ["flat", "object", "list"])
def test_ego4d_both_passes(tmp_path: Path, nested: str) -> None:
    film(tmp_path / "full_scale/u1.mp4", SHORT)
    one = {"narration_text": "#C C picks a cup", "timestamp_sec": 3.5, "timestamp_frame": 105}
    passes = {"narration_pass_2": {"narrations": [dict(one, timestamp_sec=1.0)]}, "status": "complete"}
    passes["narration_pass_1"] = {"narrations": [one, {"narration_text": "no time"}], "summaries": []}
    videos = {"u1": passes, "u2": passes}
    listed = [{"video_uid": uid, **value} for uid, value in videos.items()]
    value = {"flat": videos, "object": {"videos": videos}, "list": {"videos": listed}}[nested]
    (tmp_path / "narration.json").write_text(json.dumps(value))
    facts = [{"video_uid": "u1", "fb_participant_id": 42, "device": "GoPro"}]
    (tmp_path / "ego4d.json").write_text(json.dumps({"videos": facts}))
    found = find(tmp_path)
    (footage,) = found.footage
    assert [(n.annotator, n.start_s, n.end_s) for n in footage.narrations] == [
        ("narration_pass_2", 1.0, None),
        ("narration_pass_1", 3.5, None),
    ]
    assert (footage.participant, footage.licence, footage.extra["device"]) == ("42", "Ego4D", "GoPro")
    assert "timestamp_sec" in found.refused[0].reason and "1 narrated videos are not in the drop" in found.findings[0]


def test_egodex_pairs(tmp_path: Path) -> None:
    film(tmp_path / "add_remove_lid/0.mp4", SHORT, fps=30)
    film(tmp_path / "add_remove_lid/7.mp4", SHORT, fps=30)
    with h5py.File(tmp_path / "add_remove_lid/0.hdf5", "w") as file:
        file["camera/intrinsic"] = np.array([[736.6, 0, 960], [0, 736.6, 540], [0, 0, 1]])
        file["transforms/camera"] = np.tile(np.eye(4), (10, 1, 1))
        file.attrs["llm_description"] = "Put the lid on."
        file.attrs["llm_description2"] = "Take the lid off."
        file.attrs["which_llm_description"] = "2"
    found = find(tmp_path)
    (one,) = found.footage
    assert (one.uid, one.dataset, one.licence) == ("add_remove_lid/0", "egodex", "CC-BY-NC-ND-4.0")
    assert one.narrations[0].text == "Take the lid off." and one.narrations[0].end_s == pytest.approx(10 / 30)
    assert one.tracks == tmp_path / "add_remove_lid/0.hdf5" and one.intrinsics.matrix[0, 2] == 960
    assert "7.mp4: has no HDF5 file beside it" in found.refused[-1].reason


def test_egodex_never_follows_a_link_out_of_the_file(tmp_path: Path) -> None:
    film(tmp_path / "drop/0.mp4", SHORT)
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["m"] = np.eye(3)
    with h5py.File(tmp_path / "drop/0.hdf5", "w") as file:
        file["transforms/camera"] = np.zeros((10, 4, 4))
        file.require_group("camera")["intrinsic"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "m")
    found = find(tmp_path / "drop")
    assert not found.footage and "links out are not followed" in found.refused[0].reason


def test_lerobot_v2_folder(tmp_path: Path) -> None:
    root = tmp_path / "ego_set"
    film(root / "videos/chunk-000/observation.images.head/episode_000000.mp4", moving(40))
    (root / "meta").mkdir()
    info = {"codebase_version": "v2.1", "fps": 20, "chunks_size": 1000, "license": "CC-BY-4.0", "features": {}}
    info["data_path"] = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    info["video_path"] = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    info["features"] = {f"observation.images.{name}": {"dtype": "video"} for name in ("wrist", "head")}
    (root / "meta/info.json").write_text(json.dumps(info))
    rows = [{"episode_index": n, "length": 40, "tasks": ["Fold the towel."]} for n in (0, 1)]
    (root / "meta/episodes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = find(root)
    (one,) = found.footage
    assert (one.uid, one.dataset, one.licence) == ("episode_000000", "lerobot", "CC-BY-4.0")
    assert one.extra["camera"] == "head"
    assert (one.narrations[0].text, one.narrations[0].end_s) == ("Fold the towel.", 2.0)
    assert "episode_000001.mp4: no such file" in found.refused[0].reason
    (root / "meta/info.json").write_text(json.dumps(info | {"fps": "fast"}))
    with pytest.raises(DropError, match=r"info.json: fps is 'fast', expected a rate"):
        find(root)


def test_lerobot_v3_episodes_lie_in_one_file(tmp_path: Path) -> None:
    hands = load_embodiment("human_hands")
    writer = StoreWriter.create(tmp_path / "v21", hands, kind="human", licence="CC0-1.0")
    for number, rows in enumerate((24, 30)):
        zeros = np.zeros((rows, hands.state_dim))
        video = {"ego_view": moving(rows, seed=number)}
        writer.append(Episode(f"Fold towel {number}.", np.arange(rows) / 20, zeros, zeros, video))
    writer.seal()
    convert(tmp_path / "v21", tmp_path / "v30", "v3.0", lambda done, total: None)
    one, two = find(tmp_path / "v30").footage
    assert one.video == two.video and [n.text for n in two.narrations] == ["Fold towel 1."]
    assert (one.narrations[0].start_s, one.narrations[0].end_s) == pytest.approx((0.0, 1.2))
    assert (two.narrations[0].start_s, two.narrations[0].end_s) == pytest.approx((1.2, 2.7))
    again = find(tmp_path / "v21").footage
    assert [n.text for one in again for n in one.narrations] == ["Fold towel 0.", "Fold towel 1."]


def test_a_folder_of_videos_with_a_table(tmp_path: Path) -> None:
    for name in ("a.mp4", "b/IMG_1.MOV", "c.mp4"):
        film(tmp_path / name, SHORT)
    lines = ["video,start_s,end_s,text,participant,consent,fx,fy,cx,cy,width_px,height_px,k1"]
    lines += ["a.mp4,0:01,2.5,fold the towel,P1,signed 2026-03-01,,,,,,,", "a.mp4,3,,stack the towel,P1,,,,,,,,"]
    lines += ["b/IMG_1.MOV,,,wash the cup,,,900,900,960,540,1920,1080,-0.02"]
    (tmp_path / "notes.csv").write_text("\n".join(lines))
    by_uid = {one.uid: one for one in find(tmp_path).footage}
    assert sorted(by_uid) == ["a.mp4", "b/IMG_1.MOV", "c.mp4"]
    first = by_uid["a.mp4"]
    assert [(n.text, n.start_s, n.end_s) for n in first.narrations] == [
        ("fold the towel", 1.0, 2.5),
        ("stack the towel", 3.0, None),
    ]
    assert (first.participant, first.consent, first.licence) == ("P1", "signed 2026-03-01", "unknown")
    whole = by_uid["b/IMG_1.MOV"]
    assert np.isinf(whole.narrations[0].end_s or 0) and whole.intrinsics.fisheye.tolist() == [-0.02, 0, 0, 0]
    assert by_uid["c.mp4"].narrations == () and by_uid["c.mp4"].intrinsics is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("../secret.mp4,0,1,wash,", "leads out of the drop"),
        ("/etc/passwd,0,1,wash,", "leads out of the drop"),
        ("gone.mp4,0,1,wash,", "no such file"),
        ("a.mp4,0,1,wash,900", "not fy, cx, cy, width_px, height_px"),
        ("a.mp4,,1,wash,", "has an end and no start"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused(tmp_path: Path, line: str, why: str) -> None:
    film(tmp_path / "drop/a.mp4", SHORT)
    film(tmp_path / "secret.mp4", SHORT)
    (tmp_path / "drop/notes.csv").write_text(f"video,start_s,end_s,text,fx\n{line}\n")
    refused = find(tmp_path / "drop").refused
    assert len(refused) == 1 and why in refused[0].reason and "notes.csv:2" in refused[0].reason


def test_a_link_out_of_the_drop_is_refused(tmp_path: Path) -> None:
    film(tmp_path / "secret.mp4", SHORT)
    film(tmp_path / "drop/a.mp4", SHORT)
    (tmp_path / "drop/b.mp4").symlink_to(tmp_path / "secret.mp4")
    found = find(tmp_path / "drop")
    assert [one.uid for one in found.footage] == ["a.mp4"] and "link out of the drop" in found.refused[0].reason


def test_a_table_without_the_column_video_and_a_drop_without_videos(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", SHORT)
    (tmp_path / "notes.csv").write_text("start_s,text\n0,wash\n")
    with pytest.raises(DropError, match="has no column video"):
        find(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DropError, match="holds no video"):
        find(tmp_path / "empty")
    with pytest.raises(DropError, match="no such folder"):
        find(tmp_path / "nowhere")


def test_times_as_people_write_them() -> None:
    assert [seconds(text) for text in ("01:02:03.50", "1:02", "62.5")] == [3723.5, 62.0, 62.5]
    for text in ("", "1:2:3:4", "ten", "-3", "nan", "1e9"):
        with pytest.raises(ValueError, match="is no time"):
            seconds(text)
