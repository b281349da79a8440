"""The named sizes of the model: functions that return a full GrootConfig."""

from collections.abc import Callable

from gr00t_model.groot.config import (
    ActionHeadConfig,
    AdapterConfig,
    BackboneConfig,
    DiTConfig,
    FlareConfig,
    GrootConfig,
    KeypointConfig,
    TextConfig,
)


def n1_5_3b() -> GrootConfig:
    """nvidia/GR00T-N1.5-3B: 2,724,163,520 published parameters, of which 1,068,806,144 in the action head."""
    return GrootConfig()


def nano(vocab_size: int = 512) -> GrootConfig:
    """The same wiring at about 10 M parameters and 120 px, small enough to learn in minutes on two CPU cores.

    Differences from the published preset: a keypoint tower instead of SigLIP, the prompt's last token also modulates
    the DiT, padding is masked, no dropout. The image placeholder is token 1 of the prompt's own tokenizer. Of the
    operations of a fine-tuning step on images the head's share is 0.41 (``python -m benchmarks.step``), so that cached
    features are worth their place.
    """
    width, heads = 192, 4
    return GrootConfig(
        backbone=BackboneConfig(
            text=TextConfig(
                vocab_size=vocab_size,
                hidden_size=width,
                intermediate_size=3 * width,
                num_hidden_layers=3,
                num_attention_heads=heads,
                num_key_value_heads=2,
                head_dim=width // heads,
                rope_theta=10_000.0,
                max_position_embeddings=512,
            ),
            vision=KeypointConfig(),
            image_token_index=1,
            select_layer=3,
            tune_visual=False,
        ),
        action_head=ActionHeadConfig(
            diffusion_model_cfg=DiTConfig(
                num_attention_heads=heads,
                attention_head_dim=width // heads,
                num_layers=4,
                cross_attention_dim=width,
                output_dim=width,
                dropout=0.0,
                prompt_conditioning=True,
            ),
            vl_self_attention_cfg=AdapterConfig(
                num_attention_heads=heads, attention_head_dim=width // heads, num_layers=1, dropout=0.0
            ),
            input_embedding_dim=width,
            hidden_size=width,
            backbone_embedding_dim=width,
            max_seq_len=64,
            num_target_vision_tokens=4,
            missing_state_token=True,
        ),
        flare=FlareConfig(align_layer=3, projector_width=width),
        published_behaviour=False,
    )


PRESETS: dict[str, Callable[[], GrootConfig]] = {"nano": nano, "n1_5_3b": n1_5_3b}
