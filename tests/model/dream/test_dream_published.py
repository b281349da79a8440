"""Wan and Cosmos-Predict2 of a few thousand weights through the real loading code: what comes out, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from gr00t_model.dream.local_folder import folder_digest
from gr00t_model.dream.pipelines import Published, open_published
from gr00t_model.dream.world_model import ClipShape, DreamError, Sampler
from tests.model import tiny_worlds

SHAPE = ClipShape(frames=tiny_worlds.FRAMES, fps=16, height=tiny_worlds.SIDE_PX, width=tiny_worlds.SIDE_PX)
QUICK = Sampler(steps=2, guidance=2.0, guardrail="none", negative_prompt="a blurred picture")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("published")
    return {"wan": tiny_worlds.wan(root / "wan"), "cosmos": tiny_worlds.cosmos(root / "cosmos")}


def pictures(count: int, side_px: int = tiny_worlds.SIDE_PX) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, side_px, side_px, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["wan", "cosmos"])
def test_a_clip_is_a_function_of_picture_instruction_and_seed(folders: dict[str, Path], name: str) -> None:
    model, (one, other) = open_published(folders[name], sampler=QUICK), pictures(2)
    both = model.generate(np.stack([one, other]), ["reach the cube", "push the ball"], [7, 8], SHAPE)
    assert both.shape == (2, 5, 32, 32, 3) and both.dtype == np.uint8
    again = open_published(folders[name], sampler=QUICK)
    assert np.array_equal(again.generate(other[None], ["push the ball"], [8], SHAPE)[0], both[1])
    for picture, text, seed in ((one, "push the ball", 8), (other, "reach the cube", 8), (other, "push the ball", 9)):
        assert not np.array_equal(again.generate(picture[None], [text], [seed], SHAPE)[0], both[1])


@pytest.mark.parametrize("experts", [True, False])
def test_wan_2_2_generates_too(tmp_path: Path, experts: bool) -> None:
    model = open_published(tiny_worlds.wan_2_2(tmp_path / "wan", experts=experts), sampler=QUICK)
    assert model.generate(pictures(1), ["reach"], [1], SHAPE).shape == (1, 5, 32, 32, 3)


@pytest.mark.parametrize("name", ["wan", "cosmos"])
def test_bf16_leaves_the_autoencoder_in_float32(folders: dict[str, Path], name: str) -> None:
    model = open_published(folders[name], sampler=QUICK.model_copy(update={"precision": "bf16"}))
    assert model.generate(pictures(1), ["reach"], [1], SHAPE).shape == (1, 5, 32, 32, 3)
    parts = (model._pipeline.transformer, model._pipeline.text_encoder, model._pipeline.vae)
    assert [str(part.dtype) for part in parts] == ["torch.bfloat16", "torch.bfloat16", "torch.float32"]


def test_facts_name_everything_a_clip_owes_to_the_model(folders: dict[str, Path]) -> None:
    facts = open_published(folders["wan"], sampler=Sampler(guidance=3.0)).facts
    assert facts["model"] == "wan" and facts["model_sha256"] == folder_digest(folders["wan"])
    assert facts["adapter_sha256"] is None
    told = facts["sampler"]
    assert (told["steps"], told["guidance"], told["scheduler"]) == (50, 3.0, "UniPCMultistepScheduler")
    json.dumps(facts)


def test_the_usual_clips_are_those_of_the_publishers(folders: dict[str, Path]) -> None:
    usual = {name: open_published(folder).usual for name, folder in folders.items()}
    assert usual["wan"] == ClipShape(frames=81, fps=16, height=480, width=832)
    assert usual["cosmos"] == ClipShape(frames=93, fps=16, height=432, width=768)
    for name, shape in usual.items():
        open_published(folders[name]).check(shape)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 40}, "height 40 is no multiple of 16; take 32 or 48"),
        ({"width": 100}, "take 96 or 112"),
        ({"frames": 80}, "80 frames are not 4 k \\+ 1; take 77 or 81"),
        ({"frames": 2}, "take 5 or 9"),
        ({"fps": 20}, "makes clips at 16 frames a second, asked for 20"),
    ],
)
def test_sizes_that_would_be_rounded_in_silence_are_refused(
    folders: dict[str, Path], changes: dict[str, float], message: str
) -> None:
    with pytest.raises(DreamError, match=message):
        open_published(folders["wan"]).check(SHAPE.model_copy(update=changes))


def test_cosmos_takes_other_rates_because_it_is_told_them(folders: dict[str, Path]) -> None:
    open_published(folders["cosmos"]).check(SHAPE.model_copy(update={"fps": 10}))


def test_rows_that_do_not_belong_together(folders: dict[str, Path]) -> None:
    model = open_published(folders["wan"], sampler=QUICK)
    with pytest.raises(DreamError, match="1 first frames, 2 instructions and 1 seeds"):
        model.generate(pictures(1), ["a", "b"], [1], SHAPE)
    with pytest.raises(DreamError, match=r"first frames are uint8 \[48, 48, 3\]"):
        model.generate(pictures(1, 48), ["a"], [1], SHAPE)


def test_cosmos_wants_its_guardrail_or_a_decision(folders: dict[str, Path]) -> None:
    with pytest.raises(DreamError, match=r"cosmos_guardrail is not installed.*sampler.guardrail=none"):
        open_published(folders["cosmos"]).generate(pictures(1), ["a"], [1], SHAPE)


def test_the_padding_mask_of_published_cosmos_needs_torchvision(tmp_path: Path) -> None:
    folder = tiny_worlds.cosmos(tmp_path / "cosmos")
    path = folder / "transformer/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "concat_padding_mask": True}))
    with pytest.raises(DreamError, match="torchvision"):
        open_published(folder, sampler=QUICK).generate(pictures(1), ["a"], [1], SHAPE)


def test_offloading_needs_a_gpu(folders: dict[str, Path]) -> None:
    sampler = QUICK.model_copy(update={"offload": "model"})
    with pytest.raises(DreamError, match="there is none"):
        open_published(folders["wan"], sampler=sampler).generate(pictures(1), ["a"], [1], SHAPE)


def test_tiles_are_used_when_asked_for(folders: dict[str, Path]) -> None:
    model = open_published(folders["wan"], sampler=QUICK.model_copy(update={"tiling": True}))
    assert model.generate(pictures(1), ["a"], [1], SHAPE).shape == (1, 5, 32, 32, 3)
    assert model._pipeline.vae.use_tiling


def damaged(tmp_path: Path, how: str) -> Path:
    folder = tiny_worlds.wan(tmp_path / "wan")
    index, weights = folder / "model_index.json", folder / "transformer/diffusion_pytorch_model.safetensors"
    fields = json.loads(index.read_text())
    if how == "gone":
        return tmp_path / "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers"
    if how == "no index":
        index.unlink()
    elif how == "pickled":
        weights.rename(weights.with_suffix(".bin"))
    elif how == "no weights":
        weights.unlink()
    elif how == "no part":
        (folder / "scheduler").rename(tmp_path / "elsewhere")
    elif how == "shard":
        listing = {"weight_map": {"a": weights.name, "b": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
        weights.with_name("diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(listing))
    elif how == "own code":
        index.write_text(json.dumps({**fields, "transformer": ["pipeline", "MyTransformer"]}))
    elif how == "other":
        index.write_text(json.dumps({**fields, "_class_name": "CogVideoXImageToVideoPipeline"}))
    return folder


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("gone", "no such folder; models are read from this machine only"),
        ("no index", "has no model_index.json"),
        ("pickled", r"\.bin: is a pickle, and pickles are never read"),
        ("no weights", "holds no safetensors"),
        ("no part", "scheduler: no such folder"),
        ("shard", r"00002-of-00002.safetensors: is missing \(1 of 2 shards\)"),
        ("own code", "no code of a checkpoint is run"),
        ("other", "is a CogVideoXImageToVideoPipeline; expected one of"),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, how: str, message: str) -> None:
    with pytest.raises(DreamError, match=message):
        open_published(damaged(tmp_path, how))


def test_broken_weights_are_named(tmp_path: Path) -> None:
    folder = tiny_worlds.wan(tmp_path / "wan")
    (folder / "transformer/diffusion_pytorch_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(DreamError, match="cannot be loaded as WanImageToVideoPipeline"):
        open_published(folder, sampler=QUICK).generate(pictures(1), ["a"], [1], SHAPE)


def test_digests_are_remembered_and_a_change_is_seen(tmp_path: Path, folders: dict[str, Path]) -> None:
    kept = tmp_path / "kept.json"
    first = folder_digest(folders["cosmos"], kept)
    entries = json.loads(kept.read_text())
    assert folder_digest(folders["cosmos"], kept) == first and len(entries) == len(json.loads(kept.read_text()))
    kept.write_text("not json")
    assert folder_digest(folders["cosmos"], kept) == first
    changed = tiny_worlds.cosmos(tmp_path / "other", seed=1)
    assert folder_digest(changed, kept) != first
    assert isinstance(open_published(changed, kept=kept), Published)


def test_more_layers_than_the_weights_have_are_refused(tmp_path: Path) -> None:
    folder = tiny_worlds.wan(tmp_path / "wan")
    path = folder / "transformer/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_layers": 10**7}))
    with pytest.raises(DreamError, match=r"transformer/config.json: has 10000000 layers, the weights beside it \d+"):
        open_published(folder, sampler=QUICK)
