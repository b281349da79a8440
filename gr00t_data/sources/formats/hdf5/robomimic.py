"""The robomimic family of HDF5: Isaac Lab, MimicGen, robosuite, RoboCasa, LIBERO.

One file holds many episodes: ``data/demo_0``, ``data/demo_1``, ... each with ``actions`` and usually ``obs/<name>``.
Rows have no stamps; the rate is that of the environment, which most files state in ``data.attrs["env_args"]``.
"""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.formats.asking import asked
from gr00t_data.sources.formats.hdf5.episode import inventory, read_group
from gr00t_data.sources.formats.hdf5.orientation import orientation_in, spread
from gr00t_data.sources.formats.hdf5.row_clock import rate_in
from gr00t_data.sources.formats.hdf5.tree import Dataset, Group, files, is_hdf5, opened
from gr00t_data.sources.recordings.mapping import Mapping, PartSource
from gr00t_data.sources.recordings.propose import Found, propose_mapping, words
from gr00t_data.sources.recordings.quaternions import Vote
from gr00t_data.sources.recordings.rate import Rate, may_say_rate, rates_in
from gr00t_data.sources.recordings.reader import Recordings
from gr00t_data.sources.recordings.streams import RawEpisode, StreamError

_ROBOSUITE = 1
"""Kind of environment in ``env_args``: robosuite, and what is made with it (MimicGen, RoboCasa, LIBERO)."""
_INSTRUCTIONS = ("language_instruction", "instruction", "language", "lang", "task_description")


def _has_demonstrations(file: Path) -> bool:
    try:
        return asked(file, _holds_demonstrations)
    except StreamError:
        return False


def _holds_demonstrations(file: Path) -> bool:
    with opened(file) as root:
        return bool(_demonstrations(root))


def _listed(file: Path) -> list[str]:
    """Those that are there, then those that are only named."""
    with opened(file) as root:
        there = _demonstrations(root)
        return [*there, *_absent(root, there)]


def _held(file: Path) -> list[Found]:
    with opened(file) as root:
        return inventory(_demonstration(root, _demonstrations(root)[0]))


def _rate(file: Path) -> Rate | None:
    with opened(file) as root:
        group = _demonstration(root, _demonstrations(root)[0])
        group.require_closed()
        return rate_in(group, _stated(root))


def _stated(root: Group) -> list[Rate]:
    """What the file says of the rate of all its demonstrations; of what stands at ``data``, only attributes do."""
    data = root.member("data")
    return [
        *_environment_rates(root),
        *(rates_in(data.attributes(may_say_rate).items()) if isinstance(data, Group) else ()),
    ]


def _orientation(path: Path, demonstration: str, key: str, positions: list[int] | None) -> list[Vote]:
    with opened(path) as root:
        by_definition = _arguments(root).get("type") == _ROBOSUITE and words(key) & {"quat", "quaternion"}
        said = [Vote("xyzw", "robosuite writes x y z w")] if by_definition else []
        return said + orientation_in(_demonstration(root, demonstration), key, positions)


