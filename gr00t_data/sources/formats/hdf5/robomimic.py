"""The robomimic family of HDF5: Isaac Lab, MimicGen, robosuite, RoboCasa, LIBERO.

One file holds many episodes: ``data/demo_0``, ``data/demo_1``, ... each with ``actions`` and usually ``obs/<name>``.
Rows have no stamps; the rate is that of the environment, which the file states in ``data.attrs["env_args"]``.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.formats.hdf5 import tree as hdf5_tree
from gr00t_data.sources.formats.hdf5.episode import inventory, read_group
from gr00t_data.sources.recordings.mapping import Mapping
from gr00t_data.sources.recordings.propose import Found, propose_mapping
from gr00t_data.sources.recordings.reader import Recordings
from gr00t_data.sources.recordings.streams import RawEpisode, StreamError

if TYPE_CHECKING:
    import h5py

_MOST_LISTED = 100_000
_INSTRUCTIONS = ("language_instruction", "instruction", "language", "lang", "task_description")


def _has_demonstrations(file: Path) -> bool:
    try:
        with hdf5_tree.opened(file) as opened:
            return bool(_demonstrations(opened))
    except StreamError:
        return False


def _demonstrations(file: "h5py.File") -> list[str]:
    """Names of the groups in ``data`` that hold actions, in natural order."""
    import h5py

    data = hdf5_tree.member(file, "data")
    if not isinstance(data, h5py.Group):
        return []
    names = {str(name) for name in data if isinstance(hdf5_tree.member(data, str(name)), h5py.Group)}
    return sorted(names, key=lambda name: [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", name)])


def _absent(file: "h5py.File", there: Collection[str]) -> list[str]:
    """Demonstrations that ``data`` or a filter key of ``mask`` names, and that are none; in the order of names."""
    import h5py

    data, masks = hdf5_tree.member(file, "data"), hdf5_tree.member(file, "mask")
    named = {str(name) for name in data if str(name).startswith("demo")} if isinstance(data, h5py.Group) else set()
    for key in masks if isinstance(masks, h5py.Group) else ():
        listed = hdf5_tree.member(masks, str(key))
        if isinstance(listed, h5py.Dataset) and listed.ndim == 1 and listed.dtype.kind in "OS":
            texts = listed[:_MOST_LISTED]
            named |= {name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in texts}
    return sorted(name for name in named - set(there) if name)


def _first(path: Path) -> Path:
    file = next((file for file in hdf5_tree.files(path) if _has_demonstrations(file)), None)
    if file is None:
        raise StreamError(f"{path}: holds no readable demonstration")
    return file


def _environment(file: "h5py.File") -> dict[str, Any]:
    """Name and rate of the environment: robosuite states ``control_freq``, Isaac Lab the physics step."""
    data: Any = hdf5_tree.member(file, "data")
    arguments = _json(data.attrs.get("env_args"))
    settings = arguments.get("env_kwargs") if isinstance(arguments.get("env_kwargs"), dict) else {}
    facts: dict[str, Any] = {"environment": str(arguments["env_name"])} if "env_name" in arguments else {}
    hz = settings.get("control_freq") if settings else None
    simulation = arguments.get("sim_args")
    if hz is None and isinstance(simulation, dict) and simulation.get("dt"):
        hz = 1 / (float(simulation["dt"]) * float(simulation.get("decimation", 1)))
    return facts | ({"hz": float(hz)} if isinstance(hz, int | float) and hz > 0 else {})


def _instruction(file: "h5py.File", group: "h5py.Group", key: str) -> str:
    """The mapped dataset or attribute; else the customary attributes of the demonstration, then of all data."""
    if key:
        found = group.attrs[key] if key in group.attrs else hdf5_tree.member(group, key)
        return hdf5_tree.text(found)
    data: Any = hdf5_tree.member(file, "data")
    for attributes in (group.attrs, data.attrs):
        listed = [attributes.get(name) for name in _INSTRUCTIONS]
        listed += [_json(attributes.get("ep_meta")).get("lang")]
        listed += [_json(attributes.get("problem_info")).get("language_instruction")]
        for value in listed:
            if found := hdf5_tree.text(value).strip():
                return found
    return ""


def _success(group: "h5py.Group", key: str | None) -> bool | None:
    if key and (found := hdf5_tree.member(group, key)) is not None:
        return bool(hdf5_tree.numbers(found)[-1, 0] > 0)  # type: ignore[arg-type]
    value = group.attrs.get(key or "success")
    return None if value is None else bool(value)


def _json(value: Any) -> dict[str, Any]:
    try:
        parsed = json.loads(hdf5_tree.text(value) or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


class Robomimic(Recordings):
    """The robomimic family: a group ``data/demo_N`` an episode."""

    name = "robomimic HDF5"

    def recognises(self, drop: Path) -> bool:
        """Whether a file of the drop has a group ``data`` of groups (demonstrations)."""
        return any(hdf5_tree.is_hdf5(file) and _has_demonstrations(file) for file in hdf5_tree.files(drop))

    def episode_names(self, drop: Path) -> list[str]:
        """``<file>#<demonstration>`` of each; a file that cannot be read stands for itself and is refused later."""
        names = []
        for file in hdf5_tree.files(drop):
            relative = file.relative_to(drop).as_posix() if drop.is_dir() else file.name
            try:
                with hdf5_tree.opened(file) as opened:
                    there = _demonstrations(opened)
                    names += [f"{relative}#{name}" for name in (*there, *_absent(opened, there))] or [relative]
            except StreamError:
                names.append(relative)
        return names

    def read_episode(self, drop: Path, mapping: Mapping, embodiment: Embodiment, name: str) -> RawEpisode:
        """One demonstration.

        Raises:
            StreamError: the file or a mapped dataset cannot be read, or links out of the file.
            MappingError: nobody said the rate.
        """
        relative, _, demonstration = name.partition("#")
        file = drop / relative if drop.is_dir() else drop
        with hdf5_tree.opened(file) as opened:
            if not demonstration:
                raise StreamError(f"{file}: has no demonstrations in a group `data`; check what was copied")
            group: Any = hdf5_tree.member(opened, f"data/{demonstration}")
            if not hasattr(group, "attrs") or hasattr(group, "shape"):
                raise StreamError(f"{file}: data/{demonstration} is listed and is no group of it; copy the file again")
            facts = _environment(opened)
            raw = read_group(file, group, name, mapping, embodiment, facts.get("hz"))
            instruction = mapping.instruction.text or _instruction(opened, group, mapping.instruction.key)
            success = _success(group, mapping.success_key)
        source = {**raw.source, "file": relative, "demonstration": demonstration, **facts}
        return RawEpisode(name, raw.state, raw.action, raw.cameras, instruction, success, source, raw.notes)

    def contents(self, drop: Path) -> list[Found]:
        """What the first demonstration holds. Raises StreamError: no readable file."""
        with hdf5_tree.opened(_first(drop)) as opened:
            group: Any = hdf5_tree.member(opened, f"data/{_demonstrations(opened)[0]}")
            return inventory(group)

    def propose(self, drop: Path, embodiment: Embodiment) -> Mapping:
        """The mapping that the names in the first demonstration make plain. Raises StreamError: no readable file."""
        observed = [one for one in self.contents(drop) if one.key.startswith("obs/") or one.key == "actions"]
        with hdf5_tree.opened(_first(drop)) as opened:
            hz = _environment(opened).get("hz")
        return propose_mapping(observed, embodiment, self.name, is_action=lambda one: one.key == "actions", hz=hz)


READER = Robomimic()
