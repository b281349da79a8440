"""The numbers that an info.json declares, looked at before anything is read by them."""

from collections.abc import Mapping
from pathlib import Path

from gr00t_data.store.store import StoreError

_BELOW_HZ = 100_000
_LEAST = {"chunks_size": 1, "total_episodes": 0, "total_frames": 0}
"""Whole numbers, where they are declared at all; a total that is missing is a finding (META-01)."""


def require_numbers(root: Path, info: Mapping[str, object]) -> None:
    """Check the rate, the episodes a folder and the totals of the dataset ``root``.

    Raises:
        StoreError: one is no number, or one that cannot be (with what was found and expected).
    """
    fps, wrong = info.get("fps"), ""
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < _BELOW_HZ:
        wrong = f"fps is {repr(fps)[:60]}, expected a rate in Hz, above 0 and below {_BELOW_HZ}"
    for name, least in _LEAST.items():
        said = info.get(name, least)
        if isinstance(said, bool) or not isinstance(said, int) or said < least:
            wrong = wrong or f"{name} is {repr(said)[:60]}, expected a whole number from {least} up"
    if wrong:
        raise StoreError(f"{root}/meta/info.json: {wrong}; correct it")
