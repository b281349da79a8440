"""Where the attacks are: a module a kind of reader, each adds its own to the list when it is imported."""

import importlib

MODULES = ("landing", "logs", "bags", "pictures", "datasets", "videos", "people", "documents", "hdf5")


def load() -> None:
    """Import every module of attacks."""
    for name in MODULES:
        importlib.import_module(f"benchmarks.hostile.{name}")
