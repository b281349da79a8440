"""Versions: what the result of each asset depends on besides its inputs, written out in the asset's code version.

Dagster shows an asset as stale when its code version is no longer the one that it was made with, or when an input has
a new data version. So a changed embodiment file, threshold or library marks the assets that read it, at the next reload
of the code; what lies further down follows when the new inputs turn out to differ.

A new asset takes a line in ``DEPENDS``, and in its decorator ``code_version=code_version("its_name", embodiment)``.
Nothing heavy is imported here: the versions of libraries are those of the installed distributions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gr00t_data.curate.rules import CHECKING_LIBRARIES, checks_digest, installed_version
from gr00t_data.embodiment import Embodiment
from gr00t_model.training.run import GROUNDING_LIBRARIES, LEARNING_LIBRARIES, code_digest

_SHORT = 8
_READING = ("av", "h5py", "mcap", "pyarrow", "rosbags")


@dataclass(frozen=True)
class Depends:
    """What one kind of asset depends on.

    Attributes:
        number: of its code, kept by hand: raise it when the same inputs give something else.
        embodiment: reads the file of the embodiment.
        checks: takes accepted episodes, so code and thresholds of the checks count.
        learning: trains, so the learning code counts (see ``gr00t_model.training.run.code_digest``).
        libraries: distributions whose version can change the result.
    """

    number: int
    embodiment: bool = False
    checks: bool = False
    learning: bool = False
    libraries: tuple[str, ...] = ()


DEPENDS = {
    "teleop_episodes": Depends(2, embodiment=True, checks=True, libraries=(*_READING, *CHECKING_LIBRARIES, "mujoco")),
    "human_clips": Depends(1, embodiment=True, checks=True, libraries=("av", "h5py", "pyarrow", *CHECKING_LIBRARIES)),
    "dreamed_videos": Depends(1, libraries=("av", "diffusers", "mujoco", "torch", "transformers")),
    "idm": Depends(1, embodiment=True, checks=True, libraries=("accelerate", "av", "torch")),
    "neural_trajectories": Depends(1, embodiment=True, checks=True, libraries=(*CHECKING_LIBRARIES, "av", "torch")),
    "norm_stats": Depends(2, embodiment=True, checks=True, libraries=("crick", "numpy", "pyarrow")),
    "mixture": Depends(2, embodiment=True, checks=True, libraries=("numpy", "pyarrow", "scipy")),
    "base_nano": Depends(2, libraries=GROUNDING_LIBRARIES),
    "finetune": Depends(2, embodiment=True, learning=True, libraries=LEARNING_LIBRARIES),
    "checkpoint": Depends(2, libraries=("safetensors",)),
    "evaluation": Depends(2, libraries=("av", "mujoco", "numpy", "torch", "transformers")),
    "released": Depends(2),
}
"""Name of an asset, without that of its embodiment -> what it depends on."""


def code_version(name: str, *embodiments: Embodiment) -> str:
    """Readable, so that two of them show what changed: ``2; gr1 9f1c04aa; checks 77ab1e0c; av 17.0.0; ...``.

    Args:
        name: without that of the embodiment: ``mixture`` for ``mixture_gr1``.
        embodiments: those of the graph that the asset serves.

    Raises:
        KeyError: ``DEPENDS`` has no such name.
    """
    return "; ".join(_factors(DEPENDS[name], embodiments))


def _factors(depends: Depends, embodiments: tuple[Embodiment, ...]) -> Iterator[str]:
    yield str(depends.number)
    if depends.embodiment:
        yield from (f"{one.name} {one.digest[:_SHORT]}" for one in embodiments)
    if depends.checks:
        yield f"checks {checks_digest()[:_SHORT]}"
    if depends.learning:
        yield f"learning {code_digest()[:_SHORT]}"
    yield from (f"{library} {installed_version(library)}" for library in sorted(set(depends.libraries)))
