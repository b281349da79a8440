"""Cut and join by packets: every frame stays the frame it was, and what cannot be cut says so."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.video import files as video
from gr00t_data.video.cutting import concat, cut, groups, packets_of, read_whole
from gr00t_data.video.files import VideoError
from gr00t_data.video.spans import encode_span, key_pictures
from tests.data.films import CODINGS, film, moving, only_sound

LENGTHS = (12, 7, 15)


def parts(folder: Path, coding: str, fps: Fraction | int = 20) -> list[Path]:
    return [film(folder / f"{n}.mp4", moving(rows, n), coding, fps=fps) for n, rows in enumerate(LENGTHS)]


def joined(paths: list[Path], target: Path, fps: float) -> list[int]:
    return concat([read_whole(path) for path in paths], target, fps)


@pytest.mark.parametrize("coding", CODINGS)
def test_joined_and_cut_again_is_pixel_for_pixel_the_same(tmp_path: Path, coding: str) -> None:
    files = parts(tmp_path, coding)
    firsts = joined(files, tmp_path / "all.mp4", 20)
    assert firsts == [0, 12, 19]
    whole, decoded = read_whole(tmp_path / "all.mp4"), video.decode(tmp_path / "all.mp4")
    np.testing.assert_allclose(whole.pts_s, np.arange(34) / 20, atol=1e-9)
    for file, first, rows in zip(files, firsts, LENGTHS, strict=True):
        cut(whole, first, first + rows - 1, tmp_path / "piece.mp4")
        original = video.decode(file)
        np.testing.assert_array_equal(decoded[first : first + rows], original)
        np.testing.assert_array_equal(video.decode(tmp_path / "piece.mp4"), original)
        np.testing.assert_array_equal(read_whole(tmp_path / "piece.mp4").pts_s, read_whole(file).pts_s)


@pytest.mark.parametrize("fps", [Fraction(30), Fraction(30000, 1001), Fraction(15), Fraction(50)])
def test_a_frame_stands_at_its_number_over_the_rate(tmp_path: Path, fps: Fraction) -> None:
    joined(parts(tmp_path, "h264 with B-frames", fps), tmp_path / "all.mp4", float(fps))
    np.testing.assert_allclose(read_whole(tmp_path / "all.mp4").pts_s, np.arange(34) / float(fps), atol=1e-9)


def test_a_span_without_a_keyframe_is_refused_and_encoded_frame_for_frame(tmp_path: Path) -> None:
    images = moving(40)
    track = read_whole(film(tmp_path / "a.mp4", images, "h264 with B-frames"))
    with pytest.raises(VideoError, match="frames 7 to 31 do not begin with a keyframe"):
        cut(track, 7, 31, tmp_path / "b.mp4")
    assert not (tmp_path / "b.mp4").exists()
    encode_span(track, 7, 31, tmp_path / "b.mp4")
    found, wanted = video.decode(tmp_path / "b.mp4").astype(int), video.decode(track.path).astype(int)
    np.testing.assert_allclose(read_whole(tmp_path / "b.mp4").pts_s, np.arange(25) / 20, atol=1e-9)
    distance = np.array([[np.abs(frame - other).mean() for other in wanted] for frame in found])
    np.testing.assert_array_equal(distance.argmin(1), np.arange(7, 32))
    assert distance.min(1).max() < 1


def test_a_cut_may_not_end_where_a_later_frame_is_needed(tmp_path: Path) -> None:
    track = read_whole(film(tmp_path / "a.mp4", moving(40), "h264 with B-frames"))
    ends = [last for last in range(40) if packets_of(track, 0, last) is not None]
    assert 39 in ends and 0 in ends and len(ends) < 40
    for last in ends[:4]:
        cut(track, 0, last, tmp_path / "b.mp4")
        np.testing.assert_array_equal(video.decode(tmp_path / "b.mp4"), video.decode(track.path)[: last + 1])


def test_frames_that_do_not_exist(tmp_path: Path) -> None:
    track = read_whole(film(tmp_path / "a.mp4", moving(5)))
    for first, last in ((0, 5), (-1, 3), (3, 2)):
        with pytest.raises(VideoError, match=r"do not exist; it holds 5"):
            cut(track, first, last, tmp_path / "b.mp4")


def test_only_like_files_share_a_stream(tmp_path: Path) -> None:
    one = film(tmp_path / "a.mp4", moving(6))
    other = {
        "size": film(tmp_path / "size.mp4", moving(6, height=48)),
        "coding": film(tmp_path / "coding.mp4", moving(6), "h264 with B-frames"),
        "sound": film(tmp_path / "sound.mp4", moving(6), sound=True),
        "turned": film(tmp_path / "turned.mp4", moving(6), rotation_deg=90),
    }
    for path in other.values():
        with pytest.raises(VideoError, match=f"{path.name}: is coded differently"):
            joined([one, path], tmp_path / "all.mp4", 20)
    uneven = film(tmp_path / "uneven.mp4", moving(6), times=[0, 1, 2, 4, 5, 6])
    with pytest.raises(VideoError, match=r"uneven\.mp4: its frames are not shown at 20 Hz"):
        joined([one, uneven], tmp_path / "all.mp4", 20)
    assert not (tmp_path / "all.mp4").exists()
    tracks = [read_whole(path) for path in (one, one, uneven, one, *other.values(), one, one)]
    assert groups(tracks, 20, 1 << 30) == [[0, 1], [2], [3], [4], [5], [6], [7], [8, 9]]
    assert groups([tracks[0]] * 5, 20, 2 * int(tracks[0].size.sum()) + 1) == [[0, 1], [2, 3], [4]]


def test_a_file_alone_keeps_its_bytes_its_rotation_and_its_sound(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", moving(6), sound=True, rotation_deg=90, times=[0, 1, 2, 4, 5, 6])
    assert joined([path], tmp_path / "b.mp4", 20) == [0]
    assert (tmp_path / "b.mp4").read_bytes() == path.read_bytes()
    track = read_whole(path)
    assert track.rotation_deg == 90 and not track.lone and not track.regular(20)
    cut(track, 0, 5, tmp_path / "c.mp4")
    piece = read_whole(tmp_path / "c.mp4")
    assert piece.rotation_deg == 90 and piece.lone
    np.testing.assert_allclose(piece.pts_s, np.array([0, 1, 2, 4, 5, 6]) / 20, atol=1e-9)


def test_keyframes_for_statistics(tmp_path: Path) -> None:
    track = read_whole(film(tmp_path / "a.mp4", moving(40)))
    decoded = video.decode(track.path)
    np.testing.assert_array_equal(key_pictures(track, 10), decoded[[0, 10, 20, 30]])
    np.testing.assert_array_equal(key_pictures(track, 2), decoded[[0, 30]])


def test_files_that_are_no_video_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"gone\.mp4: no such file"):
        read_whole(tmp_path / "gone.mp4")
    with pytest.raises(VideoError, match="holds no video stream"):
        read_whole(only_sound(tmp_path / "sound.mp4"))
    whole = film(tmp_path / "größe 1: links.mp4", moving(60))
    assert read_whole(whole).frames == 60
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:900])
    with pytest.raises(VideoError, match=r"cut\.mp4: not a readable video"):
        read_whole(tmp_path / "cut.mp4")
