"""Grounding at a size for tests: it learns to point, repeats itself, and is done once."""

import json
from dataclasses import replace

import pytest
import torch

from gr00t_model.groot.config import KeypointConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import nano
from gr00t_model.groot.prompt import Prompt
from gr00t_model.groot.weights.nvidia import load
from gr00t_model.grounding.ground import GroundingConfig, ground, grounding_key, look_at, measure, teach
from gr00t_model.grounding.lessons import Lesson, distance, pixel_errors
from gr00t_model.loop.config import Optimizer
from gr00t_model.loop.stop import Stopped
from tests.model.training.test_training_loop import StopAfter

SIDE_PX = 32
QUICK = GroundingConfig(
    batch_size=8,
    look_epochs=12,
    tell_epochs=1,
    look=Optimizer(lr=1e-2, betas=(0.9, 0.98)),
    tell=Optimizer(lr=1e-2, betas=(0.9, 0.98)),
)
NAN = float("nan")


def squares(rows: int = 64) -> Lesson:
    """A red and a green square of 4 px on grey; word 5 names the red one, word 6 the green one."""
    generator = torch.Generator().manual_seed(0)
    images = torch.full((rows, SIDE_PX, SIDE_PX, 3), 90, dtype=torch.uint8)
    ids = torch.cat([torch.ones(rows, 4), torch.randint(5, 7, (rows, 1), generator=generator)], dim=1).long()
    points = torch.full((rows, 4, 2), NAN)
    corners = torch.randint(0, 7, (rows, 2, 2), generator=generator) * 4
    corners[:, 1] = (corners[:, 0] + 12 + 4 * (corners[:, 1] // 16)) % 28
    for row in range(rows):
        for colour, (x, y) in enumerate(corners[row].tolist()):
            images[row, y : y + 4, x : x + 4] = torch.tensor([[220, 30, 30], [30, 220, 30]][colour])
        points[row, 0] = (corners[row, int(ids[row, -1]) - 5] + 2) / SIDE_PX
    return Lesson(images, ids, torch.ones_like(ids), points, torch.zeros(rows, 3, dtype=torch.long))


def small_nano() -> Groot:
    config = nano(vocab_size=16)
    vision = KeypointConfig(
        image_size=SIDE_PX, hidden_size=16, channels=16, keypoints=4, grid_rows=1, grid_columns=1, text_width=16
    )
    torch.manual_seed(0)
    return Groot(replace(config, backbone=replace(config.backbone, vision=vision)))


def lesson_with_room(lesson: Lesson, tokens: int) -> Lesson:
    """The same lesson with as many image placeholders as the tower has tokens."""
    ids = torch.cat([torch.ones(len(lesson), tokens, dtype=torch.long), lesson.input_ids[:, -1:]], dim=1)
    return replace(lesson, input_ids=ids, attention_mask=torch.ones_like(ids))


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    model = small_nano()
    lesson = lesson_with_room(squares(), model.config.backbone.vision.tokens_per_image)
    readout = teach(model, lesson, QUICK, 3, tmp_path_factory.mktemp("taught"))
    return model, readout, lesson


def test_it_learns_to_point_at_the_named_square(taught):
    model, readout, lesson = taught
    untaught, _, _ = look_at(small_nano(), lesson)
    assert pixel_errors(untaught, lesson.points, SIDE_PX)["target_lost_share"] > 0.8
    errors = measure(model, readout, lesson)
    assert errors["shown_target_lost_share"] < 0.2
    assert errors["shown_target_median_px"] < 1.0
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())


def test_flare_targets_leave_out_what_is_always_there(taught):
    model, _, lesson = taught
    targets = model.flare_target(lesson.images[:, None])
    assert targets.mean(dim=0).abs().max() < 1e-4
    assert targets.std(dim=0).mean() > 0.05


def test_the_same_arguments_give_the_same_weights(taught, tmp_path):
    model, _, lesson = taught
    again = small_nano()
    teach(again, lesson, QUICK, 3, tmp_path)
    for name, tensor in again.backbone.state_dict().items():
        assert torch.equal(tensor, model.backbone.state_dict()[name]), name


def test_a_training_that_is_told_to_stop_goes_on_from_there(taught, tmp_path):
    model, _, lesson = taught
    with pytest.raises(Stopped, match=r"state saved at step 5 of 96"):
        teach(small_nano(), lesson, QUICK, 3, tmp_path, stop=StopAfter(5))
    again, steps = small_nano(), []
    teach(again, lesson, QUICK, 3, tmp_path, lambda done, total: steps.append(done))
    assert steps[0] == 6
    for name, tensor in again.backbone.state_dict().items():
        assert torch.equal(tensor, model.backbone.state_dict()[name]), name


def test_absent_points_do_not_count():
    taught = torch.tensor([[[0.5, 0.5], [NAN, NAN]]])
    found = torch.tensor([[[0.6, 0.5], [9.0, 9.0]]])
    assert abs(float(distance(found, taught)) - 0.5) < 1e-6


def test_a_base_is_made_once_and_can_be_loaded(tmp_path):
    quick = QUICK.model_copy(update={"look_epochs": 1})
    steps = []
    folder = ground(24, 0, tmp_path, lambda done, total: steps.append((done, total)), quick)
    assert steps[-1] == (4, 4)
    assert folder.name == grounding_key(24, 0, quick)[:16]
    report = json.loads((folder / "grounding.json").read_text())
    assert (report["stills"], report["seed"]) == (24, 0)
    model, prompt = load(folder), Prompt.load(folder)
    ids, mask = prompt(["reach the red cube"], 1)
    images = torch.zeros(1, 1, 120, 120, 3, dtype=torch.uint8)
    assert model.encode(images, ids, mask)[0].shape == (1, ids.shape[1], 192)
    before = [(path, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))]
    assert ground(24, 0, tmp_path, lambda *_: pytest.fail("it was done already"), quick) == folder
    assert [(path, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))] == before
    assert grounding_key(24, 1, quick) != grounding_key(24, 0, quick)