def _demonstrations(file: Group) -> list[str]:
    """Names of the groups in ``data``, in natural order; links that lead out are among them and refused when read."""
    data = file.member("data")
    names = [name for name in data.names() if _is_group(data, name)] if isinstance(data, Group) else []
    return sorted(names, key=lambda name: [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", name)])


def _absent(file: Group, there: Collection[str]) -> list[str]:
    """Demonstrations that ``data`` or a filter key of ``mask`` names, and that are none; in the order of names."""
    data, masks = file.member("data"), file.member("mask")
    named = {name for name in data.names() if name.startswith("demo")} if isinstance(data, Group) else set[str]()
    lists = [masks.member(key) for key in masks.names()] if isinstance(masks, Group) else []
    for listed in lists:
        named.update(listed.texts() if isinstance(listed, Dataset) else ())
    return sorted(name for name in named - set(there) if name)


def _is_group(data: Group, name: str) -> bool:
    try:
        return isinstance(data.member(name), Group)
    except StreamError:
        return True


def _demonstration(file: Group, name: str) -> Group:
    found = data.member(name) if isinstance(data := file.member("data"), Group) else None
    if not isinstance(found, Group):
        raise StreamError(f"{file.where(f'data/{name}')} is listed and is no group of it; copy the file again")
    return found


def _first(path: Path) -> Path:
    file = next((file for file in files(path) if _has_demonstrations(file)), None)
    if file is None:
        raise StreamError(f"{path}: holds no readable demonstration")
    return file


def _arguments(file: Group) -> dict[str, Any]:
    data = file.member("data")
    return _json(data.attribute("env_args")) if isinstance(data, Group) else {}


def _environment(file: Group) -> dict[str, Any]:
    """The name of the environment."""
    arguments = _arguments(file)
    return {"environment": str(arguments["env_name"])} if "env_name" in arguments else {}


def _environment_rates(file: Group) -> list[Rate]:
    """Robosuite states ``control_freq``, Isaac Lab the physics step and how many of them make a control step."""
    arguments = _arguments(file)
    settings, simulation = arguments.get("env_kwargs"), arguments.get("sim_args")
    named = settings.items() if isinstance(settings, dict) else ()
    stated = rates_in((f"env_args.{name}", value) for name, value in named)
    if isinstance(simulation, dict):
        step, steps = simulation.get("dt"), simulation.get("decimation", 1)
        if isinstance(step, int | float) and isinstance(steps, int | float):
            stated += [Rate(one.hz, "sim_args.dt * decimation") for one in rates_in([("dt", step * steps)])]
    return stated


def _instruction(file: Group, group: Group, key: str) -> str:
    """The mapped dataset or attribute; else the customary attributes of the demonstration, then of all data."""
    if key:
        return group.text(key)
    for at in (group, file.member("data")):
        if not isinstance(at, Group):
            continue
        listed = [at.attribute(name) for name in _INSTRUCTIONS]
        listed += [_json(at.attribute("ep_meta")).get("lang")]
        listed += [_json(at.attribute("problem_info")).get("language_instruction")]
        for value in listed:
            if isinstance(value, str) and (found := value.strip()):
                return found
    return ""


def _success(group: Group, key: str | None) -> bool | None:
    if key and isinstance(found := group.member(key), Dataset):
        return bool(found.numbers()[-1, 0] > 0)
    value = group.attribute(key or "success")
    return None if value is None else bool(value)


def _json(value: Any) -> dict[str, Any]:
    try:
        parsed = json.loads(value if isinstance(value, str) and value else "{}")
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


class Robomimic(Recordings):
    """The robomimic family: a group ``data/demo_N`` an episode."""

    name = "robomimic HDF5"
    counted = True

    def recognises(self, drop: Path) -> bool:
        """Whether a file of the drop has a group ``data`` of groups (demonstrations)."""
        return any(is_hdf5(file) and _has_demonstrations(file) for file in files(drop))

    def episode_names(self, drop: Path) -> list[str]:
        """``<file>#<demonstration>`` of each; a file that cannot be read stands for itself and is refused later."""
        names = []
        for file in files(drop):
            relative = file.relative_to(drop).as_posix() if drop.is_dir() else file.name
            try:
                names += [f"{relative}#{name}" for name in asked(file, _listed)] or [relative]
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
        with opened(file) as root:
            root.require_closed(besides="data")
            if not demonstration:
                _absent(root, _demonstrations(root))  # says what is wrong with its lists, if that is why
                raise StreamError(f"{file}: has no demonstrations in a group `data`; check what was copied")
            group = _demonstration(root, demonstration)
            facts = _environment(root)
            raw = read_group(file, group, name, mapping, embodiment, _stated(root))
            instruction = mapping.instruction.text or _instruction(root, group, mapping.instruction.key)
            success = _success(group, mapping.success_key)
        source = {**raw.source, "file": relative, "demonstration": demonstration, **facts}
        return RawEpisode(name, raw.state, raw.action, raw.cameras, instruction, success, source, raw.notes)

    def contents(self, drop: Path) -> list[Found]:
        """What the first demonstration holds. Raises StreamError: no readable file."""
        return asked(_first(drop), _held)

    def propose(self, held: Sequence[Found], embodiment: Embodiment) -> Mapping:
        """See ``Recordings``; of what was observed and commanded, not of the simulator's own state."""
        observed = [one for one in held if one.key.startswith("obs/") or one.key == "actions"]
        return propose_mapping(observed, embodiment, self.name, is_action=lambda one: one.key == "actions")

    def orientation(self, drop: Path, source: PartSource) -> list[Vote]:
        """See ``Recordings``; robosuite, which names itself in ``env_args``, writes x y z w."""
        found = list[Vote]()
        for name in spread(self.episode_names(drop)):
            relative, _, demonstration = name.partition("#")
            file = drop / relative if drop.is_dir() else drop
            found += asked(file, _orientation, demonstration, source.key, source.positions())
        return found

    def said_rate(self, drop: Path) -> Rate | None:
        """See ``Recordings``; of the first demonstration."""
        return asked(_first(drop), _rate)


READER = Robomimic()
