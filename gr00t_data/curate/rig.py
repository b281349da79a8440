"""What is true of the whole rig is one finding of the store: a slow clock is not the fault of each episode."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gr00t_data.curate.checks.catalogue import CHECKS
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import FEWEST

_MOST = 0.6
"""Share of the episodes from which on it is the rig."""


def of_the_rig(root: Path, found: Mapping[int, list[Finding]]) -> tuple[dict[int, list[Finding]], list[Finding]]:
    """(what is left of each episode, findings of the store): codes that say ``rig`` and that most episodes have.

    Args:
        root: folder of the store.
        found: by episode. Of fewer than ``FEWEST`` nobody knows what they have in common.
    """
    of_store = []
    for code in sorted(
        {finding.code for findings in found.values() for finding in findings if finding.severity != "info"}
    ):
        having = [index for index, findings in found.items() if any(finding.code == code for finding in findings)]
        if CHECKS[code].rig and len(found) >= FEWEST and len(having) >= _MOST * len(found):
            of_store.append(_one(root, code, having, found))
    collapsed = {finding.code for finding in of_store}
    return {i: [one for one in findings if one.code not in collapsed] for i, findings in found.items()}, of_store


def _one(root: Path, code: str, having: list[int], found: Mapping[int, list[Finding]]) -> Finding:
    first = next(finding for finding in found[having[0]] if finding.code == code)
    message = (
        f"{root}: in {len(having)} of {len(found)} episodes, so it is true of the rig and rejects none of them; the "
        f"first: {first.message}"
    )
    return replace(first, severity="warning", message=message, frames=None)
