"""An exported folder: read, compared with its record, and opened as something that acts."""

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file

from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.disk import read_json, write_json, write_text
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.integrity import IntegrityError, read_as, require_intact
from gr00t_data.store.provenance import Said
from gr00t_model.acting.onnx.layout import FORMAT, MANIFEST, PARTS, PYTHON, OnnxError
from gr00t_model.acting.onnx.model import OnnxPart, PartsModel
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.prompt import Prompt
from gr00t_model.groot.weights.eval_transform import centre_crop_of

_REMEDY = "copy the whole folder again from where it was made, or export again: gr00t export CHECKPOINT --onnx FOLDER"
_ROBOTS = "robots.json"
WEIGHTS = "weights.safetensors"


class Manifest(Said):
    """What ``onnx.json`` says.

    Attributes:
        dtype: of the parts: ``float32``, ``float16`` or ``int8``.
        checkpoint: SHA-256 over names and bytes of the files it was made of; ``name``: of their folder.
        parts: part -> its file, relative to the folder.
        libraries: what exported it.
    """

    format: int
    dtype: str
    checkpoint: str
    name: str
    parts: dict[str, str]
    libraries: dict[str, str] = Field(default_factory=dict)


_MANIFEST = TypeAdapter(Manifest)


@dataclass(frozen=True)
class Robot:
    """One robot that the model acts for.

    Attributes:
        selection: name of the parts and cameras it was trained on.
        acting_steps: steps of a chunk that were learnt; None: all.
    """

    embodiment: Embodiment
    statistics: NormStats
    selection: str | None
    acting_steps: int | None


@dataclass(frozen=True)
class Exported:
    """What a policy needs of such a folder."""

    manifest: Manifest
    model: PartsModel
    prompt: Prompt
    robots: tuple[Robot, ...]
    centre_crop: bool

    def robot(self, name: str | None = None, selection: str | None = None) -> Robot:
        """The robot of a name, None: the first.

        Raises:
            OnnxError: the folder has no such robot.
        """
        for robot in self.robots:
            if name in (None, robot.embodiment.name) and selection in (None, robot.selection):
                return robot
        known = ", ".join(f"{one.embodiment.name} ({one.selection})" for one in self.robots)
        wanted = " ".join(filter(None, (name, f"({selection})" if selection else "")))
        raise OnnxError(f"{self.manifest.name}: was exported for {known}, not for {wanted}; export it for that one")


def read_manifest(folder: Path) -> Manifest:
    """``onnx.json`` of a folder.

    Raises:
        OnnxError: it is none, or of another layout.
        IntegrityError: it is not the one that was written.
    """
    manifest = read_as(_MANIFEST, folder / MANIFEST, "is not that of an exported model", _REMEDY, OnnxError)
    if manifest.format != FORMAT:
        raise OnnxError(f"{folder / MANIFEST}: layout {manifest.format}, this version reads {FORMAT}; {_REMEDY}")
    return manifest


def open_exported(folder: Path) -> Exported:
    """Compare every file with the record, then open the parts.

    Raises:
        OnnxError: a part is missing, cannot be read, or is one of another checkpoint.
        IntegrityError: a file is not the one that was recorded.
        PromptError, ConfigError: what lies in ``python/`` cannot be read.
    """
    manifest = read_manifest(folder)
    lacking = [part for part in PARTS if not (folder / manifest.parts.get(part, PYTHON)).is_file()]
    if lacking:
        raise OnnxError(f"{folder}: lacks {', '.join(manifest.parts.get(p, p) for p in lacking)}; {_REMEDY}")
    if not require_intact(folder, remedy=_REMEDY):
        raise IntegrityError(f"{folder}: lacks the record of its files, digests.json; {_REMEDY}")
    parts = {part: _opened(folder, part, manifest) for part in PARTS}
    inside = folder / PYTHON
    config = GrootConfig.from_dict(read_json(inside / "config.json"))
    try:
        model = PartsModel(config, load_file(inside / WEIGHTS), parts)
    except (SafetensorError, OnnxError) as error:
        raise OnnxError(f"{folder}: {error}; {_REMEDY}") from error
    return Exported(manifest, model, Prompt.load(inside / "tokenizer"), read_robots(inside), centre_crop_of(inside))


def _opened(folder: Path, part: str, manifest: Manifest) -> OnnxPart:
    opened = OnnxPart(folder / manifest.parts[part])
    found = opened.facts.get("checkpoint"), opened.facts.get("part")
    if found != (manifest.checkpoint, part):
        told = f"is {found[1] or 'no part'} of checkpoint {(found[0] or 'unknown')[:16]}"
        raise OnnxError(
            f"{folder / manifest.parts[part]}: {told}, the folder is of {manifest.checkpoint[:16]} and needs {part} "
            f"of that; {_REMEDY}"
        )
    return opened


def write_robots(robots: tuple[Robot, ...], inside: Path) -> None:
    """Each robot with its statistics, as ``read_robots`` reads them."""
    rows = []
    for number, robot in enumerate(robots):
        place = inside / "robots" / str(number)
        place.mkdir(parents=True)
        write_text(place / "embodiment.yaml", robot.embodiment.text)
        robot.statistics.save(place / "statistics.json")
        rows.append({"selection": robot.selection, "acting_steps": robot.acting_steps, "slot": robot.embodiment.slot})
    write_json(inside / _ROBOTS, {"robots": rows})


def read_robots(inside: Path) -> tuple[Robot, ...]:
    """The robots of an exported folder, the first one first; each with the slot that it acts by."""
    robots = []
    for number, row in enumerate(read_json(inside / _ROBOTS)["robots"]):
        place = inside / "robots" / str(number)
        embodiment = replace(load_embodiment(place / "embodiment.yaml"), slot=row["slot"])
        statistics = NormStats.load(place / "statistics.json")
        robots.append(Robot(embodiment, statistics, row["selection"], row["acting_steps"]))
    return tuple(robots)
