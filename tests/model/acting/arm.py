"""A policy of a small arm with a gripper of one value, whose network is a few thousand random parameters."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import train_tokenizer
from gr00t_model.policy import Policy
from tests.model.small import SIDE_PX, small_config

LANGUAGE = "annotation.human.action.task_description"
YAML = """
name: small_arm
description: two joints and a gripper
slot: 3
control_hz: 20.0
action_horizon: 16
tolerance_s: 0.025
language_key: annotation.human.action.task_description
cameras:
  - {name: front, role: front}
state:
  - {name: arm, joints: [one, two], unit: rad, limits: [-3.0, 3.0], normalization: min_max}
  - {name: gripper, joints: [gripper], unit: percent, limits: [0, 100], normalization: min_max}
action:
  - {name: arm, joints: [one, two], unit: rad, limits: [-3.0, 3.0], normalization: min_max}
  - {name: gripper, joints: [gripper], unit: percent, limits: [0, 100], normalization: GRIPPER}
default_selection: everything
selections:
  everything: {cameras: [front], state: [arm, gripper], action: [arm, gripper]}
"""


def robot(folder: Path, gripper: str = "min_max") -> Embodiment:
    """The arm, with what its gripper is told normalised as ``gripper`` says (more keys may follow)."""
    path = folder / "small_arm.yaml"
    path.write_text(YAML.replace("GRIPPER", gripper))
    return load_embodiment(path)


def statistics(arm: Embodiment) -> NormStats:
    """The joints moved from -1 to 1 rad, the gripper from 0 to 100."""
    swing = PartStatistics.of(np.array([[-1.0, -1.0], [1.0, 1.0]]))
    grip = PartStatistics.of(np.array([[0.0], [100.0]]))
    side = {"arm": swing, "gripper": grip}
    return NormStats(arm.name, arm.digest, "made up", state=side, action=dict(side))


def network() -> Groot:
    torch.manual_seed(0)
    config = small_config(keypoints=True)
    head = replace(config.action_head, action_horizon=16, max_seq_len=16)
    text = replace(config.backbone.text, vocab_size=512)
    return Groot(replace(config, action_head=head, backbone=replace(config.backbone, text=text)))


def policy(folder: Path, gripper: str = "min_max", **settings: object) -> Policy:
    arm = robot(folder, gripper)
    prompt = train_tokenizer(["pick up the cup"], folder / "tokenizer", 4)
    return Policy(network(), prompt, arm, statistics(arm), **settings)


def observation(rows: int = 0, **changes: object) -> dict[str, object]:
    """One observation, or ``rows`` of them; ``changes`` by the last word of a key."""
    lead = (rows, 1) if rows else (1,)
    picture = np.arange(SIDE_PX * SIDE_PX * 3, dtype=np.uint8).reshape(SIDE_PX, SIDE_PX, 3)
    seen: dict[str, object] = {
        "video.front": np.broadcast_to(picture, (*lead, *picture.shape)),
        "state.arm": np.full((*lead, 2), 0.1),
        "state.gripper": np.full((*lead, 1), 50.0),
        LANGUAGE: ["pick up the cup"] * (rows or 1),
    }
    keys = {key.rsplit(".", 1)[-1]: key for key in seen}
    return seen | {keys.get(name, name): value for name, value in changes.items()}
