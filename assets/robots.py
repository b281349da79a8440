"""The robots of the graph: the one that the embedded simulator has, and every one whose YAML lies in the lake."""

from gr00t_data.embodiment.robot import Embodiment, lake_embodiment_names, load_embodiment
from gr00t_data.sources.sim.body import ROBOT


def robots() -> list[Embodiment]:
    """Each gets its own assets, jobs, schedules and sensors when the graph is loaded.

    Raises:
        EmbodimentError: a YAML of the lake is wrong; says where.
    """
    return [load_embodiment(name) for name in dict.fromkeys((ROBOT, *lake_embodiment_names()))]
