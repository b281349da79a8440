"""One defect, one code: which findings are explained by another finding of the same episode."""

from collections.abc import Iterable
from fnmatch import fnmatch

from gr00t_data.curate.finding import Finding

EXPLAINS: dict[str, tuple[str, ...]] = {
    "IMAGE-02": ("IMAGE-0[3-9]", "IMAGE-1*", "IMAGE-2*", "SYNC-*", "VIDEO-1*"),
    "IMAGE-04": ("IMAGE-15", "IMAGE-01", "IMAGE-09", "IMAGE-12", "IMAGE-20", "SYNC-*"),
    "IMAGE-05": ("IMAGE-0[1346789]", "IMAGE-1*", "IMAGE-2*", "SYNC-*", "VIDEO-12"),
    "IMAGE-08": ("IMAGE-07", "IMAGE-13", "IMAGE-16", "IMAGE-19", "SYNC-*"),
    "IMAGE-03": ("IMAGE-15", "IMAGE-06", "IMAGE-09"),
    "IMAGE-06": ("IMAGE-14", "IMAGE-15", "IMAGE-16", "IMAGE-07"),
    "IMAGE-07": ("IMAGE-14", "IMAGE-16"),
    "IMAGE-09": ("IMAGE-01", "IMAGE-13", "IMAGE-15", "IMAGE-16", "VIDEO-1[01]"),
    "IMAGE-10": ("IMAGE-1[1-8]", "IMAGE-2*", "SYNC-*"),
    "IMAGE-13": ("IMAGE-16", "SYNC-01", "SYNC-02"),
    "IMAGE-14": ("SYNC-01", "SYNC-02"),
    "IMAGE-19": ("IMAGE-13", "IMAGE-16"),
    "LIMIT-01": ("MOTION-0[13]", "MOTION-11", "MOTION-15"),
    "MOTION-04": ("MOTION-05", "MOTION-09", "MOTION-15"),
    "MOTION-05": ("MOTION-02", "MOTION-03", "MOTION-09"),
    "MOTION-06": ("MOTION-15", "MOTION-09"),
    "MOTION-07": ("MOTION-15", "MOTION-09", "MOTION-06", "MOTION-04"),
    "MOTION-08": ("MOTION-0[12345679]", "MOTION-1*"),
    "MOTION-10": ("MOTION-0[5-9]", "MOTION-15", "SYNC-*"),
    "IMAGE-17": ("IMAGE-10", "IMAGE-14", "IMAGE-18", "IMAGE-20", "SYNC-*"),
    "DUP-04": ("IMAGE-10", "IMAGE-18", "IMAGE-20", "SYNC-*"),
    "IMAGE-18": ("IMAGE-10", "IMAGE-14", "IMAGE-20", "SYNC-*"),
    "SYNC-01": ("VIDEO-10",),
    "SYNC-02": ("SYNC-01", "SYNC-03", "VIDEO-11", "IMAGE-10", "IMAGE-20"),
    "SYNC-04": ("SYNC-01", "SYNC-02", "IMAGE-10", "MOTION-09"),
    "TIME-01": ("TIME-0[2-5]", "MOTION-02", "MOTION-12"),
    "ROWS-03": ("MOTION-02", "MOTION-12"),
    "VIDEO-02": ("VIDEO-0[3-9]", "VIDEO-1*", "IMAGE-*", "SYNC-*"),
    "VIDEO-03": ("SYNC-*", "TIME-05"),
    "VIDEO-04": ("SYNC-*",),
    "VIDEO-05": ("VIDEO-08", "TIME-05"),
    "VIDEO-07": ("TIME-05",),
    "VIDEO-08": ("VIDEO-05", "TIME-05"),
    "VIDEO-10": ("SYNC-*", "IMAGE-13", "IMAGE-16"),
    "VIDEO-11": ("SYNC-01", "IMAGE-13", "IMAGE-16"),
    "VIDEO-12": ("SYNC-*", "IMAGE-13", "IMAGE-16"),
}
"""Code -> patterns of the codes that follow from it."""


def without_consequences(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that no other finding of the episode explains. A warning does not explain an error."""
    kept = list(findings)
    for finding in list(kept):
        patterns = EXPLAINS.get(finding.code, ())
        if finding.severity == "info" or finding not in kept:
            continue
        kept = [
            other
            for other in kept
            if other is finding
            or not any(fnmatch(other.code, pattern) for pattern in patterns)
            or (other.severity == "error" and finding.severity != "error")
        ]
    return kept
