"""The inverse dynamics model: token folding, sequence, freezing, windows. (The published numbers: test_parity.py.)"""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.recorded.inverse_dynamics import average_windows
from gr00t_data.disk import write_json
from gr00t_model.groot.config import AdapterConfig, ConfigError, DiTConfig, SiglipConfig
from gr00t_model.groot.weights.nvidia import WeightsError
from gr00t_model.idm.config import IMAGE_TOKEN, PAD_TOKEN, IdmConfig
from gr00t_model.idm.model import Idm, IdmBatch, SpaceToDepth
from gr00t_model.idm.weights import load

ROWS, HORIZON, ACTION, WIDTH = 2, 4, 3, 16


def small(**changes) -> IdmConfig:
    fields = {
        "vision": SiglipConfig(
            image_size=16, patch_size=4, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
        ),
        "mixer": AdapterConfig(num_attention_heads=2, attention_head_dim=8, num_layers=1, dropout=0.0),
        "diffusion": DiTConfig(
            num_attention_heads=2, attention_head_dim=8, num_layers=2, cross_attention_dim=WIDTH, output_dim=WIDTH,
            dropout=0.0,
        ),
        "hidden_size": WIDTH, "action_dim": ACTION, "action_horizon": HORIZON, "max_num_embodiments": 3,
        "max_num_views": 4, "max_seq_len": 8, "num_inference_timesteps": 4,
    }  # fmt: skip
    return IdmConfig(**(fields | changes))


def batch(views: tuple[int, ...] = (1, 2), seed: int = 0) -> IdmBatch:
    """Two frames of the given numbers of cameras a row, one token an image, padding in front."""
    generator = torch.Generator().manual_seed(seed)
    counts = [2 * number for number in views]
    length = max(counts) + 1
    rows = [[PAD_TOKEN] * (length - count) + [IMAGE_TOKEN] * count for count in counts]
    return IdmBatch(
        images=torch.rand(sum(counts), 3, 16, 16, generator=generator) * 2 - 1,
        view_ids=torch.cat([torch.arange(count) for count in counts]),
        token_ids=torch.tensor(rows),
        embodiment_id=torch.tensor([0, 2]),
        action=torch.randn(ROWS, HORIZON, ACTION, generator=generator),
        action_mask=torch.ones(ROWS, HORIZON, ACTION, dtype=torch.bool),
    )


@pytest.fixture
def model() -> Idm:
    torch.manual_seed(0)
    return Idm(small()).eval()


def test_folding_puts_neighbours_side_by_side() -> None:
    grid = torch.arange(16.0).reshape(1, 16, 1)
    # Rows 0 1 2 3 / 4 5 6 7 / ...; the cells come out column by column, as published.
    assert SpaceToDepth()(grid)[0].tolist() == [[0, 1, 4, 5], [8, 9, 12, 13], [2, 3, 6, 7], [10, 11, 14, 15]]
    odd = SpaceToDepth()(torch.ones(1, 9, 2))
    assert odd.shape == (1, 4, 8) and odd[0, 3].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("image_size", "tokens"), [(256, 16), (224, 16), (160, 9), (16, 1)])
def test_tokens_an_image(image_size: int, tokens: int) -> None:
    vision = SiglipConfig(image_size=image_size, patch_size=16)
    assert IdmConfig(vision=vision).tokens_per_image == tokens


def test_padding_is_zero_and_images_go_to_their_rows(model: Idm) -> None:
    given = batch()
    tokens = model.tokens(given)
    assert tokens.shape == (ROWS, 5, WIDTH)
    assert not tokens[given.token_ids == PAD_TOKEN].any() and tokens[given.token_ids == IMAGE_TOKEN].any(dim=-1).all()
    alone = IdmBatch(given.images[:2], given.view_ids[:2], given.token_ids[:1], given.embodiment_id[:1])
    torch.testing.assert_close(model.tokens(alone), tokens[:1])


def test_too_few_places_are_refused(model: Idm) -> None:
    given = batch()
    with pytest.raises(ValueError, match="the rows hold 6 image tokens, but 5 images of 1 tokens came with them"):
        model.tokens(IdmBatch(given.images[:5], given.view_ids[:5], given.token_ids, given.embodiment_id))


