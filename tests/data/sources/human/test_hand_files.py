"""Tracks of hands from files: what is read agrees with the motion that was written, and what is wrong is refused."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.spatial.transform import Rotation

from gr00t_data.sources.human.find_hands import find_tracks, read_tracks
from gr00t_data.sources.human.hands.detections import read_detections, write_detections
from gr00t_data.sources.human.hands.tracks import HandTracksError
from tests.data.sources.human.hand_files import (
    INTRINSIC,
    SIZE,
    Motion,
    clip_of,
    detections,
    motion,
    vitra_arrays,
    write_egodex,
    write_video,
)

WITHIN = 1e-6


def save(path: Path, **arrays: np.ndarray) -> None:
    """As ``.npz``."""
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]


def in_camera(moved: Motion, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Place [T, 3] and turn [T, 3, 3] of a wrist in the camera of its frame, by quaternions instead of matrices."""
    places, turns = [], []
    for camera, hand in zip(moved.camera, moved.hands[side], strict=True):
        eye = Rotation.from_matrix(camera[:3, :3])
        places.append(eye.inv().apply(hand[:3, 3] - camera[:3, 3]))
        turns.append((eye.inv() * Rotation.from_matrix(hand[:3, :3])).as_matrix())
    return np.array(places), np.array(turns)


@pytest.mark.parametrize("arkit_axes", [False, True])
def test_egodex_wrists_in_the_camera_agree_with_another_computation(tmp_path: Path, arkit_axes: bool) -> None:
    moved = motion(40)
    path = write_egodex(tmp_path / "0.hdf5", moved, arkit_axes=arkit_axes)
    tracks = read_tracks(path, write_video(tmp_path / "0.mp4", 40))
    assert tracks.wrist_poses is not None and tracks.cameras is not None and tracks.present.all()
    for number, side in enumerate(("left", "right")):
        places, turns = in_camera(moved, side)
        assert np.abs(tracks.wrist_poses[:, number, :3, 3] - places).max() < WITHIN
        assert np.abs(tracks.wrist_poses[:, number, :3, :3] - turns).max() < WITHIN
        assert (places[:, 2] > 0).all()  # in front of the eyes
    assert np.abs(tracks.cameras - moved.camera).max() < WITHIN
    assert ("half a turn" in tracks.notes[0]) == arkit_axes
    assert (tracks.wrist_axes, tracks.licence) == ("arkit", "CC-BY-NC-ND-4.0")


def test_egodex_apertures_and_landmarks(tmp_path: Path) -> None:
    moved = motion(12)
    tracks = read_tracks(write_egodex(tmp_path / "0.hdf5", moved), write_video(tmp_path / "0.mp4", 12))
    assert tracks.apertures_m is not None and tracks.landmarks_px is not None
    thumb = 0.04 + 0.03 * np.sin(3 * np.arange(12) / 30)
    np.testing.assert_allclose(tracks.apertures_m[:, 0], np.hypot(thumb, 0.02), atol=WITHIN)
    places, _ = in_camera(moved, "right")
    pixels = places @ INTRINSIC.T
    np.testing.assert_allclose(tracks.landmarks_px[:, 1, 0], pixels[:, :2] / pixels[:, 2:], atol=1e-3)
    assert tracks.picture_px == SIZE


def test_egodex_without_intrinsics_has_poses_and_no_landmarks(tmp_path: Path) -> None:
    path = write_egodex(tmp_path / "0.hdf5", motion(12))
    with h5py.File(path, "r+") as file:
        del file["camera/intrinsic"]
    tracks = read_tracks(path, write_video(tmp_path / "0.mp4", 12))
    assert tracks.landmarks_px is None and tracks.wrist_poses is not None and tracks.present.all()


def test_egodex_hands_that_arkit_is_not_sure_of_are_absent(tmp_path: Path) -> None:
    doubt = np.where(np.arange(12) < 5, 0.2, 0.9)
    path = write_egodex(tmp_path / "0.hdf5", motion(12), confidence={"leftHand": doubt})
    tracks = read_tracks(path, write_video(tmp_path / "0.mp4", 12))
    assert tracks.wrist_poses is not None
    assert tracks.present.tolist() == [[row >= 5, True] for row in range(12)]
    assert np.isnan(tracks.wrist_poses[:5, 0]).all() and np.isfinite(tracks.wrist_poses[5:]).all()
    np.testing.assert_allclose(tracks.confidence[:, 0], doubt, atol=1e-6)


