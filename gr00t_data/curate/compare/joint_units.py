"""Single joints of an episode in another unit than in the others: all that they reach is smaller by one known ratio."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.robust import FEWEST
from gr00t_data.embodiment.robot import Part

_RATIOS = {
    "deg": {"57.3 (degrees in a radian)": 180 / np.pi},
    "ticks": {"11.4 (ticks in a degree)": 4096 / 360, "652 (ticks in a radian)": 2048 / np.pi},
    "range_m100_100": {"100 (of a scale of one)": 100.0, "57.3 (degrees in a radian)": 180 / np.pi},
    "percent": {"100 (of a scale of one)": 100.0},
    "mm": {"1000 (mm in a metre)": 1000.0},
}
"""What the values of another unit are smaller by. Larger ones are beyond the limits (LIMIT-01)."""
_NEAR = 1.8
"""Factor within which place and movement of a joint differ from one episode to the next."""
_APART = 3.0
_OTHERS = 0.85
"""Other episodes reach further by this factor at least; this share of them, for several may be in another unit."""
_NOISE = 0.1
_LEVELS = 12


def joints_apart(rows: Rows) -> dict[int, dict[tuple[str, str], str]]:
    """Episode -> (joint, side and part) -> what is said of it."""
    found: dict[int, dict[tuple[str, str], str]] = {}
    for side, parts in (("state", rows.embodiment.state), ("action", rows.embodiment.action)):
        for part in parts:
            key = f"{side}.{part.name}"
            known = {index: one.extent[key] for index, one in rows.episodes.items() if key in one.extent}
            if len(known) > FEWEST and part.absolute and part.unit in _RATIOS:
                counts = np.array([rows.episodes[index].rows for index in known])
                for index, joint, clause in _apart(key, part, known, counts):
                    found.setdefault(index, {})[joint, key] = clause
    return found


def _apart(key: str, part: Part, known: dict[int, np.ndarray], counts: np.ndarray) -> Iterator[tuple[int, str, str]]:
    low, high, way, levels = np.moveaxis(np.stack(list(known.values())).astype(np.float64), 2, 0)
    sizes, spans = np.maximum(-low, high), high - low
    usual, moved = np.median(sizes, axis=0), np.median(spans, axis=0)
    moving = (spans > 1e-9) & (way <= _NOISE * counts[:, None] * spans) & (levels >= _LEVELS)
    for place, index in enumerate(known):
        others = np.delete(sizes, place, axis=0)
        for dim in np.flatnonzero(moving[place] & (usual > 0) & (moved > 0)).tolist():
            for name, ratio in _RATIOS[part.unit].items():
                pair = usual[dim] / sizes[place, dim] / ratio, moved[dim] / spans[place, dim] / ratio
                apart = bool((others[:, dim] > _APART * sizes[place, dim]).mean() >= _OTHERS)
                if apart and all(1 / _NEAR < one < _NEAR * ratio**0.25 for one in pair):
                    here = f"{low[place, dim]:.4g} to {high[place, dim]:.4g} {part.unit}"
                    there = f"{np.median(low[:, dim]):.4g} to {np.median(high[:, dim]):.4g}"
                    smaller = f"smaller by {usual[dim] / sizes[place, dim]:.3g}, near {name}"
                    joint = part.joint(dim)
                    yield index, joint, f"{key} joint {joint!r} reaches {here}, in the others {there}: {smaller}"
                    break
