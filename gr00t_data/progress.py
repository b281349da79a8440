"""How work says how far it is, and what it does: the two functions that a caller may hand in."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with what is done, and with what there is to do in all."""
Say = Callable[[str], None]
"""Called with one line for people."""


def silent(done: int, total: int) -> None:
    """No progress."""
