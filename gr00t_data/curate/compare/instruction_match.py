"""Whether what was said fits what was done: words against motion, colours and directions against the pictures.

Each rule is tried on the whole store first. It is used only when it explains most episodes there, and then names those
that it does not explain. So a store whose camera stands across the table, or whose words follow other habits, is silent
instead of wrong.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from gr00t_data.curate.copies.fingerprints import Fingerprint

COLOURS = {
    "red": (200, 30, 30),
    "orange": (230, 130, 30),
    "yellow": (230, 210, 40),
    "green": (40, 170, 60),
    "blue": (40, 80, 200),
    "purple": (140, 40, 170),
}
"""Colour words that a picture can prove wrong, with a usual sRGB value."""

_HUE_DEGREES = 25.0
_SATURATION = 25.0
"""Distance from grey in the plane of U and V, levels."""
_FEWEST_PIXELS, _CLEAR_PIXELS = 4, 8
"""Of a picture of 64 x 64: fewer than the first are noise, as many as the second are seen."""
_CLEARLY_SEEN = 0.8
"""Share of the episodes in which a colour must be seen, or seen to move, before its absence says anything."""
_MOVED_SHARE = 0.06
"""Of the width of the picture: what counts as moved."""
_STILL_SHARE = 0.015
_LEAST_EPISODES = 6
_EXPLAINED = 0.7
"""Share of the episodes that a rule must explain before it is used."""
_FEWEST_MOTIONS = 10
_RIDGE = 0.3
_CLEARLY = 0.4
"""Of 1 for a word that certainly belongs and -1 for one that certainly does not."""
_WORD_SHARE = (0.15, 0.85)
_PREDICTABLE = 0.7
_WORDS = """
a an and at for from in into it its of on onto out over please the then to up with your
"""
FUNCTION_WORDS = frozenset(_WORDS.split())
"""They say nothing about the task."""
_BEYOND_CHANCE = 1.65
"""Times the square root of the count of episodes: more right guesses than half by 3.3 standard deviations."""

Reasons = dict[int, str]
"""Episode number -> what does not fit."""


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, lower case, each once, in order."""
    return tuple(dict.fromkeys(re.findall(r"[^\W\d_]+", text.lower())))


def against_motion(texts: Mapping[int, str], fingerprints: Sequence[Fingerprint]) -> Reasons:
    """Episodes whose motion is that of episodes with other words.

    For each word that many but not all instructions hold, a ridge regression from the motion of the other episodes says
    whether it belongs (leave one out). A word that is foreseen far beyond chance says something about the motion; an
    episode where the regression clearly says otherwise moves like another task.
    """
    known = [one for one in fingerprints if texts.get(one.key[1], "").strip()]
    if len(known) < _FEWEST_MOTIONS:
        return {}
    influence = _influence(np.stack([motion_features(one.motion) for one in known]))
    spoken = [frozenset(words_of(texts[one.key[1]])) - FUNCTION_WORDS for one in known]
    reasons: dict[int, list[str]] = {}
    for word in sorted(frozenset().union(*spoken)):
        said = np.where([word in words for words in spoken], 1.0, -1.0)
        own = np.diag(influence)
        foreseen = (influence @ said - own * said) / (1 - own)
        if not _WORD_SHARE[0] <= (said > 0).mean() <= _WORD_SHARE[1]:
            continue
        right = np.sign(foreseen) == said
        beyond_chance = right.sum() >= len(right) / 2 + _BEYOND_CHANCE * np.sqrt(len(right))
        if beyond_chance and min(right[said > 0].mean(), right[said < 0].mean()) >= _PREDICTABLE:
            for at in np.flatnonzero(foreseen * said < -_CLEARLY).tolist():
                reasons.setdefault(known[at].key[1], []).append(f"{'' if said[at] > 0 else 'no '}{word!r}")
    return {index: f"says {', '.join(words)}; episodes that move alike do not" for index, words in reasons.items()}


def motion_features(motion: np.ndarray) -> np.ndarray:
    """Duration, and of each dimension its range, net travel, and how far it came back; also sorted, for either arm."""
    motion = np.nan_to_num(motion.astype(np.float64))
    spread, travel = np.ptp(motion, axis=0), motion[-1] - motion[0]
    back = spread - np.abs(travel)
    ranked = [np.sort(values)[::-1] for values in (spread, np.abs(travel), back)]
    return np.concatenate([[np.log(len(motion))] * 3, spread, travel, *ranked])


def _influence(features: np.ndarray) -> np.ndarray:
    """float64 [N, N]: the hat matrix of a ridge regression on standardized features."""
    centred = features - features.mean(0)
    scale = centred.std(0)
    kept = scale > 1e-3 * scale.max()
    rows = centred[:, kept] / scale[kept] / np.sqrt(max(int(kept.sum()), 1))
    kernel = rows @ rows.T + 1
    return kernel @ np.linalg.inv(kernel + _RIDGE * np.eye(len(kernel)))


