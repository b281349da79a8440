"""The published image chain: frame choice, crop, resize, and the colour jitter against textbook colour conversion."""

import colorsys

import numpy as np
import pytest
import torch

from gr00t_data.batches.published_video import (
    FRAME_RULES,
    Jitter,
    PublishedVideo,
    blend,
    grey,
    jitter,
    tile_count,
    turn_hue,
)

PICTURES = torch.randint(256, (2, 3, 40, 60, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_two_rules_differ_by_a_frame_on_late_timestamps() -> None:
    starts_s = np.arange(4) / 20
    times_s = starts_s + 0.0499999
    assert FRAME_RULES["torchcodec"](starts_s, times_s).tolist() == [0, 1, 2, 3]
    assert FRAME_RULES["decord"](starts_s, times_s).tolist() == [1, 2, 3, 3]
    for rule in FRAME_RULES.values():
        assert rule(starts_s, starts_s).tolist() == [0, 1, 2, 3]
        assert rule(starts_s, np.array([-1.0, 9.0])).tolist() == [0, 3]


def test_evaluation_crops_the_centre() -> None:
    picture = torch.zeros(1, 1, 40, 40, 3, dtype=torch.uint8)
    picture[:, :, 1:39, 1:39] = 200
    # 0.95 of 40 is 38: exactly the bright centre is left, whatever the resize (which rounds, and is then truncated).
    assert (PublishedVideo(size=(38, 38))(picture) == 200).all()
    assert (PublishedVideo(size=(20, 30))(picture) >= 199).all()


def test_resizing_averages_instead_of_skipping() -> None:
    lines = torch.zeros(1, 1, 64, 64, 3, dtype=torch.uint8)
    lines[:, :, ::2] = 255
    small = PublishedVideo(crop_scale=1.0, size=(8, 8))(lines)
    assert small[:, :, 1:-1].float().sub(127.5).abs().max() <= 4  # without antialiasing: lines of 0 or 255


def test_without_a_generator_nothing_is_random() -> None:
    chain = PublishedVideo(size=(28, 28))
    assert torch.equal(chain(PICTURES), chain(PICTURES)) and chain(PICTURES).shape == (2, 3, 28, 28, 3)
    assert torch.equal(chain(PICTURES)[:1], chain(PICTURES[:1]))


def test_training_is_random_by_row_and_the_same_for_its_cameras() -> None:
    chain = PublishedVideo(size=(28, 28))
    one, again, other = chain(PICTURES, seeded(1)), chain(PICTURES, seeded(1)), chain(PICTURES, seeded(2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    same = PICTURES[:1, :1].expand(2, 3, -1, -1, -1)
    out = chain(same, seeded(3))
    assert torch.equal(out[:, 0], out[:, 1]) and not torch.equal(out[0], out[1])


def test_a_random_crop_reaches_every_place() -> None:
    column = torch.arange(20, dtype=torch.uint8)[None, None, None, :, None].expand(1, 1, 20, 20, 3)
    chain, generator = PublishedVideo(crop_scale=0.9, size=(18, 18), jitter=None), seeded(0)
    lefts = {int(chain(column, generator)[0, 0, 0, 0, 0]) for _ in range(40)}
    assert lefts == {0, 1, 2}


def test_other_pictures_are_refused() -> None:
    for wrong in (PICTURES.float(), PICTURES[0], PICTURES[..., :2]):
        with pytest.raises(ValueError, match=r"images must be uint8 \[B, V, H, W, 3\], found"):
            PublishedVideo()(wrong)


@pytest.mark.parametrize("turn", [0.0, 0.08, -0.08, 0.3])
def test_turning_the_hue_is_that_of_colorsys(turn: float) -> None:
    colours = torch.rand(50, 3, generator=seeded(4))
    colours[:4] = torch.tensor([[0.5, 0.5, 0.5], [0, 0, 0], [1, 0, 0], [0.2, 0.9, 0.9]])
    found = turn_hue(colours.T[None, :, :, None], turn)[0, :, :, 0].T
    for given, got in zip(colours.tolist(), found.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*given)
        assert got == pytest.approx(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), abs=1e-5)


def test_blending_and_grey() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    assert grey(red).item() == pytest.approx(0.2989)
    assert blend(red, torch.zeros_like(red), 0.25).flatten().tolist() == [0.25, 0.0, 0.0]
    assert blend(red, grey(red), 2.0).flatten().tolist() == [1.0, 0.0, 0.0]  # cut to [0, 1]


def test_strength_zero_changes_nothing_and_strength_bounds_the_change() -> None:
    pictures = torch.rand(2, 3, 8, 8, generator=seeded(5))
    torch.testing.assert_close(jitter(pictures, Jitter(0, 0, 0, 0), seeded(0)), pictures, atol=1e-6, rtol=0)
    for seed in range(10):
        brighter = jitter(pictures, Jitter(0.3, 0, 0, 0), seeded(seed))
        ratio = (brighter.sum() / pictures.sum()).item()
        assert 0.69 < ratio < 1.31


def test_a_square_picture_of_the_model_stays_whole() -> None:
    assert tile_count(224, 224) == 1 and tile_count(640, 480) == 13 and tile_count(640, 480, thumbnail=False) == 12
    assert tile_count(448, 448, most=1) == 1
