"""Every check by its code. Nobody lists them: they are found in the modules of some folders."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from gr00t_data.curate.check import Check
from gr00t_data.curate.finding import Finding

_CAMERA = re.compile(r"\bcamera '([^']+)'")
_SEARCHED = (
    "gr00t_data.curate.subject",
    "gr00t_data.curate.checks",
    "gr00t_data.curate.metadata",
    "gr00t_data.curate.compare",
    "gr00t_data.curate.copies",
)


def _entries() -> Iterator[Check]:
    """The checks that the modules hold; one that is imported elsewhere comes again."""
    for folder in _SEARCHED:
        for module in iter_modules(import_module(folder).__path__, f"{folder}."):
            yield from (value for value in vars(import_module(module.name)).values() if isinstance(value, Check))


def _by_code(entries: Iterable[Check]) -> dict[str, Check]:
    """Code -> check, sorted.

    Raises:
        ValueError: two checks have one code.
    """
    found: dict[str, Check] = {}
    for check in entries:
        if found.setdefault(check.code, check) is not check:
            raise ValueError(f"two checks have the code {check.code}: {found[check.code].title!r} and {check.title!r}")
    return dict(sorted(found.items()))


CHECKS = _by_code(_entries())
_LOOKS = sorted({check.look: None for check in CHECKS.values() if check.look}, key=lambda look: look.order)


def found_in(on: object) -> Iterator[Any]:
    """What all looks at such a thing find, in their order."""
    for look in _LOOKS:
        if look.on is type(on):
            yield from look.function(on)


def without_consequences(findings: Iterable[Finding], *, of_rigs: bool = True) -> list[Finding]:
    """The findings that no other finding of the episode explains. A warning does not explain an error, and what one
    camera shows does not explain what another one does.

    Args:
        of_rigs: what may prove to be true of the whole rig explains, too. Until that is known it must not: an episode
            that has more wrong with it than its rig would lose it.
    """
    kept = list(findings)
    for finding in list(kept):
        patterns = CHECKS[finding.code].explains.split()
        if finding.severity == "info" or finding not in kept or (CHECKS[finding.code].rig and not of_rigs):
            continue
        kept = [
            other
            for other in kept
            if other is finding
            or not any(fnmatch(other.code, pattern) for pattern in patterns)
            or (other.severity == "error" and finding.severity != "error")
            or len({camera_of(finding), camera_of(other)} - {None}) == 2
        ]
    return kept


def camera_of(finding: Finding) -> str | None:
    """The camera that a finding is about, as its message names it; None where it names none."""
    named = _CAMERA.search(finding.message)
    return named[1] if named else None
