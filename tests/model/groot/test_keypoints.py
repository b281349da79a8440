"""The keypoint tower: what a point is, and that every image is asked its own row's prompt."""

import torch

from gr00t_model.groot.config import KeypointConfig
from gr00t_model.groot.keypoints import KeypointTower, cell_centres, fourier, window


def test_cells_are_row_by_row_and_x_comes_first():
    centres = cell_centres(2, 4)
    assert centres[0].tolist() == [0.125, 0.25]
    assert centres[5].tolist() == [0.375, 0.75]


def test_the_window_stops_at_the_edges():
    near = window(torch.tensor([[0, 27]]), 6, 8)[0].reshape(2, 6, 8)
    assert near[0].nonzero().tolist() == [[r, c] for r in range(3) for c in range(3)]
    assert near[1].nonzero().tolist() == [[r, c] for r in range(1, 6) for c in range(1, 6)]


def test_doubt_between_two_places_does_not_point_between_them():
    tower = KeypointTower(KeypointConfig(image_size=64, channels=8, keypoints=1, text_width=8), vocab_size=8).eval()
    feature_map = torch.zeros(1, 8, 16, 16)
    feature_map[0, :, 3, 2] = 40.0 * torch.sign(asked(tower))
    feature_map[0, :, 12, 13] = 39.9 * torch.sign(asked(tower))
    found = tower.look(feature_map, torch.tensor([[5]]), torch.tensor([[1]]))
    torch.testing.assert_close(found.points[0, 0], torch.tensor([2.5 / 16, 3.5 / 16]), atol=1e-3, rtol=0)
    assert 0.3 < found.certainty < 0.99


def asked(tower: KeypointTower) -> torch.Tensor:
    """The query of the prompt [5]."""
    return tower.ask(tower.reader(torch.tensor([[5]]), torch.tensor([[True]])))[0, 0].detach()


def test_each_image_is_asked_its_own_prompt():
    torch.manual_seed(0)
    config = KeypointConfig(image_size=32, hidden_size=12, channels=8, keypoints=2, text_width=8)
    tower = KeypointTower(config, vocab_size=16).eval()
    pixels, ids = torch.randn(4, 3, 32, 32), torch.tensor([[3, 4], [5, 6]])
    together, _ = tower(pixels, ids, torch.ones_like(ids))
    assert together.shape == (4, config.tokens_per_image, 12)
    for row in (0, 1):
        images = slice(2 * row, 2 * row + 2)
        alone, _ = tower(pixels[images], ids[row : row + 1], torch.ones(1, 2, dtype=torch.long))
        torch.testing.assert_close(alone, together[images])


def test_fourier_features_of_the_middle_and_of_an_edge():
    features = fourier(torch.tensor([0.5, 0.0]), 1)
    torch.testing.assert_close(features, torch.tensor([0.0, -1.0, 1.0, 0.0, 0.0, 1.0]), atol=1e-6, rtol=0)
