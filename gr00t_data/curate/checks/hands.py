"""Checks of the hands in human video, from the evidence that its ingest kept with each episode.

What is looked for depends on the labels. Without labels hands only have to be in the picture; wrists that stand for
actions have to be the same wrists all along.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding, Severity
from gr00t_data.curate.subject.subject import Subject

VISIBLE_SHARE = 0.6
"""Rows of a clip that must show a hand, unless its ingest asked for another share. No standard value is published."""

_CROWD_ERROR_SHARE = 0.2
"""Of more rows with somebody else's hands, nobody can say whose work the clip shows."""
_SURE_SHARE = 0.8
"""A detector that doubts the side of a hand in more rows than the rest of this has probably exchanged them."""


def check_hands(subject: Subject) -> Iterator[Finding]:
    """HANDS-01 to HANDS-07; nothing for stores that are not of human video."""
    if subject.store.kind != "human":
        return
    said = _evidence(subject)
    if said is None:
        message = f"{subject.where}: nobody looked for hands in it; ingest it with `--hands mediapipe`, or with tracks"
        yield HANDS_07.finding(message)
        return
    try:
        yield from _check(subject, said)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        message = f"{subject.where}: what is kept about its hands cannot be read ({error!r}); ingest it again"
        yield HANDS_07.finding(message, severity="warning")


def _evidence(subject: Subject) -> Mapping[str, Any] | None:
    """``source.hands`` of the episode; None when nobody looked."""
    said = subject.row.source.hands
    return said if said is not None and "shares" in said else None


def _check(subject: Subject, said: Mapping[str, Any]) -> Iterator[Finding]:
    if said["shares"]["any"] == 0:
        message = f"{subject.where}: shows no hand in any of its {said['rows']} rows ({said['source']}); leave it out"
        yield HANDS_01.finding(message, (0, max(int(said["rows"]) - 1, 0)))
        return
    labelled = said["mode"] == "wrist"
    yield from _visible(subject, said)
    yield from _sides(subject, said, labelled)
    yield from _jumps(subject, said, labelled)
    yield from _short(subject, said, labelled)
    yield from _crowd(subject, said)
    yield from _masked(subject, said)


def _visible(subject: Subject, said: Mapping[str, Any]) -> Iterator[Finding]:
    least, shares = float(said["settings"].get("visible_share", VISIBLE_SHARE)), said["shares"]
    if shares["any"] < least:
        yield HANDS_02.finding(
            f"{subject.where}: shows a hand in {100 * shares['any']:.0f} % of its rows (left "
            f"{100 * shares['left']:.0f}, right {100 * shares['right']:.0f}), expected {100 * least:.0f} %; leave it "
            "out, or ingest it again with another share"
        )


def _sides(subject: Subject, said: Mapping[str, Any], labelled: bool) -> Iterator[Finding]:
    """HANDS-03: stretches that were exchanged back, and a detector that is not sure of the sides."""
    if swaps := said["swaps"]:
        rows = sum(last - first + 1 for first, last in swaps)
        yield HANDS_03.finding(
            f"{subject.where} frame {swaps[0][0]}: left and right hand have each other's name in {rows} of "
            f"{said['rows']} rows ({len(swaps)} stretches); they were exchanged back: look at it on the sheet",
            (int(swaps[0][0]), int(swaps[-1][1])),
            severity="warning" if labelled else "info",
        )
    doubts = said["side_doubts"]
    if doubts["rows"] > (1 - _SURE_SHARE) * said["rows"]:
        yield HANDS_03.finding(
            f"{subject.where} frame {doubts['first']}: the detector calls a hand the other one in {doubts['rows']} of "
            f"{said['rows']} rows; sides were taken from the whole track: look at it on the sheet",
            (int(doubts["first"]), int(doubts["last"])),
            severity="warning" if labelled else "info",
        )


def _jumps(subject: Subject, said: Mapping[str, Any], labelled: bool) -> Iterator[Finding]:
    if jumps := said["jumps"]:
        worst = max(jumps, key=lambda jump: float(jump["m_s"]))
        what = "masked" if labelled else "without labels it does not matter"
        rows = [int(jump["row"]) for jump in jumps]
        yield HANDS_04.finding(
            f"{subject.where} frame {worst['row']}: the {worst['hand']} wrist moves at {worst['m_s']:.1f} m/s and "
            f"turns at {worst['rad_s']:.0f} rad/s, faster than hands at work ({len(jumps)} such steps); the "
            f"tracker lost it: {what}",
            (min(rows), max(rows)),
            severity="warning" if labelled else "info",
        )


def _short(subject: Subject, said: Mapping[str, Any], labelled: bool) -> Iterator[Finding]:
    """HANDS-05: no track is as long as an action chunk, in seconds of the person."""
    longest = max(float(value) for value in said["longest_run_s"].values())
    embodiment = subject.embodiment
    needed = embodiment.action_horizon / embodiment.control_hz / float(said["slow_down"])
    if longest < needed:
        yield HANDS_05.finding(
            f"{subject.where}: no hand is followed for longer than {longest:.2f} s (left in {said['runs']['left']} "
            f"pieces, right in {said['runs']['right']}), an action chunk takes {needed:.2f} s; leave it out or "
            "track it anew",
            severity="error" if labelled else "info",
        )


def _crowd(subject: Subject, said: Mapping[str, Any]) -> Iterator[Finding]:
    crowd = said["crowd"]
    if not crowd["rows"]:
        return
    share = crowd["rows"] / max(int(said["rows"]), 1)
    severity: Severity = "error" if share > _CROWD_ERROR_SHARE else "warning"
    yield HANDS_06.finding(
        f"{subject.where} frame {crowd['first']}: shows more than two hands in {crowd['rows']} of {said['rows']} rows, "
        "so somebody else is at work too; the wearer's were chosen by their tracks: look at the sheet"
        + (", leave it out" if severity == "error" else ""),
        (int(crowd["first"]), int(crowd["last"])),
        severity=severity,
    )


def _masked(subject: Subject, said: Mapping[str, Any]) -> Iterator[Finding]:
    shares = {hand: share for hand, share in said.get("masked_share", {}).items() if share}
    if shares:
        found = " and ".join(f"{hand} in {100 * share:.0f} %" for hand, share in shares.items())
        limit = said["settings"]["longest_gap_s"]
        yield HANDS_08.finding(
            f"{subject.where}: hands are not known ({found} of the rows), in gaps longer than {limit:g} s; those rows "
            "are masked part by part, they are no zeros",
            severity="error" if all(said["masked_share"].get(hand) == 1 for hand in ("left", "right")) else "info",
        )


HANDS_01, HANDS_02, HANDS_03, HANDS_04, HANDS_05, HANDS_06, HANDS_07, HANDS_08 = Look(Subject, check_hands, 9).finds(
    Check("HANDS-01", "error", "no hand in human video", "there is nothing to learn from a person who does nothing"),
    Check("HANDS-02", "error", "hands visible in too few rows", "the future that FLARE aligns with shows no work"),
    Check("HANDS-03", "warning", "left and right hand exchanged", "the policy learns to act with the wrong hand"),
    Check("HANDS-04", "warning", "a hand jumps", "an action chunk across it teleports the hand"),
    Check("HANDS-05", "error", "hands are only followed in short pieces",
          "no complete action chunk can be cut from it"),
    Check("HANDS-06", "warning", "more than two hands", "the policy imitates a bystander"),
    Check("HANDS-07", "info", "nobody looked for hands", "clips without any work pass as demonstrations"),
    Check("HANDS-08", "info", "a hand is not known in some rows", "none: they are masked part by part"),
)  # fmt: skip
