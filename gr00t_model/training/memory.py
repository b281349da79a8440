"""What a run would train and how much memory a rank of it needs, found without making a weight or reading data.

    total = weights + gradients + optimizer state + averaged weights + exchange buckets + activations

- weights: each parameter in the dtype it is stored in while training, and buffers;
- gradients: 4 bytes a trainable parameter;
- optimizer state: 8 bytes (adamw) or 2 and a scale per block of 256 (8 bit) a trainable parameter;
- averaged weights: 4 bytes a trainable parameter, when optimizer.ema_decay is set;
- exchange buckets: 4 bytes a trainable parameter, with several processes;
- activations: of one simulated step (see ``activations``), bf16 copies of weights included.

Activations are largest before the gradients exist, so the sum is an upper bound of what tensors take. The small model
on a CPU takes between 0.9 and 1.1 times as much (``python -m benchmarks.memory``); no GPU has been measured. There,
what the libraries, the GPU's context and the allocator's gaps take comes on top.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from gr00t_data.batches.batch import Batch
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.groot.config import GrootConfig, KeypointConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import PRESETS
from gr00t_model.groot.recompute import enable_gradient_checkpointing
from gr00t_model.groot.weights.nvidia import read_config
from gr00t_model.loop.config import ConfigError
from gr00t_model.training.activations import measure_step
from gr00t_model.training.base import add_own_weights, changed, slots_in_use, with_training_switches
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.precision import arithmetic, frozen_dtype, store_for_training

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
    """

    parts: tuple[Part, ...]
    weights: int
    gradients: int
    optimizer: int
    average: int
    buckets: int
    activations: int
    step_peak: int

    @property
    def total(self) -> int:
        """The upper bound."""
        return self.weights + self.gradients + self.optimizer + self.average + self.buckets + self.activations

    def facts(self) -> dict[str, str]:
        """The estimate for people, in GB of 10**9 bytes."""
        trainable, whole = (sum(getattr(part, name) for part in self.parts) for name in ("trainable", "parameters"))
        terms = ("weights", "gradients", "optimizer", "average", "buckets", "activations", "total")
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
    return Plan(
        parts=parts_of(model),
        weights=sum(tensor.nbytes for tensor in _tensors(model).values()),
        gradients=4 * trainable,
        optimizer=round(_MOMENT_BYTES[config.optimizer.kind] * trainable),
        average=4 * trainable if config.optimizer.ema_decay else 0,
        buckets=4 * trainable if config.machine.num_processes > 1 else 0,
        activations=step.activations,
        step_peak=step.peak,
    )


def model_without_values(config: TrainConfig) -> Groot:
    """The model as it would be trained, on the meta device, in training mode."""
    folder, name = Path(config.model.base), config.model.preset
    if not config.model.base and name not in PRESETS:
        raise ConfigError(f"model.preset: expected one of {', '.join(PRESETS)}, found {name!r}")
    sizes = read_config(folder) if config.model.base else PRESETS[name]()
    with torch.device("meta"):
        model = Groot(changed(sizes, config.model.changes))
        model = with_training_switches(model, config.model, folder)
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
