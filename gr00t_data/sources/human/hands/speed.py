"""Cutting by the hands: an action ends where they rest, at minima of their speed (as VITRA cuts video into actions)."""

from itertools import pairwise

import numpy as np

from gr00t_data.sources.human.hands.tracks import HandTracks

_SMOOTH_S = 0.25
_REST_SHARE = 0.5
"""A minimum below this share of the median speed is a rest."""


def hand_speed(tracks: HandTracks) -> np.ndarray | None:
    """float64 [T]: speed of the faster hand, smoothed over a quarter of a second; NaN where no hand is seen.

    In metres a second from wrist poses, else in pixels a second from the wrist's place in the picture; None without
    either.
    """
    if tracks.wrist_poses is not None:
        places = np.asarray(tracks.wrist_poses)[:, :, :3, 3]
    elif tracks.landmarks_px is not None:
        places = np.asarray(tracks.landmarks_px, dtype=np.float64)[:, :, 0]
    else:
        return None
    places = np.where(np.asarray(tracks.present)[:, :, None], places, np.nan)
    if len(places) < 3:
        return None
    seconds = np.maximum(np.gradient(np.asarray(tracks.times_s, dtype=np.float64)), 1e-6)
    speeds = np.linalg.norm(np.gradient(places, axis=0), axis=2) / seconds[:, None]
    fastest = np.where(np.isnan(speeds).all(1), np.nan, np.nanmax(np.nan_to_num(speeds, nan=-1.0), axis=1))
    width = max(round(_SMOOTH_S / float(np.median(seconds))), 1)
    kernel, known = np.ones(width), ~np.isnan(fastest)
    weight = np.convolve(known, kernel, mode="same")
    total = np.convolve(np.where(known, fastest, 0.0), kernel, mode="same")
    return np.where(weight > 0, total / np.maximum(weight, 1), np.nan)


def pieces_between_rests(
    tracks: HandTracks | None, stretch: tuple[float, float], shortest_s: float, longest_s: float
) -> list[tuple[float, float]]:
    """A stretch (seconds) cut where the hands rest, every piece at least ``shortest_s`` long.

    Stretches without a visible hand are no piece. Empty when the tracks say nothing about the stretch.
    """
    speed = None if tracks is None else hand_speed(tracks)
    if tracks is None or speed is None:
        return []
    inside = (tracks.times_s >= stretch[0]) & (tracks.times_s <= stretch[1])
    times_s, speed = np.asarray(tracks.times_s)[inside], speed[inside]
    if len(times_s) < 3 or np.isnan(speed).all():
        return []
    edges = [stretch[0], *_rests(times_s, speed, shortest_s, longest_s), stretch[1]]
    pieces = []
    for start, end in pairwise(edges):
        seen = ~np.isnan(speed[(times_s >= start) & (times_s <= end)])
        if end - start >= shortest_s and len(seen) and seen.mean() >= 0.5:
            pieces.append((float(start), float(end)))
    return pieces


def _rests(times_s: np.ndarray, speed: np.ndarray, shortest_s: float, longest_s: float) -> list[float]:
    """Times of the rests, slowest first chosen, at least ``shortest_s`` apart.

    Minima that are no rest are used too where pieces would otherwise be longer than ``longest_s``.
    """
    middle = speed[1:-1]
    minima = np.flatnonzero((middle <= speed[:-2]) & (middle < speed[2:])) + 1
    usual = float(np.nanmedian(speed))
    chosen = [float(times_s[0]), float(times_s[-1])]
    for limit in (_REST_SHARE * usual, np.inf):
        for at in minima[np.argsort(speed[minima], kind="stable")]:
            time = float(times_s[at])
            after = min((one for one in chosen if one > time), default=time)
            before = max((one for one in chosen if one < time), default=time)
            too_long = after - before > longest_s
            if speed[at] <= limit and min(time - before, after - time) >= shortest_s and (limit < np.inf or too_long):
                chosen.append(time)
    return sorted(chosen)[1:-1]
