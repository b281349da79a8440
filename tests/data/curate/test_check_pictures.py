"""Each picture check on a short film with one defect: its code, and nothing on the clean twin."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gr00t_data.curate.checks.cuts import check_cuts
from gr00t_data.curate.checks.frozen import check_frozen
from gr00t_data.curate.checks.packets import check_presentation
from gr00t_data.curate.checks.pixels import check_pixels
from gr00t_data.curate.subject.sight import Sight, sight_of
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.curate.subject.view import View
from tests.data.builders import GR1
from tests.data.curate.motions import ROWS, packets_at, pictures, subject, view

CAMERA = GR1.camera("ego_view")
SPEED = np.full(ROWS - 1, 0.01)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return replace(subject(tmp_path_factory.mktemp("pictures") / "s"), rows=ROWS)


def codes(base: Subject, seen: View) -> set[str]:
    sight = Sight(base, CAMERA, seen.path, "", seen, SPEED, np.zeros(len(seen.number), dtype=bool))
    found = [*check_frozen(sight), *check_pixels(sight), *check_cuts(sight)]
    return {finding.code for finding in found}


def dark(film: np.ndarray) -> np.ndarray:
    return 16 + (film - 16) * 0.08


def black(film: np.ndarray) -> np.ndarray:
    film[30:34] = 16
    return film


def flicker(film: np.ndarray) -> np.ndarray:
    return film * np.where(np.arange(len(film)) % 2, 0.85, 1.0)[:, None, None]


def bands(film: np.ndarray) -> np.ndarray:
    phase = 0.37 * np.arange(len(film))[:, None] + 3 * np.arange(64)[None] / 64
    return film + 22 * np.sin(2 * np.pi * phase)[:, :, None]


def frozen(film: np.ndarray) -> np.ndarray:
    film[30:50] = film[30]
    return film


def twice(film: np.ndarray) -> np.ndarray:
    film[38:46] = film[30:38]
    return film


def knocked(film: np.ndarray) -> np.ndarray:
    film[40:] = np.roll(film[40:], (7, 5), axis=(1, 2))
    return film


def teleported(film: np.ndarray) -> np.ndarray:
    film[:40, 8:18, 8:18] = 30
    film[40:, 8:18, 36:46] = 30
    return film


def test_a_clean_film_has_no_finding(base: Subject) -> None:
    assert all(codes(base, view(pictures(seed=seed))) == set() for seed in range(4))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (dark, "IMAGE-02"),
        (black, "IMAGE-19"),
        (flicker, "IMAGE-08"),
        (bands, "IMAGE-05"),
        (frozen, "VIDEO-10"),
        (twice, "VIDEO-12"),
        (knocked, "IMAGE-13"),
        (teleported, "IMAGE-16"),
    ],
)
def test_one_defect_has_its_code(base: Subject, change: Callable[[np.ndarray], np.ndarray], code: str) -> None:
    assert code in codes(base, view(change(pictures())))


def test_presentation_times(base: Subject) -> None:
    seen = view(pictures(40))

    def found(times: np.ndarray) -> set[str]:
        return {
            finding.code
            for finding in check_presentation(sight_of(base, CAMERA, replace(seen, packets=packets_at(times, 64))))
        }

    even = np.arange(40) / 20
    assert found(even) == set()
    assert found(even + 0.5) == {"VIDEO-07"}
    uneven = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.08, 40))
    assert found(uneven - uneven[0]) == {"VIDEO-08"}