def test_egodex_of_another_length_than_the_video(tmp_path: Path) -> None:
    path, film = write_egodex(tmp_path / "0.hdf5", motion(20)), write_video(tmp_path / "0.mp4", 21)
    with pytest.raises(HandTracksError, match=r"0\.hdf5: camera has shape \(20, 4, 4\), the video has 21 frames"):
        read_tracks(path, film)


def test_egodex_damage_is_named(tmp_path: Path) -> None:
    moved, film = motion(10), write_video(tmp_path / "0.mp4", 10)
    moved.camera[4, 0, 0] += 0.5
    with pytest.raises(HandTracksError, match="/transforms/camera of frame 4 is no rigid pose"):
        read_tracks(write_egodex(tmp_path / "0.hdf5", moved), film)
    (tmp_path / "1.hdf5").write_bytes(b"not HDF5")
    with pytest.raises(HandTracksError, match=r"1\.hdf5: is no HDF5 file"):
        read_tracks(tmp_path / "1.hdf5", film)
    with pytest.raises(HandTracksError, match=r"2\.hdf5: no such file"):
        read_tracks(tmp_path / "2.hdf5", film)


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_vitra_arrays(tmp_path: Path, ending: str) -> None:
    moved, arrays = motion(15), vitra_arrays(motion(15))
    arrays["right.kept_frames"][3:6] = 0
    path = tmp_path / f"clip{ending}"
    if ending == ".npz":
        save(path, **arrays)
    else:
        save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)
    tracks = read_tracks(path, write_video(tmp_path / "clip.mp4", 15))
    assert tracks.wrist_poses is not None and tracks.cameras is not None
    places, turns = in_camera(moved, "left")
    np.testing.assert_allclose(tracks.wrist_poses[:, 0, :3, 3], places, atol=WITHIN)
    np.testing.assert_allclose(tracks.wrist_poses[:, 0, :3, :3], turns, atol=WITHIN)
    np.testing.assert_allclose(tracks.cameras, moved.camera, atol=WITHIN)
    assert np.flatnonzero(~tracks.present[:, 1]).tolist() == [3, 4, 5] and tracks.wrist_axes == "mano"


def test_vitra_rows_of_some_frames_of_the_video(tmp_path: Path) -> None:
    arrays, film = vitra_arrays(motion(10)), write_video(tmp_path / "clip.mp4", 30)
    save(tmp_path / "clip.npz", **arrays, video_decode_frame=np.arange(12, 22))
    tracks = read_tracks(tmp_path / "clip.npz", film)
    np.testing.assert_allclose(tracks.times_s, np.arange(30) / 30, atol=1e-3)
    assert np.flatnonzero(tracks.present.all(1)).tolist() == list(range(12, 22)) and tracks.cameras is not None
    places, _ = in_camera(motion(10), "left")
    np.testing.assert_allclose(tracks.wrist_poses[12:22, 0, :3, 3], places, atol=WITHIN)  # pyright: ignore
    assert np.isfinite(tracks.cameras).all()
    save(tmp_path / "other.npz", **arrays, video_decode_frame=np.arange(25, 35))
    with pytest.raises(HandTracksError, match="video_decode_frame goes from 25 to 34, the video has 30 frames"):
        read_tracks(tmp_path / "other.npz", film)
    save(tmp_path / "none.npz", **arrays)
    with pytest.raises(HandTracksError, match="extrinsics have 10 rows, the video has 30 frames"):
        read_tracks(tmp_path / "none.npz", film)


def test_a_hand_that_vitra_does_not_have_is_absent(tmp_path: Path) -> None:
    arrays = {name: value for name, value in vitra_arrays(motion(8)).items() if not name.startswith("left")}
    save(tmp_path / "clip.npz", **arrays)
    tracks = read_tracks(tmp_path / "clip.npz", write_video(tmp_path / "clip.mp4", 8))
    assert tracks.present.all(0).tolist() == [False, True] and not tracks.present[:, 0].any()


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_pickled_dict_is_refused_and_never_opened(tmp_path: Path) -> None:
    film, mark = write_video(tmp_path / "clip.mp4", 8), tmp_path / "opened"
    np.save(tmp_path / "clip.npy", np.array({"left": Trap(mark)}, dtype=object), allow_pickle=True)
    with pytest.raises(HandTracksError, match=r"a pickle can run any code .* convert it once.*clip\.npz"):
        read_tracks(tmp_path / "clip.npy", film)
    save(tmp_path / "clip.npz", extrinsics=np.array({"left": Trap(mark)}, dtype=object))
    with pytest.raises(HandTracksError, match="a pickle can run any code"):
        read_tracks(tmp_path / "clip.npz", film)
    assert not mark.exists()


