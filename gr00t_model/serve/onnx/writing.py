"""One part as an ONNX file."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from gr00t_model.acting.onnx.layout import OnnxError, output_of
from gr00t_model.serve.onnx.parts import Part

if TYPE_CHECKING:
    import onnx_ir as ir

OPSET = 20
"""The first with GELU in its tanh form, which the model has throughout. (The published export has 19.)"""
_MOST_INSIDE = 1_900_000_000
"""Bytes of weights in the file itself; beyond, they lie beside it: protobuf ends at 2 GB."""


def write_part(part: Part, path: Path, facts: Mapping[str, str]) -> None:
    """Trace a part and write it, with ``facts`` as its metadata and nothing of this machine.

    Raises:
        OnnxError: the part has an operation that ONNX has not, or one that depends on the data.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    dimensions: dict[str, torch.export.Dim] = {}
    shapes = tuple(
        {at: dimensions.setdefault(name, torch.export.Dim(name)) for at, name in part.dynamic[one].items()}
        for one in part.inputs
    )
    try:
        with _quiet():
            program = torch.onnx.export(
                part.module,
                tuple(part.inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(part.inputs),
                output_names=[output_of(part.name)],
                dynamic_shapes=shapes,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise OnnxError(f"{part.name}: cannot be exported ({error})") from error
    assert program is not None
    _require_dynamic(part, program.model)
    _only(program.model, facts)
    weights = sum(parameter.nbytes for parameter in part.module.parameters())
    program.save(path, external_data=weights > _MOST_INSIDE)


def write_quantised(part: Part, path: Path, facts: Mapping[str, str]) -> None:
    """The part with the weights of its matrix products in 8 bits, one scale a column, and its activations quantised as
    they come. Weights that are gathered by slot stay float32.

    Raises:
        OnnxError: as ``write_part``.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".whole-") as folder:
        whole = Path(folder) / path.name
        write_part(part, whole, facts)
        large = sum(parameter.nbytes for parameter in part.module.parameters()) // 4 > _MOST_INSIDE
        with _quiet():
            quantize_dynamic(whole, path, weight_type=QuantType.QInt8, per_channel=True, use_external_data_format=large)


def _require_dynamic(part: Part, model: "ir.Model") -> None:
    """The exporter takes a dimension for a constant where the code of the model looks at it, and goes on."""
    for value in model.graph.inputs:
        for at, name in part.dynamic[value.name or ""].items():
            if value.shape is None or isinstance(value.shape[at], int):
                raise OnnxError(f"{part.name}: dimension {at} of {value.name} ({name}) became a constant; report it")


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of libraries that nobody needs here, and of names that mean the same dimension."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", None)]  # the quantiser speaks to the root
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _only(model: "ir.Model", facts: Mapping[str, str]) -> None:
    """Drop what the exporter notes of each node: the lines of code it came from, with their paths."""
    for graph in (model.graph, *model.functions.values()):
        for node in graph:
            node.metadata_props.clear()
            node.doc_string = None
        for value in (*graph.inputs, *graph.outputs):
            value.metadata_props.clear()
        graph.metadata_props.clear()
    for value in model.graph.initializers.values():
        value.metadata_props.clear()
    model.metadata_props.clear()
    model.metadata_props.update(facts)
