"""The SigLIP vision tower, and how uint8 images become its pixels."""

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from gr00t_model.groot.config import SiglipConfig


def pixels_of(
    images: UInt8[Tensor, "b v h w 3"], image_size: int, view_mask: Bool[Tensor, "b v"] | None = None
) -> Float[Tensor, "n 3 h w"]:
    """Bytes to [-1, 1] float32, the cameras of row 0 first; ValueError on another size or type.

    ``view_mask`` leaves out the views that a row does not have (see ``Batch.view_mask``).
    """
    if images.dtype != torch.uint8 or images.ndim != 5 or tuple(images.shape[2:]) != (image_size, image_size, 3):
        raise ValueError(
            f"images must be uint8 [B, V, {image_size}, {image_size}, 3], found {images.dtype} {list(images.shape)}; "
            f"resize the video to {image_size}x{image_size} first"
        )
    views = images.flatten(0, 1) if view_mask is None else images[view_mask]
    return (views.permute(0, 3, 1, 2).float() - 127.5) / 127.5


class SiglipTower(nn.Module):
    """Patches to tokens. The pooling head of the checkpoint is kept as weights and never run."""

    def __init__(self, config: SiglipConfig):
        super().__init__()
        self.config = config
        self.vision_model = SiglipVisionModel(
            SiglipVisionConfig(
                hidden_size=config.hidden_size,
                intermediate_size=config.intermediate_size,
                num_hidden_layers=config.num_hidden_layers,
                num_attention_heads=config.num_attention_heads,
                image_size=config.image_size,
                patch_size=config.patch_size,
                layer_norm_eps=config.layer_norm_eps,
                hidden_act="gelu_pytorch_tanh",
            )
        )

    def _patches(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n p e"]:
        model = self.vision_model
        embedded = model.embeddings(pixels.to(model.embeddings.patch_embedding.weight.dtype))
        return model.post_layernorm(model.encoder(inputs_embeds=embedded).last_hidden_state)

    def forward(
        self,
        pixels: Float[Tensor, "n 3 h w"],
        input_ids: Int[Tensor, "b k"],
        attention_mask: Int[Tensor, "b k"],
        views: Int[Tensor, " b"] | None = None,
    ) -> tuple[Float[Tensor, "n p e"], Float[Tensor, "n e r c"]]:
        """One token per patch, row by row, and ``target_map`` of the same look; the prompt is not looked at."""
        patches = self._patches(pixels)
        return patches, self._on_grid(patches)

    def target_map(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n e r c"]:
        """The patch tokens on their square grid: what FLARE's targets are pooled from."""
        return self._on_grid(self._patches(pixels))

    def _on_grid(self, patches: Float[Tensor, "n p e"]) -> Float[Tensor, "n e r c"]:
        side = self.config.image_size // self.config.patch_size
        return patches.transpose(1, 2).unflatten(2, (side, side))

    @property
    def map_width(self) -> int:
        return self.config.hidden_size