def test_it_learns_one_batch(model: Idm) -> None:
    given = batch()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for step in range(60):
        loss = model(given, torch.Generator().manual_seed(step % 3))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-6:]) < 0.5 * np.mean(losses[:6])


def test_the_same_seed_gives_the_same_actions(model: Idm) -> None:
    given = batch()
    one, again, other = (model.get_action(given, 2, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other) and one.shape == (ROWS, HORIZON, ACTION)


def test_a_loss_needs_actions(model: Idm) -> None:
    given = batch()
    with pytest.raises(ValueError, match="for actions call get_action"):
        model(IdmBatch(given.images, given.view_ids, given.token_ids, given.embodiment_id))


def test_what_never_trains(model: Idm) -> None:
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert {"siglip_model.logit_scale", "siglip_model.vision_model.head.probe"} <= frozen
    assert not any(name.startswith(("model.", "action_", "vision_projector")) for name in frozen)
    model.freeze(tune_vision_tower=False, tune_diffusion_model=False)
    learning = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {
        "mm_projector", "vl_self_attention_model", "action_encoder", "action_decoder", "position_embedding",
        "view_embedding",
    }  # fmt: skip


def test_other_configurations_are_refused() -> None:
    with pytest.raises(ConfigError, match="every part must be hidden_size 8 wide"):
        small(hidden_size=8)
    with pytest.raises(ConfigError, match="needs \\['siglip_model_cfg'"):
        IdmConfig.from_dict({"hidden_size": 8})
    sections = {"siglip_model_cfg": {}, "vl_self_attention_cfg": {}, "diffusion_model_cfg": {}, "hidden_size": 8}
    with pytest.raises(ConfigError, match="found 'linear'"):
        IdmConfig.from_dict({**sections, "mm_projector_cfg": {"config": {"mm_projector_type": "linear"}}})


CONSTRUCTOR = {
    "hidden_size": WIDTH, "action_dim": ACTION, "action_horizon": HORIZON, "max_num_embodiments": 3,
    "max_num_views": 4, "max_seq_len": 8,
    "siglip_model_cfg": {
        "vision_config": {
            "image_size": 16, "patch_size": 4, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2,
        }
    },
    "vl_self_attention_cfg": {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1},
    "diffusion_model_cfg": {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "output_dim": WIDTH},
}  # fmt: skip


@pytest.mark.parametrize("prefix", ["action_head.", ""])
def test_a_published_folder_is_loaded(model: Idm, tmp_path: Path, prefix: str) -> None:
    config = {"model_type": "idm", "action_head_cfg": CONSTRUCTOR} if prefix else CONSTRUCTOR
    write_json(tmp_path / "config.json", config)
    save_file({prefix + name: tensor for name, tensor in model.state_dict().items()}, tmp_path / "model.safetensors")
    loaded, given = load(tmp_path), batch()
    noise = torch.randn(ROWS, HORIZON, ACTION)
    assert not loaded.training and loaded.config.action_dim == ACTION
    assert torch.equal(loaded.get_action(given, 2, noise=noise), model.get_action(given, 2, noise=noise))


def test_a_folder_that_does_not_fit(model: Idm, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config.json does not exist"):
        load(tmp_path)
    write_json(tmp_path / "config.json", CONSTRUCTOR)
    tensors = model.state_dict()
    del tensors["vision_projector.bias"]
    save_file(tensors | {"backbone.x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"1 missing from the file: vision_projector.bias; 1 not in the model: back"):
        load(tmp_path)


def test_windows_are_averaged_over_those_that_speak() -> None:
    # Window s says 10 s + j of frame s + j.
    predicted = np.array([[[10.0 * s + j] for j in range(3)] for s in range(4)])
    actions, votes = average_windows(predicted)
    assert votes.tolist() == [1, 2, 3, 3]
    np.testing.assert_allclose(actions[:, 0], [0, (1 + 10) / 2, (2 + 11 + 20) / 3, (12 + 21 + 30) / 3])
    assert average_windows(np.ones((2, 5, 1)))[1].tolist() == [1, 2]
