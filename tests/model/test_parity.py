"""The published model's recorded numbers, reproduced in float32: modules, losses, gradients, actions.

Tolerances: 1e-5 of each tensor's largest magnitude, 2e-6 for losses, 2e-5 for gradient norms, about ten times the
rounding measured when the numbers were recorded. Key biases have no gradient in exact arithmetic: 1e-6 absolute.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gr00t_data.batches.batch import Batch
from gr00t_model.groot import flow
from gr00t_model.groot.action_head import ActionHead
from gr00t_model.groot.backbone import Backbone
from gr00t_model.groot.config import FlareConfig, GrootConfig
from gr00t_model.groot.model import Groot
from tests.model.conftest import relative_error

TOLERANCE, LOSS_TOLERANCE, NORM_TOLERANCE, ZERO_GRADIENT = 1e-5, 2e-6, 2e-5, 1e-6
HEADS = ["action_head", "action_head_ft32"]
NO_GRADIENT = ("attn1.to_k.bias", "k_proj.bias")


@contextmanager
def recording(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """What each module puts out while the block runs."""
    seen: dict[str, Tensor] = {}

    def hook(name: str):
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            seen[name] = output[0] if isinstance(output, tuple) else output

        return keep

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    yield seen
    for handle in handles:
        handle.remove()


def assert_close(found: Tensor, recorded: Tensor, name: str, tolerance: float = TOLERANCE) -> None:
    error = relative_error(found.detach(), recorded)
    assert error <= tolerance, f"{name}: relative error {error:.2e} over {tolerance:.0e}"


def assert_gradient_norms(module: nn.Module, recorded: Mapping[str, float | None]) -> None:
    """Every parameter's gradient norm, and no gradient where none was recorded."""
    parameters = dict(module.named_parameters())
    for name, norm in recorded.items():
        if name not in parameters and name.endswith("lm_head.weight"):
            continue  # the same tensor as the token embedding
        gradient = parameters[name].grad
        if norm is None:
            assert gradient is None, f"{name} has a gradient, the recording has none"
        else:
            found = float(gradient.double().norm())
            bound = ZERO_GRADIENT if name.endswith(NO_GRADIENT) else NORM_TOLERANCE * norm
            assert abs(found - norm) <= bound, f"gradient norm of {name}: {found:.9g}, recorded {norm:.9g}"


@pytest.fixture(scope="module", params=HEADS)
def head_case(request, parity) -> tuple[ActionHead, dict[str, Tensor], dict[str, Tensor], Any]:
    item = parity(request.param)
    constructor = item.json("config")["constructor"]
    config = GrootConfig.from_dict({"action_head_cfg": constructor, **_matching(constructor)}).action_head
    head = ActionHead(config, attend_padding=True).eval()
    weights = {**parity("action_head").tensors("weights"), **item.tensors("weights")}
    head.load_state_dict(weights, strict=True)
    return head, item.tensors("inputs"), item.tensors("outputs"), item.json("grad_l2_norms")


def _matching(constructor: dict[str, Any]) -> dict[str, Any]:
    """The rest of a configuration, as narrow as the recorded action head."""
    text = {"hidden_size": constructor["backbone_embedding_dim"]}
    return {"eagle_cfg": {"text_config": text}, "flare_cfg": {"align_layer": 1}}


def _context(head: ActionHead, inputs: dict[str, Tensor], features: Tensor):
    return head.context(features, inputs["backbone_attention_mask"], inputs["state"], inputs["embodiment_id"])


