"""The layout of an exported model: the seven parts of the published export, and what stays in Python beside them.

Names of files, inputs and outputs are those of the published ``deployment_scripts/export_onnx.py`` (N1.5 release
branch). Needs no torch and no onnxruntime.
"""

from pathlib import Path

MANIFEST = "onnx.json"
"""What the folder is: dtype, the checkpoint it was made of, and what each part takes and gives."""
COMPARISON = "comparison.json"
"""How far the parts and the whole action are from the checkpoint in torch."""
PYTHON = "python"
"""Folder of what no part holds: embeddings, projector, configuration, tokenizer, and each robot with its statistics."""
FORMAT = 1

SHORT = {"float32": "fp32", "float16": "fp16", "int8": "int8"}
"""dtype -> how the names of files say it."""

PARTS = {
    "vit": "eagle2/vit_{}.onnx",
    "llm": "eagle2/llm_{}.onnx",
    "vlln_vl_self_attention": "action_head/vlln_vl_self_attention.onnx",
    "state_encoder": "action_head/state_encoder.onnx",
    "action_encoder": "action_head/action_encoder.onnx",
    "DiT": "action_head/DiT_{}.onnx",
    "action_decoder": "action_head/action_decoder.onnx",
}
"""Part -> its file; the braces take the short name of the dtype."""

OUTPUTS = {"vit": "vit_embeds", "llm": "embeddings"}
"""Part -> its output, where that is not called ``output``."""


class OnnxError(ValueError):
    """An exported folder that cannot act, or a model that cannot be exported; the message names the part or file."""


def is_onnx(folder: Path | str) -> bool:
    """Whether a folder is what ``gr00t export CHECKPOINT --onnx FOLDER`` left."""
    return (Path(folder) / MANIFEST).is_file()


def part_file(part: str, dtype: str) -> str:
    """Where a part lies in its folder: ``eagle2/vit_fp32.onnx``."""
    return PARTS[part].format(SHORT[dtype])


def output_of(part: str) -> str:
    """The name of a part's only output."""
    return OUTPUTS.get(part, "output")
