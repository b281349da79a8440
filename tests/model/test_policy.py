"""The policy: published keys, units restored, deterministic by seed, clear complaints."""

import json
import shutil

import numpy as np
import pytest
import torch

from gr00t_data.disk import write_json
from gr00t_data.integrity import RECORD, IntegrityError, is_sealed, read_sealed, write_sealed
from gr00t_data.store.store import EpisodeStore
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import ObservationError, Policy
from gr00t_model.training.checkpoint import Checkpoint, publish
from gr00t_model.training.key import prepare_run
from gr00t_model.training.objective import open_accelerator, open_loop
from gr00t_model.training.train import train
from tests.model.tiny import SIDE_PX, build, episode

KEYS = ("left_arm", "right_arm", "left_hand", "right_hand")
LANGUAGE = "annotation.human.action.task_description"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return build(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def run(lake, tmp_path_factory):
    folder = prepare_run(lake.config(steps=30, batch_size=8), tmp_path_factory.mktemp("runs"))
    train(folder, StopRequest())
    return folder


@pytest.fixture(scope="module")
def policy(run) -> Policy:
    return Policy.from_checkpoint(run.checkpoint)


def observation(policy: Policy, frame: int, size_px: int = SIDE_PX) -> dict:
    shown = episode(0)
    state = {part.name: shown.state[frame : frame + 1, part.slice] for part in policy.embodiment.state}
    picture = np.kron(shown.video["ego_view"][frame], np.ones((size_px // SIDE_PX,) * 2 + (1,), dtype=np.uint8))
    observed = {f"state.{name}": state[name] for name in policy.selection.state}
    return {"video.ego_view": picture[None], **observed, LANGUAGE: [shown.instruction]}


def stacked(*observations: dict) -> dict:
    joined = {key: np.stack([o[key] for o in observations]) for key in observations[0] if key != LANGUAGE}
    return joined | {LANGUAGE: [o[LANGUAGE][0] for o in observations]}


def test_actions_have_published_keys_shapes_and_units(policy):
    actions = policy.get_action(observation(policy, 3))
    assert set(actions) == {f"action.{name}" for name in KEYS}
    assert actions["action.left_arm"].shape == (16, 7)
    assert actions["action.left_hand"].shape == (16, 6)
    assert all(values.dtype == np.float32 and np.isfinite(values).all() for values in actions.values())
    assert policy.units["action.left_arm"] == "rad"


def test_the_seed_decides(policy):
    first, again = (policy.get_action(observation(policy, 3), seed=5) for _ in range(2))
    other = policy.get_action(observation(policy, 3), seed=6)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["action.left_arm"], other["action.left_arm"])


def test_denoising_steps_can_be_chosen(policy):
    one, four = (policy.get_action(observation(policy, 3), denoising_steps=steps) for steps in (1, 4))
    default = policy.get_action(observation(policy, 3))
    assert not np.array_equal(one["action.left_arm"], four["action.left_arm"])
    assert np.array_equal(default["action.left_arm"], four["action.left_arm"])


def test_a_batch_has_the_first_row_of_a_single(policy):
    """The noise of row 0 is the same, so a row's answer does not depend on its company."""
    single = policy.get_action(observation(policy, 3))
    batch = policy.get_action(stacked(observation(policy, 3), observation(policy, 9)))
    for key, values in batch.items():
        assert values.shape[0] == 2
        np.testing.assert_allclose(values[0], single[key], rtol=1e-4, atol=1e-5)
    assert not np.allclose(batch["action.left_arm"][0], batch["action.left_arm"][1])


def test_pictures_of_any_size_are_resized_as_in_training(policy):
    small, large = observation(policy, 3), observation(policy, 3, 2 * SIDE_PX)
    assert large["video.ego_view"].shape == (1, 64, 64, 3)
    actions = [policy.get_action(seen)["action.left_arm"] for seen in (small, large)]
    np.testing.assert_allclose(actions[0], actions[1], atol=0.05)


def test_it_sees_what_training_saw(lake, run, policy):
    """State, prompt and picture of a training sample reach the network as the loader gives them."""
    config = run.config().model_copy(update={"cache_features": False})
    loop = open_loop(run, config, open_accelerator(config))
    batch = loop.objective.batches.batch(0)
    store = EpisodeStore.open(lake.store)
    number, frame = map(int, batch.sample_ids[0].split("/")[1:])
    rows = store.state(number)[frame : frame + 1]
    seen = {f"state.{name}": rows[:, policy.embodiment.state_part(name).slice] for name in policy.selection.state}
    seen |= {"video.ego_view": batch.images[0].numpy(), LANGUAGE: [store.row(number).instruction]}
    made = policy._batch(policy._rows(seen))
    assert torch.equal(made.images, batch.images[:1])
    torch.testing.assert_close(made.state, batch.state[:1])
    assert torch.equal(made.state_mask, batch.state_mask[:1])
    assert torch.equal(made.embodiment_id, batch.embodiment_id[:1])
    length = int(made.attention_mask.sum())
    assert torch.equal(made.input_ids[0, -length:], batch.input_ids[0, -length:])


def test_a_perfect_network_gives_back_the_recorded_actions(lake, run, policy, monkeypatch):
    """What the loader normalises, the policy restores."""
    config = run.config()
    loop = open_loop(run, config, open_accelerator(config))
    batch = loop.objective.batches.batch(0)
    number, frame = map(int, batch.sample_ids[0].split("/")[1:])
    monkeypatch.setattr(policy.model, "get_action", lambda *_: batch.action[:1])
    actions = policy.get_action(observation(policy, 0))
    recorded = EpisodeStore.open(lake.store).action(number)[frame : frame + 16]
    for name in KEYS:
        part = policy.embodiment.action_part(name)
        np.testing.assert_allclose(actions[f"action.{name}"][: len(recorded)], recorded[:, part.slice], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"state.left_arm": None}, r"lacks state\.left_arm"),
        ({LANGUAGE: None}, f"lacks {LANGUAGE}"),
        ({"state.left_arm": np.zeros((1, 6))}, r"state\.left_arm: expected \[1, 7\] .* found \[1, 6\]"),
        ({"state.left_arm": np.full((1, 7), np.nan)}, r"state\.left_arm: holds NaN"),
        ({"video.ego_view": np.zeros((1, 8, 8, 3))}, r"video\.ego_view: expected uint8 .* found float64"),
        ({"video.ego_view": np.zeros((2, 8, 8, 3), dtype=np.uint8)}, r"video\.ego_view: expected .* found uint8 \[2"),
        ({LANGUAGE: [" "]}, "non-empty texts"),
        ({LANGUAGE: ["one", "two"]}, "expected 1 non-empty texts"),
    ],
)
def test_a_wrong_observation_is_named(policy, change, expected):
    seen = observation(policy, 0) | change
    with pytest.raises(ObservationError, match=expected):
        policy.get_action({key: value for key, value in seen.items() if value is not None})


