"""A model or checkpoint described as a stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gr00t_model.stages.inputs import MissingInput


def describe_model(
    preset: str, folder: Path | None, settings: Sequence[str], shapes_file: Path | None, flare: bool
) -> dict[str, Any]:
    """Parameter counts of a preset, or the contents of a checkpoint folder; optionally name -> shape as JSON.

    Raises:
        MissingInput: neither a preset nor a folder, or both.
        ConfigError: no such preset or field; ``WeightsError``: the folder's weights cannot be read.
    """
    from gr00t_data.disk import write_json
    from gr00t_model.groot.weights.nvidia import stored_tensors
    from gr00t_model.training.describe import describe_folder, parameter_counts, preset_config, shapes_of

    if bool(preset) == bool(folder):
        raise MissingInput("describe one model: --preset n1_5_3b (or nano), or --folder DIR")
    if folder is not None:
        facts = describe_folder(folder)
        shapes = {name: tensor.shape for name, tensor in stored_tensors(folder).items()}
    else:
        shapes = shapes_of(preset_config(preset, settings), flare=flare)
        facts = {"preset": preset, "tensors": len(shapes), "parameters": parameter_counts(shapes)}
    if shapes_file is not None:
        write_json(shapes_file, {name: list(shape) for name, shape in shapes.items()})
        facts["shapes"] = str(shapes_file)
    return facts
