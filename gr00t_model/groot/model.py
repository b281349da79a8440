"""Groot: GR00T N1.5 as one module. Images and a prompt in, an action chunk or a loss out."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from gr00t_data.batches.batch import Batch
from gr00t_model.groot import flow
from gr00t_model.groot.action_head import ActionHead, Context
from gr00t_model.groot.backbone import Backbone
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare.embedding import Embedding
from gr00t_model.groot.flare.flare import Flare, shuffled
from gr00t_model.groot.flare.target import Look, Prompt, TargetEncoder, first_views, new_target
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
    """Parameters are named as in the published checkpoint; FLARE's are under ``flare.``.

    In the pre-training of an embedding (``flare_cfg.pretraining``) its tokens take the place of the language model's
    features, and its parameters are under ``embedding.``.
    """

    def __init__(self, config: GrootConfig):
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.backbone)
        self.action_head = ActionHead(config.action_head, attend_padding=config.published_behaviour)
        self.flare = self.new_flare() if config.flare.enabled else None
        self.embedding = Embedding.of(config) if config.flare.pretraining else None
        self._frozen: list[nn.Module] = []
        head = config.action_head
        self.freeze(
            config.backbone.tune_visual, config.backbone.tune_llm, head.tune_projector, head.tune_diffusion_model
        )

    def new_flare(self) -> Flare:
        """FLARE of the configuration's sizes with fresh weights."""
        target, config = new_target(self.config, self.backbone.encoder), self.config
        return Flare(config.action_head.input_embedding_dim, config.flare.projector_width, target.width, target)

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
        if self.flare is not None:
            self.flare.target.eval()
        return self

    @property
    def device(self) -> torch.device:
        return self.action_head.future_tokens.weight.device

    def encode(
        self,
        images: UInt8[Tensor, "b v h w 3"],
        input_ids: Int[Tensor, "b n"],
        attention_mask: Int[Tensor, "b n"],
        view_mask: Bool[Tensor, "b v"] | None = None,
    ) -> tuple[Float[Tensor, "b n d"], Int[Tensor, "b n"]]:
        """The backbone's features and their mask: cacheable per frame while the backbone is frozen.

        In pre-training: the sequence that the embedding reads. ``view_mask`` says which views are real, where rows have
        different numbers of cameras.
        """
        pixels, views = self._pixels(images, view_mask)
        tokens, _ = self.backbone.eagle_model.vision_model(pixels, input_ids, attention_mask, views)
        return self._features(tokens, input_ids, attention_mask)

    def _features(
        self, tokens: Float[Tensor, "n p e"], input_ids: Int[Tensor, "b n"], attention_mask: Int[Tensor, "b n"]
    ) -> tuple[Float[Tensor, "b n d"], Int[Tensor, "b n"]]:
        encoder = self.backbone.encoder
        sequence = encoder.sequence(tokens, input_ids)
        if self.embedding is None:
            return self.backbone.read(sequence, attention_mask), attention_mask
        return sequence, self.embedding.seen(input_ids, attention_mask, encoder.image_token_index).long()

    def _pixels(
        self, images: UInt8[Tensor, "b v h w 3"], view_mask: Bool[Tensor, "b v"] | None
    ) -> tuple[Float[Tensor, "n 3 h w"], Int[Tensor, " b"] | None]:
        pixels = pixels_of(images, self.config.backbone.vision.image_size, view_mask)
        return pixels, None if view_mask is None else view_mask.sum(dim=1)

    @torch.no_grad()
    def encode_with_target(
        self,
        images: UInt8[Tensor, "b v h w 3"],
        input_ids: Int[Tensor, "b n"],
        attention_mask: Int[Tensor, "b n"],
        view_mask: Bool[Tensor, "b v"] | None = None,
    ) -> tuple[Float[Tensor, "b n d"], Int[Tensor, "b n"], Float[Tensor, "b m e"]]:
        """``encode`` and ``flare_target`` of the same images. The vision tower runs once where the target shares it."""
        target = self._target()
        if not target.shares_sight:
            seen = self.flare_target(images, input_ids, attention_mask, view_mask)
            return *self.encode(images, input_ids, attention_mask, view_mask), seen
        pixels, views = self._pixels(images, view_mask)
        tokens, feature_map = self.backbone.eagle_model.vision_model(pixels, input_ids, attention_mask, views)
        look = Look(tokens, feature_map[first_views(views, len(images), len(pixels), pixels.device)])
        embedded = target.of_look(self.backbone.encoder, look, Prompt(input_ids, attention_mask))
        return *self._features(tokens, input_ids, attention_mask), embedded

    @torch.no_grad()
    def flare_target(
        self,
        images: UInt8[Tensor, "b v h w 3"],
        input_ids: Int[Tensor, "b n"] | None = None,
        attention_mask: Int[Tensor, "b n"] | None = None,
        view_mask: Bool[Tensor, "b v"] | None = None,
    ) -> Float[Tensor, "b m e"]:
        """What FLARE predicts of a future frame. No gradient flows. ValueError when a target that reads the prompt gets
        none.
        """
        prompt = None if input_ids is None or attention_mask is None else Prompt(input_ids, attention_mask)
        size = self.config.backbone.vision.image_size
        return self._target().of_images(self.backbone.encoder, images, prompt, view_mask, size)

    def _target(self) -> TargetEncoder:
        if self.flare is None:
            raise ValueError("this model was made without FLARE (flare_cfg.enabled is false), so it has no target")
        return self.flare.target

    def follow_target(self) -> None:
        """After an optimizer step: let the target's copies follow what trained."""
        keep = self.config.flare.target_ema
        if self.flare is not None and keep < 1:
            self.flare.target.follow(self.backbone.encoder, keep)

    def seen(self, batch: Batch) -> tuple[Float[Tensor, "b n d"], Int[Tensor, "b n"]]:
        """What the action head gets to see of a batch, and the mask of it: the features of the backbone, or the tokens
        of the embedding that is being pre-trained.
        """
        features, mask = batch.vl_features, batch.attention_mask
        if features is None:
            if batch.images is None or batch.input_ids is None or mask is None:
                raise ValueError("a batch needs attention_mask with either vl_features or images and input_ids")
            features, mask = self.encode(batch.images, batch.input_ids, mask, batch.view_mask)
        if mask is None:
            raise ValueError("vl_features came without the attention_mask that says which of them are padding")
        if self.embedding is not None:
            features = self.embedding(features, mask.bool())
            mask = mask.new_ones(features.shape[:2])
        return features, mask

    def _context(self, batch: Batch, withheld: Bool[Tensor, " b"] | None = None) -> Context:
        features, mask = self.seen(batch)
        head = self.action_head
        return head.context(features, mask, batch.state, batch.embodiment_id, batch.state_mask, withheld)

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
        withheld = self.action_head.withhold(len(batch), generator, action.device)
        velocity, hidden = self.action_head.velocity(self._context(batch, withheld), noisy, bucket, lean=self._lean)
        flow_loss = flow.masked_mse(velocity, flow.target_velocity(action, noise), batch.action_mask)
        flare_loss, rows = self._flare_loss(batch, hidden, generator)
        total = flow_loss + self.config.flare.coefficient * flare_loss
        return Loss(total, flow_loss, flare_loss, batch.action_mask.sum(), rows)

    @property
    def _lean(self) -> bool:
        """Whether the actions alone are read after the last block, and no dropout draws numbers for the others."""
        dit, flare = self.config.action_head.diffusion_model_cfg, self.config.flare
        return dit.dropout == 0 and not (flare.enabled and flare.align_layer == dit.num_layers)

    def _flare_loss(
        self, batch: Batch, hidden: list[Float[Tensor, "b n w"]], generator: torch.Generator | None
    ) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
        """The alignment loss and the rows it is a mean over; zero without a future frame."""
        target, control = batch.future_target, self.config.flare.control
        seen = batch.images if control == "current" else batch.future_images
        if self.flare is not None and target is None and seen is not None:
            target = self.flare_target(seen, batch.input_ids, batch.attention_mask, batch.view_mask)
        if self.flare is None or target is None:
            return hidden[0].new_zeros((), dtype=torch.float32), batch.embodiment_id.new_zeros(())
        mask = batch.future_mask
        if mask is None:
            mask = torch.ones(len(batch), dtype=torch.bool, device=target.device)
        if control == "shuffled":
            target = shuffled(target, mask, generator)
        future = hidden[self.config.flare.align_layer - 1][:, self.action_head.future_span]
        return self.flare(future, target, mask), mask.sum()

    @torch.no_grad()
    def foresee(self, batch: Batch, noise: Float[Tensor, "b t a"]) -> Float[Tensor, "b m e"]:
        """What the future tokens say of the future frame before anything of the action is known: at time 0, where the
        noisy action is ``noise`` alone. ValueError without FLARE.
        """
        self._target()
        assert self.flare is not None
        bucket = torch.zeros(len(batch), dtype=torch.int64, device=noise.device)
        _, hidden = self.action_head.velocity(self._context(batch), noise, bucket)
        return self.flare.projector(hidden[self.config.flare.align_layer - 1][:, self.action_head.future_span]).float()

    @torch.no_grad()
    def get_action(
        self,
        batch: Batch,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        overlap: flow.Overlap | None = None,
        *,
        noise: Float[Tensor, "b t a"] | None = None,
    ) -> Float[Tensor, "b t a"]:
        """Normalised float32 action chunks in ``steps`` Euler steps (default: the configuration's), from ``noise`` or
        from numbers of ``generator``; with ``overlap`` they go on from a running chunk. The backbone, and the keys and
        values of its features, are computed once.
        """
        head = self.config.action_head
        if noise is None:
            noise = flow.sample_noise((len(batch), head.action_horizon, head.action_dim), generator, self.device)
        steps = head.num_inference_timesteps if steps is None else steps
        return self.action_head.sample(self._context(batch), steps, noise, overlap)
