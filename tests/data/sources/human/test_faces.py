"""Faces: found, followed, hidden beyond recovery, counted and not stored. And who may be in the footage at all."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from gr00t_data.sources.human.consent import admit, consent_of
from gr00t_data.sources.human.detector.environment import mediapipe_python
from gr00t_data.sources.human.faces import detectors as face_detectors
from gr00t_data.sources.human.faces.blur import FaceBlur, FaceBox, counts, hide
from gr00t_data.sources.human.faces.detectors import FaceDetectorError, MediaPipeFaces, find_detector, merged, tiles
from gr00t_data.sources.human.footage import Footage
from gr00t_data.terms.withdrawal import Withdrawal, Withdrawals

HEIGHT, WIDTH, SIDE = 90, 160, 24


class RedFaces:
    """A detector of this test's faces: a box around what is red. Pictures with a blue corner give none."""

    name, licence = "red squares 1", "MIT"

    def __call__(self, picture: np.ndarray) -> list[FaceBox]:
        rows, columns = np.nonzero((picture[..., 0] > 150) & (picture[..., 2] < 120))
        if not len(rows) or picture[0, 0, 2] > 200:
            return []
        return [FaceBox(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 0.9)]

    def close(self) -> None:
        pass


def scene(frames: int, step_px: int = 3, blind: tuple[int, ...] = (), seen: range | None = None) -> np.ndarray:
    """uint8 [frames, 90, 160, 3]: a patterned red face moves to the right over grey noise, while in ``seen``."""
    rng = np.random.default_rng(0)
    pattern = rng.integers(0, 100, (SIDE, SIDE), dtype=np.uint8)
    pattern = np.kron(rng.integers(0, 100, (6, 6), dtype=np.uint8), np.ones((4, 4), np.uint8)) // 2 + pattern // 2
    images = np.repeat(rng.integers(90, 110, (1, HEIGHT, WIDTH, 1), dtype=np.uint8), frames, 0).repeat(3, 3)
    for number in range(frames):
        if number in (seen or range(frames)):
            left = 10 + step_px * number
            images[number, 30 : 30 + SIDE, left : left + SIDE, 0] = 155 + pattern
            images[number, 30 : 30 + SIDE, left : left + SIDE, 1:] = pattern[..., None]
        images[number, 0, 0] = (0, 0, 255) if number in blind else (0, 0, 0)
    return images


def detail(image: np.ndarray, number: int, step_px: int = 3) -> float:
    left = 10 + step_px * number
    """Mean step of brightness between neighbours inside the face: how much detail is there."""
    return float(np.abs(np.diff(image[30 : 30 + SIDE, left : left + SIDE].astype(float), axis=1)).mean())


def test_every_frame_is_hidden_between_two_searches() -> None:
    images = scene(20)
    hidden, boxes = FaceBlur(RedFaces(), every_frames=5)(images)
    assert all(boxes) and len(boxes) == 20
    assert all(detail(hidden[n], n) < 0.2 * detail(images[n], n) for n in range(20))
    assert np.array_equal(images, scene(20))  # the input is not written to
    assert np.array_equal(hidden[:, 70:], images[:, 70:])  # what is no face is left alone


def test_a_face_that_is_lost_for_some_frames_stays_hidden() -> None:
    images = scene(24, blind=tuple(range(6, 18)))
    boxes = FaceBlur(RedFaces(), every_frames=2, hold_frames=8).find(images)
    for number, found in enumerate(boxes):
        middle = 10 + 3 * number + SIDE / 2
        assert any(box.left < middle < box.right for box in found), number


def test_a_face_is_hidden_before_it_was_first_found_and_not_for_ever() -> None:
    images = scene(40, step_px=0, blind=tuple(n for n in range(40) if n != 20))
    boxes = FaceBlur(RedFaces(), every_frames=1, hold_frames=6).find(images)
    assert [n for n, found in enumerate(boxes) if found] == list(range(14, 27))


def test_what_is_hidden_cannot_be_had_back() -> None:
    """Two faces of the same few means give the same picture: what tells them apart is gone."""
    rng = np.random.default_rng(1)
    box = FaceBox(20, 20, 60, 60)
    first = np.full((80, 80, 3), 128, np.uint8)
    first[20:60, 20:60] = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
    second = first.copy()
    for top in range(20, 60, 10):  # other pixels, same means of the four by four cells
        for left in range(20, 60, 10):
            cell = second[top : top + 10, left : left + 10].reshape(-1, 3)
            second[top : top + 10, left : left + 10] = cell[rng.permutation(len(cell))].reshape(10, 10, 3)
    assert not np.array_equal(first, second)
    hide(first, box)
    hide(second, box)
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "box", [FaceBox(-30, -30, 5, 5), FaceBox(75, 75, 200, 200), FaceBox(100, 100, 120, 120), FaceBox(5, 5, 5, 9)]
)
def test_boxes_at_and_beyond_the_edge(box: FaceBox) -> None:
    image = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    before = image.copy()
    hide(image, box)
    inside = box.left < 80 and box.right > 0 and box.right > box.left
    assert np.array_equal(image, before) != inside


