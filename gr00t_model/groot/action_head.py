"""The action head: adapter, state and action encoders, DiT, decoder. One velocity per (context, noisy action, time)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gr00t_model.groot import flow
from gr00t_model.groot.attention import KeysValues, SelfAttentionStack, additive
from gr00t_model.groot.config import ActionHeadConfig
from gr00t_model.groot.dit import DiT
from gr00t_model.groot.slots import Groups, MissingState, SlotActionEncoder, SlotMLP, group_rows, sines_cosines


@dataclass(frozen=True)
class Context:
    """What does not change over the denoising steps of one action."""

    sources: tuple[KeysValues | None, ...]  # keys and values of the adapted features, for each DiT block
    condition: Float[Tensor, "b w"] | float  # added to the time embedding
    mask: Bool[Tensor, "b 1 1 n"] | None  # features that may be attended to; None: all
    state: Float[Tensor, "b 1 w"]  # the state token
    groups: Groups


class ActionHead(nn.Module):
    """Parameters are named as in the checkpoint, ``model`` being the DiT."""

    def __init__(self, config: ActionHeadConfig, attend_padding: bool):
        super().__init__()
        self.config, self.attend_padding = config, attend_padding
        slots, width, features = config.max_num_embodiments, config.input_embedding_dim, config.backbone_embedding_dim
        adapter = config.vl_self_attention_cfg
        self.model = DiT(config.diffusion_model_cfg)
        self.state_encoder = SlotMLP(slots, config.max_state_dim, config.hidden_size, width)
        self.action_encoder = SlotActionEncoder(slots, config.action_dim, width)
        self.action_decoder = SlotMLP(slots, config.hidden_size, config.hidden_size, config.action_dim)
        self.future_tokens = nn.Embedding(config.num_target_vision_tokens, width)
        nn.init.normal_(self.future_tokens.weight, std=0.02)
        self.vlln = nn.LayerNorm(features) if config.use_vlln else nn.Identity()
        self.vl_self_attention = SelfAttentionStack(
            adapter.num_layers if config.use_vlln else 0,
            features,
            adapter.num_attention_heads,
            adapter.dropout,
            adapter.final_dropout,
        )
        if config.add_pos_embed:
            self.position_embedding = nn.Embedding(config.max_seq_len, width)
            nn.init.normal_(self.position_embedding.weight, std=0.02)
        if config.missing_state_token:
            self.missing_state = MissingState(width)

    @property
    def dtype(self) -> torch.dtype:
        return self.future_tokens.weight.dtype

    @property
    def future_span(self) -> slice:
        """Where the future tokens stand in the DiT's sequence [state, future tokens, actions]."""
        return slice(1, 1 + self.config.num_target_vision_tokens)

    def context(
        self,
        features: Float[Tensor, "b n d"],
        attention_mask: Int[Tensor, "b n"],
        state: Float[Tensor, "b 1 s"],
        slots: Int[Tensor, " b"],
        state_mask: Bool[Tensor, "b 1 s"] | None = None,
        withheld: Bool[Tensor, " b"] | None = None,
    ) -> Context:
        """Adapt the backbone's features, encode the state, and project the features for every DiT block.

        Args:
            state_mask: true where a real state value stands; rows without any take the learned token, when the model
                has one. None: all real.
            withheld: rows whose state is replaced by the token although it is there (see ``withhold``).

        Raises:
            ValueError: the state has another width than the model's.
        """
        self._check_width("state", state, self.config.max_state_dim, "max_state_dim")
        groups = group_rows(slots)
        mask = None if self.attend_padding else attention_mask.bool()[:, None, None]
        adapted = self.vl_self_attention(self.vlln(features.to(self.dtype)), mask)
        encoded = self.state_encoder(state.to(self.dtype), groups)
        return Context(
            sources=self.model.keys_values(adapted),
            condition=self.model.condition(adapted),
            mask=mask,
            state=self.state_token(encoded, state_mask, withheld),
            groups=groups,
        )

    def state_token(
        self,
        encoded: Float[Tensor, "b 1 w"],
        state_mask: Bool[Tensor, "b 1 s"] | None,
        withheld: Bool[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b 1 w"]:
        """The encoded state, or the learned token in rows without one; arguments as in ``context``."""
        if (state_mask is None and withheld is None) or not self.config.missing_state_token:
            return encoded
        real = encoded.new_ones(len(encoded), 1, 1, dtype=torch.bool) if state_mask is None else state_mask
        return self.missing_state(encoded, real, withheld)

    def withhold(self, rows: int, generator: torch.Generator | None, device: torch.device) -> Bool[Tensor, " b"] | None:
        """Which rows train without their state (``state_dropout``); None, and no number is drawn, when it is off."""
        if not (self.training and self.config.state_dropout):
            return None
        return flow.sample_uniform(rows, generator, device) < self.config.state_dropout

    @staticmethod
    def _check_width(what: str, values: Float[Tensor, "b t d"], width: int, name: str) -> None:
        if values.shape[-1] != width:
            raise ValueError(
                f"the {what} of the batch has {values.shape[-1]} dimensions, the model takes {width}; pad it to "
                f"{width}, or give the model another size with --set model.changes.action_head_cfg.{name}="
                f"{values.shape[-1]}"
            )

    def velocity(
        self, context: Context, action: Float[Tensor, "b t a"], bucket: Int[Tensor, " b"], *, lean: bool = False
    ) -> tuple[Float[Tensor, "b t a"], list[Float[Tensor, "b ? w"]]]:
        """The predicted velocity (float32) of a noisy action at a time bucket, and the DiT's hidden state per block.

        ``lean``: the last block leaves out the tokens that no action is made of; so does the last hidden state.
        ValueError when the action has another width than the model's.
        """
        self._check_width("action", action, self.config.action_dim, "action_dim")
        encoded = self.action_encoder(action.to(self.dtype), bucket, context.groups)
        time = self.model.timestep_encoder(bucket) + context.condition
        last = encoded.shape[1] if lean else None
        output, hidden = self.model(self.sequence(context.state, encoded), time, context.sources, context.mask, last)
        decoded = self.action_decoder(output[:, -encoded.shape[1] :], context.groups)
        return decoded.float(), hidden

    def sequence(self, state: Float[Tensor, "b 1 w"], encoded: Float[Tensor, "b t w"]) -> Float[Tensor, "b n w"]:
        """The DiT's sequence: state token, future tokens, encoded actions with their positions."""
        if self.config.add_pos_embed:
            encoded = encoded + self.position_embedding.weight[: encoded.shape[1]]
        future = self.future_tokens.weight.expand(len(encoded), -1, -1)
        return torch.cat([state, future, encoded], dim=1)

    def sample(
        self, context: Context, steps: int, noise: Float[Tensor, "b t a"], overlap: flow.Overlap | None = None
    ) -> Float[Tensor, "b t a"]:
        """Denoise ``noise`` to an action chunk in ``steps`` Euler steps, going on from the running chunk if given one.

        The velocities are those of ``velocity``. What follows from the time alone is computed for all steps at once,
        and the last block leaves out the tokens that nobody reads.
        """
        self._check_width("action", noise, self.config.action_dim, "action_dim")
        buckets = flow.step_buckets(steps, self.config.num_timestep_buckets)
        times = torch.tensor(buckets, device=noise.device)
        modulations = self.model.modulations(self.model.timestep_encoder(times)[:, None] + context.condition)
        modulations = dict(zip(buckets, modulations.unbind(), strict=True))
        waves = dict(zip(buckets, sines_cosines(times, self.config.input_embedding_dim).split(1), strict=True))
        mask = None if context.mask is None else additive(context.mask, self.dtype)

        def velocity(action: Float[Tensor, "b t a"], bucket: int) -> Float[Tensor, "b t a"]:
            encoded = self.action_encoder.encode(action.to(self.dtype), waves[bucket], context.groups)
            tokens, horizon = self.sequence(context.state, encoded), encoded.shape[1]
            output, _ = self.model(tokens, modulations[bucket], context.sources, mask, last=horizon)
            return self.action_decoder(output, context.groups).float()

        return flow.euler(velocity, noise, steps, self.config.num_timestep_buckets, overlap)

    def freeze(self, tune_projector: bool, tune_diffusion_model: bool) -> list[nn.Module]:
        """Choose what trains; the adapter and the future tokens always do. Returns the modules that do not."""
        projector: list[nn.Module] = [self.state_encoder, self.action_encoder, self.action_decoder]
        if self.config.add_pos_embed:
            projector.append(self.position_embedding)
        if self.config.missing_state_token:
            projector.append(self.missing_state)
        self.requires_grad_(True)
        parts = [(module, tune_projector) for module in projector] + [(self.model, tune_diffusion_model)]
        for module, tuned in parts:
            module.requires_grad_(tuned)
        return [module for module, tuned in parts if not tuned]
