"""Copies of episodes within a store and across stores: the same bytes, encoded again, cropped, or trimmed.

The motion finds the candidates: some rows of one episode, chosen where it is far from the usual pose, are looked up
among all rows of all others. A copy holds them all, at one and the same offset. Pictures confirm. Pictures that are the
same where the motion is not are a finding of their own: one of the two episodes shows another one's video.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.copies.fingerprints import PICTURES, Fingerprint, Key
from gr00t_data.curate.copies.motion_search import found_by_probes
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import usual_extent
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.store import EpisodeStore

Kind = Literal["identical", "copy", "same motion", "same pictures"]

_STILL_SHARE, _SMALL_SHARE = 0.01, 0.1
"""Of the spread of the dimension that moves most: below the first a dimension is left out, below the second it counts
as if it spread that far, so that its noise does not."""
_ALIKE = 0.5
"""Correlation of what moves in the pictures that confirms a motion; episodes of one scene reach 0.69 at most and
median 0.1 to 0.5, copies cropped by 5 % have 0.75 and more."""
_SAME = 0.85
"""Correlation that says "the same video" on its own."""
_SAME_CUT = 0.75
"""The same when the videos begin alike and one was cut: its pictures fall between those of the other."""
_APART = 0.2
"""Of the usual distance (1 less the correlation) between two episodes of the store: pictures are the same below it. One
fixed camera over one task gives 0.2 and pairs down to 0.05, a robot that goes here and there 0.6; the same video cut by
a tenth stays within 0.04."""
_ONE_PLACE = 0.85
"""Correlation of the median pictures at the best of some crops; copies cropped by 5 % anywhere reach 0.88 to 0.98,
other scenes with the same table and the same reach 0.45 to 0.74."""
_CROPS = (1.0, 0.975, 0.95, 0.925, 0.9)
_HASH_BITS = 10
"""Of 64; where nothing moves the backgrounds decide (other episodes of one scene differ by 12 bits and more)."""
_FEW_LEVELS = 0.3
_FEWEST = 5
"""Fewer videos have no usual distance."""
MOST_ROWS = 400_000
"""With more rows together only equal episodes are found: all rows lie in memory for the search."""
_MOST_SHARING, _MOST_NAMED = 4, 12
"""More episodes that share a video or a motion are one finding of the store; so many of them are named."""
_CROWD = 10
"""Of more equal episodes than this not every pair is named."""


@dataclass(frozen=True)
class Copy:
    """Two episodes that hold the same.

    Attributes:
        first, second: in the order in which the fingerprints were given.
        kind: ``identical``: rows and video bytes; ``copy``: motion and pictures, up to encoding, crop, noise and trim;
            ``same motion`` with other pictures; ``same pictures`` with another motion.
        offset: row of ``first`` minus row of ``second``.
        likeness: correlation of the pictures, -1..1; NaN without pictures.
    """

    first: Key
    second: Key
    kind: Kind
    offset: int = 0
    likeness: float = float("nan")


def find_copies(fingerprints: Sequence[Fingerprint]) -> list[Copy]:
    """Every pair that holds the same, over one or several stores; the order is that of the fingerprints."""
    offsets = _same_motion(fingerprints)
    found = []
    for (first, second), offset in sorted(offsets.items()):
        found.append(_judge(fingerprints[first], fingerprints[second], offset))
    for first, second, likeness in _same_pictures(fingerprints):
        if (first, second) not in offsets:
            found.append(Copy(fingerprints[first].key, fingerprints[second].key, "same pictures", 0, likeness))
    return found


def clusters(keys: Iterable[Key], copies: Iterable[Copy]) -> dict[Key, Key]:
    """Episode -> the first member of its cluster, itself when it has no copy."""
    from scipy.cluster.hierarchy import DisjointSet

    together = DisjointSet(keys)
    for copy in copies:
        together.merge(copy.first, copy.second)
    first: dict[Key, Key] = {}
    return {key: first.setdefault(together[key], key) for key in together}


@dataclass(frozen=True)
class Contents:
    """What the episodes of a store hold. Looks yield (episode number, or None for the store, finding).

    Attributes:
        fingerprints: of the episodes that could be read, in the order of their numbers, with pictures.
    """

    store: EpisodeStore
    embodiment: Embodiment
    fingerprints: Sequence[Fingerprint] = ()

    @cached_property
    def copies(self) -> list[Copy]:
        """The pairs of episodes that hold the same."""
        return find_copies(self.fingerprints)


def check_copies(contents: Contents) -> Iterator[tuple[int | None, Finding]]:
    """DUP-01 to DUP-03 of the episodes of one store; what lies elsewhere is named in the message."""
    for one in contents.fingerprints[:1]:
        yield from copy_findings(contents.copies, one.key[0])


def copy_findings(copies: Iterable[Copy], store: str) -> Iterator[tuple[int | None, Finding]]:
    """The same; ``store`` is the name of the store as in the keys of the fingerprints.

    A copy is named beside its original. Episodes that share one motion or one video are one finding each, and one for
    the store (episode None) where they are many.
    """
    shared: dict[Kind, list[Copy]] = {}
    for copy in copies:
        if copy.kind not in ("identical", "copy"):
            shared.setdefault(copy.kind, []).append(copy)
        elif copy.second[0] == store:
            yield copy.second[1], _finding(copy, copy.second, copy.first)
    for kind, pairs in shared.items():
        keys = dict.fromkeys(key for copy in pairs for key in (copy.first, copy.second))
        first = clusters(keys, pairs)
        for leader in dict.fromkeys(first.values()):
            yield from _shared(kind, [key for key in keys if first[key] == leader], store)


def _shared(kind: Kind, group: list[Key], store: str) -> Iterator[tuple[int | None, Finding]]:
    check, text = _WHAT[kind]
    if len(group) > _MOST_SHARING:
        names = _named(group[1:], group[0][0])
        yield None, check.finding(f"{group[0][0]}: episode {group[0][1]}: {text.format(other=names)}")
        return
    for key in group:
        if key[0] == store:
            others = _named([other for other in group if other != key], store)
            yield key[1], check.finding(f"{key[0]}: episode {key[1]}: {text.format(other=others)}")


def _named(keys: Sequence[Key], store: str) -> str:
    """``episode 3``, ``episodes 3, 5 and 7 of other`` ..."""
    texts = [str(key[1]) if key[0] == store else f"{key[1]} of {key[0]}" for key in keys]
    listed = ", ".join(texts[:_MOST_NAMED])
    more = f" and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return f"episode{'s' if len(texts) > 1 else ''} {listed}{more}"


def check_same_cameras(contents: Contents) -> Iterator[tuple[int, Finding]]:
    """DUP-04: two cameras of one episode show the same pictures."""
    for fingerprint in contents.fingerprints:
        (store, index), pictures = fingerprint.key, fingerprint.pictures
        for one, two in combinations(sorted(pictures), 2):
            difference = float(np.abs(pictures[one].astype(np.float32) - pictures[two]).mean())
            if difference < 0.1 * (float(pictures[one].std()) + 1e-6):
                message = (
                    f"{store}: episode {index}: cameras {one!r} and {two!r} show the same pictures (they differ by "
                    f"{difference:.1f} levels); find the video of the second camera"
                )
                yield index, DUP_04.finding(message)


def likeness(first: Fingerprint, second: Fingerprint, offset: int | None = 0) -> float:
    """Correlation of what moves, the least over the cameras that both have; NaN when they have none in common.

    Args:
        offset: rows by which ``second`` begins later; None compares picture by picture, whatever the lengths.
    """
    seen = [
        _camera_likeness(first, second, camera, offset) for camera in first.pictures.keys() & second.pictures.keys()
    ]
    return min(seen, default=float("nan"))


def _camera_likeness(first: Fingerprint, second: Fingerprint, camera: str, offset: int | None) -> float:
    one, two = first.happening(camera), second.happening(camera)
    if offset is not None:
        row = np.linspace(0, len(first.motion) - 1, PICTURES) - offset
        other = row / max(len(second.motion) - 1, 1) * (PICTURES - 1)
        inside = (other > -0.5) & (other < PICTURES - 0.5)
        one, two = one[inside], two[np.clip(other[inside].round().astype(int), 0, PICTURES - 1)]
    norm = float(np.sqrt((one**2).sum() * (two**2).sum()))
    if len(one) == 0 or norm / one.size < _FEW_LEVELS**2:
        bits = int((first.background(camera) != second.background(camera)).sum())
        return 1.0 if bits <= _HASH_BITS else 0.0
    return float((one * two).sum()) / norm


def _judge(first: Fingerprint, second: Fingerprint, offset: int) -> Copy:
    shared = first.videos.keys() & second.videos.keys()
    same_bytes = all(first.videos[camera] == second.videos[camera] for camera in shared)
    if first.rows == second.rows and same_bytes and (shared or not (first.videos or second.videos)):
        return Copy(first.key, second.key, "identical", 0, 1.0 if shared else float("nan"))
    alike = likeness(first, second, offset)
    kind: Kind = "same motion" if alike < _ALIKE else "copy"
    return Copy(first.key, second.key, kind, offset, alike)


def _same_motion(fingerprints: Sequence[Fingerprint]) -> dict[tuple[int, int], int]:
    """(number, number) with the smaller first -> offset in rows."""
    found = {}
    for every in _by_width(fingerprints).values():
        found |= _equal_rows(fingerprints, every)
        # Of equal episodes one is enough: a thousand copies would be compared half a million times.
        group = sorted({fingerprints[number].rows: number for number in reversed(every)}.values())
        rows = np.concatenate([fingerprints[number].motion for number in group])
        if len(group) < 2 or not 0 < len(rows) <= MOST_ROWS:
            continue
        scale = usual_extent([fingerprints[number].motion for number in group])
        widest = float(np.nan_to_num(scale).max(initial=0.0))
        moving = np.isfinite(scale) & (scale > max(_STILL_SHARE * widest, 1e-6))
        if not moving.any():
            continue
        floor = _SMALL_SHARE * widest
        motions = {
            number: np.nan_to_num(fingerprints[number].motion[:, moving] / np.maximum(scale[moving], floor))
            for number in group
        }
        found |= found_by_probes(motions)
    return found


def _by_width(fingerprints: Sequence[Fingerprint]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for number, one in enumerate(fingerprints):
        groups.setdefault(one.motion.shape[1], []).append(number)
    return groups


def _equal_rows(fingerprints: Sequence[Fingerprint], group: Sequence[int]) -> dict[tuple[int, int], int]:
    """Every pair of equal episodes; in a crowd of them each with the first only."""
    same: dict[str, list[int]] = {}
    for number in group:
        same.setdefault(fingerprints[number].rows, []).append(number)
    pairs = [
        pair
        for numbers in same.values()
        for pair in (combinations(numbers, 2) if len(numbers) <= _CROWD else ((numbers[0], n) for n in numbers[1:]))
    ]
    return dict.fromkeys(pairs, 0)


def _same_pictures(fingerprints: Sequence[Fingerprint]) -> list[tuple[int, int, float]]:
    """Pairs of videos that are the same, whole or from the start on, with the correlation of what moves in them."""
    found = []
    for camera in sorted({camera for one in fingerprints for camera in one.pictures}):
        numbers = [number for number, one in enumerate(fingerprints) if camera in one.pictures]
        whole = _unit([fingerprints[number].happening(camera)[:, ::2, ::2] for number in numbers], _FEW_LEVELS)
        starts = np.stack([fingerprints[number].pictures[camera][0] for number in numbers]).astype(np.float32)
        first = _unit([*(starts - np.median(starts, axis=0))], _FEW_LEVELS)
        least = 1 - _APART * _usual_distance(whole)
        for at, number in enumerate(numbers[:-1]):
            same = whole[at + 1 :] @ whole[at]
            begins_alike = first[at + 1 :] @ first[at] > _SAME
            sure = max(_SAME, least)
            for hit in np.flatnonzero((same > sure) | begins_alike).tolist():
                other, alike, enough = numbers[at + 1 + hit], float(same[hit]), sure
                if alike <= sure:
                    # A cut video is compared at the same frame numbers, as far as it goes.
                    alike = _camera_likeness(fingerprints[number], fingerprints[other], camera, 0)
                    enough = max(_SAME_CUT, least)
                if alike > enough and _one_place(fingerprints[number], fingerprints[other], camera):
                    found.append((number, other, alike))
    return found


def _usual_distance(vectors: np.ndarray) -> float:
    """Median over the pairs of 1 less their correlation; 1 where there are too few to know."""
    moved = vectors[np.linalg.norm(vectors, axis=1) > 0]
    if len(moved) < _FEWEST:
        return 1.0
    apart = 1 - moved @ moved.T
    return float(np.median(apart[np.triu_indices(len(moved), 1)]))


def _one_place(first: Fingerprint, second: Fingerprint, camera: str) -> bool:
    """Whether the median pictures are of one scene, up to a crop: the same motion elsewhere is another video."""
    one, two = (np.median(each.pictures[camera], axis=0).astype(np.float32) for each in (first, second))
    pairs = ((one, _cropped(two, share)) for share in _CROPS)
    back = ((_cropped(one, share), two) for share in _CROPS[1:])
    return any(float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) > _ONE_PLACE for a, b in (*pairs, *back))


def _cropped(picture: np.ndarray, share: float) -> np.ndarray:
    """The middle of a square picture, ``share`` of its side, at the size of the whole."""
    import cv2

    offset = len(picture) * (1 - share) / 2
    place = np.array([[share, 0, offset], [0, share, offset]], dtype=np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, place, picture.shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _unit(arrays: Sequence[np.ndarray], least_levels: float) -> np.ndarray:
    """float32 [N, K]: the arrays as vectors of length one; zero where they hold next to nothing."""
    vectors = np.stack([array.ravel() for array in arrays])
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(norms / np.sqrt(vectors.shape[1]) > least_levels, vectors / np.maximum(norms, 1e-6), 0)


def _finding(copy: Copy, key: Key, other: Key) -> Finding:
    check, text = _WHAT[copy.kind]
    where = f"episode {other[1]}" if other[0] == key[0] else f"episode {other[1]} of {other[0]}"
    shift = f", {abs(copy.offset)} rows apart" if copy.offset else ""
    how = f"the same motion{shift}; pictures correlate by {copy.likeness:.2f}"
    # A copy is good data that weighs too much: it is not rejected, and never parted from its original when held out.
    return check.finding(f"{key[0]}: episode {key[1]}: {text.format(other=where, how=how)}")


DUP_01, DUP_02, DUP_03 = Look(Contents, check_copies, 0).finds(
    Check("DUP-01", "warning", "the same rows and video as another episode", "one demonstration counts double"),
    Check("DUP-02", "warning", "a copy of another episode, encoded, cropped or trimmed",
          "one demonstration counts double"),
    Check("DUP-03", "warning", "shares its video or its motion with another episode",
          "images and actions do not belong together"),
)  # fmt: skip
(DUP_04,) = Look(Contents, check_same_cameras, 3).finds(
    Check("DUP-04", "warning", "two cameras of an episode show the same", "one of the views is missing",
          explains="IMAGE-10 IMAGE-18 IMAGE-20 SYNC-*"),
)  # fmt: skip

_WHAT = {
    "identical": (DUP_01, "holds the rows and the video of {other} again; leave it out"),
    "copy": (DUP_02, "is a copy of {other} ({how}); leave one of them out"),
    "same motion": (DUP_03, "has the motion of {other}, but other pictures; find the video that belongs"),
    "same pictures": (DUP_03, "has the pictures of {other}, but another motion; find its own video"),
}
