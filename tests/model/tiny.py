"""A mixture small enough to train on in a test: a few episodes of a moving square, and a very small model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.writing import StoreWriter
from gr00t_model.loop.config import Machine, Optimizer
from gr00t_model.training.config import Data, Flare, Model, TrainConfig

FRAMES = 30
SIDE_PX = 32
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}

SMALL = {
    "eagle_cfg.vision_config.image_size": SIDE_PX,
    "eagle_cfg.vision_config.channels": 8,
    "eagle_cfg.vision_config.hidden_size": 16,
    "eagle_cfg.vision_config.keypoints": 2,
    "eagle_cfg.vision_config.text_width": 16,
    "eagle_cfg.text_config.hidden_size": 32,
    "eagle_cfg.text_config.intermediate_size": 32,
    "eagle_cfg.text_config.num_hidden_layers": 1,
    "eagle_cfg.text_config.num_attention_heads": 2,
    "eagle_cfg.text_config.num_key_value_heads": 1,
    "eagle_cfg.text_config.head_dim": 16,
    "backbone_cfg.select_layer": 1,
    "action_head_cfg.backbone_embedding_dim": 32,
    "action_head_cfg.input_embedding_dim": 32,
    "action_head_cfg.hidden_size": 32,
    "action_head_cfg.num_target_vision_tokens": 4,
    "action_head_cfg.diffusion_model_cfg.num_attention_heads": 2,
    "action_head_cfg.diffusion_model_cfg.attention_head_dim": 16,
    "action_head_cfg.diffusion_model_cfg.num_layers": 2,
    "action_head_cfg.diffusion_model_cfg.cross_attention_dim": 32,
    "action_head_cfg.diffusion_model_cfg.output_dim": 32,
    "action_head_cfg.diffusion_model_cfg.dropout": 0.1,  # so that resuming must restore dropout's numbers too
    "action_head_cfg.vl_self_attention_cfg.num_attention_heads": 2,
    "action_head_cfg.vl_self_attention_cfg.attention_head_dim": 16,
    "flare_cfg.align_layer": 1,
    "flare_cfg.projector_width": 16,
}


@dataclass(frozen=True)
class TinyLake:
    """Paths of a small mixture."""

    manifest: Path
    statistics: Path
    cache: Path
    store: Path

    def config(self, **changes) -> TrainConfig:
        """Four steps of a very small model; ``changes`` replace top-level fields."""
        fields = {
            "recipe": "test",
            "steps": 4,
            "batch_size": 3,
            "checkpoint_every_steps": 2,
            "log_every_steps": 1,
            "data": Data(manifest=str(self.manifest), statistics=str(self.statistics), cache=str(self.cache)),
            "model": Model(base="random", changes=SMALL, flare=Flare()),
            "optimizer": Optimizer(lr=1e-2, ema_decay=0.9),
            "machine": Machine(threads=1, prefetch_batches=1),
        }
        return TrainConfig(**(fields | changes))


def episode(number: int) -> Episode:
    """A square of one colour slides to the right while both arms swing."""
    rng = np.random.default_rng(number)
    colour = sorted(COLOURS)[number % len(COLOURS)]
    times_s = np.arange(FRAMES) / 20
    swing = np.sin(2 * np.pi * (times_s[:, None] * 0.5 + rng.random(44)))
    embodiment = load_embodiment("gr1")
    low, high = np.array([pair for part in embodiment.action for pair in part.limits or ((-1, 1),) * part.dim]).T
    action = (low + high) / 2 + 0.2 * (high - low) * swing
    state = np.concatenate([2 * action[:1] - action[1:2], action[:-1]])
    frames = np.full((FRAMES, SIDE_PX, SIDE_PX, 3), 90, dtype=np.uint8)
    for frame in range(FRAMES):
        left = 2 + frame // 2
        frames[frame, 8:18, left : left + 8] = COLOURS[colour]
        frames[frame, 24:30, frame : frame + 4] = 250  # so that no frame is like the one before
    return Episode(f"follow the {colour} square", times_s, state, action, {"ego_view": frames}, True, {"seed": number})


def build(folder: Path, episodes: int = 6) -> TinyLake:
    """Write the store, check it, measure it, and write the mixture down; two episodes are held out."""
    embodiment = load_embodiment("gr1")
    writer = StoreWriter.create(folder / "store", embodiment, kind="simulated", licence="Apache-2.0")
    for number in range(episodes):
        writer.append(episode(number))
    store = writer.seal()
    index = build_index(store, embodiment, folder / "index")
    measure([(store, index)], embodiment).save(folder / "statistics.json")
    manifest = build_manifest("tiny", embodiment, [(store, index, 1.0)], held_out_share=0.3)
    manifest.save(folder / "manifest.json")
    return TinyLake(folder / "manifest.json", folder / "statistics.json", folder / "cache", folder / "store")
