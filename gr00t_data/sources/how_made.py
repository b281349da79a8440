"""Whether a sealed store is what a drop would become now: the same content, robot file and readers."""

import logging
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from gr00t_data.beside import beside
from gr00t_data.code_key import code_key
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import IntegrityError, read_sealed, write_sealed
from gr00t_data.sources.content import same_or_refuse
from gr00t_data.sources.reader import Intake
from gr00t_data.store.provenance import StoreSource
from gr00t_data.store.store import EpisodeStore, StoreError

HOW_MADE = ".how_made.json"
"""In the folder of a store; hidden, so that no seal holds it."""
_WAY_OUT = "make it anew (--replace; mixtures that hold it must be made again), or take another name (--name)"
_LOG = logging.getLogger(__name__)


def note_how_made(root: Path, embodiment: Embodiment) -> None:
    """Write beside what a store holds which robot file and which state of the readers made it. It is no part of what is
    sealed: the same episodes are the same store."""
    write_sealed(root / HOW_MADE, _how_made(embodiment))


def _how_made(embodiment: Embodiment) -> dict[str, object]:
    # The digest of a robot does not name the units of its recordings, which a store has behind it.
    units = [part.recorded_unit or part.unit for part in (*embodiment.state, *embodiment.action)]
    robot = {"embodiment": embodiment.name, "robot": embodiment.digest, "units": units}
    return {**robot, "code": code_key("gr00t_data.sources.ingest")}


def made_alike(store: EpisodeStore, source: StoreSource, intake: Intake, keys: Collection[str]) -> EpisodeStore:
    """The sealed store, if it was made of the same drop with the same robot file. The log says where it was made by
    another state of the readers; of stores of earlier times only the name of the robot is known.

    Args:
        keys: see ``same_or_refuse``.

    Raises:
        StoreError: it was made of something else, or for another robot.
    """
    same_or_refuse(store, source, intake.drop, keys)
    path, wanted = store.root / HOW_MADE, _how_made(intake.embodiment)
    try:
        known = read_sealed(path, "delete it")
    except FileNotFoundError:
        known = {"embodiment": store.about.embodiment}
    except IntegrityError as error:
        raise StoreError(str(error)) from error
    for key, what in (("embodiment", "robot"), ("robot", "file of the robot"), ("units", "unit of the recording")):
        if key in known and known[key] != wanted[key]:
            told = f" ({known[key]!r}, now {wanted[key]!r})" if key == "embodiment" else ""
            raise StoreError(f"{store.root}: was made from this drop with another {what}{told}; {_WAY_OUT}")
    if known.get("code", wanted["code"]) != wanted["code"]:
        _LOG.warning(
            "%s: was made by other code than this, and stays as it is; to change that, %s", store.root, _WAY_OUT
        )
    return store


@contextmanager
def set_aside(root: Path) -> Iterator[None]:
    """Put what lies at ``root`` out of the way while the block makes it anew; back again if that fails."""
    if not root.exists():
        yield
        return
    with beside(root, folder=True) as place:
        before = root.replace(place / root.name)
        try:
            yield
        except BaseException:
            shutil.rmtree(root, ignore_errors=True)
            before.replace(root)
            raise
