"""How far exported parts are from the modules they were made of, on the same inputs."""

import time
from collections.abc import Collection

import torch
from torch import Tensor

from gr00t_data.store.provenance import Said
from gr00t_model.acting.onnx.layout import OnnxError
from gr00t_model.acting.onnx.model import Given, Runs
from gr00t_model.serve.onnx.parts import Inputs, Part

LARGEST = {"float32": 1e-4, "float16": 5e-2, "int8": 0.2}
"""dtype -> largest relative difference of the action; beyond it the export is of no use, and is not made. Measured in
float32: below 1e-5."""


class Figures(Said):
    """ONNX against torch.

    Attributes:
        relative: largest difference of any value, in shares of the largest value.
        cosine: of all values.
        torch_cpu_s, onnx_cpu_s: processor time of all calls.
        calls: of the part for one answer.
    """

    relative: float
    cosine: float
    torch_cpu_s: float
    onnx_cpu_s: float
    calls: int = 1


class Reach(Said):
    """The largest magnitudes that float16, which ends at 65504, must hold.

    Attributes:
        activation, at: of anything computed, and in which module.
        weight, weight_at: of the parameters.
    """

    activation: float
    at: str
    weight: float
    weight_at: str


class Compared(Said):
    """What ``comparison.json`` holds.

    Attributes:
        observations: what was acted on, in words.
        rows: how many at once.
        reach: for float16 alone.
    """

    observations: str
    rows: int
    dtype: str
    parts: dict[str, Figures]
    action: Figures
    reach: dict[str, Reach]

    @property
    def table(self) -> list[dict[str, object]]:
        """For people: one row a part, the action last."""
        return [self._row(name, one) for name, one in [*self.parts.items(), ("action", self.action)]]

    def _row(self, name: str, one: Figures) -> dict[str, object]:
        row: dict[str, object] = {
            "part": name,
            "largest difference": f"{one.relative:.1e}",
            "cosine": f"{one.cosine:.7f}",
            "torch, CPU ms": round(1000 * one.torch_cpu_s, 1),
            "onnxruntime, CPU ms": round(1000 * one.onnx_cpu_s, 1),
        }
        if self.reach:
            row["reaches, of 65504"] = f"{self.reach[name].activation:.0f}" if name in self.reach else "-"
        return row


class TorchPart:
    """A part run by torch, which keeps what it was given."""

    def __init__(self, part: Part):
        self.part = part
        self.calls: list[Inputs] = []

    @property
    def inputs(self) -> Collection[str]:
        """See ``Runs``."""
        return self.part.inputs.keys()

    @torch.no_grad()
    def __call__(self, given: Given) -> Tensor:
        """See ``Runs``."""
        self.calls.append({name: given[name] for name in self.part.inputs})
        return self.part.module(*self.calls[-1].values())

    @torch.no_grad()
    def again(self, given: Inputs) -> Tensor:
        """What it gave for one of its calls."""
        return self.part.module(*given.values())


def part_figures(recorded: TorchPart, exported: Runs) -> Figures:
    """``exported`` on everything that was recorded."""
    exported(recorded.calls[0])  # the first call reads the weights
    started = time.process_time()
    found = torch.stack([exported(given) for given in recorded.calls])
    between = time.process_time()
    wanted = torch.stack([recorded.again(given) for given in recorded.calls])
    return figures(found, wanted, time.process_time() - between, between - started, len(recorded.calls))


def figures(found: Tensor, wanted: Tensor, torch_cpu_s: float, onnx_cpu_s: float, calls: int = 1) -> Figures:
    """Two tensors of the same shape, compared in float64."""
    found, wanted = found.double(), wanted.double()
    scale = wanted.abs().max().clamp(min=1e-30)
    cosine = (found * wanted).sum() / (found.norm() * wanted.norm()).clamp(min=1e-30)
    relative = float((found - wanted).abs().max() / scale)
    return Figures(relative=relative, cosine=float(cosine), torch_cpu_s=torch_cpu_s, onnx_cpu_s=onnx_cpu_s, calls=calls)


def require_close(compared: Compared) -> None:
    """OnnxError when the action of the export is not that of the checkpoint."""
    most = LARGEST[compared.dtype]
    if not compared.action.relative <= most:
        worst = max(compared.parts, key=lambda name: compared.parts[name].relative)
        raise OnnxError(
            f"the parts act otherwise than the checkpoint: the action differs by {compared.action.relative:.1e} of its "
            f"largest value (at most {most:.0e}), most in {worst} ({compared.parts[worst].relative:.1e}); "
            f"{'report it with the checkpoint' if compared.dtype == 'float32' else 'export with --dtype float32'}"
        )
