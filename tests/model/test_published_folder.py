"""A folder as published (config.json, safetensors, experiment_cfg/metadata.json) acts by itself; a bad one says why."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from gr00t_data.batches.statistics.metadata import MetadataError, dataset_metadata
from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.groot.config import ConfigError, FlareConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import PromptError
from gr00t_model.groot.weights.nvidia import WeightsError, save
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.training.config import Flare, Model
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.small import small_config
from tests.model.tiny import build

GR1 = load_embodiment("gr1")
SIDE_PX = 28
PUBLISHED_FILES = ("config.json", "model.safetensors")
CHAT = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
LANGUAGE = "annotation.human.action.task_description"


def statistics(seed: int = 0) -> NormStats:
    rng = np.random.default_rng(seed)
    sides = {}
    for side, parts in (("state", GR1.state), ("action", GR1.action)):
        sides[side] = {part.name: PartStatistics.of(rng.normal(size=(50, part.dim))) for part in parts}
    return NormStats("gr1", GR1.digest, "made up", **sides)


def qwen_like(folder: Path) -> int:
    """Tokenizer files like those of Qwen3, with a small vocabulary; returns the id its next token would get."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(["pick up"], trainers.BpeTrainer(vocab_size=256, initial_alphabet=alphabet))
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in CHAT])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=CHAT[2], eos_token=CHAT[1])
    fast.save_pretrained(folder)
    return len(fast)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Shards in bf16 and float32, statistics of gr1 under the published keys, a tokenizer without Eagle's tokens."""
    image_token = qwen_like(tmp_path / "tokenizer")
    config = small_config(published_behaviour=True, flare=FlareConfig(enabled=False))
    backbone = replace(
        config.backbone, image_token_index=image_token, text=replace(config.backbone.text, vocab_size=image_token + 11)
    )
    steps = {"action_horizon": 16, "max_seq_len": 16}
    head = replace(config.action_head, action_dim=32, max_state_dim=64, max_num_embodiments=32, **steps)
    torch.manual_seed(0)
    model = Groot(replace(config, backbone=backbone, action_head=head))
    model.backbone.bfloat16()
    save(model, tmp_path, 200_000, {"gr1": dataset_metadata(GR1, statistics(), ["ego_view"])})
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    return tmp_path


def observation(rows: int = 0) -> dict:
    lead = (rows, 1) if rows else (1,)
    seen = {f"state.{part.name}": np.full((*lead, part.dim), 0.1) for part in GR1.state}
    texts = ["pick up"] * (rows or 1)
    return {**seen, "video.ego_view": np.full((*lead, SIDE_PX, SIDE_PX, 3), 9, np.uint8), LANGUAGE: texts}


def test_it_acts_with_the_statistics_of_the_tag(folder: Path):
    policy = Policy.from_checkpoint(folder, embodiment="gr1", dtype=torch.float32)
    actions = policy.get_action(observation())
    assert {key: values.shape for key, values in actions.items()} == {
        "action.left_arm": (16, 7),
        "action.right_arm": (16, 7),
        "action.left_hand": (16, 6),
        "action.right_hand": (16, 6),
    }
    batched = policy.get_action(observation(rows=2))
    np.testing.assert_allclose(batched["action.left_arm"][0], actions["action.left_arm"], rtol=1e-4, atol=1e-5)
    ones = np.ones((1, 16, 32))
    policy.model.get_action = lambda *_: torch.from_numpy(ones)
    limits = np.array(GR1.action_part("left_arm").limits)
    highest = np.minimum(statistics().action["left_arm"].max, limits[:, 1])
    np.testing.assert_allclose(policy.get_action(observation())["action.left_arm"][0], highest, rtol=1e-6)


def test_another_selection_and_stored_types(folder: Path):
    policy = Policy.from_checkpoint(folder, embodiment=GR1, selection="fourier_gr1_arms_waist")
    assert policy.model.backbone.eagle_model.mlp1[0].weight.dtype == torch.bfloat16
    assert policy.model.action_head.dtype == torch.float32
    seen = observation() | {"annotation.human.coarse_action": ["pick up"]}
    assert policy.get_action(seen)["action.waist"].shape == (16, 3)


def test_a_tag_brings_its_slot(folder: Path):
    path = folder / "experiment_cfg/metadata.json"
    path.write_text(json.dumps({"new_embodiment": json.loads(path.read_text())["gr1"]}))
    policy = Policy.from_checkpoint(folder, embodiment="gr1", tag="new_embodiment")
    assert policy._batch(policy._rows(observation())).embodiment_id.tolist() == [31]


def test_the_published_policy_writes_brackets(folder: Path):
    def text(published: bool) -> str:
        policy = Policy.from_checkpoint(folder, embodiment="gr1", published_behaviour=published)
        ids = policy._batch(policy._rows(observation())).input_ids
        return policy.prompt.tokenizer.decode(ids[0].tolist())

    assert "</img>pick up<|im_end|>" in text(False)
    assert "</img>['pick up']<|im_end|>" in text(True)


def change_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def other_action_dim(folder: Path) -> None:
    head = json.loads((folder / "config.json").read_text())["action_head_cfg"]
    change_config(folder, action_head_cfg=head | {"action_dim": 24})


def too_few_dimensions(folder: Path) -> None:
    other_action_dim(folder)
    for path in folder.glob("*.safetensors"):
        tensors = load_file(path)
        cuts = {"action_encoder.W1.W": (slice(None), slice(24)), "action_decoder.layer2.W": (..., slice(24))}
        cuts |= {"action_decoder.layer2.b": (..., slice(24))}
        for name, cut in cuts.items():
            if f"action_head.{name}" in tensors:
                tensors[f"action_head.{name}"] = tensors[f"action_head.{name}"][cut].contiguous()
        save_file(tensors, path)


