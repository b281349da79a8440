"""What a published folder is given for a camera picture, against the published code: crop, resize, bytes, pixels, token
ids (``tests/golden/camera_to_prompt``).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from gr00t_data.batches.published_video import tile_count
from gr00t_data.batches.statistics.metadata import dataset_metadata
from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_model.groot.config import FlareConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.vision import pixels_of
from gr00t_model.groot.weights.nvidia import save
from gr00t_model.policy import Policy
from tests.model.small import small_config

GOLDEN = Path(__file__).parents[1] / "golden" / "camera_to_prompt"
RECORDED = json.loads((GOLDEN / "recorded.json").read_text())
CASES = RECORDED["cases"]
ROBOTS = {1: load_embodiment("gr1"), 3: load_embodiment("bimanual_panda_hand")}
IMAGE_TOKEN = 151669


def published_folder(folder: Path, robot: Embodiment) -> Path:
    """A folder as published at a small width, but with the published picture size and tokens."""
    config = small_config(published_behaviour=True, flare=FlareConfig(enabled=False))
    vision, text = config.backbone.vision, config.backbone.text
    backbone = replace(
        config.backbone,
        image_token_index=IMAGE_TOKEN,
        vision=replace(vision, image_size=224),
        text=replace(text, vocab_size=IMAGE_TOKEN + 11, hidden_size=8, max_position_embeddings=1024),
    )
    wide = {"action_horizon": 16, "max_seq_len": 16, "action_dim": 64, "max_state_dim": 64, "max_num_embodiments": 32}
    diffusion = replace(config.action_head.diffusion_model_cfg, cross_attention_dim=8)
    adapter = replace(config.action_head.vl_self_attention_cfg, num_attention_heads=1)
    head = replace(
        config.action_head,
        backbone_embedding_dim=8,
        diffusion_model_cfg=diffusion,
        vl_self_attention_cfg=adapter,
        **wide,
    )
    numbers = np.random.default_rng(0)
    sides = {
        side: {part.name: PartStatistics.of(numbers.normal(size=(50, part.dim))) for part in parts}
        for side, parts in (("state", robot.state), ("action", robot.action))
    }
    statistics = NormStats(robot.name, robot.digest, "made up", **sides)
    metadata = {robot.name: dataset_metadata(robot, statistics, list(robot.selection(None).cameras))}
    save(Groot(replace(config, backbone=backbone, action_head=head)), folder, metadata=metadata)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return {cameras: published_folder(tmp_path_factory.mktemp(robot.name), robot) for cameras, robot in ROBOTS.items()}


def opened(folders: dict[int, Path], case: dict[str, Any], **settings: Any) -> Policy:
    cameras = case["cameras"]
    return Policy.from_checkpoint(
        folders[cameras], embodiment=ROBOTS[cameras], tokenizer=GOLDEN / "tokenizer", **settings
    )


def picture(case: dict[str, Any], number: int) -> np.ndarray:
    """uint8 [1, H, W, 3], by the formula of the recording."""
    y, x, c = np.meshgrid(np.arange(case["height"]), np.arange(case["width"]), np.arange(3), indexing="ij")
    return ((3 * x + 5 * y + 40 * c + 17 * ((x // 9 + y // 7 + number) % 5)) % 256).astype(np.uint8)[None]


def observation(case: dict[str, Any], policy: Policy) -> dict[str, Any]:
    chosen = policy.selection
    seen: dict[str, Any] = {
        f"video.{camera}": np.stack([picture(case, view), picture(case, view + 7)])
        for view, camera in enumerate(chosen.cameras)
    }
    seen |= {f"state.{name}": np.full((2, 1, policy.embodiment.state_part(name).dim), 0.1) for name in chosen.state}
    return seen | {chosen.language: RECORDED["instructions"]}


def collapsed(ids: list[int]) -> list[Any]:
    """Runs of image placeholders as [id, count]."""
    found: list[Any] = []
    for token in ids:
        if token != IMAGE_TOKEN:
            found.append(token)
        elif isinstance(found[-1], list):
            found[-1][1] += 1
        else:
            found.append([token, 1])
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['height']}x{case['width']}x{case['cameras']}")
def test_from_the_camera_to_pixels_and_token_ids(folders: dict[int, Path], case: dict[str, Any]) -> None:
    policy, arrays = opened(folders, case), load_file(GOLDEN / "recorded.safetensors")
    batch = policy.batch_of(observation(case, policy))
    assert batch.images is not None and batch.input_ids is not None and batch.attention_mask is not None
    name, every = f"{case['height']}x{case['width']}x{case['cameras']}", RECORDED["every_px"]
    wanted = arrays[f"{name}.images"].astype(int)
    found = batch.images.numpy()[:, :, ::every, ::every].astype(int)
    # Another processor rounds a resize to its neighbour, which truncation can show as one level.
    assert np.abs(found - wanted).max() <= 1 and (found != wanted).mean() < 0.01
    pixels = pixels_of(batch.images, 224).reshape(*batch.images.shape[:2], 3, 224, 224)[..., ::every, ::every]
    assert pixels.dtype == torch.float32
    assert np.abs(pixels.numpy() - arrays[f"{name}.pixels"]).max() <= 1 / 127.5 + 1e-6
    assert [collapsed(row) for row in batch.input_ids.tolist()] == case["training"]
    assert batch.attention_mask.sum(dim=1).tolist() == [(row != 151643).sum() for row in batch.input_ids]
    assert tile_count(224, 224) == 1  # one run of 256 placeholders a camera, as recorded
    as_published = opened(folders, case, published_behaviour=True)
    ids = as_published.batch_of(observation(case, as_published)).input_ids
    assert ids is not None and [collapsed(row) for row in ids.tolist()] == case["policy"]


def test_the_crop_is_seen_and_can_be_left_out(folders: dict[int, Path]) -> None:
    case = CASES[0]
    cropped, whole = opened(folders, case), opened(folders, case, centre_crop=False)
    images = [policy.batch_of(observation(case, policy)).images for policy in (cropped, whole)]
    assert images[0] is not None and images[1] is not None
    assert (images[0] != images[1]).float().mean() > 0.5
