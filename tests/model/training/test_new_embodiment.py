"""A robot of one's own in the published layout: under its name, and as new_embodiment with slot 31."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.training.config import Data, Lora, Model
from gr00t_model.training.key import prepare_run
from gr00t_model.training.members import new_embodiment
from gr00t_model.training.merge import merge_into
from gr00t_model.training.train import train
from tests.data.so100 import SELECTION, SO100, so100_member
from tests.model.conftest import Item
from tests.model.tiny import SIDE_PX, SMALL, TinyLake

Parity = Callable[[str], Item]
PUBLISHED = ("config.json", "model.safetensors", "experiment_cfg/metadata.json")
SLOTTED = ("state_encoder.layer1.W", "action_encoder.W2.b", "action_decoder.layer2.W")


@pytest.fixture(scope="module", params=[0, 2], ids=["whole", "lora"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(the run's base, what it leaves), of a robot whose own slot is 2; an adapter is merged from its folder alone."""
    root = tmp_path_factory.mktemp("arm")
    so100_member(root, side_px=SIDE_PX)
    files = {name: str(root / f"so100-{name}.json") for name in ("manifest", "statistics")}
    lake = TinyLake(Path(files["manifest"]), Path(files["statistics"]), root / "cache", root / "so100")
    model = Model(base="random", changes=SMALL, lora=Lora(rank=request.param))
    data = Data(**files, embodiment="so100", cache=str(root / "cache"))
    run = prepare_run(lake.config(steps=2, data=data, model=model), root / "runs")
    train(run, StopRequest())
    if not request.param:
        return run.fresh_base, run.checkpoint
    adapter = (run.checkpoint / "adapter").rename(root / "adapter")
    merge_into(run.fresh_base, adapter, root / "merged")
    return run.fresh_base, root / "merged"


def test_the_published_code_finds_it_under_its_tag(folders: tuple[Path, Path]):
    entries = read_json(folders[1] / "experiment_cfg/metadata.json")
    assert set(entries) == {"so100", "new_embodiment"}
    tags = {name: entry.pop("embodiment_tag") for name, entry in entries.items()}
    assert tags == {"so100": "so100", "new_embodiment": "new_embodiment"}
    assert entries["so100"] == entries["new_embodiment"]


def test_its_entry_is_laid_out_as_the_published_class_wrote_one(folders: tuple[Path, Path], parity: Parity):
    recorded = parity("transforms_synth_so100_dualcam").json("metadata")
    entry = read_json(folders[1] / "experiment_cfg/metadata.json")["new_embodiment"]
    assert recorded["embodiment_tag"] == entry["embodiment_tag"] and recorded.keys() == entry.keys()
    for section in ("statistics", "modalities"):
        assert recorded[section].keys() == entry[section].keys()
        for side, parts in recorded[section].items():
            own = entry[section][side]
            assert own.keys() == parts.keys(), (section, side)
            assert all(types_of(own[name]) == types_of(part) for name, part in parts.items()), (section, side)


def types_of(fields: dict) -> dict:
    """Key -> type, and the number of values of lists."""
    return {key: (type(value), len(value) if isinstance(value, list) else 1) for key, value in fields.items()}


def test_slot_31_is_what_the_robot_learnt(folders: tuple[Path, Path]):
    before, after = (load_file(folder / "model.safetensors") for folder in folders)
    for name in SLOTTED:
        old, new = before[f"action_head.{name}"], after[f"action_head.{name}"]
        assert torch.equal(new[31], new[SO100.slot]), name
        assert [slot for slot in range(32) if not torch.equal(old[slot], new[slot])] == [SO100.slot, 31], name


def test_the_published_files_alone_act_the_same_under_both_names(folders: tuple[Path, Path], tmp_path: Path):
    for name in PUBLISHED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(folders[1] / name)
    picture = np.random.default_rng(0).integers(0, 255, (1, 48, 64, 3), dtype=np.uint8)
    seen = {"video.front": picture, "video.wrist": picture, SO100.selection(SELECTION).language: "grasp the blue cube"}
    seen |= {"state.single_arm": np.full((1, 5), 20.0), "state.gripper": np.full((1, 1), 20.0)}
    settings = {"embodiment": "so100", "selection": SELECTION, "tokenizer": folders[1] / "tokenizer"}
    policies = [Policy.from_checkpoint(tmp_path, tag=tag, **settings) for tag in ("so100", "new_embodiment")]
    assert [policy.embodiment.slot for policy in policies] == [2, 31]
    one, other = (policy.get_action(seen) for policy in policies)
    assert all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("robots", "expected"),
    [
        (["gr1"], None),
        (["gr1", "so100"], None),
        (["so100", "gr1"], "so100"),
        (["so100", "unitree_g1"], "so100"),
        (["gr1", "new_embodiment"], "new_embodiment"),
        (["so100", "new_embodiment"], "new_embodiment"),
    ],
)
def test_which_robot_it_is(robots: list[str], expected: str | None):
    found = new_embodiment([member_of(load_embodiment(name)) for name in robots])
    assert (found and found.name) == expected


def member_of(robot: Embodiment) -> Member:
    manifest = MixtureManifest("m", robot.name, robot.digest, robot.default_selection, 0, (), ())
    return Member(manifest, NormStats(robot.name, robot.digest, "", {}, {}), replace(robot))
