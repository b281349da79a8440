"""The action head: adapter, state and action encoders, DiT, decoder. One velocity per (context, noisy action, time)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gr00t_model.groot import flow
from gr00t_model.groot.attention import KeysValues, SelfAttentionStack
from gr00t_model.groot.config import ActionHeadConfig
from gr00t_model.groot.dit import DiT
from gr00t_model.groot.slots import Groups, SlotActionEncoder, SlotMLP, group_rows


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
    ) -> Context:
        """Adapt the backbone's features, encode the state, and project the features for every DiT block."""
        groups = group_rows(slots)
        mask = None if self.attend_padding else attention_mask.bool()[:, None, None]
        adapted = self.vl_self_attention(self.vlln(features.to(self.dtype)), mask)
        return Context(
            sources=self.model.keys_values(adapted),
            condition=self.model.condition(adapted),
            mask=mask,
            state=self.state_encoder(state.to(self.dtype), groups),
            groups=groups,
        )

    def velocity(
        self, context: Context, action: Float[Tensor, "b t a"], bucket: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b t a"], list[Float[Tensor, "b n w"]]]:
        """The predicted velocity (float32) of a noisy action at a time bucket, and the DiT's hidden state per block."""
        encoded = self.action_encoder(action.to(self.dtype), bucket, context.groups)
        if self.config.add_pos_embed:
            encoded = encoded + self.position_embedding.weight[: encoded.shape[1]]
        future = self.future_tokens.weight.expand(len(encoded), -1, -1)
        tokens = torch.cat([context.state, future, encoded], dim=1)
        time = self.model.timestep_encoder(bucket) + context.condition
        output, hidden = self.model(tokens, time, context.sources, context.mask)
        decoded = self.action_decoder(output[:, -encoded.shape[1] :], context.groups)
        return decoded.float(), hidden

    def sample(self, context: Context, steps: int, noise: Float[Tensor, "b t a"]) -> Float[Tensor, "b t a"]:
        """Denoise ``noise`` to an action chunk in ``steps`` Euler steps."""

        def velocity(action: Float[Tensor, "b t a"], bucket: int) -> Float[Tensor, "b t a"]:
            buckets = torch.full((len(action),), bucket, device=action.device)
            return self.velocity(context, action, buckets)[0]

        return flow.euler(velocity, noise, steps, self.config.num_timestep_buckets)

    def freeze(self, tune_projector: bool, tune_diffusion_model: bool) -> list[nn.Module]:
        """Choose what trains; the adapter and the future tokens always do. Returns the modules that do not."""
        projector: list[nn.Module] = [self.state_encoder, self.action_encoder, self.action_decoder]
        if self.config.add_pos_embed:
            projector.append(self.position_embedding)
        self.requires_grad_(True)
        parts = [(module, tune_projector) for module in projector] + [(self.model, tune_diffusion_model)]
        for module, tuned in parts:
            module.requires_grad_(tuned)
        return [module for module, tuned in parts if not tuned]