def damaged(name: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: change(next(iter(sorted(folder.glob(name)))))


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer").rename(folder.parent / f"{folder.name}-tokenizer")


SHARD = "model-*.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda f: change_config(f, model_type="gr00t_n1"), ConfigError, r"\(GR00T N1\).*start from nvidia/GR00T-N1.5"),
        (lambda f: change_config(f, model_type="Gr00tN1d6"), ConfigError, r"\(GR00T N1\.6\)"),
        (lambda f: change_config(f, model_type="Gr00tN1d7"), ConfigError, r"\(GR00T N1\.7\)"),
        (
            damaged(SHARD, lambda p: p.write_bytes(p.read_bytes()[:-9])),
            WeightsError,
            r"00001.*cut short.*fetch it again",
        ),
        (damaged(SHARD, lambda p: p.unlink()), WeightsError, "00001-of.* is missing although the index names it"),
        (damaged(SHARD, lambda p: p.write_bytes(b"PK\x03\x04")), WeightsError, "is a pickle under a safetensors name"),
        (damaged(SHARD, lambda p: p.write_bytes(POINTER)), WeightsError, "git-lfs pointer.*git lfs pull"),
        (other_action_dim, WeightsError, r"of another shape: .*W1\.W: file \[32, 32, 16\], model \[32, 24, 16\]"),
        (too_few_dimensions, ValueError, "26 values do not fit the model's 24; select fewer parts, or widen the model"),
        (lambda f: (f / "experiment_cfg/metadata.json").unlink(), MetadataError, "metadata.json does not exist"),
        (without_tokenizer, PromptError, "copy the tokenizer of Qwen3-1.7B"),
        (lambda f: qwen_like(f / "tokenizer") and change_config(f, eagle_cfg={}), ConfigError, "2048 wide"),
    ],
)
def test_what_cannot_be_used_is_one_clear_report(folder: Path, damage, error, words):
    damage(folder)
    with pytest.raises(error, match=words):
        Policy.from_checkpoint(folder, embodiment="gr1")


def test_every_bad_shard_is_in_the_report(folder: Path):
    shards = sorted(folder.glob(SHARD))
    shards[0].unlink()
    shards[1].write_bytes(b"")
    with pytest.raises(WeightsError) as error:
        Policy.from_checkpoint(folder, embodiment="gr1")
    assert shards[0].name in str(error.value) and shards[1].name in str(error.value)


def test_a_shard_outside_the_folder_is_refused(folder: Path):
    index = folder / "model.safetensors.index.json"
    value = json.loads(index.read_text())
    value["weight_map"]["x"] = "../elsewhere.safetensors"
    index.write_text(json.dumps(value))
    with pytest.raises(WeightsError, match="names a shard outside its folder"):
        Policy.from_checkpoint(folder, embodiment="gr1")


def test_statistics_that_are_not_there(folder: Path):
    with pytest.raises(MetadataError, match=r"no statistics of embodiment tag 'so100', only of gr1; fine-tune"):
        Policy.from_checkpoint(folder, embodiment="so100")
    with pytest.raises(MetadataError, match=r"say which robot acts with embodiment=.*has statistics of gr1"):
        Policy.from_checkpoint(folder)
    with pytest.raises(MetadataError, match=r"tag 'gr1': has no state\.single_arm, only left_arm"):
        Policy.from_checkpoint(folder, embodiment="so100", tag="gr1")
    path = folder / "experiment_cfg/metadata.json"
    content = json.loads(path.read_text())
    del content["gr1"]["statistics"]["action"]["right_arm"]
    path.write_text(json.dumps(content))
    with pytest.raises(MetadataError, match=r"has no action\.right_arm"):
        Policy.from_checkpoint(folder, embodiment="gr1")


def test_a_tokenizer_of_another_model_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("tokenizer")
    (folder / "tokenizer").rename(elsewhere / "tokenizer")
    assert Policy.from_checkpoint(folder, embodiment="gr1", tokenizer=elsewhere).prompt.image_tokens == 4
    eagle = json.loads((folder / "config.json").read_text())["eagle_cfg"]
    change_config(folder, eagle_cfg=eagle | {"image_token_index": 7})
    with pytest.raises(PromptError, match=r"image placeholder at id \d+, the model at 7"):
        Policy.from_checkpoint(folder, embodiment="gr1", tokenizer=elsewhere)


def test_a_run_starts_from_it_and_leaves_one_like_it(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """The checkpoint acts the same when only its published files are left."""
    root = tmp_path_factory.mktemp("run")
    lake = build(root / "lake", episodes=3)
    (folder / "tokenizer").rename(root / "qwen")
    chosen = Model(base=str(folder), tokenizer=str(root / "qwen"), flare=Flare(on=False))
    run = prepare_run(lake.config(steps=1, model=chosen), root / "runs")
    train(run, StopRequest())
    ours = [path for path in run.checkpoint.iterdir() if path.is_file() and path.name not in PUBLISHED_FILES]
    before = Policy.from_checkpoint(run.checkpoint).get_action(observation())
    assert {path.name for path in ours} >= {"versions.json", "manifest.json", "statistics.json", "embodiment.yaml"}
    for path in ours:
        path.unlink()
    after = Policy.from_checkpoint(run.checkpoint, embodiment="gr1").get_action(observation())
    assert all(np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_instruction_is_refused(folder: Path, text: str):
    policy = Policy.from_checkpoint(folder, embodiment="gr1")
    with pytest.raises(ValueError, match="expected 1 non-empty texts"):
        policy.get_action(observation() | {LANGUAGE: [text]})
    with pytest.raises(PromptError, match="the instruction is empty; say what the robot is to do"):
        policy.prompt([text], 1)
