"""Checkpoint folders: what is written can be read, what cannot be read is one clear report."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.initialization import no_init_weights

from gr00t_model.groot.model import Groot
from gr00t_model.groot.weights import nvidia as nvidia_weights
from gr00t_model.groot.weights.nvidia import WeightsError, load, load_weights, save
from tests.model.small import small_batch, small_model

EMBEDDING = "backbone.eagle_model.language_model.model.embed_tokens.weight"
LANGUAGE_HEAD = "backbone.eagle_model.language_model.lm_head.weight"


@pytest.fixture
def folder(tmp_path) -> Path:
    save(small_model(), tmp_path)
    return tmp_path


def rewrite(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors")


def act(model) -> torch.Tensor:
    return model.get_action(small_batch(), 2, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shard_bytes", [10**9, 20_000])
def test_a_saved_model_acts_the_same(tmp_path, shard_bytes):
    model = small_model()
    save(model, tmp_path, shard_bytes)
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert (tmp_path / "model.safetensors.index.json").is_file() == (len(shards) > 1) == (shard_bytes == 20_000)
    read = load(tmp_path)
    assert read.config == model.config
    assert torch.equal(act(read), act(model))


def test_dtypes_are_kept_or_chosen(tmp_path):
    model = small_model()
    model.backbone.bfloat16()
    save(model, tmp_path)
    read = load(tmp_path)
    assert (read.backbone.eagle_model.mlp1[0].weight.dtype, read.action_head.dtype) == (torch.bfloat16, torch.float32)
    chosen = load(tmp_path, backbone_dtype=torch.float32, head_dtype=torch.bfloat16)
    assert (chosen.backbone.eagle_model.mlp1[0].weight.dtype, chosen.action_head.dtype) == (
        torch.float32,
        torch.bfloat16,
    )


@pytest.mark.parametrize("dropped", [EMBEDDING, LANGUAGE_HEAD])
def test_one_copy_of_the_token_embedding_is_enough(folder, dropped):
    rewrite(folder, lambda tensors: {k: v for k, v in tensors.items() if k != dropped})
    assert torch.equal(act(load(folder)), act(small_model()))


def test_a_published_checkpoint_has_no_flare(folder):
    rewrite(folder, lambda tensors: {k: v for k, v in tensors.items() if not k.startswith("flare.")})
    model = small_model(seed=1)
    fresh = load_weights(model, folder)
    assert fresh == tuple(name for name in model.state_dict() if name.startswith("flare."))
    read = load(folder)
    assert torch.isfinite(read(small_batch()).total)
    assert read.flare.projector[0].weight.std() > 0


def test_every_difference_is_in_one_report(folder):
    def change(tensors):
        tensors.pop("action_head.vlln.weight")
        tensors["action_head.future_tokens.weight"] = torch.zeros(7, 16)
        return {**tensors, "action_head.mask_token": torch.zeros(1)}

    rewrite(folder, change)
    with pytest.raises(WeightsError) as error:
        load(folder)
    for words in ("1 missing", "action_head.vlln.weight", "1 not in the model", "action_head.mask_token"):
        assert words in str(error.value)
    assert "action_head.future_tokens.weight: file [7, 16], model [4, 16]" in str(error.value)


def test_names_of_the_lerobot_port_are_understood(folder):
    rewrite(folder, lambda tensors: {f"_groot_model.{name}": tensor for name, tensor in tensors.items()})
    assert torch.equal(act(load(folder)), act(small_model()))


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"pickled weights \(pytorch_model.bin\)"):
        load(folder)


def test_a_shard_cut_short_is_named(tmp_path):
    save(small_model(), tmp_path, shard_bytes=20_000)
    shard = sorted(tmp_path.glob("*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-50])
    with pytest.raises(WeightsError, match=shard.name):
        load(tmp_path)
    shard.unlink()
    with pytest.raises(WeightsError, match=shard.name):
        load(tmp_path)


def test_another_version_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "Gr00tN1d6"}))
    with pytest.raises(ValueError, match="Gr00tN1d6"):
        load(folder)
    with pytest.raises(WeightsError, match=r"config\.json does not exist"):
        nvidia_weights.read_config(folder / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told: told["action_head_cfg"].update(max_num_embodiments=10**9), "of another shape"),
        (lambda told: told["eagle_cfg"]["text_config"].update(intermediate_size=10**9), "of another shape"),
        (lambda told: told["action_head_cfg"]["diffusion_model_cfg"].update(num_layers=10**7), "has 10000000 layers"),
        (lambda told: told["eagle_cfg"]["text_config"].update(num_attention_heads=0), "no model can be built of it"),
    ],
)
def test_sizes_are_compared_with_the_weights_before_anything_of_them_is_made(folder, change, message):
    told = json.loads((folder / "config.json").read_text())
    change(told)
    (folder / "config.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_loading_draws_no_more_numbers_than_it_did(folder):
    torch.manual_seed(3)
    load(folder)
    after = torch.rand(1)
    torch.manual_seed(3)
    with no_init_weights():
        Groot(nvidia_weights.read_config(folder))
    assert torch.rand(1) == after


@pytest.mark.parametrize("content", ["[1]", '{"weight_map": {"a": 7}}', "{}"])
def test_an_index_that_names_no_shards_is_refused(folder, content):
    (folder / "model.safetensors.index.json").write_text(content)
    with pytest.raises(WeightsError, match="does not name the shards"):
        load(folder)


def test_a_configuration_that_is_no_object_is_refused(folder):
    for content in ("[1]", '{"action_head_cfg": 7}', '{"eagle_cfg": {"vision_config": 7}}', '{"eagle_cfg": []}'):
        (folder / "config.json").write_text(content)
        with pytest.raises(ValueError, match="is a JSON object, found"):
            load(folder)
