"""Many embodiments in one batch: a row does not notice its company, and only the slots present learn."""

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gr00t_data.batches.batch import Batch
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.integrity import read_sealed, write_record, write_sealed
from gr00t_data.lake import Lake
from gr00t_model.evaluate.report import evaluate
from gr00t_model.loop.config import ConfigError, Optimizer
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.stages.evaluate import evaluation_rows
from gr00t_model.stages.inputs import MissingInput
from gr00t_model.stages.settings import FinetuneSettings
from gr00t_model.stages.train import new_run
from gr00t_model.training.checkpoint import Checkpoint, CheckpointError
from gr00t_model.training.config import Data, Mixture, TrainConfig
from gr00t_model.training.key import PolicyRun, prepare_run, run_key
from gr00t_model.training.objective import open_accelerator, open_loop
from gr00t_model.training.train import train
from tests.data.so100 import SELECTION, SO100, so100_member
from tests.model.small import CAMERAS, IMAGE_TOKEN, small_batch, small_model
from tests.model.tiny import SIDE_PX, SMALL, TinyLake, build

PADDING = 0


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    folder = tmp_path_factory.mktemp("arm")
    so100_member(folder, side_px=SIDE_PX, held_out_share=0.34)
    return Mixture(
        manifest=str(folder / "so100-manifest.json"),
        statistics=str(folder / "so100-statistics.json"),
        embodiment="so100",
        weight=2.0,
        acting_steps=6,
    )


def config(lake: TinyLake, arm: Mixture, **changes) -> TrainConfig:
    data = Data(manifest=str(lake.manifest), statistics=str(lake.statistics), cache=str(lake.cache), also=(arm,))
    optimizer = Optimizer(lr=1e-2)
    return lake.config(**{"data": data, "steps": 2, "batch_size": 6, "optimizer": optimizer, **changes})


@pytest.fixture(scope="module", params=[True, False], ids=["cached", "images"])
def run(lake: TinyLake, arm: Mixture, request, tmp_path_factory: pytest.TempPathFactory) -> PolicyRun:
    folder = prepare_run(config(lake, arm, cache_features=request.param), tmp_path_factory.mktemp("runs"))
    train(folder, StopRequest())
    return folder


