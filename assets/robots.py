"""The robots of the graph: the one that the embedded simulator has, and every one whose YAML lies in the lake."""

import warnings
from collections.abc import Iterable

from gr00t_data.embodiment.robot import Embodiment, lake_embodiment_names, right_embodiments
from gr00t_data.sources.sim.body import ROBOT


def robots(others: Iterable[str] = ()) -> list[Embodiment]:
    """Each gets its own assets, jobs, schedules and sensors when the graph is loaded. One whose YAML is wrong has none
    of them, and is named in a warning.

    Args:
        others: embodiments of the package besides.
    """
    return right_embodiments(dict.fromkeys((ROBOT, *lake_embodiment_names(), *others)), warnings.warn)
