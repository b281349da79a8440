"""The vision-language model: vision tower, one linear, and a Qwen3 decoder cut to its first layers.

Its features are the language model's hidden states after the final RMSNorm. The language head is part of the
checkpoint and is never run. Attention goes through SDPA with the meaning of the flash-attention kernels the published
model runs on: a padding token attends to nothing and gets zero from attention (its feature still exists, and the
published action head looks at it).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface, Qwen3Config, Qwen3ForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from gr00t_model.groot.config import BackboneConfig, SiglipConfig, TextConfig
from gr00t_model.groot.keypoints import KeypointTower
from gr00t_model.groot.vision import SiglipTower

_ATTENTION = "sdpa_zero_at_padding"


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings
) -> tuple[Float[Tensor, "b n h w"], None]:
    """SDPA, then zero at padding queries. ``settings['real']`` [B, N]: true on real tokens.

    Without a mask every token is real, and sees those up to itself.
    """
    attended, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    if attention_mask is None:
        return attended, None
    return attended * settings["real"][:, :, None, None].to(attended.dtype), None


AttentionInterface.register(_ATTENTION, _attention)


def _language_model(config: TextConfig, layers: int) -> Qwen3ForCausalLM:
    qwen = Qwen3Config(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        rms_norm_eps=config.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        max_position_embeddings=config.max_position_embeddings,
        tie_word_embeddings=True,
        use_cache=False,
    )
    qwen._attn_implementation = _ATTENTION
    return Qwen3ForCausalLM(qwen)


def causal_mask(real: Bool[Tensor, "b n"]) -> Bool[Tensor, "b 1 n n"]:
    """Each token sees the real tokens up to itself, and always itself: no row of the softmax is empty."""
    tokens = real.shape[1]
    causal = torch.ones(tokens, tokens, dtype=torch.bool, device=real.device).tril()
    diagonal = torch.eye(tokens, dtype=torch.bool, device=real.device)
    return (causal & real[:, None] | diagonal)[:, None]


def causal_alone(real: Bool[Tensor, "b n"]) -> bool:
    """Whether no token is padding, so that being causal is all there is to say: the same numbers without a mask, which
    also is what fused kernels of GPUs take. Costs one look at the mask; unknown, so false, where a graph is recorded.
    """
    return not (real.is_meta or torch.compiler.is_compiling()) and bool(real.all())


def hidden_states(
    model: nn.Module, sequence: Float[Tensor, "b k d"], attention_mask: Int[Tensor, "b k"]
) -> Float[Tensor, "b k d"]:
    """What a language model of ``_language_model``, without its head, makes of a sequence."""
    real = attention_mask.bool()
    masks = {"full_attention": None if causal_alone(real) else causal_mask(real)}
    return model(inputs_embeds=sequence, attention_mask=masks, real=real, use_cache=False).last_hidden_state


class Eagle(nn.Module):
    """Named as in the checkpoint: vision_model, mlp1, language_model."""

    def __init__(self, config: BackboneConfig):
        super().__init__()
        vision = config.vision
        siglip = isinstance(vision, SiglipConfig)
        self.vision_model = SiglipTower(vision) if siglip else KeypointTower(vision, config.text.vocab_size)
        self.mlp1 = nn.Sequential(nn.Linear(vision.hidden_size, config.text.hidden_size))
        self.language_model = _language_model(config.text, config.select_layer)


@dataclass(frozen=True)
class Encoder:
    """The parts that turn images and words into the sequence that the language model reads."""

    vision_model: SiglipTower | KeypointTower
    mlp1: nn.Module
    words: nn.Module
    image_token_index: int

    def sequence(self, tokens: Float[Tensor, "n p e"], input_ids: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
        """The prompt's words, the vision tower's ``tokens`` in the places of the image placeholders.

        ValueError when the placeholders of the prompts do not match the number of tokens.
        """
        vision = self.mlp1(tokens)
        embedded = self.words(input_ids)
        places = input_ids == self.image_token_index
        counted = not places.is_meta  # a tensor without values has no count either
        if counted and (found := int(places.sum())) != vision.shape[0] * vision.shape[1]:
            raise ValueError(
                f"the prompts hold {found} image placeholders, but {vision.shape[0]} images of {vision.shape[1]} "
                f"tokens came with them: tokenize with the number of cameras that the batch has"
            )
        return embedded.masked_scatter(places[..., None], vision.to(embedded.dtype))


class Backbone(nn.Module):
    """Images and a prompt to one feature per prompt token."""

    def __init__(self, config: BackboneConfig):
        super().__init__()
        self.config = config
        self.eagle_model = Eagle(config)

    @property
    def encoder(self) -> Encoder:
        """The parts before the language model's layers."""
        eagle = self.eagle_model
        words = eagle.language_model.get_input_embeddings()
        return Encoder(eagle.vision_model, eagle.mlp1, words, self.config.image_token_index)

    def forward(
        self,
        pixels: Float[Tensor, "n 3 h w"],
        input_ids: Int[Tensor, "b k"],
        attention_mask: Int[Tensor, "b k"],
        views: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b k d"]:
        """``pixels`` in [-1, 1], the images of row 0 first; ``attention_mask`` 1 on real tokens, padding first.

        ``views``: images of each row; None: the same number in every row.
        """
        tokens, _ = self.eagle_model.vision_model(pixels, input_ids, attention_mask, views)
        return self.think(tokens, input_ids, attention_mask)

    def think(
        self, tokens: Float[Tensor, "n p e"], input_ids: Int[Tensor, "b k"], attention_mask: Int[Tensor, "b k"]
    ) -> Float[Tensor, "b k d"]:
        """The language model over a prompt whose image placeholders take the vision tower's tokens.

        ValueError when the placeholders of the prompts do not match the number of tokens.
        """
        return self.read(self.encoder.sequence(tokens, input_ids), attention_mask)

    def read(self, sequence: Float[Tensor, "b k d"], attention_mask: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
        """The language model's hidden states, after the final RMSNorm, of a sequence made by ``encoder``."""
        return hidden_states(self.eagle_model.language_model.model, sequence, attention_mask)

    def freeze(self, tune_visual: bool, tune_llm: bool) -> list[nn.Module]:
        """Choose what trains; returns the modules that do not (they are also kept in eval mode)."""
        eagle = self.eagle_model
        parts = [(eagle.vision_model, tune_visual), (eagle.mlp1, tune_visual), (eagle.language_model, tune_llm)]
        for module, tuned in parts:
            module.requires_grad_(tuned)
        return [module for module, tuned in parts if not tuned]
