"""Ways to weigh the stores of a mixture against each other, one module each, by its name (``Weighing.by``).

Each has ``weights``: store name -> frames, store name -> kind, and the temperature; it returns store name -> a positive
number, of any sum. Shares, ratios and caps of the wish are met afterwards. A new way is a new file here.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules

Weigh = Callable[[Mapping[str, int], Mapping[str, str], float], dict[str, float]]


def ways() -> list[str]:
    """The names there are."""
    return sorted(module.name for module in iter_modules(__path__))


def way(name: str) -> Weigh:
    """One of ``ways``."""
    return import_module(f"{__name__}.{name}").weights
