"""Where the camera stands, against the other episodes: displaced, zoomed, turned, covered, or in another scene.

Compared are the first pictures (robots begin in the same pose) and the median pictures, 32 pixels a side.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.compare.evidence import Views
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import median_of_others, usual
from gr00t_data.curate.subject.camera_evidence import GRID, MOTION_CAP, CameraEvidence, boxed, view_moves

COVERED_SHARE = 0.08
"""Share of the picture from which it is covered; of healthy episodes of six cameras the most has 0.016."""

_FLAT_LEVELS = 1.2
_STILL_MOTION = 1.0
_SCENE_LEVELS = 12.0
_SCENE_TIMES = 2.5
_SCENES_KNOWN = 12
_UNLIKE_SPREADS = 4.0
_BETTER = 0.12
_SAME_SCENE = 0.8
"""Likeness from which a picture that was moved shows the usual scene, however far its pixels are."""

_SHIFTS = range(-5, 6)
_ZOOMS = (0.7, 0.85, 1.0, 1.18, 1.4)
_ANGLES_DEG = (-10.0, -5.0, 0.0, 5.0, 10.0)


def compare_views(views: Views) -> Iterator[tuple[int, Finding]]:
    """IMAGE-10, IMAGE-14, IMAGE-15 and IMAGE-20 of one camera: (episode number, finding)."""
    name = views.camera
    numbers, evidence = list(views.episodes), list(views.episodes.values())
    yield from _covered(numbers, evidence, name)
    placed = list(_placement(numbers, evidence, name)) if len(numbers) >= _SCENES_KNOWN else []
    same_scene = {index for index, _, alike in placed if alike > _SAME_SCENE}
    other_scene = {index: one for index, one in _scenes(numbers, evidence, name) if index not in same_scene}
    yield from other_scene.items()
    yield from ((index, finding) for index, finding, _ in placed if index not in other_scene)


def _covered(numbers: list[int], evidence: Sequence[CameraEvidence], name: str) -> Iterator[tuple[int, Finding]]:
    """Cells without texture in which nothing ever moves, where the other episodes show something."""
    for index, share in zip(numbers, covered_shares(evidence), strict=True):
        if share > COVERED_SHARE:
            finding = IMAGE_15.finding(
                f"camera {name!r}: {100 * share:.0f} % of it shows one flat colour and no motion; in the "
                "other episodes it shows the scene; uncover the lens"
            )
            yield index, finding


def covered_shares(evidence: Sequence[CameraEvidence]) -> np.ndarray:
    """float64 [E]: share of the picture of each episode that is empty, and seldom is in the others."""
    empty = np.stack([_empty_cells(one) for one in evidence])
    others = [np.delete(empty, place, axis=0).mean(0) for place in range(len(empty))]
    return np.array([(own & (rest < 0.3)).mean() for own, rest in zip(empty, others, strict=True)])


def _empty_cells(one: CameraEvidence) -> np.ndarray:
    luma = one.background[0].astype(np.float64)
    side = len(luma) // GRID
    blocks = luma.reshape(GRID, side, GRID, side)
    flat = np.ptp(blocks, axis=(1, 3)) < 2 * _FLAT_LEVELS
    return flat & (one.motion.astype(np.float64).mean(0) < _STILL_MOTION)


def _scenes(numbers: list[int], evidence: Sequence[CameraEvidence], name: str) -> Iterator[tuple[int, Finding]]:
    """The nearest other episode is further than nearest episodes usually are. Scenes of small stores may be unique."""
    if len(numbers) < _SCENES_KNOWN:
        return
    pictures = np.stack([boxed(one.background.astype(np.float32), 16) for one in evidence])
    pictures = pictures.reshape(len(pictures), -1)
    nearest = np.array([np.sort(np.abs(pictures - one).mean(1))[1] for one in pictures])
    for place, index in enumerate(numbers):
        others = np.delete(nearest, place)
        if nearest[place] > max(_SCENE_LEVELS, _SCENE_TIMES * float(np.quantile(others, 0.9))):
            finding = IMAGE_20.finding(
                f"camera {name!r} shows another scene: its background is {nearest[place]:.0f} levels from the "
                f"most similar episode, usually {np.median(others):.0f}; find the video that belongs here"
            )
            yield index, finding


def _placement(
    numbers: list[int], evidence: Sequence[CameraEvidence], name: str
) -> Iterator[tuple[int, Finding, float]]:
    """The first picture is unlike the usual one, and like it when moved, zoomed or turned; how alike comes last."""
    moving = np.mean([view_moves(one.motion.astype(np.float64) * (MOTION_CAP / 255)) for one in evidence]) > 0.5
    first = np.stack([one.first for one in evidence]).astype(np.float64)
    centre = median_of_others(first)
    alike = np.array([likeness(a, b) for a, b in zip(first, centre, strict=True)])
    middle, spread = usual(alike, 0.02)
    for place, index in enumerate(numbers):
        if (middle[place] - alike[place]) / spread[place] < _UNLIKE_SPREADS or middle[place] < 0.4:
            continue
        check, words, best = _explanation(first[place], centre[place])
        if moving and check.code == IMAGE_14.code:
            continue  # where a camera on a moving wrist stands at first is where the arm is
        if best > alike[place] + _BETTER:
            finding = check.finding(
                f"camera {name!r} {words}: its first picture correlates with that of the other episodes by "
                f"{alike[place]:.2f} (usually {middle[place]:.2f}), so changed by {best:.2f}; "
                "put the camera back, or use these episodes as another view"
            )
            yield index, finding, best


def likeness(one: np.ndarray, two: np.ndarray) -> float:
    """Correlation of two pictures, float [H, W]."""
    a, b = one - one.mean(), two - two.mean()
    return float((a * b).sum() / np.sqrt(max((a * a).sum() * (b * b).sum(), 1e-9)))


def _explanation(picture: np.ndarray, reference: np.ndarray) -> tuple[Check, str, float]:
    """(check, words, likeness) of the change of the reference that gives the picture."""
    turned = {
        "is mirrored": reference[:, ::-1],
        "is upside down": reference[::-1],
        "is turned by 180 degrees": reference[::-1, ::-1],
        "is turned by 90 degrees": np.rot90(reference),
        "is turned by -90 degrees": np.rot90(reference, -1),
    }
    choices = [(likeness(picture, other), IMAGE_10, words) for words, other in turned.items()]
    choices += [(value, IMAGE_14, words) for value, words in _moved(picture, reference)]
    best, check, words = max(choices, key=lambda choice: (choice[0], choice[1].code, choice[2]))
    return check, words, best


def _moved(picture: np.ndarray, reference: np.ndarray) -> Iterator[tuple[float, str]]:
    import cv2

    side = len(reference)
    for zoom, angle in product(_ZOOMS, _ANGLES_DEG):
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), angle, zoom)
        warped = cv2.warpAffine(reference, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
        for dx, dy in product(_SHIFTS, _SHIFTS):
            rows = slice(max(dy, 0), side + min(dy, 0))
            columns = slice(max(dx, 0), side + min(dx, 0))
            from_rows = slice(max(-dy, 0), side + min(-dy, 0))
            from_columns = slice(max(-dx, 0), side + min(-dx, 0))
            value = likeness(picture[rows, columns], warped[from_rows, from_columns])
            yield (
                value,
                f"stands elsewhere (moved by {100 * abs(dx) / side:.0f} % and {100 * abs(dy) / side:.0f} % of the "
                f"picture, turned by {angle:.0f} degrees, {zoom:g} times as large)",
            )


IMAGE_10, IMAGE_14, IMAGE_15, IMAGE_20 = Look(Views, compare_views, 1).finds(
    Check("IMAGE-10", "error", "mirrored or turned", "left and right, or up and down, mean the opposite",
          explains="IMAGE-1[1-8] IMAGE-2* SYNC-*"),
    Check("IMAGE-14", "error", "another view than in the other episodes", "the policy learns another geometry",
          explains="SYNC-01 SYNC-02"),
    Check("IMAGE-15", "error", "part of the picture is covered", "the policy cannot see what it must act on"),
    Check("IMAGE-20", "error", "another scene than in the other episodes", "images and actions do not belong together"),
)  # fmt: skip
