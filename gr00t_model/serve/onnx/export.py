"""A checkpoint as a folder of ONNX parts that is enough to act, compared with the checkpoint before it is left."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from gr00t_data.batches.batch import Batch
from gr00t_data.code_key import installed_version
from gr00t_data.disk import replacing_folder, write_json
from gr00t_data.integrity import write_record, write_sealed
from gr00t_data.progress import Progress, silent
from gr00t_model.acting.onnx.folder import WEIGHTS, Manifest, write_robots
from gr00t_model.acting.onnx.layout import COMPARISON, FORMAT, MANIFEST, PARTS, PYTHON, SHORT, OnnxError, part_file
from gr00t_model.acting.onnx.model import OnnxPart, PartsModel, python_tensors
from gr00t_model.groot import flow
from gr00t_model.groot.weights.eval_transform import write_eval_transform
from gr00t_model.lineage.chain import write_chain
from gr00t_model.lineage.record import links_of
from gr00t_model.serve.onnx.figures import Compared, Figures, TorchPart, figures, part_figures, require_close
from gr00t_model.serve.onnx.observations import observed
from gr00t_model.serve.onnx.overflow import narrowed, reach_of, require_fits
from gr00t_model.serve.onnx.parts import Part, parts_of
from gr00t_model.serve.onnx.source import Acting, Source, open_source
from gr00t_model.serve.onnx.writing import write_part, write_quantised

LIBRARIES = ("onnx", "onnxruntime", "onnxscript", "safetensors", "torch", "transformers")
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "int8": torch.float32}
"""dtype of an export -> that of what is not quantised."""
_STEPS = len(PARTS) + 2
"""Of progress: acting in torch, each part, acting by the parts."""


def export_onnx(
    checkpoint: Path, into: Path, *, dtype: str = "float32", acting: Acting = Acting(), progress: Progress = silent
) -> Compared:
    """Write ``into``, which must not exist or be empty: whole or not at all. Returns what the comparison showed.

    Weights are held in float32 once, and those of one part twice: 14 GB for the published size.

    Args:
        dtype: ``float32``, ``float16`` or ``int8``.
        acting: for a published folder, how it acts.

    Raises:
        OnnxError: a part cannot be exported, overflows in float16, or acts otherwise than the checkpoint.
        DiskError: ``into`` is there, or cannot be written.
        IntegrityError, CheckpointError, MetadataError, PromptError: the checkpoint cannot act.
    """
    if dtype not in SHORT:
        raise OnnxError(f"dtype: expected {' or '.join(SHORT)}, found {dtype!r}")
    with replacing_folder(into) as folder:
        source = open_source(checkpoint, acting)
        compared = _write(source, folder, dtype, progress)
        require_close(compared)
        write_json(folder / COMPARISON, compared.model_dump())
        write_chain(folder, links_of(checkpoint, "checkpoint", digest=source.digest))
        _write_manifest(source, folder, dtype)
        write_record(folder)  # last: it names every file
    return compared


def _write(source: Source, folder: Path, dtype: str, progress: Progress) -> Compared:
    """Parts and what stays in Python, and how they compare."""
    policy = source.policy
    observation, told = observed(source, policy)
    batch = policy.batch_of(observation)
    acted = _Acted(source, batch)
    progress(1, _STEPS)
    reached = {name: reach_of(one) for name, one in acted.parts.items()} if dtype == "float16" else {}
    require_fits(reached)
    _write_python(source, folder / PYTHON, _DTYPES[dtype])
    compared = {}
    for done, (name, recorded) in enumerate(acted.parts.items(), start=2):
        path = folder / part_file(name, dtype)
        write = write_quantised if dtype == "int8" else write_part
        write(_in(recorded.part, _DTYPES[dtype]), path, {"part": name, "checkpoint": source.digest})
        compared[name] = part_figures(recorded, OnnxPart(path))
        progress(done, _STEPS)
    action = acted.again({name: OnnxPart(folder / part_file(name, dtype)) for name in PARTS})
    progress(_STEPS, _STEPS)
    return Compared(observations=told, rows=len(batch), dtype=dtype, parts=compared, action=action, reach=reached)


class _Acted:
    """One batch acted on by the checkpoint in torch, with what every part was given."""

    def __init__(self, source: Source, batch: Batch) -> None:
        self._config, self._batch = source.model.config, batch
        head = self._config.action_head
        shape = (len(batch), head.action_horizon, head.action_dim)
        self._noise = flow.sample_noise(shape, torch.Generator().manual_seed(0), batch.state.device)
        self._action = source.model.get_action(batch, noise=self._noise)
        started = time.process_time()
        source.model.get_action(batch, noise=self._noise)  # once more: the first call took what was never used before
        self._cpu_s = time.process_time() - started
        self._tensors = python_tensors(source.model)
        self.parts = {name: TorchPart(make()) for name, make in parts_of(source.model).items()}
        PartsModel(self._config, self._tensors, self.parts).get_action(batch, noise=self._noise)

    def again(self, parts: Mapping[str, OnnxPart]) -> Figures:
        """The same by other parts."""
        model = PartsModel(self._config, self._tensors, parts)
        model.get_action(self._batch, noise=self._noise)  # the first call reads the weights
        started = time.process_time()
        action = model.get_action(self._batch, noise=self._noise)
        return figures(action, self._action, self._cpu_s, time.process_time() - started)


def _in(part: Part, dtype: torch.dtype) -> Part:
    """The part in another dtype, its inputs too."""
    if dtype == torch.float32:
        return part
    inputs = {name: one.to(dtype) if one.is_floating_point() else one for name, one in part.inputs.items()}
    return replace(part, module=narrowed(part.module, dtype), inputs=inputs)


def _write_python(source: Source, inside: Path, dtype: torch.dtype) -> None:
    """What no part holds."""
    inside.mkdir()
    tensors: dict[str, Tensor] = {
        name: one.to(dtype).contiguous().clone() for name, one in python_tensors(source.model).items()
    }
    save_file(tensors, inside / WEIGHTS, metadata={"format": "pt"})
    write_json(inside / "config.json", source.model.config.to_dict(with_defaults=True))
    source.prompt.save(inside / "tokenizer")
    write_robots(source.robots, inside)
    write_eval_transform(inside, source.centre_crop)


def _write_manifest(source: Source, folder: Path, dtype: str) -> None:
    made = Manifest(
        format=FORMAT,
        dtype=dtype,
        checkpoint=source.digest,
        name=source.folder.resolve().name,
        parts={name: part_file(name, dtype) for name in PARTS},
        libraries={name: installed_version(name) for name in LIBRARIES},
    )
    write_sealed(folder / MANIFEST, made.model_dump())