def test_detections_are_written_and_read(tmp_path: Path) -> None:
    found = detections([[(0, 400.0, 500.0), (1, 900.25, 510.5)], [], [(1, 910.0, 520.0)]])
    write_detections(tmp_path / "a.hands.json", found)
    again = read_detections(tmp_path / "a.hands.json")
    assert [[(hand.side, hand.score) for hand in frame] for frame in again.hands] == [
        [(0, 0.9), (1, 0.9)],
        [],
        [(1, 0.9)],
    ]
    assert np.abs(again.hands[0][1].landmarks_px - found.hands[0][1].landmarks_px).max() < 0.01
    assert (again.source, again.licence, again.picture_px) == ("a detector 1.0", "Apache-2.0", (1920, 1080))
    np.testing.assert_allclose(again.times_s, found.times_s, atol=1e-6)


def json_for(path: Path, count: int, **changes: object) -> Path:
    """A file of tracks for the small grey video of as many frames."""
    write_detections(path, detections([[(0, 20.0, 30.0)]] * count))
    value = json.loads(path.read_text())
    value["video"] |= {"width": SIZE[0], "height": SIZE[1]}
    path.write_text(json.dumps(value | changes))
    return path


def test_tracks_beside_a_video_are_found_first(tmp_path: Path) -> None:
    film = write_video(tmp_path / "a.mp4", 9)
    assert find_tracks(clip_of(film, 0.0, 0.3), None) is None
    json_for(tmp_path / "a.hands.json", 9)
    tracks = find_tracks(clip_of(film, 0.0, 0.3), None)
    assert tracks is not None and len(tracks) == 9 and tracks.present[:, 0].all()
    named = json_for(tmp_path / "elsewhere.json", 9, source="named by the dataset")
    assert find_tracks(clip_of(film, 0.0, 0.3, named), None).source == "named by the dataset"  # pyright: ignore
    with pytest.raises(ValueError, match="'yolo' is no detector of hands; expected mediapipe"):
        find_tracks(clip_of(write_video(tmp_path / "b.mp4", 9), 0.0, 0.3), "yolo")


def test_detections_of_another_video(tmp_path: Path) -> None:
    film = write_video(tmp_path / "a.mp4", 9)
    with pytest.raises(HandTracksError, match=r"short\.json: has 8 frames, the video has 9"):
        read_tracks(json_for(tmp_path / "short.json", 8), film)
    with pytest.raises(HandTracksError, match=r"rate\.json: frame 8 is at 0\.267 s, in the video at 0\.533 s"):
        read_tracks(json_for(tmp_path / "rate.json", 9), write_video(tmp_path / "slow.mp4", 9, fps=15))
    wide = json_for(tmp_path / "wide.json", 9, video={"width": 1920, "height": 1080})
    with pytest.raises(HandTracksError, match="a picture of 1920x1080, the video shows 96x64"):
        read_tracks(wide, film)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "cannot be read as JSON"),
        ('{"format": "openpose"}', "format is 'openpose', expected 'gr00t-hands-1'"),
        ("[]", "format is 'list'"),
    ],
)
def test_json_of_another_kind(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(HandTracksError, match=match):
        read_detections(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("hand", "match"),
    [
        ({"side": "both", "score": 1, "landmarks": [[0, 0]] * 21}, "frame 1: side is 'both'"),
        ({"side": "left", "score": 1, "landmarks": [[0, 0]] * 20}, r"frame 1: landmarks are \(20, 2\), expected 21"),
        ({"side": "left", "score": 1, "landmarks": [[0, None]] * 21}, "frame 1: "),
        ({"side": "left", "landmarks": [[0, 0]] * 21}, "frame 1: 'score'"),
    ],
)
def test_a_frame_that_does_not_say_what_it_must(tmp_path: Path, hand: dict[str, object], match: str) -> None:
    frames = [{"time_s": 0.0, "hands": []}, {"time_s": 0.1, "hands": [hand]}]
    path = json_for(tmp_path / "a.json", 9, frames=frames)
    with pytest.raises(HandTracksError, match=match):
        read_detections(path)


def test_times_must_increase(tmp_path: Path) -> None:
    path = json_for(tmp_path / "a.json", 9, frames=[{"time_s": 0.1, "hands": []}, {"time_s": 0.1, "hands": []}])
    with pytest.raises(HandTracksError, match="must be finite and increase"):
        read_detections(path)