def one_camera(batch: Batch, row: int) -> Batch:
    """Row ``row`` of a batch with its first camera only, and the prompt of one image."""
    assert batch.images is not None and batch.input_ids is not None and batch.attention_mask is not None
    ids = batch.input_ids[row][batch.attention_mask[row] == 1]
    places = (ids == IMAGE_TOKEN).nonzero()[:, 0]
    kept = torch.ones(len(ids), dtype=torch.bool)
    kept[places[len(places) // CAMERAS :]] = False
    tensors = {f.name: getattr(batch, f.name) for f in fields(batch)}
    alone = {name: value[row : row + 1] for name, value in tensors.items() if isinstance(value, torch.Tensor)}
    prompt = {"input_ids": ids[kept][None], "attention_mask": torch.ones(1, int(kept.sum()), dtype=torch.long)}
    views = {name: alone[name][:, :1] for name in ("images", "future_images")}
    return Batch(**{**alone, **prompt, **views})


def joined(short: Batch, long: Batch) -> Batch:
    """Two rows in one batch: the first with one view of two, its prompt padded on the left."""
    width = long.input_ids.shape[1] - short.input_ids.shape[1]
    pad = torch.nn.functional.pad
    rows = {}
    for name in (f.name for f in fields(Batch) if isinstance(getattr(long, f.name), torch.Tensor)):
        a, b = getattr(short, name), getattr(long, name)
        if name in ("input_ids", "attention_mask"):
            a = pad(a, (width, 0), value=PADDING)
        if name in ("images", "future_images"):
            a = torch.cat([a, torch.full_like(a, 77)], dim=1)  # what stands in a missing view must not matter
        rows[name] = torch.cat([a, b])
    return Batch(**rows, view_mask=torch.tensor([[True, False], [True, True]]))


@pytest.mark.parametrize("keypoints", [False, True])
def test_a_row_is_the_same_alone_and_in_company(keypoints: bool):
    model, batch = small_model(keypoints=keypoints), small_batch()
    short, whole = one_camera(batch, 1), replace(batch, sample_ids=())
    tensors = {f.name: getattr(whole, f.name) for f in fields(whole)}
    long = Batch(**{k: v[2:3] for k, v in tensors.items() if isinstance(v, torch.Tensor)})
    together = joined(short, long)
    features, mask = model.encode(together.images, together.input_ids, together.attention_mask, together.view_mask)
    for row, alone in enumerate((short, long)):
        own, _ = model.encode(alone.images, alone.input_ids, alone.attention_mask)
        torch.testing.assert_close(features[row][mask[row] == 1], own[0], rtol=1e-5, atol=1e-5)
    noise = torch.randn(2, *model.get_action(long, 1).shape[1:], generator=torch.Generator().manual_seed(0))
    actions = model.get_action(together, 2, noise=noise)
    for row, alone in enumerate((short, long)):
        torch.testing.assert_close(
            actions[row], model.get_action(alone, 2, noise=noise[row : row + 1])[0], rtol=1e-4, atol=1e-5
        )
    losses = [model(b, time=torch.full((len(b),), 0.5), noise=noise[: len(b)]) for b in (together, short)]
    assert all(torch.isfinite(loss.total) for loss in losses)


def test_only_the_slots_in_the_batch_learn(run):
    assert all(np.isfinite(record["loss"]) for record in run.records())
    before, after = (load_file(folder / "model.safetensors") for folder in (run.fresh_base, run.checkpoint))
    for name in ("state_encoder.layer1.W", "action_encoder.W1.W", "action_decoder.layer2.W"):
        key = f"action_head.{name}"
        moved = [slot for slot in range(32) if not torch.equal(before[key][slot], after[key][slot])]
        assert moved == [SO100.slot, 24], name


def test_the_checkpoint_records_all_its_mixtures(run, lake):
    checkpoint = Checkpoint.load(run.checkpoint)
    assert [(m.embodiment.name, m.weight, m.acting_steps) for m in checkpoint.members] == [
        ("gr1", 1.0, None),
        ("so100", 2.0, 6),
    ]
    assert checkpoint.manifest == checkpoint.members[0].manifest
    assert {entry.embodiment for entry in checkpoint.episodes} == {"gr1", "so100"}
    assert sum(entry.samples for entry in checkpoint.episodes) == 2 * 6
    metadata = read_json(run.checkpoint / "experiment_cfg/metadata.json")
    assert set(metadata) == {"gr1", "so100"}
    assert metadata["so100"]["modalities"]["video"]["wrist"]["resolution"] == [SIDE_PX, SIDE_PX]


def test_the_policy_chooses_the_embodiment(run):
    arm = Policy.from_checkpoint(run.checkpoint, embodiment="so100")
    assert (arm.embodiment.name, arm.selection.name, arm.horizon) == ("so100", SELECTION, 6)
    picture = np.zeros((1, 48, 64, 3), dtype=np.uint8)
    observation = {"video.front": picture, "video.wrist": picture, arm.selection.language: ["grasp the blue cube"]}
    observation |= {"state.single_arm": np.zeros((1, 5)), "state.gripper": np.zeros((1, 1))}
    actions = arm.get_action(observation)
    assert {name: values.shape for name, values in actions.items()} == {
        "action.single_arm": (6, 5),
        "action.gripper": (6, 1),
    }
    narrow = Policy.from_checkpoint(run.checkpoint, embodiment="so100", dtype=torch.bfloat16).get_action(observation)
    assert not np.array_equal(narrow["action.single_arm"], actions["action.single_arm"])
    np.testing.assert_allclose(narrow["action.single_arm"], actions["action.single_arm"], atol=2.0)  # degrees, of 20
    assert Policy.from_checkpoint(run.checkpoint).embodiment.name == "gr1"
    with pytest.raises(CheckpointError, match=r"was trained on gr1 \(.*\), so100 \(.*\), not on unitree_g1"):
        Policy.from_checkpoint(run.checkpoint, embodiment="unitree_g1")
    with pytest.raises(CheckpointError, match=r"not on so100 \(so100\)"):
        Policy.from_checkpoint(run.checkpoint, embodiment="so100", selection="so100")


def test_the_evaluation_is_of_every_embodiment(run, tmp_path: Path):
    said: list[str] = []
    report = evaluate(run.checkpoint, tmp_path, tasks=(), say=said.append)
    assert set(report.content.open_loop.parts) == {"left_arm", "right_arm", "left_hand", "right_hand"}
    ((name, arm),) = report.content.others.items()
    assert name == f"so100 ({SELECTION})" and arm.episodes == 1
    assert set(arm.parts) == {"single_arm", "gripper"}
    assert all(np.isfinite(part.policy) for part in arm.parts.values())
    rows = [row["what"] for row in evaluation_rows(report.content)]
    assert f"open loop, {name}, gripper" in rows and f"open loop, {name}, all parts" in rows
    figures = report.folder / "parts" / name
    assert {path.stem for path in figures.iterdir()} == {"single_arm", "gripper"}
    assert any(line.startswith(f"open loop, {name}: mean absolute error") for line in said)


def test_an_embodiment_that_held_nothing_out_is_told(run, tmp_path: Path):
    copy = Path(shutil.copytree(run.checkpoint, tmp_path / "copy"))
    path = copy / "also/1/manifest.json"
    write_sealed(path, read_sealed(path) | {"held_out": []})
    write_record(copy, free=("metrics.json",))
    said: list[str] = []
    assert evaluate(copy, tmp_path / "reports", tasks=(), say=said.append).content.others == {}
    assert any("not measured: mixture 'arm' holds out no episode" in line for line in said)


def test_a_mixture_missing_from_a_checkpoint_is_named(run, tmp_path: Path):
    copy = Path(shutil.copytree(run.checkpoint, tmp_path / "copy"))
    (copy / "also/1/statistics.json").unlink()
    with pytest.raises(CheckpointError, match=r"also/1: lacks statistics\.json; export the run again"):
        Checkpoint.load(copy)


def test_published_behaviour_counts_padded_steps(lake, tmp_path: Path):
    """The one row in frame 29 of 30 has one real step, and 16 that count for the published loader."""
    masks = []
    for published in (False, True):
        data = lake.config().data.model_copy(update={"published_behaviour": published})
        config = lake.config(data=data, cache_features=False)
        loop = open_loop(prepare_run(config, tmp_path), config, open_accelerator(config))
        manifest = loop.objective.batches.loader.members[0].manifest
        last = next(sample for sample in manifest.samples(0, 500) if sample.frame == 29)
        masks.append(loop.objective.batches.loader.batch_of([last]).action_mask)
    assert [int(mask.any(dim=2).sum()) for mask in masks] == [1, 16]


def test_the_lake_gives_the_mixtures_of_several_robots(lake, arm, tmp_path: Path):
    pointers = Lake(tmp_path)
    for name, paths in (("gr1", lake), ("so100", arm)):
        for kind, path in (("mixture", paths.manifest), ("norm_stats", paths.statistics)):
            copied = tmp_path / f"{kind}_{name}.json"
            copied.write_bytes(Path(path).read_bytes())
            pointers.point(copied.stem, copied, "digest")
    small = ["model.base=random", *(f"model.changes.{field}={value}" for field, value in SMALL.items())]

    def beside(other: str) -> FinetuneSettings:
        return FinetuneSettings(recipe="gr1_nano_tiny", settings=small, also=[other])

    run = new_run(pointers, load_embodiment("gr1"), beside("so100=0.5"))
    first, other = run.config().data.mixtures
    assert (first.embodiment, first.weight, other.embodiment, other.weight) == ("gr1", 1.0, "so100", 0.5)
    with pytest.raises(ConfigError, match="--also so100=much: expected NAME or NAME=WEIGHT"):
        new_run(pointers, load_embodiment("gr1"), beside("so100=much"))
    with pytest.raises(MissingInput, match="has no mixture_unitree_g1 yet; run `gr00t mix --embodiment unitree_g1`"):
        new_run(pointers, load_embodiment("gr1"), beside("unitree_g1"))


def test_the_key_of_a_run_knows_its_mixtures(lake, arm):
    alone, both = lake.config(), config(lake, arm)
    heavier = config(lake, arm.model_copy(update={"weight": 3.0}))
    assert len({run_key(one.model_copy(update={"steps": 2, "batch_size": 6})) for one in (alone, both, heavier)}) == 3
    assert TrainConfig.from_dict(both.to_dict()) == both
    missing = arm.model_copy(update={"statistics": str(Path("nowhere.json"))})
    with pytest.raises(ConfigError, match=r"data\.also\.0\.statistics: expected a file, found 'nowhere.json'"):
        run_key(config(lake, missing))
