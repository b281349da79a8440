"""Checks of one episode's motion against the other episodes of its store: shift, direction, order, sign, place."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.compare.row_evidence import Jump, RowEvidence
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import FEWEST, usual
from gr00t_data.embodiment.robot import Embodiment

SHIFT_S = 0.09
"""A state that follows its command this much later or earlier than in the other episodes was shifted; the natural
spread between tasks is about a row."""

_HABITS_KNOWN = 8
"""Among fewer episodes nobody knows whether a hand is commanded in leaps; then only what jumps on both sides counts."""

_FAR_LEAP = 2.5
"""A step of the arms this many times as far from its neighbours as in nine of ten other episodes is a leap."""

_GAIN = 0.06
_CERTAIN_GAIN = 0.1
"""Slow motion correlates at any shift; a gain below this warns. Slow wrists of a real arm gain 0.09 by two rows."""

_FEW_KNOWN = 3.0
"""A shift has to be larger by this over the number of lags it is compared with: few of them are no measure."""

_WEAK = 0.2

_POSES_TELL, _POSE_FLOOR = 2.5, 0.05
"""An episode whose first pose is this many times as far from where the others begin as its last one runs backwards, or
where that is usual forwards; distances below the second, in spreads, are alike."""


def compare_motion(rows: Rows) -> Iterator[tuple[int, Finding]]:
    """MOTION-02, MOTION-08 to MOTION-10, and IDLE."""
    for index, evidence in rows.episodes.items():
        yield from ((index, finding) for finding in (*_copied(evidence), *_idle(evidence, rows.embodiment)))
    yield from _leaps(rows.episodes)
    yield from _jumps(rows.episodes, rows.embodiment)
    if len(rows.episodes) >= FEWEST:
        yield from _shifts(rows.episodes, rows.embodiment)


def _copied(evidence: RowEvidence) -> Iterator[Finding]:
    if evidence.copied > 0.95:
        yield MOTION_08.finding(
            f"the action equals the state in {100 * evidence.copied:.0f} % of the rows; a policy trained on it stays "
            "where it is: record the command, or take the state of a later row as action"
        )


def _idle(evidence: RowEvidence, embodiment: Embodiment) -> Iterator[Finding]:
    first, last = evidence.idle
    for rows, limit_s, check, frames in (
        (first, 1.0, IDLE_01, (0, first - 1)),
        (last, 2.0, IDLE_02, (evidence.rows - last, evidence.rows - 1)),
    ):
        seconds = rows / embodiment.control_hz
        if seconds >= limit_s:
            yield check.finding(
                f"frames {frames[0]} to {frames[1]}: nothing moves for {seconds:.1f} s at the "
                f"{'start' if check is IDLE_01 else 'end'} (less than 2 % of any joint's range a second); "
                "all but half a second of it is left out of the keep ranges",
                frames,
            )


def _leaps(episodes: Mapping[int, RowEvidence]) -> Iterator[tuple[int, Finding]]:
    """MOTION-02 of the arms together: a leap by itself, or one far beyond those of the other episodes.

    A robot whose bus drops a row now and then leaps in many episodes; that is its habit.
    """
    leaps = {index: evidence.leap for index, evidence in episodes.items() if evidence.leap is not None}
    for index, leap in leaps.items():
        others = [other.size for number, other in leaps.items() if number != index and other.certain]
        habit = _habit(others, len(episodes)) if len(episodes) > _HABITS_KNOWN else 0.0
        every = [leaps[number].size if number in leaps else 0.0 for number in episodes if number != index]
        unlike = len(every) >= _HABITS_KNOWN and leap.size > max(_FAR_LEAP * float(np.quantile(every, 0.9)), 0.01)
        if (leap.certain and leap.size > 1.6 * habit) or unlike:
            finding = MOTION_02.finding(
                f"frame {leap.first + 1}: the measured joints leap together, {leap.times:.1f} times as far as the "
                f"larger steps of the episode and not as before and after ({max(leap.certain, 1)} such rows); rows are "
                "missing, in another order, or two takes were joined: chunks across it are left out of the keep ranges",
                (leap.first, leap.last + 1),
            )
            yield index, finding


def _habit(sizes: list[float], episodes: int) -> float:
    """The size that more than one episode in seven reaches; 0 when fewer have any."""
    rare = max(1, int(0.15 * (episodes - 1)))
    return sorted(sizes, reverse=True)[rare - 1] if len(sizes) >= rare and episodes > 1 else 0.0


def _jumps(episodes: Mapping[int, RowEvidence], embodiment: Embodiment) -> Iterator[tuple[int, Finding]]:
    """MOTION-02: jumps, unless the part jumps in many episodes: grippers and hands are commanded in leaps."""
    largest: dict[str, dict[int, float]] = {}
    for index, evidence in episodes.items():
        for key, found in evidence.jumps.items():
            sizes = largest.setdefault(_either_hand(key), {})
            sizes[index] = max(sizes.get(index, 0.0), found[0].size)
    for index, evidence in episodes.items():
        for key, found in evidence.jumps.items():
            habit = _habit([s for n, s in largest[_either_hand(key)].items() if n != index], len(episodes))
            known = len(episodes) > _HABITS_KNOWN or _on_both_sides(evidence, key)
            if found[0].size > 1.6 * habit and known:
                yield index, _jump(key, found, embodiment)


def _on_both_sides(evidence: RowEvidence, key: str) -> bool:
    """Whether command and measurement of a part jump together, as they do where rows are missing."""
    side, _, name = key.partition(".")
    counterpart = evidence.jumps.get(f"{'action' if side == 'state' else 'state'}.{name}", ())
    return any(abs(jump.frame - evidence.jumps[key][0].frame) <= 2 for jump in counterpart)


def _either_hand(key: str) -> str:
    """The part without its side: what one hand does often, the other may do once."""
    return key.replace("left", "*").replace("right", "*")


def _jump(key: str, found: Sequence[Jump], embodiment: Embodiment) -> Finding:
    side, _, name = key.partition(".")
    part = (embodiment.state_part if side == "state" else embodiment.action_part)(name)
    first = found[0]
    joint = part.joints[first.dim]
    return MOTION_02.finding(
        f"frame {first.frame + 1}: {side} part {name!r} joint {joint!r} jumps by {100 * first.size:.0f} % of its range "
        f"in one row ({first.dims} joints of the part at once), far beyond every step around it; rows are missing, in "
        "another order, or two takes were joined: chunks across it are left out of the keep ranges",
        (first.frame, first.frame + 1),
    )


def _shifts(episodes: Mapping[int, RowEvidence], embodiment: Embodiment) -> Iterator[tuple[int, Finding]]:
    """MOTION-09: state and action are shifted against each other; MOTION-10: they run backwards."""
    numbers = list(episodes)
    parts = sorted({part for evidence in episodes.values() for part in evidence.lags})
    lags = {part: np.array([best_lag(episodes[n].lags.get(part)) for n in numbers]) for part in parts}
    reversed_now = dict(_reversed(episodes, lags, numbers))
    for place, index in enumerate(numbers):
        if index in reversed_now:
            yield index, reversed_now[index]
            continue
        shifts = [_shift(episodes, index, place, part, lags, embodiment) for part in parts]
        worst = max(shifts, default=(0.0, "", 0.0))
        if worst[0] > 0:
            yield index, MOTION_09.finding(worst[1], severity="error" if worst[2] > _CERTAIN_GAIN else "warning")


def best_lag(curve: np.ndarray | None) -> float:
    """Shift in rows of the peak of a lag curve, between rows by a parabola; NaN without a clear peak."""
    if curve is None or len(curve) < 5 or curve.max() < _WEAK:
        return float("nan")
    top = int(curve.argmax())
    shift, half = float(top), (len(curve) - 1) // 2
    if 0 < top < len(curve) - 1:
        left, middle, right = (float(value) for value in curve[top - 1 : top + 2])
        bend = left - 2 * middle + right
        shift += 0.5 * (left - right) / bend if bend < 0 else 0.0
    return shift - half


def _shift(
    episodes: Mapping[int, RowEvidence],
    index: int,
    place: int,
    part: str,
    every: dict[str, np.ndarray],
    embodiment: Embodiment,
) -> tuple[float, str, float]:
    """(how far off in rows, message, gain in correlation), or (0, "", 0)."""
    curve, lags, family = episodes[index].lags.get(part), every[part], _either_hand(part)
    if curve is None or not np.isfinite(lags[place]):
        return 0.0, "", 0.0
    # The other side has the same controller: what one hand does seldom, the other may do often.
    others = np.concatenate([np.delete(one, place) for name, one in every.items() if _either_hand(name) == family])
    others = others[np.isfinite(others)]
    if len(others) < FEWEST - 1:
        return 0.0, "", 0.0
    centre = float(np.median(others))
    spread = 1.4826 * float(np.median(np.abs(others - centre)))
    off = lags[place] - centre
    half = (len(curve) - 1) // 2
    there = int(np.clip(round(centre) + half, 0, len(curve) - 1))
    gain = float(curve.max() - curve[there])
    least = max(SHIFT_S * embodiment.control_hz, 3 * max(spread, 0.1) * (1 + _FEW_KNOWN / len(others)))
    if abs(off) < least or gain < _GAIN:
        return 0.0, "", 0.0
    message = (
        f"part {part!r}: the state follows its command by {lags[place]:.1f} rows, in the other episodes by "
        f"{centre:.1f} (correlation {curve.max():.2f} there, {curve[there]:.2f} here); shift the "
        f"{'action' if off < 0 else 'state'} of this episode by {abs(off):.0f} rows "
        f"({1000 * abs(off) / embodiment.control_hz:.0f} ms) earlier"
    )
    return abs(off), message, gain


def _reversed(
    episodes: Mapping[int, RowEvidence], lags: dict[str, np.ndarray], numbers: list[int]
) -> Iterator[tuple[int, Finding]]:
    """The state leads its command by as much as it usually follows, and the episode starts where the others end.

    Where episodes begin and end alike, lags that are mirrored in every part tell: a shift moves all by the same.
    """
    starts, ends = _pose_distances(episodes)
    begins = np.log((starts + _POSE_FLOOR) / (ends + _POSE_FLOOR))
    for place, index in enumerate(numbers):
        own = np.array([values[place] for values in lags.values()])
        centre = np.array([_median_of_others(values, place) for values in lags.values()])
        known = np.isfinite(own) & np.isfinite(centre) & (centre > 0.4)
        if not known.any() or not (own[known] < -0.3).all():
            continue
        usually = float(np.median(np.delete(begins, place)))
        tells, mirrored = abs(usually) > np.log(_POSES_TELL), np.abs(own + centre)[known] < 0.3 + 0.2 * centre[known]
        if begins[place] > np.log(_POSES_TELL) and not (tells and usually > 0):
            why = "and the episode begins where they do not and ends where they begin"
        elif mirrored.all() and not (tells and begins[place] * usually > 0):
            why = "by as much in every part"
            shifts = (own - centre)[known]
            if np.ptp(shifts) < 0.5:  # nothing but the poses would tell this from a shift
                why += f" (or its commands come {-shifts.mean():.0f} rows late)"
        else:
            continue
        finding = MOTION_10.finding(
            f"the state leads its command by {-np.median(own[known]):.1f} rows where it follows by "
            f"{np.median(centre[known]):.1f} in the other episodes, {why}; its rows run backwards: sort them by time"
        )
        yield index, finding


def _median_of_others(values: np.ndarray, place: int) -> float:
    others = np.delete(values, place)
    others = others[np.isfinite(others)]
    return float(np.median(others)) if len(others) >= FEWEST - 1 else float("nan")


def _pose_distances(episodes: Mapping[int, RowEvidence]) -> tuple[np.ndarray, np.ndarray]:
    """How far the first and the last pose of each episode are from where the others begin, in their spread, mean over
    joints; float64 [E] each.
    """
    every = list(episodes.values())
    keys = [key for key in every[0].last if all(key in evidence.last for evidence in every)]
    if not keys:
        return np.zeros(len(every)), np.zeros(len(every))
    first = np.stack([np.concatenate([evidence.levels[key][:, 3] for key in keys]) for evidence in every])
    last = np.stack([np.concatenate([evidence.last[key] for key in keys]) for evidence in every])
    centre, spread = usual(first, 0.005)
    starts, ends = (np.minimum(np.abs(poses - centre) / spread, 10).mean(1) for poses in (first, last))
    return starts, ends


MOTION_02, MOTION_08, MOTION_09, MOTION_10, IDLE_01, IDLE_02 = Look(Rows, compare_motion, 0).finds(
    Check("MOTION-02", "warning", "jump from one row to the next", "an action chunk across it teleports the robot",
          leaves_out="chunks"),
    Check("MOTION-08", "error", "the action copies the state", "the policy learns to stay where it is",
          explains="MOTION-0[12345679] MOTION-1*", fact=True),
    Check("MOTION-09", "error", "state and action are shifted in time", "the policy reacts too late or too early"),
    Check("MOTION-10", "error", "the episode runs backwards", "the policy learns to undo the task",
          explains="MOTION-0[5-9] MOTION-15 SYNC-*"),
    Check("IDLE-01", "warning", "nothing moves at the start", "the policy learns not to begin", leaves_out="start"),
    Check("IDLE-02", "warning", "nothing moves at the end", "the policy learns to wait", leaves_out="end"),
)  # fmt: skip
