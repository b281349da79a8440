"""Pictures that come twice and pictures that stand still, in films as recorders write them."""

import re
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.doctor import Report, diagnose
from gr00t_data.curate.subject.stillness import repeats_of
from gr00t_data.curate.subject.view import view_of
from gr00t_data.video.packets import probe
from tests.data.builders import GR1
from tests.data.curate.films import H264, LEROBOT_AV1, ROWS, arm_film, film_store, write_film


def of_video(report: Report) -> dict[int, list[tuple[str, str, tuple[int, int] | None]]]:
    """Episode -> (code, severity, frames) of what is said of its videos."""
    said = {
        one.episode_index: [(f.code, f.severity, f.frames) for f in one.findings if f.code.startswith("VIDEO")]
        for one in report.verdicts
    }
    return {index: found for index, found in said.items() if found}


def every_other(film: np.ndarray, first: int = 0) -> np.ndarray:
    """A camera of half the rate; ``first`` 1 has the repeats at the key frames."""
    return film[np.maximum((np.arange(len(film)) - first) // 2 * 2 + first, 0)]


@pytest.mark.parametrize("codec", [LEROBOT_AV1, H264])
@pytest.mark.parametrize("first", [0, 1])
def test_a_slow_camera_is_one_finding_of_the_store(tmp_path: Path, codec: tuple, first: int) -> None:
    store = film_store(tmp_path / "s", lambda film: every_other(film, first), 5, codec)
    report = diagnose(store, GR1)
    (found,) = (finding for finding in report.findings if finding.code == "VIDEO-11")
    assert found.severity == "warning" and re.search(r"in 5 of 5 episodes: it delivers about 1[01]\.", found.message)
    assert of_video(report) == {} and all(one.accepted for one in report.verdicts)


def test_a_slow_camera_hides_no_freeze(tmp_path: Path) -> None:
    def change(film: np.ndarray) -> np.ndarray:
        film[24:40] = film[24]
        return every_other(film)

    report = diagnose(film_store(tmp_path / "s", {n: change if n == 3 else every_other for n in range(12)}), GR1)
    assert [finding.code for finding in report.findings if finding.code == "VIDEO-11"] == ["VIDEO-11"]
    ((code, severity, frames),) = of_video(report)[3]
    assert (code, severity) == ("VIDEO-10", "error") and frames == (24, 39) and list(of_video(report)) == [3]


def test_one_episode_that_repeats_is_told_so(tmp_path: Path) -> None:
    def repeated(film: np.ndarray) -> np.ndarray:
        order = np.arange(len(film))
        order[3::4] -= 1
        return film[order]

    report = diagnose(film_store(tmp_path / "s", {4: repeated}), GR1)
    ((code, severity, frames),) = of_video(report)[4]
    assert (code, severity) == ("VIDEO-11", "error") and frames is not None and frames[0] % 4 == frames[1] % 4 == 3
    assert list(of_video(report)) == [4] and not report.findings[0].code.startswith("VIDEO")


@pytest.mark.parametrize("side", [96, 128, 224])
def test_motion_that_an_encoder_leaves_out_is_no_repeat(tmp_path: Path, side: int) -> None:
    """A faint object of a small picture moves by less than a pixel a frame; AV1 codes it at the key frames."""
    rows = np.arange(ROWS)
    cells = (np.arange(side) + 0.5)[None, :]
    edge = np.clip(np.minimum(cells - (10 + 0.8 * rows[:, None]), 30 + 0.8 * rows[:, None] - cells) + 0.5, 0, 1)
    table = np.kron(np.random.default_rng(0).integers(60, 120, (side // 8, side // 8, 3)), np.ones((8, 8, 1)))
    cover = np.zeros((ROWS, side, side, 1))
    cover[:, 30:50] = edge[:, None, :, None]
    film = table * (1 - cover) + cover * np.array([230, 40, 40])
    write_film(tmp_path / "v.mp4", film.astype(np.uint8))
    seen = view_of(probe(tmp_path / "v.mp4"))
    assert len(repeats_of(seen, np.ones(ROWS, dtype=bool)).repeated) <= 1


@pytest.mark.parametrize("codec", [LEROBOT_AV1, H264])
def test_a_freeze_shows_though_the_motion_is_slow(tmp_path: Path, codec: tuple) -> None:
    """The noise of the sensor stops with the picture, which no slow motion does."""

    def change(film: np.ndarray) -> np.ndarray:
        film[36:52] = film[36]
        return film

    report = diagnose(film_store(tmp_path / "s", {2: change}, 5, codec, speed=0.25, noise=4.0), GR1)
    ((code, _, frames),) = of_video(report)[2]
    assert code == "VIDEO-10" and frames == (36, 51) and list(of_video(report)) == [2]


def test_a_healthy_film_has_no_finding(tmp_path: Path) -> None:
    assert of_video(diagnose(film_store(tmp_path / "s", {}, 5), GR1)) == {}
    assert arm_film(0).shape == (ROWS, 128, 128, 3)
