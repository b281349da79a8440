"""Groot: GR00T N1.5 as one module. Images and a prompt in, an action chunk or a loss out."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from gr00t_data.batches.batch import Batch
from gr00t_model.groot import flow
from gr00t_model.groot.action_head import ActionHead, Context
from gr00t_model.groot.backbone import Backbone
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare import Flare, pool
from gr00t_model.groot.vision import pixels_of


@dataclass(frozen=True)
class Loss:
    """All means, float32 scalars: ``total`` = flow + coefficient * flare. The counts say what each is a mean over."""

    total: Float[Tensor, ""]
    flow: Float[Tensor, ""]  # squared error per action element under the mask
    flare: Float[Tensor, ""]  # 1 - cosine per row with a future frame
    flow_count: Int[Tensor, ""]  # action elements that counted
    flare_count: Int[Tensor, ""]  # rows that counted


class Groot(nn.Module):
    """Parameters are named as in the published checkpoint; FLARE's are under ``flare.``."""

    def __init__(self, config: GrootConfig):
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.backbone)
        self.action_head = ActionHead(config.action_head, attend_padding=config.published_behaviour)
        width, tower = config.action_head.input_embedding_dim, self.backbone.eagle_model.vision_model
        self.flare = Flare(width, config.flare.projector_width, tower.map_width) if config.flare.enabled else None
        self._frozen: list[nn.Module] = []
        head = config.action_head
        self.freeze(
            config.backbone.tune_visual, config.backbone.tune_llm, head.tune_projector, head.tune_diffusion_model
        )

    def freeze(
        self, tune_visual: bool, tune_llm: bool, tune_projector: bool = True, tune_diffusion_model: bool = True
    ) -> None:
        """Choose what trains. ``tune_visual`` is the tower and its linear; ``tune_projector`` the state and action
        encoders, the decoder and the position embedding; the adapter, the future tokens and FLARE always train.
        """
        self._frozen = self.backbone.freeze(tune_visual, tune_llm)
        self._frozen += self.action_head.freeze(tune_projector, tune_diffusion_model)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Groot":
        """As usual, but frozen parts stay in eval mode: no dropout where nothing learns."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    @property
    def device(self) -> torch.device:
        return self.action_head.future_tokens.weight.device

    def encode(
        self,
        images: UInt8[Tensor, "b v h w 3"],
        input_ids: Int[Tensor, "b n"],
        attention_mask: Int[Tensor, "b n"],
    ) -> tuple[Float[Tensor, "b n d"], Int[Tensor, "b n"]]:
        """The backbone's features and their mask: cacheable per frame while the backbone is frozen."""
        pixels = pixels_of(images, self.config.backbone.vision.image_size)
        return self.backbone(pixels, input_ids, attention_mask), attention_mask

    @torch.no_grad()
    def flare_target(self, images: UInt8[Tensor, "b v h w 3"]) -> Float[Tensor, "b m e"]:
        """What FLARE predicts of a future frame: the vision tower's features of the first camera, pooled to M tokens.

        No gradient flows. It is a fixed target only while the tower is frozen (``tune_visual`` off).
        """
        pixels = pixels_of(images[:, :1], self.config.backbone.vision.image_size)
        target_map = self.backbone.eagle_model.vision_model.target_map(pixels)
        return pool(target_map.float(), self.config.action_head.num_target_vision_tokens)

    def _context(self, batch: Batch) -> Context:
        features, mask = batch.vl_features, batch.attention_mask
        if features is None:
            if batch.images is None or batch.input_ids is None or mask is None:
                raise ValueError("a batch needs attention_mask with either vl_features or images and input_ids")
            features, mask = self.encode(batch.images, batch.input_ids, mask)
        if mask is None:
            raise ValueError("vl_features came without the attention_mask that says which of them are padding")
        return self.action_head.context(features, mask, batch.state, batch.embodiment_id)

    def forward(
        self,
        batch: Batch,
        generator: torch.Generator | None = None,
        *,
        time: Float[Tensor, " b"] | None = None,
        noise: Float[Tensor, "b t a"] | None = None,
    ) -> Loss:
        """The training loss of a batch; time and noise are drawn from ``generator`` unless given."""
        if batch.action is None or batch.action_mask is None:
            raise ValueError("a training batch needs action and action_mask; for an action call get_action")
        head = self.config.action_head
        action = batch.action.float()
        if time is None:
            time = flow.sample_time(len(batch), head.noise_beta_alpha, head.noise_s, generator, action.device)
        if noise is None:
            noise = flow.sample_noise(action.shape, generator, action.device)
        bucket = flow.time_bucket(time, head.num_timestep_buckets)
        noisy = flow.interpolate(action, noise, time)
        velocity, hidden = self.action_head.velocity(self._context(batch), noisy, bucket)
        flow_loss = flow.masked_mse(velocity, flow.target_velocity(action, noise), batch.action_mask)
        flare_loss, rows = self._flare_loss(batch, hidden)
        total = flow_loss + self.config.flare.coefficient * flare_loss
        return Loss(total, flow_loss, flare_loss, batch.action_mask.sum(), rows)

    def _flare_loss(
        self, batch: Batch, hidden: list[Float[Tensor, "b n w"]]
    ) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
        """The alignment loss and the rows it is a mean over; zero without a future frame."""
        target = batch.future_target
        if self.flare is not None and target is None and batch.future_images is not None:
            target = self.flare_target(batch.future_images)
        if self.flare is None or target is None:
            return hidden[0].new_zeros((), dtype=torch.float32), batch.embodiment_id.new_zeros(())
        mask = batch.future_mask
        if mask is None:
            mask = torch.ones(len(batch), dtype=torch.bool, device=target.device)
        future = hidden[self.config.flare.align_layer - 1][:, self.action_head.future_span]
        return self.flare(future, target, mask), mask.sum()

    @torch.no_grad()
    def get_action(
        self,
        batch: Batch,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        *,
        noise: Float[Tensor, "b t a"] | None = None,
    ) -> Float[Tensor, "b t a"]:
        """Normalised float32 action chunks in ``steps`` Euler steps (default: the configuration's), from ``noise`` or
        from numbers of ``generator``. The backbone, and the keys and values of its features, are computed once.
        """
        head = self.config.action_head
        if noise is None:
            noise = flow.sample_noise((len(batch), head.action_horizon, head.action_dim), generator, self.device)
        steps = head.num_inference_timesteps if steps is None else steps
        return self.action_head.sample(self._context(batch), steps, noise)
