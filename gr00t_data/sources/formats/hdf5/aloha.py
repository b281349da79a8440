"""ALOHA HDF5: one file an episode, ``action``, ``observations/qpos`` and ``observations/images/<camera>``.

Rows have no stamps and their rate is not written: the published recorder runs at 50 Hz (DT = 0.02 s), those derived
from it at 30 or 25. So it is asked for, unless an attribute or stamps beside the rows say it. Pictures are arrays, or
padded JPEG rows when the file's attribute ``compress`` is set.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.formats.asking import asked
from gr00t_data.sources.formats.hdf5.episode import inventory, read_group
from gr00t_data.sources.formats.hdf5.orientation import orientation_in, spread
from gr00t_data.sources.formats.hdf5.row_clock import rate_in, rates_of
from gr00t_data.sources.formats.hdf5.tree import Group, files, is_hdf5, opened
from gr00t_data.sources.recordings.mapping import Mapping, PartSource
from gr00t_data.sources.recordings.propose import Found, propose_mapping
from gr00t_data.sources.recordings.quaternions import Vote
from gr00t_data.sources.recordings.rate import Rate
from gr00t_data.sources.recordings.reader import Recordings
from gr00t_data.sources.recordings.streams import RawEpisode, StreamError


def _is_episode(file: Path) -> bool:
    try:
        return asked(file, _holds_episode)
    except StreamError:
        return False


def _holds_episode(file: Path) -> bool:
    with opened(file) as root:
        return all(root.member(key) is not None for key in ("action", "observations/qpos"))


def _rate(file: Path) -> Rate | None:
    with opened(file) as root:
        root.require_closed()
        return rate_in(root, _stated(root))


def _orientation(path: Path, key: str, positions: list[int] | None) -> list[Vote]:
    with opened(path) as root:
        return orientation_in(root, key, positions)


def _stated(root: Group) -> list[Rate]:
    inner = root.member("observations")
    return rates_of(inner) if isinstance(inner, Group) else []


def _first(drop: Path) -> Path:
    file = next((file for file in files(drop) if _is_episode(file)), None)
    if file is None:
        raise StreamError(f"{drop}: holds no readable episode")
    return file


def _held(file: Path) -> list[Found]:
    with opened(file) as root:
        return inventory(root)


class Aloha(Recordings):
    """ALOHA HDF5: a file an episode."""

    name = "ALOHA HDF5"
    counted = True

    def recognises(self, drop: Path) -> bool:
        """Whether a file of the drop holds ``action`` and ``observations/qpos``."""
        return any(is_hdf5(file) and _is_episode(file) for file in files(drop))

    def episode_names(self, drop: Path) -> list[str]:
        """The names of the files within the drop."""
        return [file.relative_to(drop).as_posix() if drop.is_dir() else file.name for file in files(drop)]

    def read_episode(self, drop: Path, mapping: Mapping, embodiment: Embodiment, name: str) -> RawEpisode:
        """One file. Raises StreamError: it or a mapped dataset cannot be read, or links out of the file."""
        file = drop / name if drop.is_dir() else drop
        with opened(file) as root:
            raw = read_group(file, root, name, mapping, embodiment, _stated(root))
            found = root.text(mapping.instruction.key or "task")
            success = root.attribute(mapping.success_key or "success")
            source = {**raw.source, "file": name, "simulated": bool(root.attribute("sim"))}
        instruction = mapping.instruction.text or found.strip()
        return replace(raw, instruction=instruction, success=None if success is None else bool(success), source=source)

    def contents(self, drop: Path) -> list[Found]:
        """What the first readable file holds. Raises StreamError: there is none."""
        return asked(_first(drop), _held)

    def propose(self, held: Sequence[Found], embodiment: Embodiment) -> Mapping:
        """See ``Recordings``."""
        return propose_mapping(held, embodiment, self.name, is_action=lambda one: one.key == "action")

    def orientation(self, drop: Path, source: PartSource) -> list[Vote]:
        """See ``Recordings``."""
        names = [name for name in self.episode_names(drop) if _is_episode(drop / name if drop.is_dir() else drop)]
        paths = [drop / name if drop.is_dir() else drop for name in spread(names)]
        return [vote for path in paths for vote in asked(path, _orientation, source.key, source.positions())]

    def said_rate(self, drop: Path) -> Rate | None:
        """See ``Recordings``; of the first readable file."""
        return asked(_first(drop), _rate)


READER = Aloha()