def against_colours(texts: Mapping[int, str], fingerprints: Sequence[Fingerprint]) -> Reasons:
    """Episodes whose instruction names a colour that the pictures do not show, or show at rest while another moves.

    A colour that the camera shows otherwise, that is hidden now and then, or that rests in many episodes is no
    evidence: the word must be clearly seen, or seen to move, where others say it.
    """
    absent: dict[str, dict[int, str | None]] = {}
    resting: dict[int, str | None] = {}
    for one in fingerprints:
        named = [word for word in words_of(texts.get(one.key[1], "")) if word in COLOURS]
        for word in named if one.ends else ():
            pixels = max(int(_mask(ends[0], word).sum()) for ends in one.ends.values())
            if pixels >= _CLEAR_PIXELS or pixels < _FEWEST_PIXELS:
                fault = f"names {word}; nothing of that colour is in the first picture"
                absent.setdefault(word, {})[one.key[1]] = None if pixels >= _CLEAR_PIXELS else fault
        if named and one.ends and (judged := _resting(named, one)) is not None:
            resting[one.key[1]] = judged or None
    missing: Reasons = {}
    seen = {index: fault for judged in absent.values() for index, fault in judged.items() if fault is None}
    for judged in absent.values():
        # A word that few say is judged by the other colour words, too.
        missing |= _outliers({**seen, **judged}, explained=_CLEARLY_SEEN) if _mostly_fits(judged) else {}
    return missing | {i: why for i, why in _outliers(resting, explained=_CLEARLY_SEEN).items() if i not in missing}


def _mostly_fits(judged: Mapping[int, str | None]) -> bool:
    faults = sum(fault is not None for fault in judged.values())
    return faults <= 1 or faults <= (1 - _CLEARLY_SEEN) * len(judged)


def against_directions(texts: Mapping[int, str], fingerprints: Sequence[Fingerprint]) -> Reasons:
    """Episodes whose instruction says left while the thing of the named colour went right in the picture, or so."""
    judged: dict[int, str | None] = {}
    for one in fingerprints:
        words = words_of(texts.get(one.key[1], ""))
        named, sides = [w for w in words if w in COLOURS], [w for w in words if w in ("left", "right")]
        if len(named) != 1 or len(sides) != 1 or not one.ends:
            continue
        moves = [_travel(ends, named[0]) for ends in one.ends.values()]
        travel = next((move[0] for move in moves if move is not None and abs(move[0]) > _MOVED_SHARE / 2), None)
        if travel is not None:
            went = "right" if travel > 0 else "left"
            fault = f"says {sides[0]!r}; what is {named[0]} went {went} by {abs(travel):.0%} of the width"
            judged[one.key[1]] = None if went == sides[0] else fault
    return _outliers(judged, least=4, explained=0.65)


def _outliers(judged: Mapping[int, str | None], least: int = _LEAST_EPISODES, explained: float = _EXPLAINED) -> Reasons:
    """The faults, when the rule explains most of the episodes it was tried on; nothing otherwise."""
    fits = sum(fault is None for fault in judged.values())
    if len(judged) < least or fits < explained * len(judged):
        return {}
    return {index: fault for index, fault in judged.items() if fault is not None}


def _resting(named: Sequence[str], one: Fingerprint) -> str | None:
    """What moved although the named colours rest; empty when one of them moves, None when nobody can tell."""
    travels = [_travel(ends, word) for ends in one.ends.values() for word in named]
    if any(travel is not None and np.hypot(*travel) > _MOVED_SHARE for travel in travels):
        return ""
    if any(travel is None or np.hypot(*travel) > _STILL_SHARE for travel in travels):
        return None
    for ends in one.ends.values():
        for other in COLOURS.keys() - set(named):
            travel = _travel(ends, other)
            if travel is not None and np.hypot(*travel) > _MOVED_SHARE:
                return f"names {' and '.join(named)}, which rests; what moved is {other}"
    return None


def _travel(ends: np.ndarray, colour: str) -> tuple[float, float] | None:
    """(columns, rows) from first to last picture of what has a colour, as shares of the size; None when it is not in
    both, or when its area changed so much that something hides it."""
    first, last = _mask(ends[0], colour), _mask(ends[1], colour)
    if min(first.sum(), last.sum()) < _FEWEST_PIXELS or not 0.4 < last.sum() / first.sum() < 2.5:
        return None
    centres = [np.argwhere(mask).mean(0) / mask.shape for mask in (first, last)]
    rows, columns = centres[1] - centres[0]
    return float(columns), float(rows)


def _mask(picture: np.ndarray, colour: str) -> np.ndarray:
    """bool [h, w] of uint8 [3, h, w] (Y, U, V): the pixels of a colour."""
    u, v = picture[1].astype(np.float32) - 128, picture[2].astype(np.float32) - 128
    red, green, blue = COLOURS[colour]
    hue = np.arctan2(112.0 * red - 93.8 * green - 18.2 * blue, -37.8 * red - 74.2 * green + 112.0 * blue)
    apart = np.abs((np.arctan2(v, u) - hue + np.pi) % (2 * np.pi) - np.pi)
    return (np.hypot(u, v) > _SATURATION) & (apart < _nearest_half(colour))


def _nearest_half(colour: str) -> float:
    """Half the angle to the nearest other colour, at most ``_HUE_DEGREES``; radians."""
    angles = {}
    for name, (red, green, blue) in COLOURS.items():
        u, v = -37.8 * red - 74.2 * green + 112.0 * blue, 112.0 * red - 93.8 * green - 18.2 * blue
        angles[name] = np.arctan2(v, u)
    gaps = [abs((angles[o] - angles[colour] + np.pi) % (2 * np.pi) - np.pi) for o in angles if o != colour]
    return float(min(min(gaps) / 2, np.deg2rad(_HUE_DEGREES)))