def test_action_head_training_step(head_case):
    head, inputs, outputs, norms = head_case
    head.zero_grad()
    features = inputs["backbone_features"].clone().requires_grad_()
    stack = head.vl_self_attention.transformer_blocks
    modules: dict[str, nn.Module] = {f"vl_block_{i}": block for i, block in enumerate(stack)}
    modules |= {"vlln": head.vlln, "state_encoded": head.state_encoder, "action_encoded": head.action_encoder}
    modules |= {"dit_temb": head.model.timestep_encoder, "dit_output": head.model}
    with recording(modules) as seen:
        bucket = flow.time_bucket(inputs["t"], head.config.num_timestep_buckets)
        noisy = flow.interpolate(inputs["action"], inputs["noise"], inputs["t"])
        velocity, hidden = head.velocity(_context(head, inputs, features), noisy, bucket)
        target = flow.target_velocity(inputs["action"], inputs["noise"])
        loss = flow.masked_mse(velocity, target, inputs["action_mask"])
    loss.backward()
    assert torch.equal(bucket, outputs["train.t_discretized"])
    seen |= {f"dit_block_{i}": state for i, state in enumerate(hidden)}
    seen |= {"noisy_trajectory": noisy, "pred_velocity": velocity, "target_velocity": target}
    for name, tensor in seen.items():
        assert_close(tensor, outputs[f"train.{name}"], name)
    assert_close(loss, outputs["train.loss"], "loss", LOSS_TOLERANCE)
    assert_gradient_norms(head, norms)
    parameters = dict(head.named_parameters()) | {"input.backbone_features": features}
    for name in (key.removeprefix("train.grad.") for key in outputs if key.startswith("train.grad.")):
        if not name.endswith(NO_GRADIENT):
            assert_close(parameters[name].grad, outputs[f"train.grad.{name}"], f"gradient of {name}")


@pytest.mark.parametrize("steps", [4, 2])
def test_action_head_denoises(head_case, steps):
    head, inputs, outputs, _ = head_case
    points, velocities, buckets = [], [], []
    original = head.velocity

    def traced(context, action, bucket):
        points.append(action)
        buckets.append(bucket)
        velocities.append(original(context, action, bucket)[0])
        return velocities[-1], []

    head.velocity = traced
    with torch.no_grad():
        action = head.sample(_context(head, inputs, inputs["backbone_features"]), steps, inputs["init_noise"])
    del head.velocity
    assert torch.equal(torch.stack(buckets), outputs[f"infer{steps}.t_discretized"])
    assert_close(torch.stack(points), outputs[f"infer{steps}.x_k"], "x_k")
    assert_close(torch.stack(velocities), outputs[f"infer{steps}.velocity_k"], "velocity_k")
    assert_close(action, outputs[f"infer{steps}.action_pred"], "action_pred")


def test_backbone(parity):
    item = parity("backbone")
    config = item.json("config")
    backbone_config = GrootConfig.from_dict(_whole(config, {})).backbone
    backbone = Backbone(backbone_config).eval()
    weights = {k.removeprefix("backbone."): v for k, v in item.tensors("weights").items()}
    backbone.load_state_dict(weights, strict=True)
    inputs, outputs = item.tensors("inputs"), item.tensors("outputs")
    eagle = backbone.eagle_model
    modules: dict[str, nn.Module] = {"vision_last_hidden_state": eagle.vision_model, "mlp1_output": eagle.mlp1}
    layers = list(eagle.language_model.model.layers)
    modules |= {f"llm_hidden_states.{i + 1}": layer for i, layer in enumerate(layers[:-1])}
    mask = inputs["eagle_attention_mask"]
    with torch.no_grad(), recording(modules) as seen:
        features = backbone(inputs["eagle_pixel_values"], inputs["eagle_input_ids"], mask)
    assert_close(features, outputs["features.fa2"], "features.fa2")
    assert_close(features[mask.bool()], outputs["features.sdpa"][mask.bool()], "features.sdpa on real tokens")
    for name, tensor in seen.items():
        recorded, real = outputs[name], mask.bool()
        if name.startswith("llm"):
            tensor, recorded = tensor[real], recorded[real]
        assert_close(tensor, recorded, name)


