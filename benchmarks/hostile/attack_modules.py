"""Where the attacks are: a module a kind of reader, each adds its own to the list when it is imported."""

import importlib

from benchmarks.hostile.case import CASES, Case

MODULES = ("landing", "logs", "bags", "pictures", "datasets", "videos", "people", "documents", "hdf5", "models")


def every_case() -> list[Case]:
    """All attacks, of every module."""
    for name in MODULES:
        importlib.import_module(f"benchmarks.hostile.{name}")
    return CASES
