"""The detector's process: without it, when it crashes, when it hangs; and what it finds where it is set up."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.disk import write_json
from gr00t_data.sources.human.detector import environment as detector_environment
from gr00t_data.sources.human.detector.client import CHUNK_FRAMES, SOURCE, HandDetector, forget
from gr00t_data.sources.human.detector.environment import (
    VARIABLE,
    DetectorError,
    environment_folder,
    mediapipe_python,
    required_python,
    set_up,
)
from gr00t_data.sources.human.hands.assign import assign_sides
from gr00t_data.sources.human.hands.detections import Detections, detection_to_dict
from gr00t_model.shell.hands import COULD_NOT_DETECT
from tests.data.sources.human.hand_files import hand_points, write_video
from tests.shell import invoke

KITCHEN = Path(__file__).parents[5] / "shared/data/ego/kitchen_plate.mp4"
HANDS_FRAMES, HANDS_OF = 99, 121
"""What was found in the clip by whoever measured MediaPipe 0.10.14 first."""


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where nothing is set up."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "environment"))
    return tmp_path / "environment"


def program(path: Path, text: str) -> Path:
    """An interpreter that is none."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_without_an_environment_the_remedy_is_named(nowhere: Path, tmp_path: Path) -> None:
    assert mediapipe_python() is None
    with pytest.raises(DetectorError, match="holds no MediaPipe; run `gr00t hands setup` once"):
        required_python()
    film = write_video(tmp_path / "a.mp4", 4)
    shown = invoke(["hands", "detect", str(film)])
    assert shown.exit_code == COULD_NOT_DETECT and not (tmp_path / "a.hands.json").exists()


def test_the_environment_is_where_the_variable_or_the_cache_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert environment_folder() == tmp_path / "gr00t/mediapipe-0.10.14"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own"))
    assert environment_folder() == tmp_path / "own"


def test_an_interpreter_without_mediapipe_is_refused_and_leaves_nothing(nowhere: Path) -> None:
    with pytest.raises(DetectorError, match=r"cannot run MediaPipe's hands.*No module named 'mediapipe'"):
        set_up(python=Path(sys.executable))
    assert not nowhere.exists() and list(nowhere.parent.iterdir()) == []


def test_an_interpreter_with_another_version_is_refused(nowhere: Path, tmp_path: Path) -> None:
    versions = json.dumps({"mediapipe": "0.10.20", "protobuf": "4", "numpy": "2"})
    with pytest.raises(DetectorError, match=r"has mediapipe 0\.10\.20, expected 0\.10\.14"):
        set_up(python=program(tmp_path / "python", f"echo '{versions}'"))


def test_an_interpreter_that_works_is_taken_as_it_is(nowhere: Path, tmp_path: Path) -> None:
    versions = {"mediapipe": "0.10.14", "protobuf": "4.25.9", "numpy": "2.4.6"}
    python = program(tmp_path / "python", f"echo '{json.dumps(versions)}'")
    facts = set_up(python=python)
    assert facts == {"folder": str(nowhere), "python": str(python), **versions} and mediapipe_python() == python
    assert set_up() == facts  # a second time nothing is done


@pytest.mark.slow
def test_an_installation_that_fails_says_why_and_leaves_nothing(nowhere: Path, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    with pytest.raises(DetectorError, match=r"pip could not install mediapipe==0\.10\.14; look whether .*wheels holds"):
        set_up(wheels=tmp_path / "wheels")
    assert not nowhere.exists() and mediapipe_python() is None


def test_a_broken_record_of_the_environment_counts_as_none(nowhere: Path) -> None:
    nowhere.mkdir()
    write_json(nowhere / "environment.json", {"python": str(nowhere / "bin/python")})
    assert mediapipe_python() is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("echo out of memory >&2; exit 7", "ended with status 7; it said: out of memory"),
        ("exec sleep 60", "gave no answer within 0.3 s and was ended"),
        ("head -c 12 >/dev/null; echo '[]'; exec sleep 60", "gave no answer within 0.3 s and was ended"),
    ],
)
def test_a_process_that_crashes_or_hangs(tmp_path: Path, text: str, match: str) -> None:
    film = write_video(tmp_path / "a.mp4", 4)
    python = program(tmp_path / "python", text)
    with (
        HandDetector(python=python, kept=tmp_path / "kept", start_s=0.3, frame_s=0.3) as detector,
        pytest.raises(DetectorError, match=match),
    ):
        detector.detect(film)
    assert not list((tmp_path / "kept").rglob("*.json"))


