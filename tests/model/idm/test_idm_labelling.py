"""From clips to rows with actions: windows combined, time steps enforced, resumable, the same whatever the batch."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.disk import write_json
from gr00t_data.embodiment.robot import Part, load_embodiment
from gr00t_data.integrity import IntegrityError, is_sealed, read_sealed
from gr00t_data.rotations import convert
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
from gr00t_model.groot.weights.nvidia import WeightsError
from gr00t_model.idm.artifact import Artifact, Robot, batch_of, load_artifact, save_artifact
from gr00t_model.idm.combine import combine_windows
from gr00t_model.idm.config import IdmConfig, IdmTraining, nano, published
from gr00t_model.idm.evaluate import evaluate_idm, score
from gr00t_model.idm.examples import ExamplesError, measure_actions, split_episodes
from gr00t_model.idm.label import LabelError, label_store
from gr00t_model.idm.model import Idm
from gr00t_model.idm.timing import Timing, TimingError
from gr00t_model.idm.train import IdmTrainingError, train_on
from gr00t_model.loop.stop import Stopped
from tests.data.builders import GR1, episode, resealed, sealed
from tests.model.training.test_training_loop import StopAfter

CONTINUOUS = Part("arm", 0, 2, "rad", None, None, True, "float64", "min_max", ("a", "b"), "action")
GRIPPER = replace(CONTINUOUS, name="gripper", start=2, end=3, normalization="binary", joints=("g",))
TURN = replace(CONTINUOUS, name="turn", start=3, end=6, rotation="axis_angle", joints=("x", "y", "z"))
SHORT = IdmTraining(steps=4, batch_size=4, draws=1, save_every_steps=2, held_out_share=0.3, log_every_steps=2)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    episodes = [episode(rows, seed) for seed, rows in enumerate((20, 22, 24))]
    return sealed(tmp_path_factory.mktemp("recorded") / "recorded", episodes)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """Three clips without actions, one of them shorter than the gap."""

    writer = StoreWriter.create(
        tmp_path_factory.mktemp("clips") / "clips", GR1, kind="neural", licence="x", absent=["state", "action"]
    )
    for seed, rows in enumerate((24, 10, 21)):
        one = episode(rows, seed, columns={"source_frame": np.arange(rows)})
        writer.append(replace(one, state=np.zeros((rows, 44)), action=np.zeros((rows, 44))))
    return writer.seal()


@pytest.fixture(scope="module")
def artifact(recorded: EpisodeStore) -> Artifact:
    torch.manual_seed(0)
    learn, held = split_episodes([recorded], 0.3)
    robot = Robot(GR1, None, measure_actions(learn, GR1))
    config = replace(nano(), num_inference_timesteps=2)
    facts = {"learned": [list(take.key) for take in learn], "held_out": [list(take.key) for take in held]}
    return Artifact(Idm(config).eval(), Timing(20, 16, 20, 16), robot, facts, "artifact")


def files(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()
    }


def test_every_kind_of_part_is_combined_in_its_way() -> None:
    starts = np.array([0, 1, 3])
    predicted = np.zeros((3, 2, 6))
    predicted[:, :, 0] = [[1, 3], [5, 7], [9, 11]]
    predicted[:, :, 2] = [[0.9, 0.9], [0.2, 0.8], [0.6, 0.4]]
    predicted[0, 1, 3:], predicted[1, 0, 3:] = (0, 0, 0.2), (0, 0, 0.6)
    found = combine_windows(predicted, starts, 4, [CONTINUOUS, GRIPPER, TURN], binary=frozenset({"gripper"}), scale=2.0)
    assert found.votes.tolist() == [1, 2, 1, 1]
    np.testing.assert_allclose(found.action[:, 0], [1, 4, 7, 9])
    np.testing.assert_allclose(found.spread["arm"], [0, 0.25, 0, 0], atol=1e-12)
    assert found.action[:, 2].tolist() == [1, 0, 1, 1] and found.spread["gripper"].tolist() == [0, 1, 0, 0]
    np.testing.assert_allclose(found.action[1, 3:], [0, 0, 0.4], atol=1e-9)
    assert 0.19 < found.spread["turn"][1] < 0.21 and found.spread["turn"][0] < 1e-6


def test_rotations_across_a_half_turn_do_not_cancel() -> None:
    predicted = np.zeros((2, 2, 3))
    predicted[0, 1], predicted[1, 0] = (0, 0, 3.0), (0, 0, -3.0)
    found = combine_windows(predicted, np.array([0, 1]), 3, [replace(TURN, start=0, end=3)])
    assert abs(found.action[1, 2]) > 3.1
    matrix = convert(found.action, "axis_angle", "matrix")
    assert np.isfinite(matrix).all()


def test_another_time_step_is_refused(recorded: EpisodeStore) -> None:
    Timing(20, 16, 20, 16).check_store(recorded)
    with pytest.raises(TimingError, match=r"20 rows a second, the model was trained at 8 .* factor of 2.5"):
        Timing(8, 8, 8, 8).check_store(recorded)
    with pytest.raises(TimingError, match="generate more frames"):
        Timing(20, 4, 20, 4).check_period(0.125)
    Timing(20, 16, 20, 16).check_period(0.125)
    with pytest.raises(TimingError, match=r"idm.json: does not say fps"):
        Timing.from_dict({"fps": 20}, "idm.json")


def test_labels_do_not_depend_on_batches_or_workers(clips: EpisodeStore, artifact: Artifact, tmp_path: Path) -> None:
    before = files(clips.root)
    one = label_store(clips, artifact, tmp_path / "one", batch_size=1)
    many = label_store(clips, artifact, tmp_path / "many", batch_size=64)
    threads = label_store(clips, artifact, tmp_path / "threads", batch_size=64, workers=3)
    assert files(clips.root) == before and threads.digest == many.digest
    for index in range(2):
        np.testing.assert_allclose(one.action(index), many.action(index), atol=2e-5)
    assert many.kind == "neural" and [row.length for row in many.rows] == [23, 20]
    assert many.matrix(0, "label_votes")[:, 0].tolist() == [*range(1, 9), *[8] * 7, *range(8, 0, -1)]
    assert set(many.matrix(0, "label_valid")[:, 0]) == {0, 1} and (many.matrix(0, "label_spread") >= 0).all()
    assert {"state", "action.neck", "action.waist"} <= set(many.about.absent)
    assert "10 rows" in many.about.source.refused[0].reason
    assert label_store(clips, artifact, tmp_path / "many").digest == many.digest


def test_a_killed_labelling_goes_on(clips: EpisodeStore, artifact: Artifact, tmp_path: Path) -> None:
    whole = label_store(clips, artifact, tmp_path / "whole")

    def dies(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_store(clips, artifact, tmp_path / "killed", progress=dies)
    assert label_store(clips, artifact, tmp_path / "killed").digest == whole.digest


def test_a_broken_film_is_refused_and_the_others_are_labelled(artifact: Artifact, tmp_path: Path) -> None:
    writer = StoreWriter.create(tmp_path / "clips", GR1, kind="neural", licence="x", absent=["state", "action"])
    for seed in range(2):
        writer.append(episode(24, seed))
    clips = writer.seal()
    film = clips.video_path(0, "ego_view")
    film.write_bytes(film.read_bytes()[:60])
    with pytest.raises(StoreError, match=f"{film}: episode 0: was changed after sealing"):
        label_store(clips, artifact, tmp_path / "changed")
    clips = resealed(clips)  # it came broken
    done = label_store(clips, artifact, tmp_path / "labelled")
    refused = done.about.source.refused
    assert len(done.rows) == 1 and len(refused) == 1 and "episode 0" in str(refused[0])
    clips.video_path(1, "ego_view").write_bytes(b"no film")
    clips = resealed(clips)
    with pytest.raises(LabelError, match="no clip could be labelled"):
        label_store(clips, artifact, tmp_path / "none")


def test_a_model_of_another_robot_is_refused(clips: EpisodeStore, artifact: Artifact, tmp_path: Path) -> None:
    other = replace(artifact, robot=replace(artifact.robot, embodiment=load_embodiment("so100")))
    with pytest.raises(LabelError, match="is of embodiment 'gr1', the model is of 'so100'"):
        label_store(clips, other, tmp_path / "no")


def test_what_nobody_predicted_is_masked_in_training(clips: EpisodeStore, artifact: Artifact, tmp_path: Path) -> None:
    from gr00t_data.batches.loader import Loader
    from gr00t_data.batches.rows import Member

    for store, some in ((clips, False), (label_store(clips, artifact, tmp_path / "labelled"), True)):
        index = build_index(store, GR1, tmp_path / f"index-{some}")
        usable = replace(
            index, verdicts=tuple(replace(v, accepted=True, keep=((0, v.length),)) for v in index.verdicts)
        )
        manifest = build_manifest("neural", GR1, [(store, usable, 1.0)], seed=0, held_out_share=0)
        chosen = "fourier_gr1_arms_waist"
        manifest = replace(manifest, selection=chosen)
        loader = Loader(
            [Member(manifest, measure([(store, usable)], GR1), replace(GR1, action_horizon=4))],
            batch_size=4, horizon=4, max_state_dim=64,
            max_action_dim=32, with_images=False,
        )  # fmt: skip
        batch = next(iter(loader))
        assert batch.state_mask is not None and not batch.state_mask.any()
        assert batch.action_mask is not None and bool(batch.action_mask[:, 0, :26].any()) is some
        assert not batch.action_mask[:, :, 26:].any()  # the waist, which the model does not predict


def test_training_resumes_where_it_stood(recorded: EpisodeStore, tmp_path: Path) -> None:
    said: list[str] = []
    straight = train_on([recorded], GR1, tmp_path / "straight", SHORT, said.append)

    def dies(line: str) -> None:
        if line.startswith("step 4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_on([recorded], GR1, tmp_path / "killed", SHORT, dies)
    resumed = train_on([recorded], GR1, tmp_path / "killed", SHORT, said.append)
    assert any("steps 2 to 4" in line for line in said)
    assert files(straight) == files(resumed)
    with pytest.raises(IdmTrainingError, match="other stores or settings"):
        train_on([recorded], GR1, tmp_path / "killed", SHORT.model_copy(update={"seed": 1}), said.append)
    loaded = load_artifact(straight)
    assert loaded.timing == Timing(20, 16, 20, 16) and len(loaded.digest) == 64
    report = evaluate_idm(loaded, [recorded])
    assert set(report.moving) == {"idm", "mean_action", "previous_action", "linear_on_pixels"}
    assert report.episodes == 1 and set(report.parts) == {"left_arm", "right_arm", "left_hand", "right_hand"}


def test_a_training_that_is_told_to_stop_saves_its_state_first(recorded: EpisodeStore, tmp_path: Path) -> None:
    config, said = SHORT.model_copy(update={"save_every_steps": 100}), list[str]()
    straight = train_on([recorded], GR1, tmp_path / "straight", config, said.append)
    with pytest.raises(Stopped, match=r"stopped \(SIGTERM\), state saved at step 3 of 4"):
        train_on([recorded], GR1, tmp_path / "stopped", config, said.append, StopAfter(3))
    assert not (tmp_path / "stopped/model").exists()
    assert files(train_on([recorded], GR1, tmp_path / "stopped", config, said.append)) == files(straight)
    assert any("steps 3 to 4" in line for line in said)


def test_scores_mean_what_they_say() -> None:
    truth = np.linspace(0, 1, 40).reshape(4, 5, 2)
    exact = score(truth, truth)
    assert exact.r2 == 1 and exact.error == 0 and exact.magnitude == pytest.approx(1)
    assert score(np.full_like(truth, truth.mean((0, 1))), truth).r2 == pytest.approx(0)
    assert score(truth * 0.5, truth).magnitude == pytest.approx(0.5)


def test_one_episode_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(ExamplesError, match="at least two are needed"):
        split_episodes([sealed(tmp_path / "one", [episode()])], 0.1)


@pytest.mark.parametrize("preset", [nano, published])
def test_presets_are_read_back(preset) -> None:
    config = preset()
    assert IdmConfig.from_dict(config.to_dict()) == config


def test_folders_without_a_time_step_do_not_load(artifact: Artifact, tmp_path: Path) -> None:
    folder = save_artifact(artifact, tmp_path / "model")
    assert load_artifact(folder).timing == artifact.timing
    (folder / "idm.json").unlink()
    with pytest.raises(WeightsError, match="nobody knows its robot, statistics and time step"):
        load_artifact(folder)


@pytest.mark.parametrize("name", ["statistics.json", "idm.json", "embodiment.yaml", "config.json"])
def test_a_file_that_is_not_the_recorded_one_does_not_label(artifact: Artifact, tmp_path: Path, name: str) -> None:
    folder = save_artifact(artifact, tmp_path / "model")
    path, whole = folder / name, (folder / name).read_bytes()
    path.write_bytes(whole + b"\n")
    told = f"{name} is not the recorded file"
    with pytest.raises(IntegrityError, match=f"{name}: is not the file that was written" if is_sealed(path) else told):
        load_artifact(folder)
    if is_sealed(path):  # and without its seal it is not the recorded one
        path.write_bytes(whole)
        write_json(path, read_sealed(path))
        with pytest.raises(IntegrityError, match=told):
            load_artifact(folder)


def test_a_binary_part_keeps_its_two_values() -> None:
    grip = replace(GRIPPER, unit="percent", closed=0.0, open=100.0, start=0, end=1)
    predicted = np.array([[[0.0], [100.0]], [[100.0], [60.0]], [[3.0], [0.0]]])
    found = combine_windows(predicted, np.arange(3), 4, [grip], binary=frozenset({"gripper"}))
    assert found.action[:, 0].tolist() == [0.0, 100.0, 0.0, 0.0]
    assert found.spread["gripper"].tolist() == [0.0, 0.0, 1.0, 0.0]


def test_too_many_cameras_are_refused(artifact: Artifact) -> None:
    with pytest.raises(ValueError, match="8 images a row"):
        batch_of(artifact.model.config, 0, torch.zeros(1, 8, 64, 64, 3, dtype=torch.uint8))


def test_a_clip_of_one_view_is_not_labelled_by_a_model_of_two(artifact: Artifact, tmp_path: Path) -> None:
    clips = sealed(tmp_path / "clips", [episode(24, 7)], kind="neural")
    text = (Path(__file__).parents[3] / "schemas/embodiments/gr1.yaml").read_text()
    two = text.replace("cameras: [ego_view]", "cameras: [ego_view, wrist]").replace(
        "cameras:\n", "cameras:\n  - {name: wrist, role: wrist, column: observation.images.wrist}\n", 1
    )
    (tmp_path / "gr1.yaml").write_text(two)
    model = replace(artifact, robot=replace(artifact.robot, embodiment=load_embodiment(tmp_path / "gr1.yaml")))
    with pytest.raises(LabelError, match=r"its clips show ego_view, the model also looks at wrist; train one on what"):
        label_store(clips, model, tmp_path / "no")
