"""The published size on a GPU: fine-tuning throughput and memory, and the time of an action.

What is compared with what: random weights of the n1_5_3b preset (2.72 B parameters) on one GPU, against the published
47.88 ms for an action (one camera, four denoising steps, one H100; README of Isaac-GR00T n1.5). Fine-tuning has no
published throughput; the settings are the published defaults: batch 32, action head trained in float32 under bf16
autocast, backbone frozen in bf16, AdamW, clipping at 1, no FLARE; and the same with LoRA of rank 64 in its place. Of
the 32 embodiment slots, the one in the batch trains, as in our trainer (the published code trains all of them).
Batches are random and already on the device: this is the model, not the loader.

Without a GPU the same code runs at a small size on the CPU, to show that it works; its numbers mean nothing.

python -m benchmarks.gpu [--json] [--steps 10] [--batch-size 32]
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Annotated, Any

import torch
from cyclopts import Parameter
from torch import nn

from benchmarks.clocks import medians
from benchmarks.command import Json, command, show
from gr00t_data.batches.batch import Batch
from gr00t_model.groot.config import (
    ActionHeadConfig,
    AdapterConfig,
    BackboneConfig,
    DiTConfig,
    FlareConfig,
    GrootConfig,
    SiglipConfig,
    TextConfig,
)
from gr00t_model.groot.lora import add_lora
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import n1_5_3b
from gr00t_model.groot.weights.own_slots import train_slots
from gr00t_model.loop.config import Optimizer
from gr00t_model.loop.optimizer import build_optimizer, trainable
from gr00t_model.training.precision import store_for_training

PUBLISHED_ACTION_MS = 47.88
LORA_RANK, CAMERAS = 64, (1, 3)
_TEMPLATE_TOKENS, _INSTRUCTION_TOKENS = 26, 14  # of the published prompt around and in a short instruction
_SLOT = 24


def small() -> GrootConfig:
    """The published wiring at 0.4 M parameters."""
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2}
    heads = {"num_attention_heads": 2, "attention_head_dim": 16}
    sizes = {"vocab_size": 64, "max_position_embeddings": 128, "num_key_value_heads": 1, "head_dim": 16}
    text = TextConfig(hidden_size=32, intermediate_size=64, **layers, **sizes)
    vision = SiglipConfig(image_size=28, hidden_size=16, intermediate_size=32, **layers)
    head = ActionHeadConfig(
        diffusion_model_cfg=DiTConfig(num_layers=2, cross_attention_dim=32, output_dim=32, **heads),
        vl_self_attention_cfg=AdapterConfig(num_layers=1, **heads),
        **dict.fromkeys(("input_embedding_dim", "hidden_size", "backbone_embedding_dim"), 32),
        num_target_vision_tokens=4,
    )
    backbone = BackboneConfig(text=text, vision=vision, image_token_index=1, select_layer=2)
    return GrootConfig(backbone, head, FlareConfig(enabled=False))


def random_batch(config: GrootConfig, rows: int, cameras: int) -> Batch:
    """Random numbers in the shapes of a batch of the published prompt."""
    backbone, head = config.backbone, config.action_head
    side, images = backbone.vision.image_size, cameras * backbone.vision.tokens_per_image
    words = torch.randint(2, 60, (rows, _TEMPLATE_TOKENS + _INSTRUCTION_TOKENS))
    ids = torch.cat([torch.full((rows, images), backbone.image_token_index), words], dim=1)
    return Batch(
        state=torch.randn(rows, 1, head.max_state_dim),
        state_mask=torch.ones(rows, 1, head.max_state_dim, dtype=torch.bool),
        embodiment_id=torch.full((rows,), min(_SLOT, head.max_num_embodiments - 1)),
        images=torch.randint(256, (rows, cameras, side, side, 3), dtype=torch.uint8),
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        action=torch.randn(rows, head.action_horizon, head.action_dim),
        action_mask=torch.ones(rows, head.action_horizon, head.action_dim, dtype=torch.bool),
    )


@dataclass(frozen=True)
class Bench:
    """Where and at which size."""

    device: torch.device
    config: GrootConfig
    batch_size: int
    steps: int

    @classmethod
    def here(cls, batch_size: int, steps: int) -> "Bench":
        """The published size on a GPU, the small one without."""
        gpu = torch.cuda.is_available()
        config = replace(n1_5_3b(), flare=FlareConfig(enabled=False)) if gpu else small()
        return cls(torch.device("cuda" if gpu else "cpu"), config, batch_size, steps)

    @property
    def full(self) -> bool:
        return self.device.type == "cuda"

    def model(self) -> Groot:
        """Random weights. The backbone is frozen, as in the published defaults."""
        torch.manual_seed(0)
        with self.device:
            model = Groot(self.config)
        model.freeze(tune_visual=False, tune_llm=False)
        return model

    def batch(self, rows: int, cameras: int) -> Batch:
        return random_batch(self.config, rows, cameras).to(self.device)

    def median_s(self, act: Callable[[], Any]) -> float:
        """Median wall time, the device's queue emptied before each reading of the clock."""

        def clock() -> float:
            if self.full:
                torch.cuda.synchronize()
            return perf_counter()

        return medians({"act": act}, self.steps, clock=clock)["act"]

    def release(self) -> None:
        """Give back the memory of what was deleted, and count the peak anew."""
        gc.collect()
        if self.full:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak_bytes(self) -> int | None:
        """The most the device held for tensors since ``release``."""
        return torch.cuda.max_memory_allocated() if self.full else None


