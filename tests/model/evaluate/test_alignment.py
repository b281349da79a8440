"""The numbers of the alignment report against values computed by hand, and the report of a trained checkpoint."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.integrity import read_sealed, write_record, write_sealed
from gr00t_data.video import files as video
from gr00t_model.evaluate.alignment import Alignment, alignment, mean_cosine, skill, variety
from gr00t_model.evaluate.evaluation import AlignmentResult
from gr00t_model.evaluate.open_loop import EvaluationError, held_out
from gr00t_model.evaluate.report import evaluate
from gr00t_model.groot.flare.target import pool
from gr00t_model.groot.vision import pixels_of
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.evaluate import evaluation_rows
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.config import Flare, Model
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import FRAMES, SIDE_PX, SMALL, build


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return build(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def checkpoint(lake, tmp_path_factory) -> Checkpoint:
    run = prepare_run(lake.config(), tmp_path_factory.mktemp("runs"))
    train(run, StopRequest())
    return Checkpoint.load(run.checkpoint)


def rows(*values: tuple[float, ...]) -> torch.Tensor:
    """One token a frame."""
    return torch.tensor(values)[:, None]


def test_the_cosine_is_a_mean_over_tokens():
    one, other = rows((3.0, 4.0), (1.0, 0.0)), rows((6.0, 8.0), (1.0, 1.0))
    assert mean_cosine(one, other) == pytest.approx((1 + math.sqrt(0.5)) / 2)


@pytest.mark.parametrize(
    ("predicted", "copied", "closed"), [(0.9, 0.8, 0.5), (1.0, 0.8, 1.0), (0.8, 0.8, 0.0), (0.6, 0.8, -1.0)]
)
def test_skill_is_the_share_of_the_gap_that_is_closed(predicted, copied, closed):
    assert skill(predicted, copied) == pytest.approx(closed)


def test_no_gap_leaves_no_skill():
    assert skill(0.9, 1.0) is None


def test_variance_is_per_dimension_over_frames():
    found = variety(rows((1.0, 5.0, 0.0), (3.0, 5.0, 0.0)))
    assert found.variance == (1.0, 0.0, 0.0)
    assert found.share == pytest.approx(1 / (5 + 25))  # mean squares: (1 + 9) / 2, 25, 0
    assert found.effective_rank == pytest.approx(1.0) and found.collapsed


def test_tokens_that_differ_from_each_other_only_do_not_vary():
    """Two tokens, always the same: nothing of the frame is in them."""
    found = variety(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]).expand(5, -1, -1))
    assert found.variance == (0.0, 0.0) and found.share == 0.0 and found.effective_rank == 0.0 and found.collapsed


def test_the_effective_rank_counts_directions():
    """Along two axes with singular values 3 and 1 (shares 3/4, 1/4), and equally along four axes."""
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    spread = rows((3.0, 0.0), (-3.0, 0.0), (0.0, 1.0), (0.0, -1.0))
    assert variety(spread).effective_rank == pytest.approx(math.exp(entropy))
    assert variety(spread).collapsed  # 1.75 directions
    axes = torch.cat([torch.eye(4), -torch.eye(4)])[:, None]
    assert variety(axes).effective_rank == pytest.approx(4.0)
    assert variety(axes).variance == pytest.approx((0.25,) * 4) and variety(axes).share == pytest.approx(1.0)
    assert not variety(axes).collapsed


def test_a_large_constant_is_a_collapse_whatever_its_rank():
    axes = torch.cat([torch.eye(4), -torch.eye(4)])[:, None] + 10.0
    found = variety(axes)
    assert found.effective_rank == pytest.approx(4.0) and found.share == pytest.approx(0.25 / 100.25)
    assert found.collapsed


def targets_at(checkpoint: Checkpoint, frames: tuple[int, ...]) -> torch.Tensor:
    """The targets of these frames of each held-out episode, straight from the videos."""
    tower, found = checkpoint.model().backbone.eagle_model.vision_model, []
    for episode in held_out(checkpoint.manifest):
        film = video.decode(episode.store.video_path(episode.episode, "ego_view"), (SIDE_PX, SIDE_PX))
        pixels = pixels_of(torch.from_numpy(np.stack([film[frame] for frame in frames]))[:, None], SIDE_PX)
        with torch.no_grad():
            found.append(pool(tower.target_map(pixels), 4))
    return torch.cat(found)


def test_the_report_of_a_checkpoint(checkpoint):
    """The baseline and the variance again, straight from the held-out videos: frames 0 and 8 of 30, 16 ahead."""
    found = alignment(checkpoint, stride_frames=8)
    now, later = targets_at(checkpoint, (0, 8)), targets_at(checkpoint, (16, 24))
    assert (found.episodes, found.pairs, found.horizon_frames, found.target) == (2, 4, 16, "vision")
    assert found.copied == pytest.approx(mean_cosine(now, later), abs=1e-5)
    assert found.variety.variance == pytest.approx(later.var(dim=0, correction=0).mean(dim=0).tolist(), rel=1e-4)
    assert found.skill == pytest.approx((found.predicted - found.copied) / (1 - found.copied))
    assert found == alignment(checkpoint.folder, stride_frames=8)
    assert json.loads(json.dumps(found.to_dict()))["skill"] == found.skill


def test_the_future_frame_follows_the_pace_of_the_store(checkpoint, tmp_path):
    """A robot of 10 Hz and a store of 20 rows a second: 5 frames ahead are 10 rows, so frames 0, 8 and 16 of 30."""
    slow = Path(shutil.copytree(checkpoint.folder, tmp_path / "slow"))
    text = (slow / "embodiment.yaml").read_text()
    (slow / "embodiment.yaml").write_text(text.replace("control_hz: 20", "control_hz: 10"))
    robot = load_embodiment(slow / "embodiment.yaml")
    assert robot.control_hz == 10
    statistics = read_sealed(slow / "statistics.json")
    write_sealed(slow / "statistics.json", statistics | {"embodiment_digest": robot.digest})
    written = json.loads((slow / "config.json").read_text())
    written["flare_cfg"]["horizon_frames"] = 5
    (slow / "config.json").write_text(json.dumps(written))
    write_record(slow, free=("metrics.json",))
    found = alignment(slow, stride_frames=8)
    now, later = targets_at(checkpoint, (0, 8, 16)), targets_at(checkpoint, (10, 18, 26))
    assert (found.episodes, found.pairs, found.horizon_frames) == (2, 6, 5)
    assert found.copied == pytest.approx(mean_cosine(now, later), abs=1e-5)


def test_training_raises_what_is_foreseen(lake, checkpoint, tmp_path):
    run = prepare_run(lake.config(steps=80, batch_size=16, checkpoint_every_steps=80), tmp_path)
    train(run, StopRequest())
    assert alignment(run.checkpoint).predicted > alignment(checkpoint).predicted + 0.1


def test_what_cannot_be_measured_says_so(lake, checkpoint, tmp_path):
    run = prepare_run(lake.config(model=Model(base="random", changes=SMALL, flare=Flare(on=False))), tmp_path / "off")
    train(run, StopRequest())
    with pytest.raises(EvaluationError, match="was trained without FLARE"):
        alignment(run.checkpoint)
    long = tmp_path / "long"
    shutil.copytree(checkpoint.folder, long)
    written = json.loads((long / "config.json").read_text())
    written["flare_cfg"]["horizon_frames"] = FRAMES
    (long / "config.json").write_text(json.dumps(written))
    write_record(long, free=("metrics.json",))
    with pytest.raises(EvaluationError, match=f"longer than the horizon of {FRAMES} frames"):
        alignment(long)


def test_the_evaluation_holds_it(checkpoint, tmp_path):
    said: list[str] = []
    report = evaluate(checkpoint.folder, tmp_path, tasks=(), say=said.append)
    assert report.content.alignment == AlignmentResult.model_validate(alignment(checkpoint).to_dict())
    assert any(line.startswith("alignment: cosine ") for line in said)
    names = [row["what"] for row in evaluation_rows(report.content)]
    assert "alignment cosine" in names and "alignment targets" in names


def test_the_sentence_names_the_alarm():
    fine, broken = (
        Alignment(1, 4, 16, "vision", 0.9, 0.8, variety(targets))
        for targets in (torch.cat([torch.eye(4), -torch.eye(4)])[:, None], rows((1.0, 0.0), (1.0, 0.0)))
    )
    assert str(fine).startswith("cosine 0.900 to the frame 16 ahead, copying the present 0.800 (closes 50% of the gap)")
    assert "ALARM" not in str(fine) and "ALARM: the targets have collapsed" in str(broken)
