"""Unitree teleoperation recordings: one folder an episode, ``data.json`` and the pictures it names.

Layout of the published recorder (xr_teleoperate): ``{"info": {"image": {"fps"}, "joint_names"}, "text": {"goal"},
"data": [{"idx", "colors": {"color_0": "colors/000000_color_0.jpg"}, "states": {"left_arm": {"qpos": [..]}, ..},
"actions": {..}}, ..]}``. Rows have no stamps; they are counted at the pictures' rate, which is the recorder's.

A hand is ``left_ee`` or ``right_ee``: seven motors of a Dex3-1, or six of an Inspire hand from 0 (closed) to 1 (open);
``info.joint_names`` names those of the Dex3-1 whatever was recorded. Where the whole body is read, ``states.body.qpos``
holds it in the order of the motors: legs, waist, arms, and six that do not exist.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.disk import own_files, parse_json, visible
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.limits import JSON_BYTES, require_within
from gr00t_data.sources.formats.asking import first_answer
from gr00t_data.sources.formats.beside import inside
from gr00t_data.sources.formats.logs.messages import at, numbers
from gr00t_data.sources.recordings.binding import Samples, bound_parts, camera_of
from gr00t_data.sources.recordings.clocks import ticks
from gr00t_data.sources.recordings.images import decoded
from gr00t_data.sources.recordings.mapping import CameraSource, Instruction, Mapping, PartSource, without_unread
from gr00t_data.sources.recordings.propose import Found, propose_mapping
from gr00t_data.sources.recordings.rate import Rate, rate_of_rows, rates_in
from gr00t_data.sources.recordings.reader import Recordings
from gr00t_data.sources.recordings.streams import CameraStream, FrameReader, RawEpisode, StreamError

_FILE = "data.json"
_HEAD = "color_0"
"""The recorder's key of the picture of the head, the left one of two."""
_BODY, _BODY_WIDTHS = "states.body.qpos", (29, 35)
_OF_BODY = {"left_leg": "0:6", "right_leg": "6:12", "waist": "12:15"}
"""Motors of a G1 with 29 joints, as its low-level state and the recorder count them."""