def finetune(bench: Bench, lora_rank: int) -> dict[str, Any]:
    """Samples a second and peak memory of training steps; LoRA in place of the whole head with a rank."""
    bench.release()
    model = bench.model()
    if lora_rank:
        add_lora(model, lora_rank, alpha=2 * lora_rank, dropout=0.1, scope="action_head", slots=(_SLOT,))
    else:
        train_slots(model, (_SLOT,))
    model.to(bench.device).train()
    store_for_training(model, torch.bfloat16)
    optimizer = build_optimizer(model, Optimizer())
    parameters = list(trainable(model).values())
    batch = bench.batch(bench.batch_size, cameras=1)

    def step() -> None:
        with torch.autocast(bench.device.type, torch.bfloat16):
            loss = model(batch).total
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    seconds = bench.median_s(step)
    return {
        "samples_per_s": bench.batch_size / seconds,
        "step_s": seconds,
        "peak_bytes": bench.peak_bytes(),
        "trainable_parameters": sum(p.numel() for p in parameters),
    }


def action_ms(bench: Bench) -> dict[str, float]:
    """Milliseconds of an action at batch 1, all weights in bf16, the published number of denoising steps."""
    bench.release()
    model = bench.model().to(torch.bfloat16).eval()
    found = {}
    for cameras in CAMERAS:
        batch = bench.batch(1, cameras)
        found[str(cameras)] = 1e3 * bench.median_s(lambda batch=batch: model.get_action(batch))
    return found


def _count(config: GrootConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in Groot(config).parameters())


def measure(bench: Bench) -> dict[str, Any]:
    """All of it."""
    return {
        "device": torch.cuda.get_device_name() if bench.full else "CPU, small size: the numbers mean nothing",
        "parameters": _count(bench.config),
        "batch_size": bench.batch_size,
        "finetune": finetune(bench, lora_rank=0),
        f"finetune_lora_{LORA_RANK}": finetune(bench, lora_rank=LORA_RANK),
        "action_ms": action_ms(bench),
        "published_action_ms_one_camera_h100": PUBLISHED_ACTION_MS,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """What is printed."""
    full = found["finetune"]["peak_bytes"] is not None
    rows = [f"{found['device']}; {found['parameters']:,} parameters"]
    for name in ("finetune", f"finetune_lora_{LORA_RANK}"):
        part = found[name]
        memory = f"{part['peak_bytes'] / 1e9:.1f} GB" if full else "not measured without a GPU"
        rows.append(
            f"{name}, batch {found['batch_size']}, {part['trainable_parameters']:,} parameters train: "
            f"{part['samples_per_s']:.1f} samples/s, peak memory {memory}"
        )
    for cameras, ms in found["action_ms"].items():
        beside = f" (published: {PUBLISHED_ACTION_MS} ms, one camera, H100)" if full else ""
        rows.append(f"action, {cameras} camera(s): {ms:.2f} ms{beside}")
    return rows


@command
def main(
    steps: Annotated[int, Parameter(help="Steps and actions measured.")] = 10,
    batch_size: Annotated[int, Parameter(help="Rows of a training step.")] = 32,
    as_json: Json = False,
) -> None:
    """Print throughput, memory and latency."""
    bench = Bench.here(batch_size, steps)
    found = measure(bench)
    show(found, lines(found), as_json, indent=None)
    if not bench.full and not as_json:
        print(
            "no GPU here: on one, the same lines are printed for the published sizes (preset n1_5_3b), peak memory "
            f"included, and actions beside the published {PUBLISHED_ACTION_MS} ms"
        )
