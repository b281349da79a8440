"""The seven parts of a model as modules with the published inputs and outputs; slots are gathered by embodiment_id.

A model of ours that masks padding (``published_behaviour`` false) takes ``attention_mask`` in the adapter and in the
DiT too, and its keypoint tower reads the prompt; a published model has the published inputs and no others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gr00t_model.acting.onnx.layout import OnnxError
from gr00t_model.groot.action_head import ActionHead
from gr00t_model.groot.backbone import Backbone, hidden_states
from gr00t_model.groot.config import GrootConfig, SiglipConfig
from gr00t_model.groot.keypoints import KeypointTower
from gr00t_model.groot.model import Groot
from gr00t_model.groot.slots import SlotActionEncoder, SlotMLP
from gr00t_model.groot.vision import SiglipTower

Inputs = dict[str, Tensor]
_EXAMPLE_ROWS, _EXAMPLE_WORDS = 2, 5
"""Of what a part is traced with: more than one, or a dimension would be taken for a constant."""


@dataclass(frozen=True)
class Part:
    """A module that becomes one ONNX file.

    Attributes:
        name: key of ``layout.PARTS``.
        module: takes ``inputs`` by position, gives one tensor.
        inputs: an example of each, by its published name.
        dynamic: input -> dimension -> its name, for those that vary.
    """

    name: str
    module: nn.Module
    inputs: Inputs
    dynamic: Mapping[str, Mapping[int, str]]


class SiglipPart(nn.Module):
    """Pixels and the places of their patches to the vision tower's tokens."""

    def __init__(self, tower: SiglipTower):
        super().__init__()
        self.model = tower.vision_model

    def forward(
        self, pixel_values: Float[Tensor, "n 3 h w"], position_ids: Int[Tensor, "n p"]
    ) -> Float[Tensor, "n p e"]:
        embeddings = self.model.embeddings
        patches = embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        placed = patches + embeddings.position_embedding(position_ids)
        return self.model.post_layernorm(self.model.encoder(inputs_embeds=placed).last_hidden_state)


class KeypointPart(nn.Module):
    """Pixels, and the prompt of each picture, to the small tower's tokens."""

    def __init__(self, tower: KeypointTower):
        super().__init__()
        self.tower = tower

    def forward(
        self, pixel_values: Float[Tensor, "n 3 h w"], input_ids: Int[Tensor, "n k"], attention_mask: Int[Tensor, "n k"]
    ) -> Float[Tensor, "n p e"]:
        feature_map = self.tower.feature_map(pixel_values)
        keypoints = self.tower.find(feature_map, self.tower.question(input_ids, attention_mask))
        return self.tower.tokens(*self.tower.sights(feature_map, keypoints))


