"""The script that builds TensorRT engines of exported parts, on a machine that has TensorRT.

Engine names and flags are those of the published ``deployment_scripts/build_engine.sh``; shapes come from the parts.
"""

from collections.abc import Iterator
from pathlib import Path

import onnx

from gr00t_data.disk import replacing
from gr00t_model.acting.onnx.folder import read_manifest
from gr00t_model.acting.onnx.layout import PARTS, PYTHON, OnnxError, is_onnx
from gr00t_model.groot.prompt import Prompt

SCRIPT = "build_engine.sh"
_VIEWS = (1, 2, 3)
_TEXTS = ("go", "pick up the red cube and place it into the blue box", "put it down, and then " * 20)
"""Instructions that stand for the shortest, the usual and the longest prompt that an engine takes."""
_SIZES = {
    "batch": ("1", "1", "${MAX_BATCH}"),
    "views": ("1", "${VIDEO_VIEWS}", "$((VIDEO_VIEWS * MAX_BATCH))"),
    "sequence": ("${LENGTH_MIN}", "${LENGTH_OPT}", "${LENGTH_MAX}"),
}
"""Dimension of a part -> its smallest, usual and largest size, for the shell."""

_HEAD = """\
#!/usr/bin/env bash
# Builds TensorRT engines of the ONNX parts beside this file: VIDEO_VIEWS=1|2|3 MAX_BATCH=8 ./build_engine.sh
#
# NOT TRIED. It was written from the published flags and from the shapes of these parts on a machine without TensorRT
# and without a GPU: nobody has run it. Checked are its syntax, its flags and every shape against the parts. Compare an
# engine's actions with those of the parts before a robot moves by them.
set -euo pipefail
cd "$(dirname "$0")"

VIDEO_VIEWS="${VIDEO_VIEWS:-1}"
MAX_BATCH="${MAX_BATCH:-8}"
ENGINES="${ENGINES:-gr00t_engine}"

command -v trtexec >/dev/null || { echo "trtexec is not on the PATH; it comes with TensorRT" >&2; exit 2; }
"""
_BUILD = """
build() {
  trtexec --onnx="$2" --saveEngine="$ENGINES/$1.engine" --stronglyTyped --useCudaGraph \\
    --minShapes="$3" --optShapes="$4" --maxShapes="$5"
}

mkdir -p "$ENGINES"
"""


def write_script(folder: Path) -> Path:
    """Write ``build_engine.sh`` into an exported folder; the folder's own files stay as they are.

    Raises:
        OnnxError: it is no exported folder, or one in float32: engines are built as the parts are typed.
    """
    if not is_onnx(folder):
        raise OnnxError(f"{folder}: is no exported folder; make one: gr00t export CHECKPOINT --onnx {folder}")
    manifest = read_manifest(folder)
    if manifest.dtype != "float16":
        raise OnnxError(f"{folder}: holds {manifest.dtype}, engines are float16; export with --dtype float16")
    path = folder / SCRIPT
    lines = [_HEAD, *_lengths(Prompt.load(folder / PYTHON / "tokenizer")), _BUILD]
    lines += [_line(folder, file) for file in (manifest.parts[part] for part in PARTS)]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def _lengths(prompt: Prompt) -> Iterator[str]:
    """How long prompts are, for each number of views."""
    yield 'case "$VIDEO_VIEWS" in'
    for views in _VIEWS:
        low, usual, high = (prompt([text], views)[0].shape[1] for text in _TEXTS)
        yield f"  {views}) LENGTH_MIN={low} LENGTH_OPT={usual} LENGTH_MAX={high} ;;"
    yield '  *) echo "VIDEO_VIEWS: expected 1, 2 or 3, found $VIDEO_VIEWS" >&2; exit 2 ;;'
    yield "esac"


def _line(folder: Path, file: str) -> str:
    graph = onnx.load(folder / file, load_external_data=False).graph
    shapes = [",".join(f"{value.name}:{'x'.join(_sizes(value, which))}" for value in graph.input) for which in range(3)]
    return f'build {Path(file).stem} {file} \\\n  "{shapes[0]}" \\\n  "{shapes[1]}" \\\n  "{shapes[2]}"'


def _sizes(value: onnx.ValueInfoProto, which: int) -> Iterator[str]:
    for one in value.type.tensor_type.shape.dim:
        yield _SIZES[one.dim_param][which] if one.dim_param else str(one.dim_value)
