"""The target ``vision``: the vision tower's feature map of the first camera, pooled to M cells (arXiv 2505.15659)."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from gr00t_model.groot.backbone import Encoder
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare.target import Look, Prompt, TargetEncoder, pool
from gr00t_model.groot.vision import pixels_of


class Target(TargetEncoder):
    """The prompt is not read."""

    @staticmethod
    def width_of(config: GrootConfig, policy: Encoder) -> int:
        return policy.vision_model.map_width

    def of_look(self, policy: Encoder, look: Look, prompt: Prompt | None) -> Float[Tensor, "b m e"]:
        return pool(look.first_map.float(), self.tokens)

    def of_images(
        self,
        policy: Encoder,
        images: UInt8[Tensor, "b v h w 3"],
        prompt: Prompt | None,
        view_mask: Bool[Tensor, "b v"] | None,
        image_size: int,
    ) -> Float[Tensor, "b m e"]:
        camera = 0 if view_mask is None else view_mask.int().argmax(dim=1)
        first = images[torch.arange(len(images), device=images.device), camera]
        tower = self.encoder(policy).vision_model
        return pool(tower.target_map(pixels_of(first[:, None], image_size)).float(), self.tokens)
