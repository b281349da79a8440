"""The inverse dynamics model of GR00T-Dreams: which actions lead from one frame to a later one?

SigLIP2 patches of every image, folded to a few tokens, take the places of image tokens in a short sequence; a mixer and
a flow-matching DiT follow, the same as the policy's. No language and no proprioception enter. (DreamGen, arXiv
2505.12705; parameters are named as in the published checkpoints.)
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gr00t_model.groot import flow
from gr00t_model.groot.attention import KeysValues, SelfAttentionStack
from gr00t_model.groot.dit import DiT
from gr00t_model.groot.slots import Groups, SlotActionEncoder, SlotMLP, group_rows
from gr00t_model.groot.vision import SiglipTower
from gr00t_model.idm.config import IMAGE_TOKEN, ConvTowerConfig, IdmConfig
from gr00t_model.idm.conv_tower import ConvTower

_ALWAYS_FROZEN_LAYER = 11
"""The published code freezes this layer of the vision tower whatever its depth: a leftover of a 12-layer tower."""


class SpaceToDepth(nn.Module):
    """Four neighbouring tokens of a square grid side by side, so that a quarter of the tokens is left.

    An odd grid first gets a row and a column of zeros at its end. The grid comes out transposed, as published: the
    weights of the next fold were trained on that order.
    """

    def forward(self, x: Float[Tensor, "n p e"]) -> Float[Tensor, "n q f"]:
        side = round(x.shape[1] ** 0.5)
        grid = x.unflatten(1, (side, side))
        grid = F.pad(grid, (0, 0, 0, side % 2, 0, side % 2))
        cells = grid.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # n, rows, 2, columns, 2, e
        return cells.permute(0, 3, 1, 2, 4, 5).flatten(3).flatten(1, 2)


class TokenProjector(nn.Module):
    """Twice: fold the grid, LayerNorm, linear, GELU, linear. 16 x 16 patches become 4 x 4 tokens."""

    def __init__(self, width: int):
        super().__init__()
        half = [SpaceToDepth, lambda: nn.LayerNorm(4 * width), lambda: nn.Linear(4 * width, width), nn.GELU]
        self.layers = nn.Sequential(*(make() for _ in range(2) for make in (*half, lambda: nn.Linear(width, width))))

    def forward(self, x: Float[Tensor, "n p w"]) -> Float[Tensor, "n q w"]:
        return self.layers(x)


class Siglip2(SiglipTower):
    """The vision tower, with the two numbers of the contrastive loss that the checkpoint keeps and nothing uses."""

    def __init__(self, config):
        super().__init__(config)
        self.logit_scale = nn.Parameter(torch.zeros(1))
        self.logit_bias = nn.Parameter(torch.zeros(1))

    def patches(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n p e"]:
        """One token a patch, row by row, after the last LayerNorm."""
        return self._patches(images)


@dataclass(frozen=True)
class IdmBatch:
    """What the model sees. B rows; N images, those of row 0 first, a row's images ordered by time, then by camera.

    Attributes:
        images: float32 [N, 3, S, S] in [-1, 1], or None with ``seen``.
        view_ids: int64 [N], the number of an image within its row.
        token_ids: int64 [B, L], IMAGE_TOKEN where an image token goes, PAD_TOKEN on the left.
        embodiment_id: int64 [B], the slot of each row.
        action: float32 [B, T, A] normalised, or None at inference.
        action_mask: bool [B, T, A], true where an action counts in the loss, or None at inference.
        seen: what ``Idm.look`` made of the images, [N, Q, W], where they were looked at before.
    """

    images: Float[Tensor, "n 3 s s"] | None
    view_ids: Int[Tensor, " n"]
    token_ids: Int[Tensor, "b l"]
    embodiment_id: Int[Tensor, " b"]
    action: Float[Tensor, "b t a"] | None = None
    action_mask: Bool[Tensor, "b t a"] | None = None
    seen: Float[Tensor, "n q w"] | None = None


@dataclass(frozen=True)
class Sight:
    """What does not change over the denoising steps: keys and values of the mixed tokens, and the rows by slot."""

    sources: tuple[KeysValues | None, ...]
    groups: Groups


class Idm(nn.Module):
    """Inverse dynamics by flow matching."""

    def __init__(self, config: IdmConfig):
        super().__init__()
        self.config = config
        slots, width = config.max_num_embodiments, config.hidden_size
        mixer = config.mixer
        vision = config.vision
        small = isinstance(vision, ConvTowerConfig)
        self.siglip_model = ConvTower(vision) if isinstance(vision, ConvTowerConfig) else Siglip2(vision)
        self.vision_projector = nn.Linear(vision.hidden_size, width)
        self.mm_projector = nn.Identity() if small else TokenProjector(width)
        self.vl_self_attention_model = SelfAttentionStack(
            mixer.num_layers, width, mixer.num_attention_heads, mixer.dropout, mixer.final_dropout
        )
        self.model = DiT(config.diffusion)
        self.action_encoder = SlotActionEncoder(slots, config.action_dim, width)
        self.action_decoder = SlotMLP(slots, width, width, config.action_dim)
        if config.add_pos_embed:
            self.position_embedding = nn.Embedding(config.max_seq_len, width)
            nn.init.normal_(self.position_embedding.weight, std=0.02)
        if config.add_view_embed:
            self.view_embedding = nn.Embedding(config.max_num_views, width)
            nn.init.normal_(self.view_embedding.weight, std=0.02)
        self.freeze(config.tune_vision_tower, config.tune_diffusion_model)

    def freeze(self, tune_vision_tower: bool, tune_diffusion_model: bool) -> None:
        """Choose what trains. The contrastive numbers, the pooling head and one layer of the tower never do."""
        self.requires_grad_(True)
        if isinstance(self.siglip_model, Siglip2):
            tower = self.siglip_model.vision_model
            self.siglip_model.logit_scale.requires_grad_(False)
            self.siglip_model.logit_bias.requires_grad_(False)
            tower.head.requires_grad_(False)
            for layer in list(tower.encoder.layers)[_ALWAYS_FROZEN_LAYER : _ALWAYS_FROZEN_LAYER + 1]:
                layer.requires_grad_(False)
        if not tune_vision_tower:
            self.siglip_model.requires_grad_(False)
            self.vision_projector.requires_grad_(False)
        if not tune_diffusion_model:
            self.model.requires_grad_(False)

    def look(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n q w"]:
        """What each image says by itself, wherever it stands in a row."""
        return self.mm_projector(self.vision_projector(self.siglip_model.patches(images)))

    def tokens(self, batch: IdmBatch) -> Float[Tensor, "b l w"]:
        """The sequence the mixer reads: every image's tokens in their places, zero vectors where padding stands.

        ValueError when the places do not match the images.
        """
        seen = batch.seen if batch.images is None else self.look(batch.images)
        if seen is None:
            raise ValueError("a batch needs images, or what the model saw in them")
        if self.config.add_view_embed:
            seen = seen + self.view_embedding(batch.view_ids)[:, None]
        places = batch.token_ids == IMAGE_TOKEN
        if (found := int(places.sum())) != seen.shape[0] * seen.shape[1]:
            raise ValueError(
                f"the rows hold {found} image tokens, but {seen.shape[0]} images of {seen.shape[1]} tokens came with "
                f"them: give every row {self.config.tokens_per_image} image tokens an image"
            )
        empty = seen.new_zeros(*places.shape, seen.shape[-1])
        return empty.masked_scatter(places[..., None], seen)

    def see(self, batch: IdmBatch, draws: int = 1) -> Sight:
        """The images' part of the computation: once per action, not once per denoising step as published.

        Args:
            draws: how often each row comes, one after the other; its images are looked at once.
        """
        mixed = self.vl_self_attention_model(self.tokens(batch)).repeat_interleave(draws, 0)
        return Sight(self.model.keys_values(mixed), group_rows(batch.embodiment_id.repeat_interleave(draws)))

    def velocity(
        self, sight: Sight, action: Float[Tensor, "b t a"], bucket: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b t a"], list[Float[Tensor, "b t w"]]]:
        """The predicted velocity of noisy actions at a time bucket, and the DiT's hidden state after every block.

        Padding tokens are attended to, as published.
        """
        encoded = self.action_encoder(action, bucket, sight.groups)
        if self.config.add_pos_embed:
            encoded = encoded + self.position_embedding.weight[: encoded.shape[1]]
        output, hidden = self.model(encoded, self.model.timestep_encoder(bucket), sight.sources)
        return self.action_decoder(output, sight.groups).float(), hidden

    def forward(
        self,
        batch: IdmBatch,
        generator: torch.Generator | None = None,
        *,
        time: Float[Tensor, " n"] | None = None,
        noise: Float[Tensor, "n t a"] | None = None,
        draws: int = 1,
        mean_draws: int = 0,
    ) -> Float[Tensor, ""]:
        """The flow-matching loss, a mean over the elements of ``action_mask``.

        Args:
            draws: times and noises for each row. Images cost most, and this is a better estimate for one look at them.
            mean_draws: how many of them begin at time 0 without any noise. The velocity there is the mean action, which
                teaches the tower much faster than noisy actions do, and is what ``inference_noise`` 0 asks for.
        """
        if batch.action is None or batch.action_mask is None:
            raise ValueError("a training batch needs action and action_mask; for actions call get_action")
        config, action = self.config, batch.action.repeat_interleave(draws, 0)
        mask = batch.action_mask.repeat_interleave(draws, 0)
        if time is None:
            time = flow.sample_time(len(action), config.noise_beta_alpha, config.noise_s, generator, action.device)
        if noise is None:
            noise = flow.sample_noise(action.shape, generator, action.device)
        if mean_draws:
            noisy = (torch.arange(len(action), device=action.device) % draws >= mean_draws).to(noise.dtype)
            time, noise = time * noisy, noise * noisy[:, None, None]
        bucket = flow.time_bucket(time, config.num_timestep_buckets)
        velocity, _ = self.velocity(self.see(batch, draws), flow.interpolate(action, noise, time), bucket)
        return flow.masked_mse(velocity, flow.target_velocity(action, noise), mask)

    @torch.no_grad()
    def get_action(
        self,
        batch: IdmBatch,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        *,
        noise: Float[Tensor, "b t a"] | None = None,
    ) -> Float[Tensor, "b t a"]:
        """Normalised float32 action chunks in ``steps`` Euler steps from ``noise`` (defaults: the configuration's)."""
        config, rows = self.config, len(batch.token_ids)
        if noise is None:
            shape = (rows, config.action_horizon, config.action_dim)
            noise = config.inference_noise * flow.sample_noise(shape, generator, batch.token_ids.device)
        sight = self.see(batch)

        def velocity(action: Float[Tensor, "b t a"], bucket: int) -> Float[Tensor, "b t a"]:
            buckets = torch.full((len(action),), bucket, device=action.device)
            return self.velocity(sight, action, buckets)[0]

        steps = config.num_inference_timesteps if steps is None else steps
        return flow.euler(velocity, noise, steps, config.num_timestep_buckets)
