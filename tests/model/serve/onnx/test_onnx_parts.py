"""The parts of a model of the published shape: names, inputs, what may vary, and the numbers."""

from pathlib import Path

import onnx
import pytest
import torch

from gr00t_model.acting.onnx.layout import OnnxError, output_of
from gr00t_model.acting.onnx.model import OnnxPart, PartsModel, python_tensors
from gr00t_model.groot.flow import sample_noise
from gr00t_model.groot.model import Groot
from gr00t_model.serve.onnx import writing
from gr00t_model.serve.onnx.figures import TorchPart, part_figures
from gr00t_model.serve.onnx.overflow import reach_of, require_fits
from gr00t_model.serve.onnx.parts import parts_of
from tests.model.groot.test_flare import pretraining
from tests.model.small import ACTION, HORIZON, ROWS, STATE, small_batch, small_model

TOKENS = 1 + 4 + HORIZON
PUBLISHED = {
    "vit": ({"pixel_values": ["views", 3, 28, 28], "position_ids": ["views", 4]}, ["views", 4, 12]),
    "llm": ({"inputs_embeds": ["batch", "sequence", 16], "attention_mask": ["batch", "sequence"]},
            ["batch", "sequence", 16]),
    "vlln_vl_self_attention": ({"backbone_features": ["batch", "sequence", 16]}, ["batch", "sequence", 16]),
    "state_encoder": ({"state": ["batch", 1, STATE], "embodiment_id": ["batch"]}, ["batch", 1, 16]),
    "action_encoder": ({"actions": ["batch", HORIZON, ACTION], "timesteps_tensor": ["batch"],
                        "embodiment_id": ["batch"]}, ["batch", HORIZON, 16]),
    "DiT": ({"sa_embs": ["batch", TOKENS, 16], "vl_embs": ["batch", "sequence", 16], "timesteps_tensor": ["batch"]},
            ["batch", TOKENS, 16]),
    "action_decoder": ({"model_output": ["batch", TOKENS, 16], "embodiment_id": ["batch"]},
                       ["batch", TOKENS, ACTION]),
}  # fmt: skip
"""As in ``deployment_scripts/export_onnx.py`` of the release branch, at these sizes; ``embodiment_id`` in all three."""


@pytest.fixture(scope="module")
def model() -> Groot:
    return small_model(published_behaviour=True)


@pytest.fixture(scope="module")
def recorded(model: Groot) -> dict[str, TorchPart]:
    """Every part with what it was given for one answer."""
    parts = {name: TorchPart(make()) for name, make in parts_of(model).items()}
    batch = small_batch()
    noise = sample_noise((ROWS, HORIZON, ACTION), torch.Generator().manual_seed(0), batch.state.device)
    found = PartsModel(model.config, python_tensors(model), parts).get_action(batch, noise=noise)
    torch.testing.assert_close(found, model.get_action(batch, noise=noise), rtol=1e-5, atol=1e-6)
    return parts


@pytest.fixture(scope="module")
def written(recorded: dict[str, TorchPart], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    for name, one in recorded.items():
        writing.write_part(one.part, folder / f"{name}.onnx", {"part": name})
    return folder


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("name", PUBLISHED)
def test_names_inputs_and_dimensions_are_the_published_ones(written: Path, name: str) -> None:
    graph = onnx.load(written / f"{name}.onnx").graph
    inputs, output = PUBLISHED[name]
    assert {one.name: _shape(one) for one in graph.input} == inputs
    assert {one.name: _shape(one) for one in graph.output} == {output_of(name): output}
    types = {
        one.name: one.type.tensor_type.elem_type for one in (*graph.input, *graph.initializer) if hasattr(one, "type")
    }
    assert set(types.values()) <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}
    assert onnx.TensorProto.DOUBLE not in {one.data_type for one in graph.initializer}  # TensorRT has none


