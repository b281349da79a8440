"""What is true of the whole rig is one finding of the store: a slow clock is not the fault of each episode."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gr00t_data.curate.checks.catalogue import CHECKS, camera_of
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import FEWEST

_MOST = 0.6
"""Share of the episodes from which on it is the rig."""
_OFTEN, _FEWEST_OFTEN = 0.25, 4
"""Share of the episodes, and how many, from which on a part has what the rig has: an arm rests in many of them."""
_PART = re.compile(r"(?:state|action) part '[^']+'")


def of_the_rig(root: Path, found: Mapping[int, list[Finding]]) -> tuple[dict[int, list[Finding]], list[Finding]]:
    """(what is left of each episode, findings of the store): codes that say ``rig`` and that most episodes have.

    Args:
        root: folder of the store.
        found: by episode. Of fewer than ``FEWEST`` nobody knows what they have in common.
    """
    of_store = []
    every = (finding for findings in found.values() for finding in findings if finding.severity != "info")
    collapsed = dict[tuple[str, str], set[str]]()
    for kind in sorted({_kind(finding) for finding in every if CHECKS[finding.code].rig}):
        having = [index for index, findings in found.items() if any(_kind(finding) == kind for finding in findings)]
        if len(found) >= FEWEST and len(having) >= _MOST * len(found):
            of_store.append(_one(root, kind, having, found))
            collapsed[kind] = _usual_parts(kind, found)
    left = {i: [one for one in findings if not _is_of_rig(one, collapsed)] for i, findings in found.items()}
    return left, of_store


def _usual_parts(kind: tuple[str, str], found: Mapping[int, list[Finding]]) -> set[str]:
    """The parts that many episodes name in a finding of this kind."""
    named = Counter(
        part
        for findings in found.values()
        for part in {part for one in findings if _kind(one) == kind for part in _PART.findall(one.message)}
    )
    return {part for part, count in named.items() if count >= max(_OFTEN * len(found), _FEWEST_OFTEN)}


def _is_of_rig(finding: Finding, collapsed: Mapping[tuple[str, str], set[str]]) -> bool:
    """Whether it says nothing of an episode that is not true of most. What another part does is its own."""
    usual = collapsed.get(_kind(finding))
    return usual is not None and set(_PART.findall(finding.message)) <= usual


def _kind(finding: Finding) -> tuple[str, str]:
    """Its code and its camera: what one camera does in all episodes is no reason to pass over it in another one."""
    return finding.code, camera_of(finding) or ""


def _one(root: Path, kind: tuple[str, str], having: list[int], found: Mapping[int, list[Finding]]) -> Finding:
    first = next(finding for finding in found[having[0]] if _kind(finding) == kind)
    message = (
        f"{root}: in {len(having)} of {len(found)} episodes, so it is true of the rig and rejects none of them; the "
        f"first: {first.message}"
    )
    return replace(first, severity="warning", message=message, frames=None)
