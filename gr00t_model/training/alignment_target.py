"""What a run does with FLARE: the target it aligns to, fixed or following; or the pre-training of an embedding."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from gr00t_data.batches.batch import Batch
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare.config import EmbeddingConfig, FlareConfig
from gr00t_model.groot.flare.embedding import Embedding
from gr00t_model.groot.flare.target import PARTS, TargetEncoder, new_target
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import Prompt
from gr00t_model.groot.weights.nvidia import load, read_config
from gr00t_model.loop.config import ConfigError
from gr00t_model.training.config import Flare, Model
from gr00t_model.training.key import base_digest


def set_flare(model: Groot, chosen: Model, base: Path) -> None:
    """Give ``model`` the alignment (or the embedding to pre-train) that ``chosen`` asks for, whatever its base had.

    Weights that the base lacks are drawn from torch's global generator.

    Args:
        base: folder the model was loaded from; an embedding must have been made with the same tokenizer.

    Raises:
        ConfigError: no embedding is named, or the one that is does not fit the model.
    """
    flare, former = chosen.flare, model.config.flare
    kept = former.embedding if former.pretraining else None
    plain = replace(
        former, enabled=False, target="vision", own_parts=(), embedding=None, pretraining=False, target_ema=1.0
    )
    if flare.pretrain_embedding:
        pretraining = replace(plain, pretraining=True, embedding=kept or former.embedding or EmbeddingConfig())
        model.config, model.flare = replace(model.config, flare=pretraining), None
        model.embedding = model.embedding or Embedding.of(model.config)
        return
    model.embedding = None
    aligned = replace(
        plain,
        enabled=flare.on,
        coefficient=flare.coefficient,
        control=flare.control,
        horizon_frames=flare.horizon_frames or former.horizon_frames,
        align_layer=flare.align_layer or former.align_layer,
    )
    model.config = replace(model.config, flare=aligned)
    if not flare.on:
        model.flare = None
    elif flare.target == "action_aware":
        _align_to_embedding(model, chosen, base, former)
    else:
        own = tuple(name for name in _training_parts(chosen) if name == "vision_model")
        named = replace(aligned, target=flare.target, own_parts=own, target_ema=flare.target_ema)
        _set_target(model, named, former)


def _set_target(model: Groot, config: FlareConfig, former: FlareConfig) -> TargetEncoder:
    """Build the target of ``config``; the projector stays when it was made for the same kind of target."""
    model.config = replace(model.config, flare=config)
    if model.flare is None or config.target != former.target:
        model.flare = model.new_flare()
    else:
        model.flare.target = new_target(model.config, model.backbone.encoder)
    return model.flare.target


def _align_to_embedding(model: Groot, chosen: Model, base: Path, former: FlareConfig) -> None:
    """On the meta device, where there are no weights to compare, only the parts that train count as copies."""
    folder = Path(chosen.flare.embedding)
    config = replace(
        model.config.flare,
        target="action_aware",
        target_ema=chosen.flare.target_ema,
        own_parts=tuple(name for name in PARTS if name in _training_parts(chosen)),
        embedding=_checked(folder, model.config).flare.embedding,
    )
    if model.device.type == "meta":
        _set_target(model, config, former)
        return
    _check_tokenizer(folder, Path(chosen.tokenizer) if chosen.tokenizer else base)
    source = load(folder)
    policy, other = model.backbone.encoder, source.backbone.encoder
    unlike = {name for name in PARTS if _differ(getattr(policy, name), getattr(other, name))}
    own = tuple(name for name in PARTS if name in {*config.own_parts, *unlike})
    target = _set_target(model, replace(config, own_parts=own), former)
    assert target.embedding is not None and source.embedding is not None
    target.embedding.load_state_dict(source.embedding.state_dict())
    for name in own:
        target.parts[name].load_state_dict(getattr(other, name).state_dict())


def _checked(folder: Path, policy: GrootConfig) -> GrootConfig:
    """The configuration of the embedding in ``folder``, which fits the policy's."""
    if folder == Path():
        raise ConfigError(
            "model.flare.target=action_aware needs model.flare.embedding, the checkpoint of a run that learnt one: "
            "gr00t train --recipe gr1_nano_embedding"
        )
    if not (folder / "config.json").is_file():
        raise ConfigError(f"model.flare.embedding: {folder} has no config.json; name the folder of a checkpoint")
    config = read_config(folder)
    if not config.flare.pretraining:
        raise ConfigError(
            f"model.flare.embedding: {folder} is a checkpoint of a policy, not of an embedding; make one with "
            "gr00t train --recipe gr1_nano_embedding"
        )
    if differences := _unlike(config, policy):
        raise ConfigError(f"model.flare.embedding: {folder} was made for another model: {'; '.join(differences)}")
    return config


