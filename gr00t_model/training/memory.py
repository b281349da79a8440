"""What a run would train and how much memory a rank of it needs, found without making a weight or reading data.

    step = weights + gradients + optimizer state + averaged weights + exchange buckets + activations + mapped
    total = the larger of step and export, on a CPU + process

- weights: each parameter in the dtype it is stored in while training, and buffers;
- gradients: 4 bytes a trainable parameter;
- optimizer state: 8 bytes (adamw) or 2 and a scale per block of 256 (8 bit) a trainable parameter;
- averaged weights: 4 bytes a trainable parameter, when optimizer.ema_decay is set;
- exchange buckets: 4 bytes a trainable parameter, with several processes;
- activations: of one simulated step (see ``activations``), bf16 copies of weights included;
- mapped: on a CPU, the pages of the base's files beyond the weights. Weights that keep the type of the file are pages
  of it; those that are converted leave the pages they were read from, which the system takes back when memory is
  short. Of the frozen embedding and of the other robots' slots a step reads next to nothing, so their pages are not
  there;
- export: writing the checkpoint, where what trained and the parts around it are float32, beside the optimizer state,
  mapped pages included;
- process: Python and its libraries, on a CPU.

Activations are largest before the gradients exist, so the step is an upper bound of what tensors take. On a CPU the
published size takes between 0.85 and 1.15 times the total (``python -m benchmarks.size``) and the small model between
0.9 and 1.1 times (``python -m benchmarks.memory``); no GPU has been measured. There, what the libraries, the GPU's
context and the allocator's gaps take comes on top.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from gr00t_data.batches.batch import Batch
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.groot.config import GrootConfig, KeypointConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.recompute import enable_gradient_checkpointing
from gr00t_model.groot.weights.nvidia import read_config, stored_tensors
from gr00t_model.loop.optimizer import trainable as trainable_parameters
from gr00t_model.training.activations import measure_step
from gr00t_model.training.base import add_own_weights, slots_in_use, with_training_switches
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.precision import arithmetic, frozen_dtype, store_for_training, widen
from gr00t_model.training.runs.changes import changed, preset_sizes

PARTS = (
    ("vision tower", "backbone.eagle_model.vision_model."),
    ("mlp1", "backbone.eagle_model.mlp1."),
    ("language model", "backbone.eagle_model.language_model."),
    ("adapter", ("action_head.vl_self_attention.", "action_head.vlln.")),
    ("DiT", "action_head.model."),
    ("state encoder", ("action_head.state_encoder.", "action_head.missing_state.")),
    ("action encoder", "action_head.action_encoder."),
    ("decoder", "action_head.action_decoder."),
    ("position embedding", "action_head.position_embedding."),
    ("future tokens", "action_head.future_tokens."),
    ("FLARE", ("flare.", "embedding.")),
)
"""The rows of the table: a name, and how its parameters' names begin. Adapters of LoRA get a row of their own."""
_INSTRUCTION_TOKENS = 16  # an instruction of about a dozen words
_PROCESS_BYTES = 650_000_000
"""Resident memory of a trainer before it reads the base: torch 2.13, transformers 5.23, pyarrow, PyAV, on a CPU."""
_STORED = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""Types of weights as safetensors headers write them."""
_EMBEDDING = "backbone.eagle_model.language_model.model.embed_tokens.weight"
_MOMENT_BYTES = {"adamw": 8.0, "adamw_8bit": 2 + 8 / 256, "paged_adamw_8bit": 2 + 8 / 256}


@dataclass(frozen=True)
class Part:
    """A row of the table; tied weights count once, buffers count as parameters."""

    name: str
    parameters: int
    trainable: int
    bytes: int


@dataclass(frozen=True)
class Plan:
    """The table and the estimate, in bytes of one rank.

    Attributes:
        step_peak: the most that gradients and activations take together at any time of the simulated step.
        mapped, process: what a CPU holds beside tensors during a step (below 0 where pages of weights are not read);
            0 on a GPU.
        export: all that is held while the checkpoint is written, but for ``process``.
    """

    parts: tuple[Part, ...]
    weights: int
    gradients: int
    optimizer: int
    average: int
    buckets: int
    activations: int
    step_peak: int
    mapped: int
    export: int
    process: int

    @property
    def step(self) -> int:
        """What tensors take in a step: the upper bound."""
        standing = self.weights + self.gradients + self.optimizer + self.average + self.buckets
        return standing + self.activations

    @property
    def total(self) -> int:
        """What the training takes at its most."""
        return max(self.step + self.mapped, self.export) + self.process

    def facts(self) -> dict[str, str]:
        """The estimate for people, in GB of 10**9 bytes."""
        trainable, whole = (sum(getattr(part, name) for part in self.parts) for name in ("trainable", "parameters"))
        terms = ("weights", "gradients", "optimizer", "average", "buckets", "activations")
        terms += ("mapped", "export", "process", "total")
        return {"trainable": f"{trainable:,} of {whole:,} parameters"} | {
            name: f"{getattr(self, name) / 1e9:.2f} GB" for name in terms
        }

    def rows(self) -> list[dict[str, str]]:
        """The table for people."""
        columns = ("parameters", "trainable", "bytes")
        return [{"part": part.name} | {name: f"{getattr(part, name):,}" for name in columns} for part in self.parts]

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {**asdict(self), "total": self.total}


def plan(config: TrainConfig, on_gpu: bool) -> Plan:
    """The table and the estimate of ``config``, for a GPU or for a CPU.

    Raises:
        ConfigError: no such preset, no model in the base folder, or settings that contradict each other.
    """
    products = arithmetic(config.machine, on_gpu)
    model = model_without_values(config)
    store_for_training(model, frozen_dtype(config.machine, on_gpu))
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    step = measure_step(model, batch_maker(config, model), products)
    optimizer = round(_MOMENT_BYTES[config.optimizer.kind] * trainable)
    average = 4 * trainable if config.optimizer.ema_decay else 0
    parts, stored = parts_of(model), _stored_types(config, model)
    mapped = 0 if on_gpu else _mapped_bytes(model, stored) - _unread_bytes(model, stored)
    return Plan(
        parts=parts,
        weights=sum(part.bytes for part in parts),
        gradients=4 * trainable,
        optimizer=optimizer,
        average=average,
        buckets=4 * trainable if config.machine.num_processes > 1 else 0,
        activations=step.activations,
        step_peak=step.peak,
        mapped=mapped,
        export=_exported_bytes(model, stored, on_gpu) + optimizer + average,
        process=0 if on_gpu else _PROCESS_BYTES,
    )


def _stored_types(config: TrainConfig, model: Groot) -> dict[str, torch.dtype]:
    """The type of each tensor in the files of the base; a fresh base is float32."""
    if config.model.base_folder is None:
        return {name.replace(".base_layer.", "."): torch.float32 for name in model.state_dict() if ".lora_" not in name}
    found = stored_tensors(config.model.base_folder)
    return {name: _STORED[tensor.dtype] for name, tensor in found.items() if tensor.dtype in _STORED}


def _frozen(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters that do not train, each under the name it has in the base, tied ones under both."""
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if not parameter.requires_grad:
            yield name.replace(".base_layer.", "."), parameter


