"""The configuration: published config.json in and out, presets, and what is refused."""

import json
import math
from dataclasses import replace

import pytest
import torch

from gr00t_model.groot.config import ConfigError, FlareConfig, GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import PRESETS, n1_5_3b, nano

# Every field of the released config.json, some of which no code reads.
PUBLISHED = {
    "model_type": "gr00t_n1_5",
    "architectures": ["GR00T_N1_5"],
    "action_dim": 32,
    "action_horizon": 16,
    "attn_implementation": None,
    "hidden_size": 2048,
    "model_dtype": "float32",
    "torch_dtype": "bfloat16",
    "transformers_version": "4.51.3",
    "backbone_cfg": {
        "eagle_path": "NVEagle/eagle_er-qwen3_1_7B-Siglip2_400M_stage1_5_128gpu_er_v7_1mlp_nops",
        "load_bf16": False,
        "project_to_dim": None,
        "reproject_vision": False,
        "select_layer": 12,
        "tune_llm": False,
        "tune_visual": True,
        "use_flash_attention": True,
    },
    "action_head_cfg": {
        "action_dim": 32,
        "action_horizon": 16,
        "add_pos_embed": True,
        "backbone_embedding_dim": 2048,
        "diffusion_model_cfg": {
            "attention_head_dim": 48,
            "cross_attention_dim": 2048,
            "dropout": 0.2,
            "final_dropout": True,
            "interleave_self_attention": True,
            "norm_type": "ada_norm",
            "num_attention_heads": 32,
            "num_layers": 16,
            "output_dim": 1024,
            "positional_embeddings": None,
        },
        "hidden_size": 1024,
        "input_embedding_dim": 1536,
        "max_action_dim": 32,
        "max_state_dim": 64,
        "model_dtype": "float32",
        "noise_beta_alpha": 1.5,
        "noise_beta_beta": 1.0,
        "noise_s": 0.999,
        "num_inference_timesteps": 4,
        "num_target_vision_tokens": 32,
        "num_timestep_buckets": 1000,
        "tune_diffusion_model": True,
        "tune_projector": True,
        "use_vlln": True,
        "vl_self_attention_cfg": {
            "attention_head_dim": 64,
            "dropout": 0.2,
            "final_dropout": True,
            "num_attention_heads": 32,
            "num_layers": 4,
            "positional_embeddings": None,
        },
    },
}


def contains(whole: dict, part: dict) -> bool:
    """Every field of ``part`` stands in ``whole`` with the same value, nested."""
    pairs = ((whole.get(key, "absent"), value) for key, value in part.items())
    return all(contains(a, b) if isinstance(a, dict) and isinstance(b, dict) else a == b for a, b in pairs)


def test_published_fields_survive_unread_ones_included():
    config = GrootConfig.from_dict(PUBLISHED)
    written = json.loads(json.dumps(config.to_dict()))
    assert contains(written, PUBLISHED)
    assert GrootConfig.from_dict(written) == config


def test_the_published_classes_find_no_argument_they_do_not_know():
    """Their transformer and backbone classes take their fields only; the head and the whole model take any."""
    for config in (GrootConfig.from_dict(PUBLISHED), n1_5_3b()):
        written = config.to_dict()
        head, published = written["action_head_cfg"], PUBLISHED["action_head_cfg"]
        assert set(written["backbone_cfg"]) <= set(PUBLISHED["backbone_cfg"])
        for name in ("diffusion_model_cfg", "vl_self_attention_cfg"):
            assert set(head[name]) <= set(published[name])
            assert head[name]["positional_embeddings"] is None  # to them, silence means sinusoidal
        assert set(head) - set(published) == {"max_seq_len", "max_num_embodiments"}
        ours = {"eagle_cfg", "flare_cfg", "published_behaviour"}
        assert set(written) - set(PUBLISHED) == ours


def test_the_width_of_the_data_layer_follows_the_models():
    wide = GrootConfig.from_dict({**PUBLISHED, "action_head_cfg": PUBLISHED["action_head_cfg"] | {"action_dim": 48}})
    written = wide.to_dict()
    assert (written["action_dim"], written["action_head_cfg"]["max_action_dim"]) == (48, 48)


def test_published_sizes_are_the_preset():
    found, preset = GrootConfig.from_dict(PUBLISHED), n1_5_3b()
    assert found.action_head.diffusion_model_cfg == preset.action_head.diffusion_model_cfg
    assert (found.backbone.text, found.backbone.vision) == (preset.backbone.text, preset.backbone.vision)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_round_trip(name):
    config = PRESETS[name]()
    assert GrootConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model_type": "gr00t_n1"}, "gr00t_n1"),
        ({"backbone_cfg": {"select_layer": 40}}, "select_layer"),
        ({"backbone_cfg": {"project_to_dim": 1536}}, "project_to_dim"),
        ({"action_head_cfg": {"noise_beta_beta": 2.0}}, "noise_beta_beta"),
        ({"action_head_cfg": {"input_embedding_dim": 512}}, "1536 wide"),
        ({"action_head_cfg": {"diffusion_model_cfg": {"norm_type": "layer_norm"}}}, "ada_norm"),
        ({"eagle_cfg": {"text_config": {"hidden_size": 512}}}, "512 wide"),
        ({"flare_cfg": {"align_layer": 17}}, "align_layer"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(changed, words):
    with pytest.raises(ConfigError, match=words):
        GrootConfig.from_dict(changed)


def _sizes(config: GrootConfig) -> dict[str, list[int]]:
    with torch.device("meta"):
        model = Groot(config)
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}


def test_parameter_counts_of_the_published_model():
    sizes = _sizes(replace(n1_5_3b(), flare=FlareConfig(enabled=False)))
    counts = {name: math.prod(shape) for name, shape in sizes.items()}

    def count(prefix: str) -> int:
        return sum(number for name, number in counts.items() if name.startswith(prefix))

    assert count("") == 2_724_163_520
    assert count("action_head.") == 1_068_806_144
    assert count("action_head.model.") == 550_386_688
    assert count("action_head.vl_self_attention.") == 201_433_088


def test_names_and_shapes_of_the_published_model(published_shapes):
    found = _sizes(n1_5_3b())
    assert {name for name in found if name not in published_shapes} == {n for n in found if n.startswith("flare.")}
    assert {name: found[name] for name in published_shapes} == published_shapes


def test_nano_is_about_ten_million():
    total = sum(math.prod(shape) for shape in _sizes(nano()).values())
    assert 8e6 < total < 15e6
