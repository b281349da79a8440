"""Exporting as a stage: any checkpoint as ONNX parts, and the released one of a robot under a name in the lake."""

from pathlib import Path
from typing import TYPE_CHECKING

from gr00t_data.code_key import code_key
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import require_intact
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_model.acting.onnx.layout import COMPARISON, is_onnx
from gr00t_model.lineage.digests import model_digest
from gr00t_model.release.history import released
from gr00t_model.stages.inputs import MissingInput

if TYPE_CHECKING:
    from gr00t_model.serve.onnx.figures import Compared

LIBRARIES = ("onnx", "onnxruntime", "onnxscript", "safetensors", "torch", "transformers")
SERVED = "served"
"""Folder of the lake: one exported folder for each checkpoint that was released, and state of the exporter."""


def export_released(lake: Lake, embodiment: Embodiment, progress: Progress = silent) -> tuple[Path, str, "Compared"]:
    """Export the released checkpoint and compare it; what was done already is found again.

    Returns:
        the folder, its digest, and what the comparison showed.

    Raises:
        MissingInput: nothing is released.
        OnnxError: it does not export, and why; the release stands.
        IntegrityError: the checkpoint, or what was exported of it before, is not as it was written.
    """
    from gr00t_model.serve.onnx.export import export_onnx
    from gr00t_model.serve.onnx.figures import Compared

    with lake.turn(f"served_{embodiment.name}"):
        found = released(lake, embodiment.name)
        if found is None:
            raise MissingInput(f"{lake.root}: nothing of {embodiment.name} is released; run `gr00t release`")
        checkpoint, digest = found
        folder = lake.root / SERVED / f"{digest[:16]}-{code_key('gr00t_model.stages.export')[:8]}"
        if is_onnx(folder):
            require_intact(folder, remedy="delete it, it is exported again")
            compared = Compared.model_validate(read_json(folder / COMPARISON))
        else:
            compared = export_onnx(checkpoint, folder, progress=progress)
        made = model_digest(folder)
        lake.point(f"served_{embodiment.name}", folder, made)
    return folder, made, compared