@pytest.mark.parametrize("name", PUBLISHED)
def test_numbers_are_those_of_torch(written: Path, recorded: dict[str, TorchPart], name: str) -> None:
    assert part_figures(recorded[name], OnnxPart(written / f"{name}.onnx")).relative <= 1e-5


def test_all_slots_are_in_one_part(written: Path, recorded: dict[str, TorchPart]) -> None:
    """Rows of every robot at once, more of them than it was traced with."""
    part = recorded["state_encoder"].part
    given = {"state": torch.randn(7, 1, STATE), "embodiment_id": torch.tensor([0, 1, 2, 3, 3, 1, 0])}
    found, wanted = OnnxPart(written / "state_encoder.onnx")(given), part.module(*given.values())
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert len({tuple(row.flatten().tolist()) for row in wanted.detach()}) == 7


def test_the_whole_action_is_that_of_torch(model: Groot, written: Path) -> None:
    parts = {name: OnnxPart(written / f"{name}.onnx") for name in PUBLISHED}
    batch = small_batch(3)
    noise = sample_noise((ROWS, HORIZON, ACTION), torch.Generator().manual_seed(1), batch.state.device)
    found = PartsModel(model.config, python_tensors(model), parts).get_action(batch, 4, noise=noise)
    torch.testing.assert_close(found, model.get_action(batch, 4, noise=noise), rtol=1e-5, atol=1e-5)


def test_large_weights_lie_beside_the_graph(recorded: dict[str, TorchPart], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(writing, "_MOST_INSIDE", 0)
    one = recorded["state_encoder"]
    writing.write_part(one.part, tmp_path / "part.onnx", {})
    beside, graph = tmp_path / "part.onnx.data", tmp_path / "part.onnx"
    weights = sum(weight.nbytes for weight in one.part.module.parameters())
    assert beside.stat().st_size > 0.9 * weights > graph.stat().st_size
    assert part_figures(one, OnnxPart(graph)).relative <= 1e-5


def test_what_float16_cannot_hold_is_said_by_name(model: Groot) -> None:
    parts = {name: TorchPart(make()) for name, make in parts_of(small_model(published_behaviour=True)).items()}
    adapter = parts["vlln_vl_self_attention"].part.module.adapter.transformer_blocks[0]
    with torch.no_grad():
        adapter.ff.net[2].weight.fill_(3e4)
        adapter.ff.net[2].weight[0, 0] = 7e4
    PartsModel(model.config, python_tensors(model), parts).get_action(small_batch())
    reached = {name: reach_of(one) for name, one in parts.items()}
    assert reached["state_encoder"].activation < 100
    with pytest.raises(OnnxError) as refused:
        require_fits(reached)
    said = str(refused.value)
    assert "vlln_vl_self_attention: adapter.transformer_blocks.0" in said and "--dtype float32" in said
    assert "the weights adapter.transformer_blocks.0.ff.net.2.weight reach 7e+04" in said
    assert "state_encoder" not in said


def test_scores_of_attention_count(model: Groot) -> None:
    """They lie inside one operation of torch, and are what overflows first."""
    changed = small_model(published_behaviour=True)
    attention = changed.action_head.vl_self_attention.transformer_blocks[0].attn1
    with torch.no_grad():
        attention.to_q.weight.fill_(100.0)
        attention.to_k.weight.fill_(100.0)
        attention.to_q.bias.fill_(400.0)
        attention.to_k.bias.fill_(400.0)
    parts = {name: TorchPart(make()) for name, make in parts_of(changed).items()}
    PartsModel(model.config, python_tensors(changed), parts).get_action(small_batch())
    reached = reach_of(parts["vlln_vl_self_attention"])
    assert reached.activation > 65504 and reached.at.endswith("attn1") and reached.weight < 65504


def test_an_embedding_in_pretraining_is_refused() -> None:
    with pytest.raises(OnnxError, match="does not act"):
        parts_of(pretraining())
