"""Published world models of a few thousand random weights, written as checkpoints are: real classes, real files."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_cosmos import CosmosTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

SIDE_PX, FRAMES = 32, 5
_TEXT_WIDTH, _VOCABULARY = 32, 64


def tokenizer() -> PreTrainedTokenizerFast:
    """A unigram tokenizer as T5 has: every letter is a piece, an end mark at the end."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -2.0)]
    made = Tokenizer(
        models.Unigram([*pieces, *((letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyz.,")], unk_id=2)
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def autoencoder() -> AutoencoderKLWan:
    """The published video autoencoder with three channels a layer."""
    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def write(folder: Path, pipeline: str, parts: dict[str, Any], **more: Any) -> Path:
    """A folder in Diffusers layout."""
    index: dict[str, Any] = {"_class_name": pipeline, "_diffusers_version": "0.35.0", **more}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        library = "diffusers" if type(part).__module__.startswith("diffusers") else "transformers"
        index[name] = [library, type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def wan(folder: Path, seed: int = 0) -> Path:
    """Wan 2.1 image-to-video: 16 latents, 4 masks and 16 latents of the first frame; an image encoder."""
    torch.manual_seed(seed)
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=36, out_channels=16,
        text_dim=_TEXT_WIDTH, freq_dim=32, ffn_dim=32, num_layers=2, rope_max_seq_len=32, image_dim=4,
    )  # fmt: skip
    text = UMT5Config(vocab_size=_VOCABULARY, d_model=_TEXT_WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
    image = CLIPVisionConfig(
        hidden_size=4, projection_dim=4, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        intermediate_size=16,
    )  # fmt: skip
    parts = {
        "tokenizer": tokenizer(),
        "text_encoder": UMT5EncoderModel(text),
        "vae": autoencoder(),
        "scheduler": UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        "image_processor": CLIPImageProcessorPil(crop_size={"height": 32, "width": 32}, size={"shortest_edge": 32}),
        "image_encoder": CLIPVisionModel(image),
        "transformer": transformer,
    }
    return write(folder, "WanImageToVideoPipeline", parts, boundary_ratio=None, expand_timesteps=False)


def wan_2_2(folder: Path, *, experts: bool) -> Path:
    """Wan 2.2, which has no image encoder: two transformers for more and less noise, or one that is told the time of
    every token."""
    wan(folder)
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"image_encoder": [None, None], "image_processor": [None, None], "expand_timesteps": not experts}
    for name in ("transformer", "transformer_2") if experts else ("transformer",):
        WanTransformer3DModel(
            patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=36 if experts else 16,
            out_channels=16, text_dim=_TEXT_WIDTH, freq_dim=32, ffn_dim=32, num_layers=1, rope_max_seq_len=32,
        ).save_pretrained(folder / name)  # fmt: skip
        index[name] = ["diffusers", "WanTransformer3DModel"]
    index["boundary_ratio"] = 0.9 if experts else None
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def cosmos(folder: Path, seed: int = 0) -> Path:
    """Cosmos-Predict2 video-to-world; without the padding mask, which needs torchvision."""
    torch.manual_seed(seed)
    transformer = CosmosTransformer3DModel(
        in_channels=17, out_channels=16, num_attention_heads=2, attention_head_dim=16, num_layers=2, mlp_ratio=2,
        text_embed_dim=_TEXT_WIDTH, adaln_lora_dim=4, max_size=(4, 32, 32), rope_scale=(1.0, 3.0, 3.0),
        concat_padding_mask=False, extra_pos_embed_type=None,
    )  # fmt: skip
    text = T5Config(vocab_size=_VOCABULARY, d_model=_TEXT_WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
    parts = {
        "tokenizer": tokenizer(),
        "text_encoder": T5EncoderModel(text),
        "vae": autoencoder(),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True),
        "transformer": transformer,
    }
    return write(folder, "Cosmos2VideoToWorldPipeline", parts, safety_checker=[None, None])