def _check_tokenizer(folder: Path, policys: Path) -> None:
    found, wanted = (Prompt.load(place).tokenizer.get_vocab() for place in (folder, policys))
    if found != wanted:
        raise ConfigError(
            f"model.flare.embedding: the tokenizer of {folder} gives words other numbers than that of {policys}; train "
            "the embedding from the same base as the policy"
        )


def _unlike(embedding: GrootConfig, policy: GrootConfig) -> list[str]:
    """What the two must have in common, where they do not."""
    found, wanted = (
        {
            "image size": config.backbone.vision.image_size,
            "vision tower": type(config.backbone.vision).__name__,
            "width of the language model": config.backbone.text.hidden_size,
            "vocabulary": config.backbone.text.vocab_size,
            "image token": config.backbone.image_token_index,
            "future tokens": config.action_head.num_target_vision_tokens,
            "attention heads of the adapter": config.action_head.vl_self_attention_cfg.num_attention_heads,
        }
        for config in (embedding, policy)
    )
    return [f"{name} {found[name]}, the policy has {wanted[name]}" for name in found if found[name] != wanted[name]]


def _training_parts(chosen: Model) -> set[str]:
    """The fields of ``Encoder`` whose weights this run changes."""
    if chosen.lora.on:
        return {"vision_model"} if chosen.lora.scope == "whole" else set()
    return ({"vision_model", "mlp1"} if chosen.tune.visual else set()) | ({"words"} if chosen.tune.llm else set())


def _differ(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() != b.keys() or not all(torch.equal(a[name].float(), b[name].float()) for name in a)


@torch.no_grad()
def remember_usual(model: Groot, batches: Iterable[Batch]) -> None:
    """Store the mean token of the embedding that ``model`` has pre-trained: what its targets leave out.

    It is measured on the weights that are exported: averaged weights have another mean than the last ones.
    """
    assert model.embedding is not None
    means = torch.stack([model.eval().seen(batch)[0].float().mean(dim=0) for batch in batches])
    model.embedding.usual.copy_(means.mean(dim=0))


def target_view(chosen: Flare) -> list[str]:
    """What decides the cached features and targets, beside the base and the code."""
    if chosen.pretrain_embedding or not chosen.on:
        return ["the sequence"] if chosen.pretrain_embedding else []
    digests = [base_digest(Path(chosen.embedding))] if chosen.target == "action_aware" else []
    return [chosen.target, *digests]


def described(config: FlareConfig) -> str:
    """One line for the log: what is aligned to what."""
    if config.pretraining:
        return "pre-training an action-aware embedding: the action head sees its tokens only, no alignment loss"
    if not config.enabled:
        return "no alignment loss"
    moves = (
        "fixed" if config.target_ema == 1 else f"following the policy's encoder, {config.target_ema} of itself a step"
    )
    own = f"own {', '.join(config.own_parts)}" if config.own_parts else "the policy's own frozen encoder"
    control = "" if config.control == "none" else f", control: {config.control}"
    return (
        f"alignment after block {config.align_layer}: target {config.target} ({own}; {moves}) "
        f"{config.horizon_frames} frames ahead, coefficient {config.coefficient}{control}"
    )
