"""Checks of the videos, on real mp4 files."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from gr00t_data.curate.examine import check_episode
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe
from tests.data.builders import GR1, episode, frames, sealed, unsealed
from tests.data.films import film, moving


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    return unsealed(sealed(tmp_path / "s", [episode(rows=24)]))


def test_missing_file(store: EpisodeStore) -> None:
    path = store.video_path(0, "ego_view")
    path.unlink()
    verdict = check_episode(store, 0, GR1)
    assert verdict.codes == ("VIDEO-01",) and not verdict.accepted
    assert f"{path}: episode 0: no video of camera 'ego_view'; copy it again" in verdict.findings[0].message


@pytest.mark.parametrize("kept", [0, 20, 600])
def test_truncated_before_its_index(store: EpisodeStore, kept: int) -> None:
    path = store.video_path(0, "ego_view")
    path.write_bytes(path.read_bytes()[:kept])
    verdict = check_episode(store, 0, GR1)
    assert verdict.codes == ("VIDEO-02",) and not verdict.accepted
    assert str(path) in verdict.findings[0].message and "copy it again" in verdict.findings[0].message


def test_truncated_in_its_frames(store: EpisodeStore) -> None:
    path = store.video_path(0, "ego_view")
    path.write_bytes(path.read_bytes()[:-60])
    verdict = check_episode(store, 0, GR1)
    assert not verdict.accepted and set(verdict.codes) & {"VIDEO-02", "VIDEO-03"}
    assert str(path) in next(f for f in verdict.findings if f.code.startswith("VIDEO")).message


def test_not_a_video(store: EpisodeStore) -> None:
    store.video_path(0, "ego_view").write_text("hello")
    assert check_episode(store, 0, GR1).codes == ("VIDEO-02",)


def test_damaged_header(store: EpisodeStore) -> None:
    path = store.video_path(0, "ego_view")
    # The name of the codec in the sample description: the stream has no decoder any more.
    path.write_bytes(path.read_bytes().replace(b"avc1", b"\xff\xfe\x00\x01"))
    verdict = check_episode(store, 0, GR1)
    assert verdict.codes == ("VIDEO-02",) and not verdict.accepted and str(path) in verdict.findings[0].message


def test_slightly_shorter_loses_the_frames_without_image(store: EpisodeStore) -> None:
    video.encode(store.video_path(0, "ego_view"), frames(22), 20)
    verdict = check_episode(store, 0, GR1)
    finding = next(f for f in verdict.findings if f.code == "VIDEO-03")
    assert verdict.accepted and finding.severity == "warning" and finding.frames == (22, 23)
    assert verdict.keep == ((0, 22),)


@pytest.mark.parametrize(("count", "code"), [(20, "VIDEO-03"), (40, "VIDEO-04")])
def test_another_take_is_rejected(store: EpisodeStore, count: int, code: str) -> None:
    video.encode(store.video_path(0, "ego_view"), frames(count), 20)
    verdict = check_episode(store, 0, GR1)
    assert code in verdict.codes and not verdict.accepted
    finding = next(f for f in verdict.findings if f.code == code)
    assert f"camera 'ego_view' has {count} frames for 24 rows" in finding.message


def test_slightly_longer_is_a_warning(store: EpisodeStore) -> None:
    video.encode(store.video_path(0, "ego_view"), frames(26), 20)
    verdict = check_episode(store, 0, GR1)
    assert verdict.codes == ("VIDEO-04",) and verdict.accepted and verdict.keep == ((0, 24),)


def test_another_frame_rate(store: EpisodeStore) -> None:
    video.encode(store.video_path(0, "ego_view"), frames(24), 10)
    verdict = check_episode(store, 0, GR1)
    assert verdict.codes == ("VIDEO-05",) and verdict.accepted
    assert "frames are 0.1000 s apart, expected 0.0500 s" in verdict.findings[0].message


def test_another_shape_than_the_camera(store: EpisodeStore) -> None:
    wide = replace(GR1, cameras=(replace(GR1.cameras[0], height=240, width=320), *GR1.cameras[1:]))
    verdict = check_episode(store, 0, wide)
    assert verdict.codes == ("VIDEO-06",) and "16x16" in verdict.findings[0].message
    square = replace(GR1, cameras=(replace(GR1.cameras[0], height=256, width=256), *GR1.cameras[1:]))
    assert check_episode(store, 0, square).findings == ()


def test_a_camera_in_use_that_the_store_does_not_map(tmp_path: Path) -> None:
    verdict = check_episode(sealed(tmp_path / "s", [episode(video={})]), 0, GR1)
    assert verdict.codes == ("VIDEO-01",) and not verdict.accepted


def test_audio_only(store: EpisodeStore) -> None:
    path = store.video_path(0, "ego_view")
    path.unlink()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), dtype=np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        for packet in [*stream.encode(silence), *stream.encode(None)]:
            container.mux(packet)
    verdict = check_episode(store, 0, GR1)
    assert verdict.codes == ("VIDEO-02",) and not verdict.accepted
    assert "holds no video stream (it holds audio)" in verdict.findings[0].message


def test_marked_to_be_turned(store: EpisodeStore) -> None:
    path = store.video_path(0, "ego_view")
    content = path.read_bytes()
    # The matrix of the track header: unity becomes a quarter turn.
    one, minus = (1 << 16).to_bytes(4, "big"), (-(1 << 16)).to_bytes(4, "big", signed=True)
    zero, last = bytes(4), (1 << 30).to_bytes(4, "big")
    unity = one + zero * 3 + one + zero * 3 + last
    at = content.index(unity, content.index(b"tkhd"))
    turned = zero + one + zero + minus + zero * 4 + last
    path.write_bytes(content[:at] + turned + content[at + len(unity) :])
    verdict = check_episode(store, 0, GR1)
    finding = next(finding for finding in verdict.findings if finding.code == "VIDEO-09")
    assert verdict.accepted and finding.severity == "warning" and "270 degrees" in finding.message


def test_frames_that_were_never_recorded_are_not_copied_again(store: EpisodeStore) -> None:
    video.encode(store.video_path(0, "ego_view"), frames(12), 20)
    (finding,) = (one for one in check_episode(store, 0, GR1).findings if one.code == "VIDEO-03")
    assert "12 frames for 24 rows; the file is whole, so frames were dropped" in finding.message


def test_a_cut_video_is_copied_again(tmp_path: Path) -> None:
    store = unsealed(sealed(tmp_path / "s", [episode(rows=24)]))
    path = film(store.video_path(0, "ego_view"), moving(24), index_first=True)
    facts = probe(path)
    path.write_bytes(path.read_bytes()[: -int(facts.size[12:].sum())])
    (finding,) = (one for one in check_episode(store, 0, GR1).findings if one.code == "VIDEO-03")
    assert finding.message.endswith("copy the video again")


def test_a_pointer_of_git_lfs_is_named_as_such(store: EpisodeStore) -> None:
    store.video_path(0, "ego_view").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 99\n")
    (finding,) = check_episode(store, 0, GR1).findings
    assert finding.code == "VIDEO-02" and "is a git-lfs pointer, not the file; run `git lfs pull`" in finding.message
