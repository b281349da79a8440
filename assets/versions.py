"""Versions: what the result of each asset depends on besides its inputs, written out in the asset's code version.

Dagster shows an asset as stale when its code version is no longer the one that it was made with, or when an input has
a new data version. So a changed embodiment file, threshold, library or line of code marks the assets that run it, at
the next reload of the code; what lies further down follows when the new inputs turn out to differ.

A new asset takes a line in ``DEPENDS``, and in its decorator ``code_version=code_version("its_name", embodiment)``.
Nothing heavy is imported here: code is read as text, and libraries are asked for the version that is installed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gr00t_data.code_key import code_key, library_versions
from gr00t_data.curate.rules import checking_libraries, checks_key
from gr00t_data.embodiment.robot import Embodiment

_SHORT = 8


@dataclass(frozen=True)
class Depends:
    """What one kind of asset depends on.

    Attributes:
        code: the module that does its work; all that this one runs and the libraries it declares count.
        embodiment: reads the file of the embodiment.
        checks: takes accepted episodes, so the code, thresholds and libraries of the checks count.
    """

    code: str
    embodiment: bool = False
    checks: bool = False


DEPENDS = {
    "teleop_episodes": Depends("gr00t_data.stages.ingest", embodiment=True, checks=True),
    "human_clips": Depends("gr00t_data.sources.human.ingest", embodiment=True, checks=True),
    "dreamed_videos": Depends("gr00t_model.dream.generate"),
    "idm": Depends("gr00t_model.idm.train", embodiment=True, checks=True),
    "neural_trajectories": Depends("gr00t_model.stages.gate", embodiment=True, checks=True),
    "norm_stats": Depends("gr00t_data.batches.statistics.measure", embodiment=True, checks=True),
    "mixture": Depends("gr00t_data.batches.mixture.build", embodiment=True, checks=True),
    "base_nano": Depends("gr00t_model.grounding.ground"),
    "finetune": Depends("gr00t_model.training.train", embodiment=True),
    "checkpoint": Depends("gr00t_model.training.checkpoint"),
    "evaluation": Depends("gr00t_model.stages.evaluate"),
    "released": Depends("gr00t_model.stages.release"),
    "served": Depends("gr00t_model.stages.export"),
}
"""Name of an asset, without that of its embodiment -> what it depends on."""


def code_version(name: str, *embodiments: Embodiment) -> str:
    """Readable, so that two of them show what changed: ``code 4e1f00aa; gr1 9f1c04aa; checks 77ab1e0c; av 17.0.0``.

    Args:
        name: without that of the embodiment: ``mixture`` for ``mixture_gr1``.
        embodiments: those of the graph that the asset serves.

    Raises:
        KeyError: ``DEPENDS`` has no such name.
    """
    return "; ".join(_factors(DEPENDS[name], embodiments))


def _factors(depends: Depends, embodiments: tuple[Embodiment, ...]) -> Iterator[str]:
    yield f"code {code_key(depends.code)[:_SHORT]}"
    if depends.embodiment:
        yield from (f"{one.name} {one.digest[:_SHORT]}" for one in embodiments)
    libraries = library_versions(depends.code)
    if depends.checks:
        yield f"checks {checks_key()[:_SHORT]}"
        libraries |= checking_libraries()
    yield from (f"{name} {libraries[name]}" for name in sorted(libraries))
