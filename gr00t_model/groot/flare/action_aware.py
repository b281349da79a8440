"""The target ``action_aware``: M tokens of an embedding that was trained to act (arXiv 2505.15659)."""

from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from gr00t_model.groot.backbone import Encoder
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare.embedding import Embedding
from gr00t_model.groot.flare.target import Look, Prompt, TargetEncoder
from gr00t_model.groot.vision import pixels_of


class Target(TargetEncoder):
    """It reads the pictures of all cameras and the prompt."""

    @staticmethod
    def new_embedding(config: GrootConfig) -> Embedding:
        return Embedding.of(config)

    @staticmethod
    def width_of(config: GrootConfig, policy: Encoder) -> int:
        return config.backbone.text.hidden_size

    def of_look(self, policy: Encoder, look: Look, prompt: Prompt | None) -> Float[Tensor, "b m e"]:
        return self._of_tokens(policy, look.tokens, _given(prompt))

    def of_images(
        self,
        policy: Encoder,
        images: UInt8[Tensor, "b v h w 3"],
        prompt: Prompt | None,
        view_mask: Bool[Tensor, "b v"] | None,
        image_size: int,
    ) -> Float[Tensor, "b m e"]:
        pixels, views = pixels_of(images, image_size, view_mask), None if view_mask is None else view_mask.sum(dim=1)
        tokens, _ = self.encoder(policy).vision_model(pixels, *_given(prompt), views)
        return self._of_tokens(policy, tokens, _given(prompt))

    def _of_tokens(self, policy: Encoder, tokens: Float[Tensor, "n p e"], prompt: Prompt) -> Float[Tensor, "b m e"]:
        assert self.embedding is not None
        sequence = self.encoder(policy).sequence(tokens, prompt.input_ids)
        return self.embedding.target(sequence, self.embedding.seen(*prompt, policy.image_token_index))


def _given(prompt: Prompt | None) -> Prompt:
    if prompt is None:
        raise ValueError("an action-aware target reads the prompt: give input_ids and attention_mask")
    return prompt
