"""A LoRA run: resumes bit for bit, exports a full checkpoint and an adapter, and merges back."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from gr00t_model.groot.lora import AdapterError, put_adapter_slots
from gr00t_model.groot.weights.eval_transform import centre_crop_of
from gr00t_model.groot.weights.nvidia import load
from gr00t_model.loop.config import ConfigError, Machine
from gr00t_model.loop.launch import launch
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.config import Flare, Lora, Model, Tune
from gr00t_model.training.key import PolicyRun, prepare_run, run_key
from gr00t_model.training.merge import merge_into
from gr00t_model.training.recipes import recipe
from gr00t_model.training.settings import override
from gr00t_model.training.train import train
from tests.model.tiny import SMALL, TinyLake, build
from tests.model.training.test_training_loop import StopAfter, assert_bitwise_equal, never, random_batch, weights
from tests.shell import invoke

LORA = Lora(rank=4, alpha=8)
SLOT_MODULES = {"state_encoder", "action_encoder", "action_decoder"}
USUAL_MAP = "backbone.eagle_model.vision_model.usual_map"  # a buffer
OURS = ("flare.", "action_head.missing_state.", "action_head.model.prompt_condition.")


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


def model(**lora) -> Model:
    return Model(base="random", changes=SMALL, lora=LORA.model_copy(update=lora))


@pytest.fixture(scope="module")
def run(lake, tmp_path_factory) -> PolicyRun:
    folder = prepare_run(lake.config(model=model()), tmp_path_factory.mktemp("runs"))
    train(folder, never())
    return folder


def act(network) -> torch.Tensor:
    batch = random_batch(0)
    batch.embodiment_id.fill_(24)
    return network.get_action(batch, 2, torch.Generator().manual_seed(0))


def test_two_and_two_steps_are_four(lake, tmp_path, run):
    halves = prepare_run(run.config(), tmp_path)
    train(halves, StopAfter(2))
    train(halves, never())
    assert_bitwise_equal(weights(run), weights(halves))
    one, other = (load_file(folder.checkpoint / "adapter" / "adapter_model.safetensors") for folder in (run, halves))
    assert_bitwise_equal(one, other)


def test_states_hold_what_trains_and_no_base(run):
    names = load_file(run.states / "00000004" / "weights.safetensors").keys()
    assert not any("base_layer" in name for name in names)
    own = {name for name in names if name.startswith("action_head") and ".lora_" not in name}
    assert {name.split(".")[1] for name in own if not name.startswith(OURS)} == SLOT_MODULES


def test_the_checkpoint_is_a_whole_model(run):
    base, exported = (load_file(folder / "model.safetensors") for folder in (run.fresh_base, run.checkpoint))
    assert base.keys() == exported.keys()
    changed = {name for name in base if not torch.equal(base[name], exported[name])}
    expected = ("to_q.weight", "to_k.weight", "to_v.weight", ".W", ".b")
    assert all(name.endswith(expected) or name.startswith(OURS) for name in changed)
    assert {name.split(".")[1] for name in changed if name.endswith(".W")} == SLOT_MODULES
    assert any(name.endswith("to_q.weight") for name in changed)


def test_only_the_slot_of_the_embodiment_changes(run):
    base, exported = (load_file(folder / "model.safetensors") for folder in (run.fresh_base, run.checkpoint))
    name = "action_head.action_decoder.layer1.W"
    slots = [slot for slot in range(32) if not torch.equal(base[name][slot], exported[name][slot])]
    assert slots == [Checkpoint.load(run.checkpoint).embodiment.slot]


def test_the_checkpoint_holds_the_averaged_adapters(run):
    average = load_file(run.states / "00000004" / "average.safetensors")
    base, exported = (load_file(folder / "model.safetensors") for folder in (run.fresh_base, run.checkpoint))
    layer = "action_head.model.transformer_blocks.0.attn1.to_q"
    low, high = (average[f"{layer}.lora_{side}.default.weight"] for side in "AB")
    expected = base[f"{layer}.weight"] + LORA.alpha / LORA.rank * high @ low
    torch.testing.assert_close(exported[f"{layer}.weight"], expected, rtol=1e-6, atol=1e-6)


def test_peft_loads_the_adapter_onto_the_base(run):
    loaded = PeftModel.from_pretrained(load(run.fresh_base), str(run.checkpoint / "adapter")).eval()
    put_adapter_slots(loaded.get_base_model(), run.checkpoint / "adapter")
    torch.testing.assert_close(act(loaded), act(load(run.checkpoint)), rtol=1e-5, atol=1e-5)


def test_an_adapter_holds_what_was_trained_and_nothing_else(run):
    folder = run.checkpoint / "adapter"
    last = load_file(run.states / "00000004" / "weights.safetensors")
    files = {name: load_file(folder / f"{name}.safetensors") for name in ("adapter_model", "slots")}
    stored = sum(tensor.numel() for file in files.values() for tensor in file.values()) - 1  # the slot's number
    assert stored == sum(tensor.numel() for name, tensor in last.items() if name != USUAL_MAP)
    assert files["slots"]["slots"].tolist() == [24]
    assert {name.split(".")[1] for name in files["slots"] if name != "slots"} == SLOT_MODULES
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in run.checkpoint.rglob("*"))


def test_merging_the_adapter_gives_the_checkpoint(run, tmp_path):
    merge_into(run.fresh_base, run.checkpoint / "adapter", tmp_path / "merged")
    assert not centre_crop_of(tmp_path / "merged")  # as the adapter was trained, though the base says nothing
    torch.testing.assert_close(act(load(tmp_path / "merged")), act(load(run.checkpoint)), rtol=1e-5, atol=1e-5)
    assert (tmp_path / "merged" / "tokenizer").is_dir()
    again = [str(run.checkpoint / "adapter"), str(run.fresh_base), str(tmp_path / "merged")]
    assert "exists already" in invoke(["merge", *again]).stderr
    again[-1] = str(tmp_path / "again")
    assert invoke(["merge", *again]).output.strip() == f"merged: {tmp_path / 'again'}"
    files = [load_file(tmp_path / name / "model.safetensors") for name in ("merged", "again")]
    assert_bitwise_equal(*files)
    with pytest.raises(AdapterError, match="was made on a base with digest"):
        merge_into(run.checkpoint, run.checkpoint / "adapter", tmp_path / "twice")


@pytest.mark.slow
def test_a_policy_needs_no_peft(run):
    code = (
        "import sys; sys.modules['peft'] = None\n"
        "from gr00t_model.policy import Policy\n"
        f"print(Policy.from_checkpoint({str(run.checkpoint)!r}).horizon)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    assert found.stdout.strip() == "16", found.stderr


def test_the_whole_scope_trains_on_images(lake, tmp_path):
    folder = prepare_run(lake.config(steps=2, model=model(scope="whole")), tmp_path)
    train(folder, never())
    base, exported = (load_file(f / "model.safetensors") for f in (folder.fresh_base, folder.checkpoint))
    changed = {name for name in base if not torch.equal(base[name], exported[name])}
    assert any(name.startswith("backbone.eagle_model.language_model.") for name in changed)
    assert any(name.startswith("backbone.eagle_model.vision_model.") for name in changed)
    assert base.keys() <= exported.keys()  # FLARE keeps the tower it started from as its target


@pytest.mark.slow
def test_two_processes_learn_what_two_passes_do(lake, tmp_path):
    """Ranks exchange the gradients of adapters and slots."""
    found = []
    for machine, passes in ((Machine(threads=1, num_processes=2), 1), (Machine(threads=1), 2)):
        folder = prepare_run(lake.config(model=model(dropout=0.0), machine=machine, accumulate=passes), tmp_path)
        assert launch(folder, lambda line: None).outcome.state == "complete"
        assert (folder.checkpoint / "adapter" / "adapter_model.safetensors").is_file()
        found.append([(record["loss"], record["gradient_norm"]) for record in folder.records()])
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3)
    assert found[0][1:] == [pytest.approx(record, rel=0.1) for record in found[1][1:]]


def test_the_published_behaviour_leaves_slots_alone(lake, tmp_path):
    chosen = Model(
        base="random", changes=SMALL, lora=LORA.model_copy(update={"train_slots": False}), flare=Flare(on=False)
    )
    folder = prepare_run(lake.config(steps=2, model=chosen), tmp_path)
    train(folder, never())
    names = load_file(folder.states / "00000002" / "weights.safetensors").keys()
    assert {name for name in names if ".lora_" not in name and not name.startswith(OURS)} == {USUAL_MAP}
    saved = load_file(folder.checkpoint / "adapter" / "adapter_model.safetensors").keys()
    assert not any(module in name for name in saved for module in SLOT_MODULES)


def test_adapters_are_part_of_the_key(lake):
    keys = [
        run_key(lake.config(model=chosen))
        for chosen in (model(), model(rank=8), model(train_slots=False), Model(base="random"))
    ]
    assert len(set(keys)) == 4
    slow = lake.config(model=model(), machine=Machine(threads=1, gradient_checkpointing=True))
    assert run_key(slow) == keys[0]


def test_adapters_and_tuned_parts_exclude_each_other():
    with pytest.raises(ConfigError, match=r"lora\.rank=8 freezes every part, so tune must stay"):
        override(recipe("gr1_nano"), ["model.lora.rank=8", "model.tune=everything"])


@pytest.mark.parametrize(
    ("name", "tune"),
    [
        ("action_head", Tune()),
        ("low_memory", Tune(diffusion_model=False)),
        ("everything", Tune(visual=True, llm=True)),
    ],
)
def test_a_stage_of_tuning_has_a_name(name, tune):
    assert override(recipe("gr1_n1_5_3b"), [f"model.tune={name}"]).model.tune == tune
    assert Model(tune=name).tune == tune  # pyright: ignore[reportArgumentType] - read from JSON
    switched = override(recipe("gr1_n1_5_3b"), [f"model.tune={name}", "model.tune.projector=false"]).model.tune
    assert switched == tune.model_copy(update={"projector": False})


def test_an_unknown_stage_names_the_known_ones():
    with pytest.raises(ConfigError, match="expected one of action_head, low_memory, everything, found 'all'"):
        override(recipe("gr1_nano"), ["model.tune=all"])
