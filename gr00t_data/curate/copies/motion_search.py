"""Motion search: which episodes share a stretch of rows. Some rows of each are looked up among those of all others."""

from collections.abc import Callable, Mapping

import numpy as np

_PROBES = 6
"""Rows of an episode that are looked up."""
_PROBES_FOUND = 5
_RADIUS = 0.03
"""How near a row of a copy is, in standard deviations of each dimension (root mean square). Sensor noise stays below
0.01; a robot in motion goes that far in a third of a row."""
_TREE_DIMENSIONS = 6
"""Those that vary most are looked up first."""
_OVERLAP = 0.6
"""Share of the shorter episode that both hold."""


def found_by_probes(motions: Mapping[int, np.ndarray]) -> dict[tuple[int, int], int]:
    """Pairs of episodes that hold the same rows at one offset.

    Args:
        motions: number of an episode -> float [T, D], every dimension scaled to its usual spread.

    Returns:
        (number, number), the smaller first -> row of the first minus row of the second.
    """
    owner = np.concatenate([np.full(len(rows), number) for number, rows in motions.items()])
    place = np.concatenate([np.arange(len(rows)) for rows in motions.values()])
    rows = np.concatenate(list(motions.values()))
    usual = np.median(rows, axis=0)
    search = _search(rows)
    found: dict[tuple[int, int], int] = {}
    for number, motion in motions.items():
        votes: dict[tuple[int, int], set[int]] = {}
        probes = _probes(motion, usual)
        which, hits = search(motion[probes])
        elsewhere = owner[hits] != number
        for probe, hit in zip(probes[which[elsewhere]], hits[elsewhere], strict=True):
            votes.setdefault((int(owner[hit]), int(probe - place[hit])), set()).add(int(probe))
        best: dict[int, tuple[float, int]] = {}
        for (other, offset), probed in votes.items():
            if len(probed) >= _PROBES_FOUND and (apart := _apart(motion, motions[other], offset)) < np.inf:
                best[other] = min(best.get(other, (np.inf, 0)), (apart, offset))
        for other, (_, offset) in best.items():
            first, second = min(number, other), max(number, other)
            found.setdefault((first, second), offset if first == number else -offset)
    return found


def _search(rows: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """What finds the rows within the radius of some others: pairs of their number and the number of a row.

    The tree knows some dimensions: the rest is compared only where those agree, which is seldom.
    """
    from scipy.spatial import KDTree

    seen = np.argsort(rows.var(axis=0))[::-1][:_TREE_DIMENSIONS]
    tree = KDTree(rows[:, seen], leafsize=32, balanced_tree=False, compact_nodes=False)
    radius = _RADIUS * np.sqrt(rows.shape[1])

    def near(asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = tree.query_ball_point(asked[:, seen], radius)
        which = np.repeat(np.arange(len(asked)), [len(one) for one in found])
        hits = np.concatenate(found).astype(np.int64)
        close = np.square(rows[hits].astype(np.float64) - asked[which]).sum(axis=1) <= radius**2
        return which[close], hits[close]

    return near


def _probes(motion: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Rows far from the usual pose, spread over the middle of the episode; int64 [_PROBES]."""
    distance = np.linalg.norm(motion - usual, axis=1)
    parts = np.array_split(np.arange(len(motion) // 5, max(len(motion) * 9 // 10, len(motion) // 5 + _PROBES)), _PROBES)
    inside = [part[part < len(motion)] for part in parts]
    return np.array([part[distance[part].argmax()] if len(part) else len(motion) - 1 for part in inside])


def _apart(one: np.ndarray, two: np.ndarray, offset: int) -> float:
    """How far the overlapping rows are apart; infinite when not as near as the probes, or when nothing moves there."""
    start, end = max(offset, 0), min(len(one), len(two) + offset)
    if end - start < _OVERLAP * min(len(one), len(two)):
        return float("inf")
    mine, other = one[start:end], two[start - offset : end - offset]
    apart = np.sqrt(((mine - other) ** 2).mean(1))
    moves = float(np.sqrt((mine.std(0) ** 2).mean()))
    near = np.quantile(apart, 0.9) < _RADIUS and np.median(apart) < 0.3 * moves
    return float(np.median(apart)) if near else float("inf")
