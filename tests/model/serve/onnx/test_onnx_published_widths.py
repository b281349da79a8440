"""The parts at the published widths, of a few layers: vision 1152, language 2048, adapter 2048, DiT 32 x 48."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gr00t_data.batches.batch import Batch
from gr00t_model.acting.onnx.model import OnnxPart, PartsModel, python_tensors
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flow import sample_noise
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import n1_5_3b
from gr00t_model.serve.onnx.figures import TorchPart, figures, part_figures
from gr00t_model.serve.onnx.parts import parts_of
from gr00t_model.serve.onnx.writing import write_part

_VOCABULARY, _IMAGE, _WORDS, _SLOTS = 512, 1, 40, 4


def few_layers() -> GrootConfig:
    """Every width is the published one; layers, vocabulary and slots are few."""
    whole = n1_5_3b()
    text = replace(whole.backbone.text, vocab_size=_VOCABULARY, num_hidden_layers=2)
    vision = replace(whole.backbone.vision, num_hidden_layers=2)
    head = replace(
        whole.action_head,
        diffusion_model_cfg=replace(whole.action_head.diffusion_model_cfg, num_layers=2),
        vl_self_attention_cfg=replace(whole.action_head.vl_self_attention_cfg, num_layers=1),
        max_num_embodiments=_SLOTS,
    )
    backbone = replace(whole.backbone, text=text, vision=vision, image_token_index=_IMAGE, select_layer=2)
    return replace(whole, backbone=backbone, action_head=head, flare=replace(whole.flare, enabled=False))


def batch_of(config: GrootConfig) -> Batch:
    """Two rows of one view, the second with a shorter prompt, for two robots."""
    random = torch.Generator().manual_seed(0)
    side = config.backbone.vision.image_size
    pictures = torch.full((2, config.backbone.vision.tokens_per_image), _IMAGE)
    words = torch.randint(2, _VOCABULARY, (2, _WORDS), generator=random)
    ids, mask = torch.cat([pictures, words], dim=1), torch.ones(2, pictures.shape[1] + _WORDS, dtype=torch.int64)
    ids[1] = torch.cat([torch.zeros(9, dtype=torch.int64), ids[1, :-9]])
    mask[1, :9] = 0
    state = torch.randn(2, 1, config.action_head.max_state_dim, generator=random)
    return Batch(
        state=state,
        state_mask=torch.ones_like(state, dtype=torch.bool),
        embodiment_id=torch.tensor([3, 1]),
        images=torch.randint(256, (2, 1, side, side, 3), generator=random, dtype=torch.uint8),
        input_ids=ids,
        attention_mask=mask,
    )


@pytest.mark.slow
def test_every_part_and_the_action_are_those_of_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Groot(few_layers()).eval()
    batch, head = batch_of(model.config), model.config.action_head
    shape = (2, head.action_horizon, head.action_dim)
    noise = sample_noise(shape, torch.Generator().manual_seed(0), batch.state.device)
    wanted = model.get_action(batch, noise=noise)
    recorded = {name: TorchPart(make()) for name, make in parts_of(model).items()}
    PartsModel(model.config, python_tensors(model), recorded).get_action(batch, noise=noise)
    parts = dict[str, OnnxPart]()
    for name, one in recorded.items():
        write_part(one.part, tmp_path / f"{name}.onnx", {})
        parts[name] = OnnxPart(tmp_path / f"{name}.onnx")
        found = part_figures(one, parts[name])
        print(f"{name}: {found.relative:.1e}, CPU s torch {found.torch_cpu_s:.2f}, ONNX {found.onnx_cpu_s:.2f}")
        assert found.relative <= 1e-5, name
    action = PartsModel(model.config, python_tensors(model), parts).get_action(batch, noise=noise)
    found = figures(action, wanted, 0, 0)
    print(f"action: {found.relative:.1e}")
    assert found.relative <= 1e-5