def _mapped_bytes(model: Groot, stored: dict[str, torch.dtype]) -> int:
    """Pages of the base's files beside the weights: of those that train, and of those held in another type."""
    frozen = dict(_frozen(model))
    sizes = {name: tensor.numel() for name, tensor in model.state_dict().items()} | {
        name: parameter.numel() for name, parameter in frozen.items()
    }
    kept = {name for name, parameter in frozen.items() if parameter.dtype == stored.get(name)}
    return sum(sizes[name] * stored[name].itemsize for name in stored.keys() & sizes.keys() - kept)


def _unread_bytes(model: Groot, stored: dict[str, torch.dtype]) -> int:
    """Of weights that are pages of the base's files: those that a step does not read."""
    frozen = dict(model.named_parameters())
    names = [_EMBEDDING, *(name for name in frozen if name.endswith(".base_layer.W"))]
    return sum(
        frozen[name].nbytes
        for name in names
        if not frozen[name].requires_grad and frozen[name].dtype == stored.get(name.replace(".base_layer.", "."))
    )


def _exported_bytes(model: Groot, stored: dict[str, torch.dtype], on_gpu: bool) -> int:
    """Weights and mapped pages while the checkpoint is written; ``model`` becomes that of ``export_checkpoint``."""
    learned = set(trainable_parameters(model))
    for name, parameter in _frozen(model):
        parameter.data = parameter.data.to(stored.get(name, parameter.dtype))
    widen(model, learned)
    tensors = _tensors(model)
    held = sum(tensor.nbytes for tensor in tensors.values())
    if on_gpu:
        return held
    written_twice = tensors[_EMBEDDING].nbytes  # tied
    return held + written_twice + _mapped_bytes(model, stored)