def test_it_needs_statistics_of_its_embodiment(run):
    checkpoint = Checkpoint.load(run.checkpoint)
    del checkpoint.statistics.action["left_arm"]
    with pytest.raises(ValueError, match="left_arm"):
        Policy(checkpoint.model(), checkpoint.prompt(), checkpoint.embodiment, checkpoint.statistics)


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "config.json",
        "statistics.json",
        "embodiment.yaml",
        "manifest.json",
        "train_config.json",
        "versions.json",
        "episodes.json",
        "tokenizer/tokenizer.json",
        "experiment_cfg/metadata.json",
    ],
)
def test_a_file_that_is_not_the_recorded_one_does_not_act(run, tmp_path, name):
    folder = tmp_path / "checkpoint"
    shutil.copytree(run.checkpoint, folder)
    assert Policy.from_checkpoint(folder).verified
    path, told = folder / name, f"{name} is not the recorded file"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:] if name == "model.safetensors" else whole + b"\n")
    with pytest.raises(IntegrityError, match=f"{name}: is not the file that was written" if is_sealed(path) else told):
        Policy.from_checkpoint(folder)
    if is_sealed(path):  # and without its seal it is not the recorded one
        path.write_bytes(whole)
        write_json(path, read_sealed(path))
        with pytest.raises(IntegrityError, match=told):
            Policy.from_checkpoint(folder)
    if name == "model.safetensors":
        with pytest.raises(IntegrityError):
            Checkpoint.load(folder).model()


def test_a_checkpoint_made_before_there_was_a_record_is_known_by_its_name(run, tmp_path):
    published = publish(run.checkpoint, tmp_path)
    (published / RECORD).unlink()
    assert Policy.from_checkpoint(published).verified
    copied = tmp_path / "another_name"
    shutil.copytree(published, copied)
    assert not Policy.from_checkpoint(copied).verified
    (published / "statistics.json").unlink()  # a link to the run's own
    changed = json.dumps(read_sealed(copied / "statistics.json")).replace("0.1", "0.2")
    write_sealed(published / "statistics.json", json.loads(changed))
    with pytest.raises(IntegrityError, match="its name says"):
        Policy.from_checkpoint(published)
