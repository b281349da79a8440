"""What an inverse dynamics model may learn from, the stages of the lake, and batches over many clips."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gr00t_data.batches.statistics.statistics import PartStatistics
from gr00t_data.curate.build import build_index
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_model.groot import flow
from gr00t_model.idm.artifact import Artifact, Robot, batch_of, choose_device, load_artifact, save_artifact
from gr00t_model.idm.config import IdmTraining, nano
from gr00t_model.idm.evaluate import held_out, score
from gr00t_model.idm.examples import (
    ExamplesError,
    Recording,
    Slowed,
    measure_actions,
    read_pictures,
    split_episodes,
    takes_of,
    window_starts,
)
from gr00t_model.idm.model import Idm
from gr00t_model.idm.predict import Clip, predict_clips, predict_windows
from gr00t_model.idm.timing import Timing
from gr00t_model.idm.train import IdmTrainingError, train_on
from gr00t_model.stages.idm import label_store, train_idm
from gr00t_model.stages.settings import LabellingSettings
from tests.data.builders import GR1, episode, sealed, still_rows
from tests.shell import invoke

TIMING = Timing(20, 16, 20, 16)
SHORT = IdmTraining(steps=2, batch_size=4, held_out_share=0.3, save_every_steps=1)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Four episodes that the doctor accepts, and one of 10 frames that it rejects."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    sealed(lake.stores / "recorded", [episode(rows, seed) for seed, rows in enumerate((24, 26, 10, 22, 28))])
    return lake


@pytest.fixture(scope="module")
def recorded(lake: Lake) -> EpisodeStore:
    return EpisodeStore.open(lake.stores / "recorded")


@pytest.fixture(scope="module")
def artifact(recorded: EpisodeStore) -> Artifact:
    torch.manual_seed(0)
    robot = Robot(GR1, None, measure_actions(takes_of([recorded]), GR1), standardised=True)
    return Artifact(Idm(nano()).eval(), TIMING, robot, {"learned": [], "held_out": []}, "artifact")


def test_only_accepted_episodes_and_kept_rows_are_learnt(recorded: EpisodeStore, tmp_path: Path) -> None:
    index = build_index(recorded, GR1, tmp_path)
    assert [take.index for take in takes_of([recorded])] == [0, 1, 2, 3, 4]
    assert [take.index for take in takes_of([(recorded, index)])] == [0, 1, 3, 4]
    learn, held = split_episodes([(recorded, index)], 0.3)
    assert len(learn) == 3 and len(held) == 1 and 2 not in {take.index for take in learn + held}
    pictures, action = np.zeros((40, 1, 8, 8, 3), np.uint8), np.zeros((40, 26))
    cut = Recording("x", pictures, action, ((0, 18), (20, 38)))
    assert window_starts([cut], TIMING)[:, 1].tolist() == [0, 1, 20, 21]
    with pytest.raises(ExamplesError, match="no kept part of an episode is longer than 16 frames"):
        window_starts([Recording("x", pictures, action, ((0, 16), (16, 32)))], TIMING)


def test_statistics_are_of_kept_rows(tmp_path: Path) -> None:
    action = still_rows(20)
    action[10:, 0] = 100.0
    store = sealed(tmp_path / "store", [episode(20, action=action)])
    (take,) = takes_of([store])
    assert measure_actions([take], GR1).action["left_arm"].max[0] == 100
    assert measure_actions([take._replace(keep=((0, 10),))], GR1).action["left_arm"].max[0] < 1


def test_named_episodes_are_held_out(recorded: EpisodeStore) -> None:
    name = f"{recorded.digest[:12]}/3"
    learn, held = split_episodes([recorded], 0.5, [name])
    assert [take.name for take in held] == [name] and len(learn) == 4
    with pytest.raises(ExamplesError, match="cannot hold out"):
        split_episodes([recorded], 0.5, ["nobody/0"])


def test_verdicts_of_another_store_are_refused(recorded: EpisodeStore, tmp_path: Path) -> None:
    other = sealed(tmp_path / "other", [episode(30, 9)])
    with pytest.raises(ExamplesError, match="the verdicts are of a store"):
        takes_of([(recorded, build_index(other, GR1, tmp_path))])


def test_predicted_actions_teach_nothing(lake: Lake, tmp_path: Path) -> None:
    neural = sealed(tmp_path / "dreams", [episode(24, 0), episode(24, 1)], kind="neural")
    with pytest.raises(ExamplesError, match="of kind 'neural', whose actions nobody recorded"):
        train_on([neural], GR1, tmp_path / "idm", SHORT)
    alone = Lake(tmp_path)
    sealed(alone.stores / "dreams", [episode(24, 2), episode(24, 3)], kind="neural")
    said: list[str] = []
    with pytest.raises(StoreError, match="no store of 'gr1' of kind real or simulated"):
        train_idm(alone, GR1, say=said.append)
    assert said == ["dreams: of kind neural, its actions were not recorded; left out"]


def test_stages_are_made_once(lake: Lake, recorded: EpisodeStore) -> None:
    said: list[str] = []
    folder, digest = train_idm(lake, GR1, training=SHORT, say=said.append)
    assert lake.pointed("idm_gr1") == (folder, digest) and (folder / "report.json").is_file()
    facts = load_artifact(folder).facts
    assert 2 not in {index for _, index in facts["learned"] + facts["held_out"]}
    index = build_index(recorded, GR1, lake.index)
    assert [[store.digest, i] for store, i in held_out(load_artifact(folder), [(recorded, index)])] == facts["held_out"]
    before = len(said)
    assert train_idm(lake, GR1, training=SHORT, say=said.append) == (folder, digest) and len(said) == before
    other, _ = train_idm(lake, GR1, training=SHORT.model_copy(update={"seed": 1}), say=said.append)
    assert other != folder
    any_model = LabellingSettings(any_model=True)
    root, labelled = label_store(lake, recorded, folder, settings=any_model)
    assert root.name == f"recorded-labelled-{digest[:8]}"
    assert label_store(lake, recorded, folder, settings=any_model) == (root, labelled)
    assert EpisodeStore.open(root).digest == labelled


def test_batches_go_over_clips(recorded: EpisodeStore, artifact: Artifact) -> None:
    size = artifact.image_size
    clips = []
    for index in (0, 1, 3):
        pictures = read_pictures(recorded, index, artifact.robot.cameras, size)
        clips.append(Clip(pictures, np.arange(len(pictures) - 16), (index,)))
    together = list(predict_clips(artifact, clips, batch_size=5))
    for clip, chunks in zip(clips, together, strict=True):
        alone = predict_windows(artifact, clip.pictures, clip.starts, seed=clip.seed, batch_size=64)
        assert chunks.shape == (len(clip.starts), 16, 26)
        np.testing.assert_allclose(chunks, alone, atol=2e-5)
        backwards = predict_windows(artifact, clip.pictures, clip.starts[::-1], seed=clip.seed, batch_size=5)
        np.testing.assert_array_equal(backwards[::-1], chunks)  # the same size of a batch: the same bytes
    assert list(predict_clips(artifact, [])) == []
    with pytest.raises(ValueError, match="a window starts at frame 12, but 24 frames leave none 16 later"):
        predict_windows(artifact, clips[0].pictures[:24], np.array([12]))


def test_devices(artifact: Artifact, recorded: EpisodeStore, tmp_path: Path) -> None:
    folder = save_artifact(artifact, tmp_path / "model")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for wrong in ("cuda:99", "abacus"):
        with pytest.raises(ValueError, match=f"device '{wrong}' is not there"):
            load_artifact(folder, wrong)
    if not torch.cuda.is_available():
        pytest.skip("no GPU here to compare with")
    pictures = read_pictures(recorded, 0, artifact.robot.cameras, artifact.image_size)
    here, there = (predict_windows(load_artifact(folder, one), pictures, np.arange(8)) for one in ("cpu", "cuda"))
    np.testing.assert_allclose(here, there, atol=1e-3)


@pytest.mark.parametrize("cameras", [1, 2, 3])
def test_one_to_three_cameras(artifact: Artifact, cameras: int) -> None:
    pictures = torch.randint(0, 255, (2, 2 * cameras, 80, 80, 3), dtype=torch.uint8)
    batch = batch_of(artifact.model.config, 24, pictures)
    assert artifact.model.get_action(batch).shape == (2, 16, 32)


def test_a_draw_without_noise_is_the_error_of_the_mean() -> None:
    torch.manual_seed(1)
    model = Idm(nano()).eval()
    pictures, action = torch.randint(0, 255, (3, 2, 80, 80, 3), dtype=torch.uint8), torch.randn(3, 16, 32)
    mask = torch.ones(3, 16, 32, dtype=torch.bool)
    batch = batch_of(model.config, 24, pictures, action, mask)
    loss = model(batch, torch.Generator().manual_seed(0), draws=1, mean_draws=1)
    torch.testing.assert_close(loss, flow.masked_mse(model.get_action(batch), action, mask))
    noisy, mixed = (model(batch, torch.Generator().manual_seed(0), draws=2, mean_draws=n) for n in (0, 1))
    assert not torch.isclose(noisy, mixed)


def test_standardised_values_come_back() -> None:
    values = np.random.default_rng(0).normal(3, 0.1, (50, 7))
    values[:, 6] = 2.5
    statistics = measure_actions_of(values)
    transform = Robot(GR1, None, statistics, standardised=True).transform(32)
    parts = {part.name: np.zeros((50, part.dim)) for part in GR1.action} | {"left_arm": values}
    seen = transform(parts)
    np.testing.assert_allclose(seen[:, :6].mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(seen[:, :6].std(0), 1, atol=1e-9)
    assert not seen[:, 6].any()
    np.testing.assert_allclose(transform.inverse(seen + 0.3 * (np.arange(32) == 6))["left_arm"], values)


def measure_actions_of(left_arm: np.ndarray):
    from gr00t_data.batches.statistics.statistics import NormStats

    action = {part.name: PartStatistics.of(np.zeros((50, part.dim))) for part in GR1.action}
    return NormStats("gr1", GR1.digest, "x", {}, action | {"left_arm": PartStatistics.of(left_arm)})


def test_a_slowed_window_shows_less_and_its_commands_hold_longer() -> None:
    rows = np.arange(40)
    pictures = np.broadcast_to(rows[:, None, None, None, None], (40, 1, 8, 8, 3)).astype(np.uint8)
    command, moved = GR1.action_part("left_arm"), replace(GR1.action_part("right_arm"), absolute=False)
    action = np.concatenate([np.tile(rows[:, None], command.dim), np.ones((40, moved.dim))], axis=1)
    slowed = Slowed([Recording("x", pictures, action, ((0, 40),))], (command, moved), TIMING)
    seen, half = slowed.gather(np.array([[0, 4], [0, 4]]), np.array([8, 16]))
    assert seen[:, :, 0, 0, 0].tolist() == [[4, 12], [4, 20]]
    assert half[0, :, 0].tolist() == [4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11]
    np.testing.assert_allclose(half[0, :, command.dim :], 0.5)
    np.testing.assert_array_equal(half[1], action[4:20])


def test_slower_motions_are_drawn_and_bounded(recorded: EpisodeStore, tmp_path: Path) -> None:
    as_recorded = load_artifact(train_on([recorded], GR1, tmp_path / "plain", SHORT, lambda _: None))
    slow = SHORT.model_copy(update={"nearest_gap": 2})
    slower = load_artifact(train_on([recorded], GR1, tmp_path / "slow", slow, lambda _: None))
    assert as_recorded.digest != slower.digest and slower.timing == as_recorded.timing
    with pytest.raises(IdmTrainingError, match="nearest_gap must be 1 to 16, the frame gap, found 17"):
        train_on([recorded], GR1, tmp_path / "wrong", SHORT.model_copy(update={"nearest_gap": 17}), lambda _: None)


def test_motion_along_the_true_one_leaves_noise_out() -> None:
    truth = np.cumsum(np.ones((4, 5, 2)), axis=1)
    noisy = truth / 2
    noisy[::2, -1, 0] += 3
    noisy[1::2, -1, 0] -= 3
    found = score(noisy, truth)
    assert found.along == pytest.approx(0.5) and found.magnitude > 0.6


def test_motion_of_displacements_is_their_sum() -> None:
    truth = np.random.default_rng(0).normal(0.1, 0.02, (4, 5, 2))
    assert score(truth / 2, truth, absolute=False).magnitude == pytest.approx(0.5)
    assert score(truth, truth, absolute=np.array([True, False])).magnitude == pytest.approx(1)


def test_the_shell_takes_the_model_of_the_lake(recorded: EpisodeStore, tmp_path: Path) -> None:
    stores = tmp_path / "stores"
    sealed(stores / "recorded", [episode(24, seed) for seed in range(3)])
    clips = sealed(stores / "clips", [episode(24, 7), episode(10, 8)], kind="neural")
    lake = ("--lake", str(tmp_path), "--json")
    asked = invoke(["label", str(clips.root), *lake])
    assert "has no idm_gr1 yet" in asked.output
    trained = invoke(["idm", "train", "--steps", "1", "--batch-size", "2", *lake])
    assert trained.exit_code == 0, trained.output
    assert '"held_out_share"' not in trained.stdout and (tmp_path / "current/idm_gr1.json").is_file()
    guess = invoke(["label", str(clips.root), "--device", "cpu", *lake])
    assert guess.exit_code == 2 and "its labels would be guesses" in guess.stderr
    done = invoke(["label", str(clips.root), "--device", "cpu", "--batch-size", "4", "--any-model", *lake])
    assert done.exit_code == 1 and "10 rows" in done.stdout, done.output
    labelled = EpisodeStore.open(stores / "clips-labelled")
    assert (labelled.kind, len(labelled.rows)) == ("neural", 1)
    wrong = invoke(["label", str(clips.root), "--device", "abacus", "--name", "x", "--any-model", *lake])
    assert "device 'abacus' is not there" in wrong.output


def test_a_robot_is_given_by_its_file_too(recorded: EpisodeStore, tmp_path: Path) -> None:
    sealed(tmp_path / "stores/recorded", [episode(24, seed) for seed in range(3)])
    lake = ("--lake", str(tmp_path), "--json")
    assert invoke(["idm", "train", "--steps", "1", "--batch-size", "2", *lake]).exit_code == 0
    (tmp_path / "mine.yaml").write_text((Path(__file__).parents[3] / "schemas/embodiments/gr1.yaml").read_text())
    told = invoke(["idm", "eval", "--embodiment", str(tmp_path / "mine.yaml"), *lake])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["model"].startswith(str(tmp_path / "idm"))