def model_without_values(config: TrainConfig) -> Groot:
    """The model as it would be trained, on the meta device, in training mode."""
    folder, changes = config.model.base_folder, config.model.changes
    sizes = changed(read_config(folder), changes) if folder else preset_sizes(config.model.preset, changes)
    with torch.device("meta"):
        model = with_training_switches(Groot(sizes), config.model, folder or Path())
        add_own_weights(model, config)
    if config.machine.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    return model.train()


def parts_of(model: nn.Module) -> tuple[Part, ...]:
    """The rows of the table; together they are the whole model."""
    sums: dict[str, list[int]] = {name: [0, 0, 0] for name in (*(name for name, _ in PARTS), "LoRA", "other")}
    for name, tensor in _tensors(model).items():
        row = sums[_part_of(name)]
        row[0] += tensor.numel()
        row[1] += tensor.numel() if tensor.requires_grad else 0
        row[2] += tensor.nbytes
    return tuple(Part(name, *row) for name, row in sums.items() if row[0] or name not in ("LoRA", "other"))


def _part_of(name: str) -> str:
    if ".lora_" in name:
        return "LoRA"
    return next((part for part, prefixes in PARTS if name.startswith(prefixes)), "other")


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(model.named_parameters()) | dict(model.named_buffers())


def batch_maker(config: TrainConfig, model: Groot) -> Callable[[], Batch]:
    """Makes batches without values, as large as those of the run: its cameras, and a prompt of usual length."""
    robots = [load_embodiment(mixture.embodiment) for mixture in config.data.mixtures]
    cameras = max(len(robot.selection(None).cameras) for robot in robots)
    cached = config.cache_features and config.model.backbone_frozen
    flare = model.flare.width if model.flare is not None else 0
    return partial(empty_batch, model.config, config.batch_size, cameras, slots_in_use(config)[0], cached, flare)


def prompt_tokens(config: GrootConfig, cameras: int) -> int:
    """Tokens of a prompt: images, the template's words, and an instruction of usual length."""
    vision = config.backbone.vision
    if isinstance(vision, KeypointConfig):
        return cameras * (vision.tokens_per_image + 2) + _INSTRUCTION_TOKENS + 1
    return cameras * (vision.tokens_per_image + 6) + 20 + _INSTRUCTION_TOKENS


def empty_batch(config: GrootConfig, rows: int, cameras: int, slot: int, cached: bool, target_width: int) -> Batch:
    """A batch without values. Only the slots have some, on the CPU: the model groups its rows by them.

    Args:
        cached: whether features and targets come in place of images.
        target_width: of FLARE's targets; 0 for a batch without future frames.
    """
    head, side = config.action_head, config.backbone.vision.image_size
    tokens = prompt_tokens(config, cameras)
    with torch.device("meta"):
        features = torch.empty(rows, tokens, head.backbone_embedding_dim) if cached else None
        images = None if cached else torch.empty(rows, cameras, side, side, 3, dtype=torch.uint8)
        targets = torch.empty(rows, head.num_target_vision_tokens, target_width) if target_width and cached else None
        return Batch(
            state=torch.empty(rows, 1, head.max_state_dim),
            state_mask=torch.empty(rows, 1, head.max_state_dim, dtype=torch.bool),
            embodiment_id=torch.full((rows,), slot, device="cpu"),
            images=images,
            input_ids=None if cached else torch.empty(rows, tokens, dtype=torch.long),
            attention_mask=torch.empty(rows, tokens, dtype=torch.long),
            action=torch.empty(rows, head.action_horizon, head.action_dim),
            action_mask=torch.empty(rows, head.action_horizon, head.action_dim, dtype=torch.bool),
            vl_features=features,
            future_images=images.clone() if target_width and images is not None else None,
            future_target=targets,
            future_mask=torch.empty(rows, dtype=torch.bool) if target_width else None,
        )
