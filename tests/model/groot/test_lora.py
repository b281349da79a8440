"""LoRA: what it wraps and trains, how it is saved, loaded by peft alone, and merged."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from gr00t_data.disk import digest_json, folder_digests, read_json, write_json
from gr00t_model.groot.lora import (
    ADAPTER_BASE,
    ADAPTER_CONFIG,
    ADAPTER_SLOTS,
    ADAPTER_WEIGHTS,
    AdapterError,
    add_lora,
    lora_targets,
    merge_adapter,
    merge_lora,
    put_adapter_slots,
    save_adapter,
)
from gr00t_model.groot.model import Groot
from tests.model.small import small_batch, small_model


def trained(scope: str = "action_head", slots: tuple[int, ...] = (1, 3), **changes) -> Groot:
    """A small model with an adapter whose numbers are not those it starts with."""
    model = small_model(**changes)
    add_lora(model, 4, 8, 0.1, scope, slots)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def learning(model: torch.nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def act(model) -> torch.Tensor:
    return model.get_action(small_batch(), 2, torch.Generator().manual_seed(0))


def losses(model) -> torch.Tensor:
    loss = model(small_batch(), torch.Generator().manual_seed(0))
    return torch.stack([loss.flow, loss.flare])


def test_a_fresh_adapter_changes_nothing():
    model = small_model()
    before = act(model)
    add_lora(model, 4, 8, 0.1, "whole", (1, 3))
    assert torch.equal(act(model.eval()), before)


@pytest.mark.parametrize(("scope", "parts"), [("action_head", {"action_head"}), ("whole", {"action_head", "backbone"})])
def test_the_scope_says_where_adapters_are(scope, parts):
    model = small_model()
    targets = lora_targets(model, scope)
    assert {name.split(".")[0] for name in targets} == parts
    assert len(targets) == {"action_head": 9, "whole": 9 + 3 + 6}[scope]


def test_what_trains_is_adapters_slots_and_flare():
    names = learning(trained())
    own = {name for name in names if name.endswith((".W", ".b"))}
    assert {name.split(".")[1] for name in own} == {"state_encoder", "action_encoder", "action_decoder"}
    assert all(trained().get_parameter(name).shape[0] == 2 for name in own)
    assert {name for name in names if not name.startswith("flare.projector.")} - own == {
        n for n in names if ".lora_" in n
    }
    assert any(name.startswith("flare.projector.") for name in names)


def test_the_published_behaviour_trains_adapters_only():
    model = small_model()
    model.flare = None
    add_lora(model, 4, 8, 0.1, "action_head", ())
    assert learning(model) and all(".lora_" in name for name in learning(model))


@pytest.mark.parametrize("scope", ["action_head", "whole"])
def test_every_trained_parameter_gets_a_gradient(scope):
    model = small_model()
    add_lora(model, 4, 8, 0.1, scope, (1, 3))
    model.train()
    for _ in range(2):  # the first step moves lora_B away from zero, without which lora_A has no gradient
        model.zero_grad()
        model(small_batch(), torch.Generator().manual_seed(0)).total.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
    idle = {name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())}
    assert idle == set()


def test_parts_under_adapters_are_in_training_mode():
    model = small_model()
    add_lora(model, 4, 8, 0.1, "action_head")
    model.train()
    assert model.action_head.model.training and not model.backbone.eagle_model.language_model.training
    model = small_model()
    add_lora(model, 4, 8, 0.1, "whole")
    assert model.train().backbone.eagle_model.language_model.training


def test_a_slot_that_does_not_train_is_refused():
    model = trained(slots=(1,))
    with pytest.raises(ValueError, match=r"slots \[3\] came in a batch, but this run trains the slots \(1,\) only"):
        act(model)


@pytest.mark.parametrize("scope", ["action_head", "whole"])
@pytest.mark.parametrize("keypoints", [False, True])
def test_merging_changes_names_and_nothing_else(scope, keypoints):
    model = trained(scope, keypoints=keypoints)
    before, losses_before = act(model), losses(model)
    merge_lora(model)
    assert model.state_dict().keys() == small_model(keypoints=keypoints).state_dict().keys()
    torch.testing.assert_close(act(model), before, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses(model), losses_before, rtol=1e-5, atol=1e-5)


def test_slots_of_other_embodiments_are_untouched():
    model, fresh = trained(slots=(1, 3)), small_model()
    merge_lora(model)
    for name, weight in fresh.action_head.state_encoder.named_parameters():
        found = model.action_head.state_encoder.get_parameter(name)
        assert torch.equal(found[[0, 2]], weight[[0, 2]])
        assert not torch.equal(found[[1, 3]], weight[[1, 3]])


@pytest.mark.parametrize("slots", [(), (1, 3)])
@pytest.mark.parametrize("scope", ["action_head", "whole"])
def test_peft_loads_what_was_saved(tmp_path, scope, slots):
    model = trained(scope, slots)
    save_adapter(model, tmp_path, "digest")
    files = [ADAPTER_CONFIG, ADAPTER_WEIGHTS, ADAPTER_BASE, *([ADAPTER_SLOTS] if slots else [])]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    loaded = PeftModel.from_pretrained(small_model(), str(tmp_path)).eval()
    put_adapter_slots(loaded.get_base_model(), tmp_path)  # the rows of slots, which peft could only hold whole
    torch.testing.assert_close(act(loaded), act(model), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses(loaded), losses(model), rtol=1e-5, atol=1e-5)


def test_the_same_adapter_gives_the_same_bytes(tmp_path: Path) -> None:
    model = trained()
    for name in "abcd":
        save_adapter(model, tmp_path / name, "digest")
    assert len({digest_json(folder_digests(tmp_path / name)) for name in "abcd"}) == 1


@pytest.mark.parametrize("scope", ["action_head", "whole"])
def test_a_saved_adapter_merges_into_its_base(tmp_path, scope):
    model = trained(scope)
    save_adapter(model, tmp_path, "digest")
    merged = small_model()
    merge_adapter(merged, tmp_path)
    assert merged.state_dict().keys() == small_model().state_dict().keys()
    torch.testing.assert_close(act(merged), act(model), rtol=1e-5, atol=1e-5)


def test_slots_of_another_model_are_named(tmp_path: Path) -> None:
    save_adapter(trained(slots=(1, 3)), tmp_path, "digest")
    rows = load_file(tmp_path / ADAPTER_SLOTS)
    for change in ({"slots": torch.tensor([1, 99])}, {"action_head.state_encoder.layer1.b": torch.zeros(2, 3)}):
        save_file(rows | change, tmp_path / ADAPTER_SLOTS)
        with pytest.raises(AdapterError, match=r"slots\.safetensors: does not fit this base"):
            merge_adapter(small_model(), tmp_path)
    (tmp_path / ADAPTER_SLOTS).write_bytes(b"PK")
    with pytest.raises(AdapterError, match=r"slots\.safetensors: cannot be read"):
        merge_adapter(small_model(), tmp_path)


@pytest.fixture
def folder(tmp_path) -> Path:
    save_adapter(trained(), tmp_path, "digest")
    return tmp_path


def test_a_pickled_adapter_is_never_read(folder):
    (folder / ADAPTER_WEIGHTS).rename(folder / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"no adapter_model\.safetensors"):
        merge_adapter(small_model(), folder)


def test_a_damaged_adapter_is_named(folder):
    path = folder / ADAPTER_WEIGHTS
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors: cannot be read .* copy it again"):
        merge_adapter(small_model(), folder)


def test_another_kind_of_adapter_is_refused(folder):
    write_json(folder / ADAPTER_CONFIG, read_json(folder / ADAPTER_CONFIG) | {"peft_type": "LOHA"})
    with pytest.raises(AdapterError, match="peft_type is 'LOHA'"):
        merge_adapter(small_model(), folder)


def test_an_adapter_of_another_model_is_refused(folder):
    tensors = load_file(folder / ADAPTER_WEIGHTS)
    name = next(name for name in tensors if "lora_A" in name)
    tensors[name] = torch.zeros(4, 99)
    save_file(tensors, folder / ADAPTER_WEIGHTS)
    with pytest.raises(AdapterError, match="does not fit this base"):
        merge_adapter(small_model(), folder)
    tensors.pop(name)
    save_file(tensors, folder / ADAPTER_WEIGHTS)
    with pytest.raises(AdapterError, match=r"lacks 1 tensors .*lora_A"):
        merge_adapter(small_model(), folder)
    tensors["base_model.model.action_head.elsewhere.lora_A.weight"] = torch.zeros(4, 16)
    save_file(tensors, folder / ADAPTER_WEIGHTS)
    with pytest.raises(AdapterError):
        merge_adapter(small_model(), folder)