@dataclass(frozen=True)
class PictureFiles:
    """One picture file a row; every name lies inside the episode's folder."""

    folder: Path
    names: tuple[str, ...]

    def take(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See ``Frames.take``."""
        return FrameReader(self._picture).take(indices)

    def _picture(self, index: int) -> np.ndarray:
        path = inside(self.folder, self.names[index])
        try:
            return decoded(path.read_bytes())
        except StreamError as error:
            raise StreamError(f"{path}: {error}") from error


def _folders(drop: Path) -> list[Path]:
    if drop.is_file():
        return [drop.parent] if drop.name == _FILE else []
    with_pictures = (path.parent for path in visible(drop) if path.name == "colors" and path.is_dir())
    return sorted({*(path.parent for path in own_files(drop, _FILE)), *with_pictures})


def _begins_well(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        start = stream.read(4096).lstrip()
    return start[:1] == b"{" and (b'"info"' in start or b'"text"' in start or b'"data"' in start)


def _documents(drop: Path) -> list[Path]:
    return [folder / _FILE for folder in _folders(drop)]


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise StreamError(f"{path}: no such file, though pictures of an episode lie beside it; copy it again")
    try:
        require_within(path.stat().st_size, JSON_BYTES, "bytes of JSON")
        document = parse_json(path.read_bytes())
    except ValueError as error:
        raise StreamError(f"{path}: is no JSON, or cut off ({error}); copy it again from its source") from error
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise StreamError(f"{path}: has no rows in `data`; expected a list of objects with states and actions")
    return document


def _rate(document: dict[str, Any]) -> Rate | None:
    image = _dict(document.get("info")).get("image")
    found = rates_in((f"info.image.{name}", value) for name, value in _dict(image).items())
    return found[0] if found else None


def _joint_names(document: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    listed = _dict(_dict(document.get("info")).get("joint_names"))
    return {part: tuple(map(str, names)) for part, names in listed.items() if isinstance(names, list) and names}


def _fields(group: str, part: str, fields: dict[str, Any], names: tuple[str, ...]) -> list[Found]:
    """What one part of a row holds; names that are not as many as the numbers are those of another hand."""
    widths = {field: len(numbers(value)) for field, value in fields.items()}
    return [
        Found(f"{group}.{part}.{field}", width, names=names if field == "qpos" and len(names) == width else ())
        for field, width in widths.items()
        if width
    ]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _width(index: str) -> int:
    first, _, end = index.partition(":")
    return int(end) - int(first)


def _values(
    folder: Path, rows: list[dict[str, Any]], source: PartSource, joint_names: dict[str, tuple[str, ...]]
) -> np.ndarray:
    """float64 [N, D] of a dotted key of every row; with ``names``, those joints of ``info.joint_names``."""
    found, width = [], None
    for number, row in enumerate(rows):
        try:
            values = numbers(at(row, source.key))
        except StreamError as error:
            raise StreamError(f"{folder / _FILE}: row {number}: {error}") from error
        width = len(values) if width is None else width
        if len(values) != width or not values:
            raise StreamError(
                f"{folder / _FILE}: row {number}: {source.key} has {len(values)} values, expected {width}"
            )
        found.append(values)
    matrix = np.array(found, dtype=np.float64)
    if not source.names:
        return matrix
    listed = joint_names.get(source.key.split(".")[1], ())
    if missing := [name for name in source.names if name not in listed]:
        raise StreamError(f"{folder / _FILE}: info.joint_names of {source.key} lack {missing}; they are {listed}")
    return matrix[:, [listed.index(name) for name in source.names]]


def _camera(
    folder: Path,
    rows: list[dict[str, Any]],
    camera: str,
    key: str,
    mapping: Mapping,
    embodiment: Embodiment,
    hz: float,
) -> CameraStream:
    names = [(row.get("colors") or {}).get(key) for row in rows]
    present = [number for number, name in enumerate(names) if isinstance(name, str) and name]
    if not present:
        raise StreamError(f"{folder / _FILE}: no row has a picture of {key!r}; leave the episode out")
    files = PictureFiles(folder, tuple(str(names[number]) for number in present))
    for name in files.names:
        inside(folder, name)
    times_ns = ticks(0, len(rows), hz)[present]
    return camera_of(mapping.cameras[camera], camera, embodiment, times_ns, files, unstamped=len(rows) - len(present))


def _held(path: Path) -> list[Found]:
    document = _document(path)
    names, found = _joint_names(document), dict[Found, None]()
    for row in document["data"]:
        found |= dict.fromkeys(Found(key, 0, picture=True) for key in _dict(row.get("colors")))
        for group in ("states", "actions"):
            for part, fields in _dict(row.get(group)).items():
                found |= dict.fromkeys(_fields(group, part, _dict(fields), names.get(part, ())))
    return list(found)


def _said_rates(path: Path) -> tuple[Rate | None]:
    return (_rate(_document(path)),)


class Unitree(Recordings):
    """Unitree teleoperation: a folder an episode."""

    name = "Unitree JSON"
    counted = True

    def recognises(self, drop: Path) -> bool:
        """Whether a ``data.json`` of the drop begins as the recorder writes it."""
        return any(_begins_well(folder / _FILE) for folder in _folders(drop))

    def episode_names(self, drop: Path) -> list[str]:
        """The folders within the drop; ``.`` when the drop is one episode."""
        base = drop.parent if drop.is_file() else drop
        return [folder.relative_to(base).as_posix() for folder in _folders(drop)]

    def read_episode(self, drop: Path, mapping: Mapping, embodiment: Embodiment, name: str) -> RawEpisode:
        """One folder.

        Raises:
            StreamError: the JSON is cut off, a row lacks a mapped field, or a picture's name leads out of the folder.
        """
        folder = (drop.parent if drop.is_file() else drop) / name
        document = _document(folder / _FILE)
        rows = document["data"]
        rate = rate_of_rows(mapping, _rate(document), str(folder / _FILE))
        times_ns, names = ticks(0, len(rows), rate.hz), _joint_names(document)
        sides = bound_parts(mapping, embodiment, lambda _, one: Samples(times_ns, _values(folder, rows, one, names)))
        cameras = {
            camera: _camera(folder, rows, camera, source.key, mapping, embodiment, rate.hz)
            for camera, source in mapping.cameras.items()
        }
        words = _dict(document.get("text"))
        said = words.get(mapping.instruction.key or "goal")
        instruction = mapping.instruction.text or str(said or "").strip()
        source = {"file": f"{name}/{_FILE}", "hz": rate.hz, "hz_said_by": rate.said_by}
        notes = [
            f"camera {camera!r}: {stream.unstamped} of {len(rows)} rows have no picture"
            for camera, stream in cameras.items()
            if stream.unstamped
        ]
        return RawEpisode(name, sides["state"], sides["action"], cameras, instruction, None, source, tuple(notes))

    def contents(self, drop: Path) -> list[Found]:
        """What the rows of the first readable episode hold. Raises StreamError: there is none."""
        return first_answer(drop, _documents(drop), _held, "episode")

    def propose(self, held: Sequence[Found], embodiment: Embodiment) -> Mapping:
        """See ``Recordings``; and by the names that the recorder gives: the first picture is the head's. What was not
        recorded and is not read is left out.
        """
        held = [one for one in held if one.picture or one.key.endswith(".qpos")]
        found = propose_mapping(
            held,
            embodiment,
            self.name,
            is_action=lambda one: one.key.startswith("actions."),
            instruction=Instruction(key="goal"),
        )
        body = next((one.key for one in held if one.key == _BODY and one.width in _BODY_WIDTHS), None)
        for part, index in _OF_BODY.items():
            if body and f"state.{part}" in found.undecided and embodiment.state_part(part).dim == _width(index):
                found = found.with_part(f"state.{part}", PartSource(key=body, index=index))
        heads = [camera.name for camera in embodiment.cameras if camera.role == "ego"]
        free = {one.key for one in held if one.picture} - {one.key for one in found.cameras.values()}
        if len(heads) == 1 and f"video.{heads[0]}" in found.undecided and _HEAD in free:
            found = found.model_copy(update={"cameras": {**found.cameras, heads[0]: CameraSource(key=_HEAD)}})
        return without_unread(found, embodiment)

    def said_rate(self, drop: Path) -> Rate | None:
        """See ``Recordings``; of the first readable episode."""
        return first_answer(drop, _documents(drop), _said_rates, "episode")[0]


READER = Unitree()