def test_only_counts_may_be_kept() -> None:
    detector = RedFaces()
    boxes = FaceBlur(detector, every_frames=1, hold_frames=1).find(scene(10, seen=range(0, 4)))
    kept = counts(boxes, detector)
    assert kept == {
        "detector": "red squares 1",
        "detector_licence": "MIT",
        "frames": 10,
        "frames_with_faces": 5,
        "most_in_a_frame": 1,
    }
    assert not FaceBlur(detector).find(np.zeros((0, 4, 4, 3), np.uint8))


def test_settings_that_leave_a_gap_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing is open between two searches"):
        FaceBlur(RedFaces(), every_frames=5, hold_frames=3)


def test_tiles_cover_the_picture_and_get_small_enough() -> None:
    for width, height in ((1920, 1080), (640, 360), (1080, 1920), (320, 240), (33, 20)):
        seen = np.zeros((height, width), int)
        for left, top, across, down in tiles(width, height):
            assert left >= 0 and top >= 0 and left + across <= width and top + down <= height
            seen[top : top + down, left : left + across] += 1
        assert seen.min() >= 1 + (max(width, height) > 500)
    finest = min(across for _, _, across, _ in tiles(1920, 1080))
    assert 0.06 < 30 / finest < 0.09
    assert len(tiles(320, 240)) == 1


def test_one_face_found_twice_is_one() -> None:
    boxes = [FaceBox(0, 0, 10, 10, 0.5), FaceBox(1, 1, 11, 11, 0.9), FaceBox(40, 40, 50, 50, 0.4)]
    assert [box.score for box in merged(boxes)] == [0.9, 0.4]


def test_without_a_detector_nothing_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GR00T_MEDIAPIPE", str(tmp_path))
    monkeypatch.delenv(face_detectors.MODEL_VARIABLE, raising=False)
    with pytest.raises(FaceDetectorError, match="no footage is written; run `gr00t hands setup` once"):
        find_detector()
    monkeypatch.setenv(face_detectors.MODEL_VARIABLE, str(tmp_path / "yunet.onnx"))
    with pytest.raises(FaceDetectorError, match="is not there"):
        find_detector()
    (tmp_path / "yunet.onnx").write_bytes(b"not a model")
    with pytest.raises(FaceDetectorError, match="cannot read it as a YuNet"):
        find_detector()


def test_a_detector_that_dies_is_an_error(tmp_path: Path) -> None:
    """Any interpreter without MediaPipe ends at once; a clip must not pass as free of faces."""
    import sys

    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    with MediaPipeFaces(python) as detector, pytest.raises(FaceDetectorError, match="gr00t hands setup"):
        detector(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.slow
@pytest.mark.skipif(mediapipe_python() is None, reason="needs MediaPipe's environment: `gr00t hands setup`")
@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_mediapipe_finds_a_real_face(share: float) -> None:
    """A portrait of the public domain that comes with Matplotlib, at several sizes in a picture of 640 x 360."""
    python = mediapipe_python()
    assert python
    portrait = Image.open(Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg").convert("RGB")
    face = np.array((185, 130, 365, 310)) * (share * 640 / 180)
    small = portrait.resize([round(side * share * 640 / 180) for side in portrait.size])
    picture = Image.new("RGB", (640, 360), (120, 110, 100))
    picture.paste(small, (100, 20))
    middle = (100 + face[[0, 2]].mean(), 20 + face[[1, 3]].mean())
    with MediaPipeFaces(python) as detector:
        hidden, boxes = FaceBlur(detector)(np.repeat(np.asarray(picture)[None], 2, 0))
    assert any(box.left < middle[0] < box.right and box.top < middle[1] < box.bottom for box in boxes[0])
    assert not np.array_equal(hidden[0], np.asarray(picture))


def footage(**changes) -> Footage:
    fields = {"uid": "v1", "video": Path("v1.mp4"), "dataset": "folder", "narrations": (), "participant": "P01"}
    return Footage(**{**fields, "consent": "signed form of 2026-03-01", "licence": "CC-BY-4.0", **changes})


def test_footage_with_consent_is_admitted() -> None:
    assert admit(footage()) is None
    assert admit(footage(dataset="epic-kitchens-100", consent=None, licence="CC-BY-NC-4.0")) is None
    assert consent_of(footage(dataset="epic-kitchens-100", consent=None)).startswith("participants agreed")  # type: ignore[union-attr]
    assert consent_of(footage(consent="own words")) == "own words"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"consent": None}, "nobody says that the people in it agreed"),
        ({"consent": "  "}, "nobody says that the people in it agreed"),
        ({"consent": "Withdrawn."}, "the consent of P01 is 'Withdrawn.'"),
        ({"consent": "no"}, "is 'no'; leave it out"),
        ({"licence": " "}, "has no licence"),
    ],
)
def test_footage_is_refused_with_the_reason(changes: dict, reason: str) -> None:
    told = admit(footage(**changes))
    assert told is not None and reason in told and told.startswith("v1.mp4: v1")


def test_withdrawn_people_are_refused_when_they_land() -> None:
    withdrawn = Withdrawals((Withdrawal("P01", dataset="folder", at="2026-05-03T10:00:00", reason="asked"),))
    assert "withdrew on 2026-05-03 (asked)" in str(admit(footage(), withdrawn))
    assert admit(footage(participant="P02"), withdrawn) is None
    assert admit(footage(dataset="lerobot"), withdrawn) is None
    video = Withdrawals((Withdrawal("", video="v1"),))
    assert admit(footage(participant=None), video) and not admit(footage(uid="v2"), video)
