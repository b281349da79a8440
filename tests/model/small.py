"""A published-shaped model of a few thousand parameters, and batches for it."""

from dataclasses import replace

import torch

from gr00t_data.batches.batch import Batch
from gr00t_model.groot.config import (
    ActionHeadConfig,
    AdapterConfig,
    BackboneConfig,
    DiTConfig,
    FlareConfig,
    GrootConfig,
    KeypointConfig,
    SiglipConfig,
    TextConfig,
)
from gr00t_model.groot.model import Groot

ROWS, CAMERAS, SIDE_PX, STATE, ACTION, HORIZON, IMAGE_TOKEN = 3, 2, 28, 6, 5, 4, 1


def small_config(keypoints: bool = False, **changes) -> GrootConfig:
    """SigLIP of 4 tokens an image, or the keypoint tower of 4; padding masked; FLARE after block 1 of 2."""
    siglip = SiglipConfig(
        image_size=SIDE_PX, patch_size=14, hidden_size=12, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    tower = KeypointConfig(
        image_size=SIDE_PX, hidden_size=12, channels=8, keypoints=2, grid_rows=1, grid_columns=2, text_width=8
    )
    text = TextConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=64,
    )  # fmt: skip
    diffusion = DiTConfig(
        num_attention_heads=2, attention_head_dim=8, num_layers=2, cross_attention_dim=16, output_dim=16, dropout=0.0,
        prompt_conditioning=keypoints,
    )  # fmt: skip
    head = ActionHeadConfig(
        diffusion_model_cfg=diffusion,
        vl_self_attention_cfg=AdapterConfig(num_attention_heads=2, attention_head_dim=8, num_layers=1, dropout=0.0),
        action_dim=ACTION, action_horizon=HORIZON, max_state_dim=STATE, max_num_embodiments=4, input_embedding_dim=16,
        hidden_size=16, backbone_embedding_dim=16, max_seq_len=8, num_target_vision_tokens=4,
    )  # fmt: skip
    vision = tower if keypoints else siglip
    backbone = BackboneConfig(text=text, vision=vision, image_token_index=IMAGE_TOKEN, select_layer=2)
    config = GrootConfig(backbone, head, FlareConfig(align_layer=1, projector_width=8), published_behaviour=False)
    return replace(config, **changes)


def small_model(seed: int = 0, **changes) -> Groot:
    torch.manual_seed(seed)
    return Groot(small_config(**changes)).eval()


def small_batch(seed: int = 0) -> Batch:
    """Two cameras, prompts of different lengths, two slots, one row without a future frame."""
    generator = torch.Generator().manual_seed(seed)

    def images() -> torch.Tensor:
        shape = (ROWS, CAMERAS, SIDE_PX, SIDE_PX, 3)
        return torch.randint(256, shape, generator=generator, dtype=torch.uint8)

    words = torch.randint(2, 32, (ROWS, 4), generator=generator)
    input_ids = torch.cat([torch.full((ROWS, 8), IMAGE_TOKEN), words], dim=1)
    mask = torch.ones_like(input_ids)
    input_ids[0] = torch.cat([torch.zeros(2, dtype=torch.long), input_ids[0, :10]])
    mask[0, :2] = 0
    return Batch(
        state=torch.randn(ROWS, 1, STATE, generator=generator),
        state_mask=torch.ones(ROWS, 1, STATE, dtype=torch.bool),
        embodiment_id=torch.tensor([1, 3, 1]),
        images=images(),
        input_ids=input_ids,
        attention_mask=mask,
        action=torch.randn(ROWS, HORIZON, ACTION, generator=generator),
        action_mask=torch.ones(ROWS, HORIZON, ACTION, dtype=torch.bool),
        future_images=images(),
        future_mask=torch.tensor([True, False, True]),
    )
