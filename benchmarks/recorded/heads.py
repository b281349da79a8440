"""Items 1: the flow-matching action head, with a few future tokens and with 32."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.recorded.modules import gradient_norms, gradients, outputs_of, trainable
from benchmarks.recorded.recording import LOSS, Comparisons, Item, Recordings, close, equal
from gr00t_model.groot import flow
from gr00t_model.groot.action_head import ActionHead, Context
from gr00t_model.groot.config import GrootConfig


def action_head(recordings: Recordings) -> Comparisons:
    """Training step, gradients, denoising, trainable parameters."""
    yield from _head(recordings, recordings.item("action_head"))
    yield from _trainable(recordings.item("action_head"))


def action_head_ft32(recordings: Recordings) -> Comparisons:
    """The same weights with another number of future tokens."""
    yield from _head(recordings, recordings.item("action_head_ft32"))


def _config(constructor: dict[str, Any]) -> GrootConfig:
    text = {"hidden_size": constructor["backbone_embedding_dim"]}
    sections = {"eagle_cfg": {"text_config": text}, "flare_cfg": {"enabled": False}}
    return GrootConfig.from_dict({"action_head_cfg": constructor, **sections})


def _head(recordings: Recordings, item: Item) -> Comparisons:
    head = ActionHead(_config(item.json("config")["constructor"]).action_head, attend_padding=True).eval()
    shared = recordings.item("action_head").tensors("weights")
    head.load_state_dict({**shared, **item.tensors("weights")}, strict=True)
    inputs, outputs = item.tensors("inputs"), item.tensors("outputs")
    yield from _training(head, inputs, outputs)
    yield from gradient_norms(head, item.json("grad_l2_norms"))
    for steps in sorted({int(name.split(".")[0].removeprefix("infer")) for name in outputs if name[:5] == "infer"}):
        yield from _denoising(head, inputs, outputs, steps)


def _context(head: ActionHead, inputs: dict[str, Tensor], features: Tensor) -> Context:
    return head.context(features, inputs["backbone_attention_mask"], inputs["state"], inputs["embodiment_id"])


def _training(head: ActionHead, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> Comparisons:
    features = inputs["backbone_features"].clone().requires_grad_()
    stack = head.vl_self_attention.transformer_blocks
    modules: dict[str, nn.Module] = {f"vl_block_{i}": block for i, block in enumerate(stack)}
    modules |= {"vlln": head.vlln, "state_encoded": head.state_encoder, "action_encoded": head.action_encoder}
    modules |= {"dit_temb": head.model.timestep_encoder, "dit_output": head.model}
    with outputs_of(modules) as seen:
        bucket = flow.time_bucket(inputs["t"], head.config.num_timestep_buckets)
        noisy = flow.interpolate(inputs["action"], inputs["noise"], inputs["t"])
        context = _context(head, inputs, features)
        velocity, hidden = head.velocity(context, noisy, bucket)
        target = flow.target_velocity(inputs["action"], inputs["noise"])
        loss = flow.masked_mse(velocity, target, inputs["action_mask"])
    loss.backward()
    yield equal(bucket, outputs["train.t_discretized"], "outputs/train.t_discretized", "time buckets")
    found = {name: seen[name] for name in modules}
    found |= {f"dit_block_{i}": state for i, state in enumerate(hidden)}
    found |= {"noisy_trajectory": noisy, "pred_velocity": velocity, "target_velocity": target}
    found |= {"dit_input": seen["dit_output.input"]}
    found |= {"decoder_output": head.action_decoder(seen["dit_output"], context.groups)}
    for name, tensor in found.items():
        group = "adapter" if name.startswith("vl") else "DiT" if name.startswith("dit") else "encoders, velocity"
        yield close(tensor, outputs[f"train.{name}"], f"outputs/train.{name}", group)
    yield close(loss, outputs["train.loss"], "outputs/train.loss", "loss", LOSS)
    parameters = dict(head.named_parameters()) | {"input.backbone_features": features}
    yield from gradients(parameters, outputs, "train.grad.")


def _denoising(head: ActionHead, inputs: dict[str, Tensor], outputs: dict[str, Tensor], steps: int) -> Comparisons:
    prefix, group = f"infer{steps}.", "denoising"
    with torch.no_grad():
        context = _context(head, inputs, inputs["backbone_features"])
        action = head.sample(context, steps, inputs["init_noise"])
        points, velocities, buckets = [inputs["init_noise"]], [], []
        for step in range(steps):
            bucket = int(step / steps * head.config.num_timestep_buckets)
            buckets.append(torch.full((len(action),), bucket))
            velocities.append(head.velocity(context, points[-1], buckets[-1])[0])
            points.append(points[-1] + velocities[-1] / steps)
    recorded = {name: outputs[prefix + name] for name in ("action_pred", "x_k", "velocity_k", "t_discretized")}
    yield equal(torch.stack(buckets), recorded["t_discretized"], f"outputs/{prefix}t_discretized", "time buckets")
    yield close(torch.stack(points[:-1]), recorded["x_k"], f"outputs/{prefix}x_k", group)
    yield close(torch.stack(velocities), recorded["velocity_k"], f"outputs/{prefix}velocity_k", group)
    yield close(action, recorded["action_pred"], f"outputs/{prefix}action_pred", "action")


def _trainable(item: Item) -> Comparisons:
    head = ActionHead(_config(item.json("config")["constructor"]).action_head, attend_padding=True)
    yield from trainable(head, head.freeze, item)
