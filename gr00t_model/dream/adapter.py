"""LoRA adapters (arXiv 2106.09685) of a video transformer: put on through diffusers and peft, kept as safetensors."""

from pathlib import Path
from typing import Any, cast

from gr00t_data.disk import digest_file, read_json, write_json
from gr00t_data.integrity import require_intact
from gr00t_model.dream.world_model import DreamError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
FACTS = "dream.json"
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""The linears of every attention that get an adapter."""
_NAME = "default"  # peft's usual name of the only adapter


def add_adapter(transformer: Any, rank: int, alpha: float) -> None:
    """Freeze the transformer and give its attentions adapters that train, in float32; they change nothing at first."""
    import torch
    from peft import LoraConfig

    transformer.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=cast(int, alpha), target_modules=list(TARGETS), bias="none")
    transformer.add_adapter(config, _NAME)
    for parameter in transformer.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float32)


def save_adapter(transformer: Any, folder: Path, facts: dict[str, Any]) -> str:
    """Write weights and configuration as peft names them, and ``dream.json`` with ``facts``.

    Args:
        facts: what the adapter was tuned for; ``base_sha256`` and ``shape`` among them.

    Returns:
        SHA-256 of the weights.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = get_peft_model_state_dict(transformer, adapter_name=_NAME)
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})  # more keys would come in any order
    config = transformer.peft_config[_NAME].to_dict()
    write_json(
        folder / CONFIG, {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    )
    digest = digest_file(folder / WEIGHTS)
    write_json(folder / FACTS, {**facts, "sha256": digest})
    return digest


def adapter_facts(folder: Path, base: Path, base_sha256: str) -> dict[str, Any]:
    """What ``save_adapter`` wrote, checked against the model that it is to go onto.

    Raises:
        DreamError: files are missing or pickled, were changed, or the adapter is of another model.
        IntegrityError: a file is not the one that was recorded.
    """
    for name in (WEIGHTS, CONFIG, FACTS):
        if not (folder / name).is_file():
            pickled = next((path.name for path in folder.glob("*") if path.suffix in (".bin", ".pt", ".ckpt")), None)
            found = f"found {pickled}, a pickle, which is never read" if pickled else "found none"
            raise DreamError(f"{folder / name}: no such file ({found}); give the folder that `gr00t dream train` left")
    facts = read_json(folder / FACTS)
    if (found := digest_file(folder / WEIGHTS)) != facts["sha256"]:
        raise DreamError(
            f"{folder / WEIGHTS}: has the digest {found[:12]}, {FACTS} says {facts['sha256'][:12]}; copy it again"
        )
    require_intact(folder, asked=True)
    if facts["base_sha256"] != base_sha256:
        raise DreamError(
            f"{folder}: was tuned on the model {facts['base_sha256'][:12]} ({facts.get('base', 'unnamed')}), {base} "
            f"is {base_sha256[:12]}; give the model it was tuned on, or tune an adapter for this one"
        )
    return facts


def attach_adapter(transformer: Any, folder: Path, base: Path, base_sha256: str) -> None:
    """Put a saved adapter onto the transformer, for generation.

    Raises:
        DreamError: as ``adapter_facts``, or tensors that do not fit.
    """
    import torch
    from peft import LoraConfig, set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    adapter_facts(folder, base, base_sha256)
    try:
        tensors = load_file(folder / WEIGHTS)
        transformer.add_adapter(LoraConfig.from_pretrained(str(folder)), _NAME)
        result = set_peft_model_state_dict(transformer, tensors, adapter_name=_NAME)
    except (SafetensorError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise DreamError(f"{folder}: does not fit this model ({error}); tune an adapter for it") from error
    missing = [name for name in result.missing_keys if ".lora_" in name]
    if unlike := [*result.unexpected_keys, *missing]:
        raise DreamError(f"{folder}: {len(unlike)} tensors do not fit, for example {unlike[0]}; tune it again")
    transformer.requires_grad_(False)
    dtype = next(p.dtype for p in transformer.parameters() if p.ndim > 1)
    for name, parameter in transformer.named_parameters():
        if ".lora_" in name and parameter.dtype != dtype and dtype == torch.bfloat16:
            parameter.data = parameter.data.to(dtype)
