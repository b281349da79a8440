"""Item 12: the inverse dynamics head of GR00T-Dreams, and the averaging of its windows."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmarks.recorded.modules import differing_names, gradient_norms, gradients, outputs_of, switches
from benchmarks.recorded.recording import LOSS, Comparisons, Recordings, close, equal
from gr00t_model.groot import flow
from gr00t_model.idm.config import IdmConfig
from gr00t_model.idm.model import Idm, IdmBatch


def idm(recordings: Recordings) -> Comparisons:
    """Training step, gradients, denoising, windows, frozen parameters."""
    item = recordings.item("idm")
    config, inputs, outputs = item.json("config"), item.tensors("inputs"), item.tensors("outputs")
    model = Idm(IdmConfig.from_dict(config["constructor"])).eval()
    model.load_state_dict(item.tensors("weights"), strict=True)
    counted = config["token_counts"]["tokens_per_image_after_projector"]
    yield equal(model.config.tokens_per_image, counted, "config/token_counts", "token counts")
    named = ("images", "view_ids", "vl_token_ids", "embodiment_id", "actions", "actions_mask")
    batch = IdmBatch(*(inputs[name] for name in named))
    yield from _training(model, batch, inputs, outputs)
    yield from gradient_norms(model, item.json("grad_l2_norms"))
    yield from gradients(dict(model.named_parameters()), outputs, "train.grad.")
    for steps in sorted({int(name.split(".")[0].removeprefix("infer")) for name in outputs if name[:5] == "infer"}):
        yield from _denoising(model, batch, inputs, outputs, steps)
    averaged, votes = average_windows(outputs["windows.pred_f32"].numpy())
    yield close(averaged, outputs["windows.averaged_f64"], "outputs/windows.averaged_f64", "windows", 1e-12)
    yield equal(votes, outputs["windows.votes"], "outputs/windows.votes", "windows")
    yield equal(votes.shape[0], len(outputs["windows.pred_f32"]), "outputs/windows.pred_f32", "windows", "input")
    for flags, names in config["frozen_parameters"].items():
        model.freeze(**switches(flags))
        frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        yield differing_names(frozen, names, f"config/frozen_parameters/{flags}", "frozen parameters")


def _training(model: Idm, batch: IdmBatch, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> Comparisons:
    modules: dict[str, nn.Module] = {
        "siglip_last_hidden_state": model.siglip_model.vision_model.post_layernorm,
        "vision_projector": model.vision_projector,
        "mm_projector": model.mm_projector,
        "vl_mixed": model.vl_self_attention_model,
        "action_encoded": model.action_encoder,
    }
    with outputs_of(modules) as seen:
        bucket = flow.time_bucket(inputs["t"], model.config.num_timestep_buckets)
        noisy = flow.interpolate(inputs["actions"], inputs["noise"], inputs["t"])
        velocity, hidden = model.velocity(model.see(batch), noisy, bucket)
        loss = model(batch, time=inputs["t"], noise=inputs["noise"])
    loss.backward()
    found = {name: seen[name] for name in modules} | {f"dit_block_{i}": state for i, state in enumerate(hidden)}
    found |= {"vl_input": seen["vl_mixed.input"], "noisy_trajectory": noisy, "pred_velocity": velocity}
    found |= {"decoder_output": velocity, "target_velocity": flow.target_velocity(inputs["actions"], inputs["noise"])}
    for name, tensor in found.items():
        group = "DiT" if name.startswith("dit") else "vision, projector, mixer"
        group = "encoder, velocity" if name in ("action_encoded", *list(found)[-4:]) else group
        yield close(tensor, outputs[f"train.{name}"], f"outputs/train.{name}", group)
    yield close(loss, outputs["train.loss"], "outputs/train.loss", "loss", LOSS)


def _denoising(
    model: Idm, batch: IdmBatch, inputs: dict[str, Tensor], outputs: dict[str, Tensor], steps: int
) -> Comparisons:
    prefix = f"infer{steps}."
    action = model.get_action(batch, steps, noise=inputs["init_noise"])
    yield close(action, outputs[f"{prefix}action_pred"], f"outputs/{prefix}action_pred", "action")
    points = [inputs["init_noise"]]
    with torch.no_grad():
        sight = model.see(batch)
        for step in range(steps):
            bucket = int(step / steps * model.config.num_timestep_buckets)
            velocity, _ = model.velocity(sight, points[-1], torch.full((len(action),), bucket))
            points.append(points[-1] + velocity / steps)
    yield close(torch.stack(points[:-1]), outputs[f"{prefix}x_k"], f"outputs/{prefix}x_k", "denoising")


def average_windows(
    predicted: Float[np.ndarray, "l h d"],
) -> tuple[Float[np.ndarray, "l d"], Int[np.ndarray, " l"]]:
    """From overlapping windows to one action per frame, as DreamGen labels video (arXiv 2505.12705): the mean of all.

    Args:
        predicted: window s predicts the actions of frames s, s + 1, ..., s + h - 1; what lies beyond the last frame is
            dropped.

    Returns:
        actions: float64 [l, d], the plain mean. (A rotation or a gripper is averaged like any number.)
        votes: int64 [l], windows that speak about a frame: fewer than h for the first h - 1 frames.
    """
    length, horizon, width = predicted.shape
    total, votes = np.zeros((length, width)), np.zeros(length, dtype=np.int64)
    for ahead in range(min(horizon, length)):
        total[ahead:] += predicted[: length - ahead, ahead]
        votes[ahead:] += 1
    return total / np.maximum(votes, 1)[:, None], votes
