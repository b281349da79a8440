"""The shell verb of exporting."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gr00t_model.shell.app import OfRobot, progress_bar
from gr00t_model.shell.options import UsageError, verb


@verb
def export(
    checkpoint: Annotated[str, Parameter(help="A checkpoint or published folder, by path, name or pointer.")] = "",
    /,
    *,
    onnx: Annotated[Path | None, Parameter(help="Folder to write the parts to; must not exist.")] = None,
    tensorrt: Annotated[Path | None, Parameter(help="Write build_engine.sh into this exported folder.")] = None,
    dtype: Annotated[Literal["float32", "float16", "int8"], Parameter(help="Of the parts.")] = "float32",
    tag: Annotated[str, Parameter(help="Published folders: whose statistics and slot act; else the robot's.")] = "",
    tokenizer: Annotated[str, Parameter(help="Published folders that come without one: its folder.")] = "",
    asked: OfRobot,
) -> None:
    """Export a checkpoint to ONNX, in the published seven parts, and compare them with it; the folder acts by itself.

    Nothing is left where a part cannot be exported, overflows in float16, or acts otherwise than the checkpoint.

    Example: `gr00t export released_gr1 --onnx gr00t_onnx`
    Example: `gr00t export released_gr1 --onnx gr00t_onnx_fp16 --dtype float16`
    Example: `gr00t export --tensorrt gr00t_onnx_fp16`
    """
    if (onnx is None) == (tensorrt is None) or bool(checkpoint) != (onnx is not None):
        raise UsageError("CHECKPOINT --onnx FOLDER, or --tensorrt FOLDER: give one of the two")
    if tensorrt is not None:
        from gr00t_model.serve.onnx.tensorrt import write_script

        asked.show({"script": str(write_script(tensorrt)), "note": "nobody could run it here: see its first lines"})
        return
    assert onnx is not None
    from gr00t_data.stages.names import named
    from gr00t_model.serve.onnx.export import export_onnx
    from gr00t_model.serve.onnx.source import Acting

    where = asked.where
    acting = Acting(asked.embodiment, tag or None, tokenizer or None)
    with progress_bar("exporting") as progress:
        compared = export_onnx(
            named(where, checkpoint, where.checkpoints), onnx, dtype=dtype, acting=acting, progress=progress
        )
    asked.show({"folder": str(onnx), "compared on": compared.observations, "rows": compared.rows}, compared.table)
