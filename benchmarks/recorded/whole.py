"""Items 2 and 3: the backbone, and the whole model.

The recording has three attention backends. They agree on real tokens and differ at padding: "fa2" (the released GPU
behaviour, ours) gives zero there, "eager" and "sdpa" on a CPU mask every key of a padding query alike, so that its
attention is the mean of all values.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from benchmarks.recorded.modules import gradient_norms, gradients, outputs_of, trainable
from benchmarks.recorded.recording import LOSS, Comparisons, Recordings, close, equal
from gr00t_data.batches.batch import Batch
from gr00t_model.groot.backbone import Backbone
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.model import Groot

_MEAN_AT_PADDING = "mean_at_padding"


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, **settings
) -> tuple[Tensor, None]:
    attended, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    groups = query.shape[1] // value.shape[1]
    mean = value.mean(dim=2).repeat_interleave(groups, dim=1)[:, None]
    return torch.where(settings["real"][:, :, None, None], attended, mean), None


@contextmanager
def _attention_at_padding(backbone: Backbone, backend: str) -> Iterator[None]:
    """Let the language model do at padding what the backend did; nothing changes for "fa2"."""
    config = backbone.eagle_model.language_model.model.config
    ours = config._attn_implementation
    if backend != "fa2":
        AttentionInterface.register(_MEAN_AT_PADDING, _attention)
        config._attn_implementation = _MEAN_AT_PADDING
    try:
        yield
    finally:
        config._attn_implementation = ours


def whole_config(config: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    """A recorded configuration as config.json would hold it, without FLARE; without ``head`` as narrow as can be."""
    width = config["eagle_config"]["text_config"]["hidden_size"]
    adapter = {"num_attention_heads": 1, "attention_head_dim": width}
    diffusion = {"cross_attention_dim": width}
    filler = {"backbone_embedding_dim": width, "diffusion_model_cfg": diffusion, "vl_self_attention_cfg": adapter}
    return {
        "backbone_cfg": config["backbone_cfg"],
        "eagle_cfg": config["eagle_config"],
        "action_head_cfg": head or filler,
        "flare_cfg": {"enabled": False},
    }


def backbone(recordings: Recordings) -> Comparisons:
    """Vision tower, linear, every hidden state of the language model, features of all three backends."""
    item = recordings.item("backbone")
    model = Backbone(GrootConfig.from_dict(whole_config(item.json("config"), {})).backbone).eval()
    weights = {name.removeprefix("backbone."): tensor for name, tensor in item.tensors("weights").items()}
    model.load_state_dict(weights, strict=True)
    inputs, outputs = item.tensors("inputs"), item.tensors("outputs")
    given = (inputs["eagle_pixel_values"], inputs["eagle_input_ids"], inputs["eagle_attention_mask"])
    for backend in sorted(name.removeprefix("features.") for name in outputs if name.startswith("features.")):
        with torch.no_grad(), _attention_at_padding(model, backend):
            features = model(*given)
        yield close(features, outputs[f"features.{backend}"], f"outputs/features.{backend}", "features")
    yield equal(given[2], outputs["backbone_attention_mask"], "outputs/backbone_attention_mask", "mask")
    yield from _inside(model, given, outputs)


def _inside(model: Backbone, given: tuple[Tensor, Tensor, Tensor], outputs: dict[str, Tensor]) -> Comparisons:
    eagle = model.eagle_model
    modules: dict[str, nn.Module] = {"vision_last_hidden_state": eagle.vision_model, "mlp1_output": eagle.mlp1}
    layers = list(eagle.language_model.model.layers)
    modules |= {f"llm_hidden_states.{i + 1}": layer for i, layer in enumerate(layers[:-1])}
    modules |= {"first": layers[0]}
    with torch.no_grad(), outputs_of(modules) as seen:
        features = model(*given)
    found = {name: seen[name] for name in modules if name != "first"}
    found |= {"llm_hidden_states.0": seen["first.input"], f"llm_hidden_states.{len(layers)}": features}
    for name, tensor in found.items():
        group = "language model" if name.startswith("llm") else "vision"
        yield close(tensor, outputs[name], f"outputs/{name}", group)


def full_model_case(recordings: Recordings) -> tuple[Groot, dict[str, Tensor], dict[str, Tensor]]:
    """The recorded whole model, its inputs and its outputs."""
    item = recordings.item("full_model")
    config = item.json("config")
    groot = Groot(GrootConfig.from_dict(whole_config(config, config["action_head_cfg"]))).eval()
    weights = {**recordings.item("backbone").tensors("weights"), **item.tensors("weights")}
    groot.load_state_dict(weights, strict=True)
    return groot, item.tensors("inputs"), item.tensors("outputs")


def full_model_batch(groot: Groot, inputs: dict[str, Tensor], backend: str = "fa2") -> Batch:
    """The recorded batch; pixels are already floats there, so it enters as the backbone's features."""
    mask = inputs["batch.eagle_attention_mask"]
    with _attention_at_padding(groot.backbone, backend):
        features = groot.backbone(inputs["batch.eagle_pixel_values"], inputs["batch.eagle_input_ids"], mask)
    named = ("state", "state_mask", "embodiment_id", "action", "action_mask")
    return Batch(**{name: inputs[f"batch.{name}"] for name in named}, vl_features=features, attention_mask=mask)


def full_model(recordings: Recordings) -> Comparisons:
    """Losses and actions of all three backends, gradients of the released one, trainable parameters."""
    groot, inputs, outputs = full_model_case(recordings)
    item = recordings.item("full_model")
    for name in sorted(name for name in outputs if name.startswith(("loss.", "action_pred."))):
        kind, *middle, backend = name.split(".")
        with torch.no_grad():
            batch = full_model_batch(groot, inputs, backend)
            if kind == "loss":
                found = groot(batch, time=inputs["t"], noise=inputs["noise"]).total
                yield close(found, outputs[name], f"outputs/{name}", "loss", LOSS)
            else:
                steps = int(middle[0].removesuffix("steps"))
                action = groot.get_action(batch, steps, noise=inputs["init_noise"])
                yield close(action, outputs[name], f"outputs/{name}", "action")
    groot.freeze(tune_visual=True, tune_llm=False)
    groot(full_model_batch(groot, inputs), time=inputs["t"], noise=inputs["noise"]).total.backward()
    yield from gradient_norms(groot, item.json("grad_l2_norms"))
    yield from gradients(dict(groot.named_parameters()), outputs, "grad.")
    yield from trainable(groot.backbone, groot.freeze, item, prefix="backbone")