def _whole(config: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    """A recorded configuration as config.json would hold it, without FLARE."""
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


@pytest.fixture(scope="module")
def full_case(parity) -> tuple[Groot, Batch, dict[str, Tensor], Any]:
    item = parity("full_model")
    config = item.json("config")
    groot = Groot(GrootConfig.from_dict(_whole(config, config["action_head_cfg"]))).eval()
    groot.load_state_dict({**parity("backbone").tensors("weights"), **item.tensors("weights")}, strict=True)
    return groot, item.tensors("inputs"), item.tensors("outputs"), item


def _batch(groot: Groot, inputs: dict[str, Tensor]) -> Batch:
    """The recorded batch; pixels are already floats there, so it enters as the backbone's features."""
    mask = inputs["batch.eagle_attention_mask"]
    features = groot.backbone(inputs["batch.eagle_pixel_values"], inputs["batch.eagle_input_ids"], mask)
    return Batch(
        state=inputs["batch.state"],
        state_mask=inputs["batch.state_mask"],
        embodiment_id=inputs["batch.embodiment_id"],
        action=inputs["batch.action"],
        action_mask=inputs["batch.action_mask"],
        vl_features=features,
        attention_mask=mask,
    )


def test_full_model_loss_and_gradients(full_case):
    groot, inputs, outputs, item = full_case
    groot.zero_grad()
    loss = groot(_batch(groot, inputs), time=inputs["t"], noise=inputs["noise"])
    loss.total.backward()
    assert_close(loss.total, outputs["loss.fa2"], "loss", LOSS_TOLERANCE)
    assert_gradient_norms(groot, item.json("grad_l2_norms"))
    parameters = dict(groot.named_parameters())
    for name in (key.removeprefix("grad.") for key in outputs if key.startswith("grad.")):
        if not name.endswith(NO_GRADIENT):
            assert_close(parameters[name].grad, outputs[f"grad.{name}"], f"gradient of {name}")


@pytest.mark.parametrize("steps", [4, 2])
def test_full_model_acts(full_case, steps):
    groot, inputs, outputs, _ = full_case
    with torch.no_grad():
        batch = _batch(groot, inputs)
    action = groot.get_action(batch, steps, noise=inputs["init_noise"])
    assert_close(action, outputs[f"action_pred.{steps}steps.fa2"], "action_pred")


def test_trainable_parameters(full_case):
    groot, _, _, item = full_case
    for flags, names in item.json("trainable_parameters").items():
        switches = dict(pair.split("=") for pair in flags.split(","))
        groot.freeze(**{name: value == "True" for name, value in switches.items()})
        found = {name for name, p in groot.backbone.named_parameters(prefix="backbone") if p.requires_grad}
        assert found == {name for name in names if not name.endswith("lm_head.weight")}
    groot.freeze(tune_visual=True, tune_llm=False)


def test_trainable_parameters_of_the_action_head(parity):
    item = parity("action_head")
    constructor = item.json("config")["constructor"]
    config = GrootConfig.from_dict({"action_head_cfg": constructor, **_matching(constructor)})
    head = ActionHead(config.action_head, attend_padding=True)
    for flags, names in item.json("trainable_parameters").items():
        switches = dict(pair.split("=") for pair in flags.split(","))
        head.freeze(**{name: value == "True" for name, value in switches.items()})
        assert {name for name, p in head.named_parameters() if p.requires_grad} == set(names)


def test_masked_padding_makes_a_row_independent_of_its_batch(full_case):
    groot, inputs, _, _ = full_case
    config = replace(groot.config, published_behaviour=False, flare=FlareConfig(enabled=False))
    masked = Groot(config).eval()
    masked.load_state_dict(groot.state_dict())
    with torch.no_grad():
        batch = _batch(masked, inputs)
    real = int(batch.attention_mask[0].sum())
    row = Batch(
        state=batch.state[:1],
        state_mask=batch.state_mask[:1],
        embodiment_id=batch.embodiment_id[:1],
        vl_features=batch.vl_features[:1, -real:],
        attention_mask=batch.attention_mask[:1, -real:],
    )
    noise = inputs["init_noise"]
    together, alone = masked.get_action(batch, noise=noise)[:1], masked.get_action(row, noise=noise[:1])
    assert_close(alone, together, "row alone against row in its batch")