def test_an_interpreter_that_is_gone(tmp_path: Path) -> None:
    with (
        HandDetector(python=tmp_path / "python", kept=tmp_path) as detector,
        pytest.raises(DetectorError, match=r"cannot be started .* run `gr00t hands setup --again`"),
    ):
        detector.detect(write_video(tmp_path / "a.mp4", 4))


def test_names_of_hands_are_those_of_the_wearer_and_chunks_are_kept(tmp_path: Path) -> None:
    """The answers come from a script: MediaPipe's ``Left`` of a picture that is not mirrored is a right hand."""
    film = write_video(tmp_path / "a.mp4", CHUNK_FRAMES + 2)
    points = json.dumps([[["Left", 0.75, hand_points(30, 20, 10).tolist()]]][0])
    log = tmp_path / "starts"
    read = "import sys\nwhile len(sys.stdin.buffer.read(12 + 96 * 64 * 3)) > 12: print(line, flush=True)"
    (tmp_path / "answers.py").write_text(f"line = {points!r}\n{read}\n")
    python = program(tmp_path / "python", f"echo started >> {log}; exec {sys.executable} {tmp_path}/answers.py")
    seen: list[tuple[int, int]] = []
    with HandDetector(python=python, kept=tmp_path / "kept") as detector:
        found = detector.detect(film, progress=lambda done, total: seen.append((done, total)))
    assert [hand.side for hand in found.hands[0]] == [1] and len(found.hands) == CHUNK_FRAMES + 2
    np.testing.assert_allclose(found.hands[5][0].landmarks_px, hand_points(30, 20, 10), atol=0.01)
    assert (found.source, found.picture_px) == (SOURCE, (96, 64)) and seen[-1] == (CHUNK_FRAMES + 2,) * 2
    assert len(list((tmp_path / "kept").rglob("*.json"))) == 2
    with HandDetector(python=python, kept=tmp_path / "kept") as detector:
        again = detector.detect(film)
        late = detector.detect(film, (10.05, 10.2))
    assert log.read_text() == "started\n"  # the second time nothing is started
    assert forget(found.sha256, tmp_path / "kept") and not forget(found.sha256, tmp_path / "kept")
    assert not list((tmp_path / "kept").rglob("*.json"))
    assert _plain(again) == _plain(found) and len(late.hands) == 2 and late.times_s[0] == pytest.approx(10.0)


def _plain(found: Detections) -> list[list[dict]]:
    return [[detection_to_dict(hand) for hand in frame] for frame in found.hands]


def test_a_kept_chunk_that_is_cut_off_is_found_again(tmp_path: Path) -> None:
    film = write_video(tmp_path / "a.mp4", 3)
    (tmp_path / "answers.py").write_text(
        "import sys\nwhile len(sys.stdin.buffer.read(12 + 96 * 64 * 3)) > 12: print('[]', flush=True)"
    )
    python = program(tmp_path / "python", f"exec {sys.executable} {tmp_path}/answers.py")
    for _ in range(2):
        with HandDetector(python=python, kept=tmp_path / "kept") as detector:
            assert detector.detect(film).hands == ((), (), ())
        (path,) = (tmp_path / "kept").rglob("*.json")
        path.write_text(path.read_text()[:20])


def test_this_process_never_imports_mediapipe() -> None:
    assert "mediapipe" not in sys.modules
    text = Path(detector_environment.__file__).with_name("program.py").read_text()
    assert text.count("import mediapipe") == 1 and "gr00t_data" not in text


@pytest.mark.slow
@pytest.mark.skipif(mediapipe_python() is None, reason="no MediaPipe here: `gr00t hands setup` makes its environment")
@pytest.mark.skipif(not KITCHEN.is_file(), reason="the kitchen clip is not here (../shared/data/ego)")
def test_hands_of_the_kitchen_clip(tmp_path: Path) -> None:
    shutil.copy(KITCHEN, film := tmp_path / "kitchen.mp4")
    with HandDetector(kept=tmp_path / "kept") as detector:
        found = detector.detect(film)
    tracks = assign_sides(found)
    assert len(tracks) == HANDS_OF and tracks.present.any(1).sum() >= HANDS_FRAMES
    assert tracks.hands_seen is not None and tracks.hands_seen.max() == 2
    # Until the head turns both hands are there, the left one (it wears the watch) further left.
    assert tracks.present[:48].mean() > 0.95 and tracks.landmarks_px is not None
    across = tracks.landmarks_px[:48, :, 0, 0]
    assert (across[:, 0] < across[:, 1])[tracks.present[:48].all(1)].all()
