"""A camera on a wrist moves with the arm and is not called displaced; a fixed one that was knocked is."""

from pathlib import Path

import cv2
import numpy as np

from gr00t_data.curate.doctor import diagnose
from gr00t_data.curate.subject.camera_evidence import view_moves
from gr00t_data.curate.subject.view import view_of
from gr00t_data.video.packets import probe
from tests.data.builders import GR1
from tests.data.curate.films import H264, ROWS, Change, arm_places, film_store, write_film

SIDE, WIDE = 128, 320


def wrist_film(places: np.ndarray) -> np.ndarray:
    """uint8 [N, 128, 128, 3]: a window that goes over a wide table as the arm does."""
    table = np.kron(np.random.default_rng(5).integers(40, 220, (20, 40, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    return np.stack([table[16 : 16 + SIDE, round(at) : round(at) + SIDE] for at in places * (WIDE - SIDE)])


def of_wrist(seed: int) -> Change:
    return lambda _: wrist_film(arm_places(seed))


def codes(root: Path, changes: dict[int, Change]) -> dict[int, set[str]]:
    report = diagnose(film_store(root, changes, 14, H264), GR1)
    said = {one.episode_index: {f.code for f in one.findings if f.code.startswith("IMAGE")} for one in report.verdicts}
    return {index: found for index, found in said.items() if found}


def test_a_view_that_moves_is_told_from_one_that_stands(tmp_path: Path) -> None:
    write_film(tmp_path / "v.mp4", wrist_film(arm_places(1)))
    assert view_moves(np.abs(view_of(probe(tmp_path / "v.mp4")).steps))
    still = np.zeros((ROWS, 8, 8))
    still[:, 2:5] = 30.0
    assert not view_moves(still) and not view_moves(np.full((1, 8, 8), np.nan))


def test_a_wrist_camera_stands_where_the_arm_is(tmp_path: Path) -> None:
    assert not {"IMAGE-14", "IMAGE-16"} & set().union(
        *codes(tmp_path / "s", {n: of_wrist(n) for n in range(14)}).values()
    )


def fixed_film(places: np.ndarray, down: int = 0, right: int = 0) -> np.ndarray:
    """uint8 [N, 128, 128, 3]: a short arm over things on a table, seen by a camera that points that much aside."""
    coarse = np.random.default_rng(2).integers(40, 200, (7, 7, 3)).astype(np.uint8)
    film = np.stack([cv2.resize(coarse, (SIDE + 32, SIDE + 32), interpolation=cv2.INTER_CUBIC)] * len(places))
    for frame, at in zip(film, places, strict=True):
        left = 16 + round(at * (SIDE - 24))
        frame[110:140, left : left + 24] = 230
    return film[:, 16 + down : 16 + down + SIDE, 16 + right : 16 + right + SIDE]


def of_fixed(seed: int, *aside: int) -> Change:
    return lambda _: fixed_film(arm_places(seed), *aside)


def test_a_fixed_camera_that_was_knocked(tmp_path: Path) -> None:
    films = {n: of_fixed(n) for n in range(14)} | {6: of_fixed(6, 6, 8)}
    found = codes(tmp_path / "s", films)
    assert found == {6: {"IMAGE-14"}}