class LanguagePart(nn.Module):
    """The sequence of words and picture tokens to the language model's features."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.model = backbone.eagle_model.language_model.model

    def forward(
        self, inputs_embeds: Float[Tensor, "b n d"], attention_mask: Int[Tensor, "b n"]
    ) -> Float[Tensor, "b n d"]:
        return hidden_states(self.model, inputs_embeds, attention_mask)


class AdapterPart(nn.Module):
    """The backbone's features, normed and adapted."""

    def __init__(self, head: ActionHead):
        super().__init__()
        self.vlln, self.adapter = head.vlln, head.vl_self_attention

    def forward(
        self, backbone_features: Float[Tensor, "b n d"], attention_mask: Int[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n d"]:
        return self.adapter(self.vlln(backbone_features), _mask(attention_mask))


class StateEncoderPart(nn.Module):
    """The state to one token, by the weights of its row's slot."""

    def __init__(self, encoder: SlotMLP):
        super().__init__()
        self.encoder = encoder

    def forward(self, state: Float[Tensor, "b 1 s"], embodiment_id: Int[Tensor, " b"]) -> Float[Tensor, "b 1 w"]:
        return self.encoder(state, embodiment_id)


class ActionEncoderPart(nn.Module):
    """A noisy chunk and its time bucket to tokens, without their positions."""

    def __init__(self, encoder: SlotActionEncoder):
        super().__init__()
        self.encoder = encoder

    def forward(
        self,
        actions: Float[Tensor, "b t a"],
        timesteps_tensor: Int[Tensor, " b"],
        embodiment_id: Int[Tensor, " b"],
    ) -> Float[Tensor, "b t w"]:
        return self.encoder(actions, timesteps_tensor, embodiment_id)


class DiTPart(nn.Module):
    """One pass of the diffusion transformer over all tokens; keys and values of the features are made in each."""

    def __init__(self, head: ActionHead):
        super().__init__()
        self.dit = head.model

    def forward(
        self,
        sa_embs: Float[Tensor, "b m w"],
        vl_embs: Float[Tensor, "b n d"],
        timesteps_tensor: Int[Tensor, " b"],
        attention_mask: Int[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, "b m o"]:
        time = self.dit.timestep_encoder(timesteps_tensor) + self.dit.condition(vl_embs)
        return self.dit(sa_embs, time, self.dit.keys_values(vl_embs), _mask(attention_mask))[0]


class ActionDecoderPart(nn.Module):
    """The DiT's output to velocities, for every token; those of the action are the last ones."""

    def __init__(self, decoder: SlotMLP):
        super().__init__()
        self.decoder = decoder

    def forward(self, model_output: Float[Tensor, "b m o"], embodiment_id: Int[Tensor, " b"]) -> Float[Tensor, "b m a"]:
        return self.decoder(model_output, embodiment_id)


def _mask(attention_mask: Int[Tensor, "b n"] | None) -> Bool[Tensor, "b 1 1 n"] | None:
    return None if attention_mask is None else attention_mask.bool()[:, None, None]


def parts_of(model: Groot) -> dict[str, Callable[[], Part]]:
    """Part -> what makes it of a model, in the order in which they run. Modules are the model's own, not copies.

    Raises:
        OnnxError: the model is one that an embedding is pre-trained with, which does not act.
    """
    if model.embedding is not None:
        raise OnnxError("an embedding in pre-training does not act; export a model that was trained on it")
    head, config = model.action_head, model.config
    return {
        "vit": lambda: _vision(model),
        "llm": lambda: _part("llm", LanguagePart(model.backbone), _features("inputs_embeds", config) | _real()),
        "vlln_vl_self_attention": lambda: _part(
            "vlln_vl_self_attention", AdapterPart(head), _features("backbone_features", config) | _masked(head)
        ),
        "state_encoder": lambda: _part(
            "state_encoder",
            StateEncoderPart(head.state_encoder),
            {"state": torch.randn(_EXAMPLE_ROWS, 1, head.config.max_state_dim)} | _slots(),
        ),
        "action_encoder": lambda: _part(
            "action_encoder",
            ActionEncoderPart(head.action_encoder),
            {"actions": torch.randn(_EXAMPLE_ROWS, head.config.action_horizon, head.config.action_dim)}
            | _time()
            | _slots(),
        ),
        "DiT": lambda: _part(
            "DiT",
            DiTPart(head),
            {"sa_embs": torch.randn(_EXAMPLE_ROWS, _tokens(head), head.config.input_embedding_dim)}
            | _features("vl_embs", config)
            | _time()
            | _masked(head),
        ),
        "action_decoder": lambda: _part(
            "action_decoder",
            ActionDecoderPart(head.action_decoder),
            {"model_output": torch.randn(_EXAMPLE_ROWS, _tokens(head), head.config.hidden_size)} | _slots(),
        ),
    }


def _vision(model: Groot) -> Part:
    tower, vision = model.backbone.eagle_model.vision_model, model.config.backbone.vision
    pixels = {"pixel_values": torch.randn(_EXAMPLE_ROWS, 3, vision.image_size, vision.image_size)}
    if isinstance(tower, SiglipTower) and isinstance(vision, SiglipConfig):
        places = torch.arange(vision.tokens_per_image).expand(_EXAMPLE_ROWS, -1)
        return _part("vit", SiglipPart(tower), pixels | {"position_ids": places}, rows="views")
    assert isinstance(tower, KeypointTower)
    words = {"input_ids": torch.zeros(_EXAMPLE_ROWS, _EXAMPLE_WORDS, dtype=torch.int64)}
    return _part("vit", KeypointPart(tower), pixels | words | _real(), rows="views")


def _tokens(head: ActionHead) -> int:
    """Of the DiT's sequence: the state, the future tokens, the actions."""
    return 1 + head.config.num_target_vision_tokens + head.config.action_horizon


def _features(name: str, config: GrootConfig) -> Inputs:
    return {name: torch.randn(_EXAMPLE_ROWS, _EXAMPLE_WORDS, config.backbone.text.hidden_size)}


def _real() -> Inputs:
    return {"attention_mask": torch.ones(_EXAMPLE_ROWS, _EXAMPLE_WORDS, dtype=torch.int64)}


def _masked(head: ActionHead) -> Inputs:
    return {} if head.attend_padding else _real()


def _slots() -> Inputs:
    return {"embodiment_id": torch.zeros(_EXAMPLE_ROWS, dtype=torch.int64)}


def _time() -> Inputs:
    return {"timesteps_tensor": torch.zeros(_EXAMPLE_ROWS, dtype=torch.int64)}


_SEQUENCES = ("inputs_embeds", "attention_mask", "input_ids", "backbone_features", "vl_embs")
"""Inputs whose second dimension is the length of the prompt."""


def _part(name: str, module: nn.Module, inputs: Inputs, rows: str = "batch") -> Part:
    dynamic = {one: {0: rows} | ({1: "sequence"} if one in _SEQUENCES else {}) for one in inputs}
    return Part(name, module.eval(), inputs, dynamic)
