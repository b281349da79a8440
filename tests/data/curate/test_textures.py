"""Out of focus, compressed away and covered are told apart by what each leaves of a picture."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gr00t_data.curate.checks.catalogue import without_consequences
from gr00t_data.curate.compare.evidence import Views
from gr00t_data.curate.compare.pixels import compare_pixels
from gr00t_data.curate.compare.views import compare_views
from gr00t_data.curate.subject.camera_evidence import CameraEvidence, camera_evidence
from gr00t_data.curate.subject.view import view_of
from gr00t_data.video.packets import probe
from tests.data.curate.films import write_film

SIDE, ROWS, EPISODES = 192, 24, 8


def scene(seed: int) -> np.ndarray:
    """uint8 [ROWS, SIDE, SIDE, 3]: things with sharp edges on a mottled table, one of which moves; some noise."""
    rng = np.random.default_rng(seed)
    table = cv2.resize(
        rng.uniform(70, 150, (48, 48, 3)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )
    for x, y in rng.integers(10, SIDE - 40, (9, 2)).tolist():
        cv2.rectangle(table, (x, y), (x + 24, y + 18), rng.integers(0, 255, 3).tolist(), -1)
    frames = np.repeat(table[None], ROWS, axis=0)
    for number, frame in enumerate(frames):
        cv2.circle(frame, (20 + 6 * number, SIDE // 2), 14, (230, 40, 40), -1)
    return np.clip(frames + rng.normal(0, 2, frames.shape), 0, 255).astype(np.uint8)


def filmed(path: Path, frames: np.ndarray, crf: int = 20) -> CameraEvidence:
    write_film(path, frames, codec=("libx264", {"crf": str(crf), "g": "10"}))
    return camera_evidence(view_of(probe(path)))


def unfocused(frames: np.ndarray) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 2.5 * SIDE / 256) for frame in frames])


def covered(frames: np.ndarray) -> np.ndarray:
    frames[:, :, 60:118] = (25, 24, 28)
    return frames


def overexposed(frames: np.ndarray) -> np.ndarray:
    return np.clip(frames * 3.0, 0, 255).astype(np.uint8)


def same(frames: np.ndarray) -> np.ndarray:
    return frames


@pytest.mark.parametrize(
    ("change", "crf", "codes"),
    [(same, 20, []), (same, 26, []), (unfocused, 20, ["IMAGE-01"]), (same, 44, ["IMAGE-09"]),
     (covered, 20, ["IMAGE-15"]), (overexposed, 20, ["IMAGE-03"])],
)  # fmt: skip
def test_one_of_them(change: Callable[[np.ndarray], np.ndarray], crf: int, codes: list[str], tmp_path: Path) -> None:
    seen = {number: filmed(tmp_path / f"{number}.mp4", scene(number)) for number in range(EPISODES)}
    seen[3] = filmed(tmp_path / "changed.mp4", change(scene(3)), crf)
    views = Views("ego_view", seen)
    found = [(index, one) for look in (compare_pixels, compare_views) for index, one in look(views)]
    told = without_consequences(one for index, one in found if index == 3)
    assert [one.code for one in told] == codes and {index for index, _ in found} <= {3}
