"""An exported folder acts as its checkpoint does, and says what is wrong with it where it cannot."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import DiskError, read_json
from gr00t_data.integrity import RECORD, IntegrityError, write_record, write_sealed
from gr00t_model.acting.onnx.layout import COMPARISON, MANIFEST, PARTS, OnnxError, is_onnx, part_file
from gr00t_model.lineage.digests import model_digest
from gr00t_model.lineage.record import chain_of
from gr00t_model.policy import Bounds, Policy, Running
from gr00t_model.serve.onnx.export import export_onnx
from gr00t_model.serve.onnx.observations import observed
from gr00t_model.serve.onnx.source import open_source
from gr00t_model.serve.opening import opened_policy
from gr00t_model.serve.settings import Served
from tests.model.tiny import episode

ROOT = Path(__file__).parents[3]
LANGUAGE = "annotation.human.action.task_description"
TEXTS = ["follow the red square", "go"]


@pytest.fixture(scope="module")
def policies(checkpoint: Path, exported: Path) -> tuple[Policy, Policy]:
    """In torch, and as it was exported."""
    return Policy.from_checkpoint(checkpoint), Policy.from_onnx(exported)


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copied"))


def observation(policy: Policy, *frames: int) -> dict[str, object]:
    """Rows with prompts of different lengths, so that one of two has padding."""
    shown = episode(0)
    rows = {f"state.{name}": policy.embodiment.state_part(name).slice for name in policy.selection.state}
    seen: dict[str, object] = {key: shown.state[list(frames), None, part] for key, part in rows.items()}
    seen["video.ego_view"] = shown.video["ego_view"][list(frames), None]
    return seen | {LANGUAGE: TEXTS[: len(frames)]}


def assert_alike(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert np.abs(found[key] - values).max() <= 1e-5 * np.abs(values).max()


@pytest.mark.parametrize("frames", [(3,), (3, 17)])
@pytest.mark.parametrize("settings", [{}, {"seed": 5}, {"denoising_steps": 1}])
def test_it_acts_as_the_checkpoint(policies, frames, settings) -> None:
    torch_policy, onnx_policy = policies
    wanted = torch_policy.act(observation(torch_policy, *frames), **settings)
    found = onnx_policy.act(observation(onnx_policy, *frames), **settings)
    assert_alike(found.actions, wanted.actions)
    assert found.report == wanted.report and found.report.verified
    assert onnx_policy.units == torch_policy.units and onnx_policy.horizon == torch_policy.horizon


def test_it_goes_on_from_a_running_chunk(policies) -> None:
    first = policies[0].get_action(observation(policies[0], 3, 17))
    running = Running({key: values[:, 8:] for key, values in first.items()}, overlap=8, frozen=3)
    answers = [policy.get_action(observation(policy, 5, 19), running=running) for policy in policies]
    assert_alike(answers[1], answers[0])
    for key, values in answers[1].items():
        np.testing.assert_array_equal(values[:, :3], first[key][:, 8:11])


def test_from_checkpoint_takes_it_too(exported: Path, checkpoint: Path) -> None:
    assert is_onnx(exported) and not is_onnx(checkpoint)
    policy = Policy.from_checkpoint(exported, embodiment="gr1", seed=2)
    assert policy.seed == 2 and policy.verified
    with pytest.raises(OnnxError, match="acts on the CPU as it was exported"):
        Policy.from_checkpoint(exported, device="meta")
    with pytest.raises(OnnxError, match=r"exported for gr1 \(.*\), not for so100"):
        Policy.from_onnx(exported, embodiment="so100")
    with pytest.raises(OnnxError, match="is no exported folder"):
        Policy.from_onnx(checkpoint)


def test_a_server_takes_it_as_it_was_exported(exported: Path) -> None:
    facts = opened_policy(exported, Served(), Bounds()).facts
    assert facts["device"] == "cpu" and facts["dtype"] == "as exported, onnxruntime"
    with pytest.raises(OnnxError, match="acts on the CPU as it was exported"):
        opened_policy(exported, Served(dtype="bfloat16"), Bounds())


def test_the_folder_says_what_it_is(exported: Path, checkpoint: Path) -> None:
    made, compared = read_json(exported / MANIFEST), read_json(exported / COMPARISON)
    assert made["checkpoint"] == model_digest(checkpoint) and made["dtype"] == "float32"
    assert made["parts"] == {name: part_file(name, "float32") for name in PARTS}
    assert compared["parts"].keys() == PARTS.keys()
    assert all(one["relative"] <= 1e-5 for one in (*compared["parts"].values(), compared["action"]))
    assert compared["observations"].startswith("2 frames of held-out episodes")
    assert {link.digest for link in chain_of(exported)} >= {model_digest(checkpoint)}
    seen = json.loads((checkpoint / "episodes.json").read_text())["episodes"]
    assert sum(len(link.episodes) for link in chain_of(exported)) == len(seen)


def test_no_path_of_this_machine_is_in_it(exported: Path) -> None:
    held = [path for path in exported.rglob("*") if path.is_file() and path.name != "lineage.json"]
    assert len(held) > len(PARTS)
    assert [
        path for path in held if str(ROOT).encode() in path.read_bytes() or b"site-packages" in path.read_bytes()
    ] == []


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named(copied: Path, part: str) -> None:
    (copied / part_file(part, "float32")).unlink()
    with pytest.raises(OnnxError, match=f"lacks .*{part}.*export again: gr00t export"):
        Policy.from_checkpoint(copied)


@pytest.mark.parametrize(
    "name", [*(part_file(part, "float32") for part in PARTS), "python/weights.safetensors", "python/robots.json"]
)
def test_one_changed_byte_is_named(copied: Path, name: str) -> None:
    whole = (copied / name).read_bytes()
    (copied / name).write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(IntegrityError, match=f"{name} is not the recorded file.*export again"):
        Policy.from_onnx(copied)


def _of_another(copied: Path) -> str:
    path = copied / part_file("DiT", "float32")
    model = onnx.load(path)
    next(one for one in model.metadata_props if one.key == "checkpoint").value = "f" * 64
    onnx.save(model, path)
    return r"DiT_fp32\.onnx: is DiT of checkpoint ffffffffffffffff, the folder is of"


def _swapped(copied: Path) -> str:
    shutil.copy(copied / part_file("state_encoder", "float32"), copied / part_file("action_decoder", "float32"))
    return r"action_decoder\.onnx: is state_encoder of checkpoint .* needs action_decoder"


def _no_graph(copied: Path) -> str:
    (copied / part_file("llm", "float32")).write_bytes(b"not a graph")
    return r"llm_fp32\.onnx: onnxruntime cannot read it"


@pytest.mark.parametrize("damage", [_of_another, _swapped, _no_graph])
def test_what_does_not_belong_is_named_though_it_is_recorded(copied: Path, damage: Callable[[Path], str]) -> None:
    told = damage(copied)
    (copied / RECORD).unlink()
    write_record(copied)
    with pytest.raises(OnnxError, match=told):
        Policy.from_onnx(copied)


def test_another_layout_and_no_record_are_named(copied: Path) -> None:
    (copied / RECORD).unlink()
    with pytest.raises(IntegrityError, match=r"lacks the record of its files, digests\.json"):
        Policy.from_onnx(copied)
    made = {name: value for name, value in read_json(copied / MANIFEST).items() if name != "seal"}
    write_sealed(copied / MANIFEST, made | {"format": 99})
    with pytest.raises(OnnxError, match=r"onnx\.json: layout 99, this version reads 1"):
        Policy.from_onnx(copied)


def test_it_is_written_whole_or_not_at_all(checkpoint: Path, exported: Path, tmp_path: Path) -> None:
    def killed(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_onnx(checkpoint, tmp_path / "into", progress=killed)
    assert list(tmp_path.rglob("*.onnx")) == [] and not (tmp_path / "into").exists()
    with pytest.raises(DiskError, match="exists already"):
        export_onnx(checkpoint, exported)
    with pytest.raises(OnnxError, match="was exported already"):
        export_onnx(exported, tmp_path / "again")
    with pytest.raises(OnnxError, match="dtype: expected float32 or float16 or int8, found 'int4'"):
        export_onnx(checkpoint, tmp_path / "int4", dtype="int4")


@pytest.fixture
def store_gone(checkpoint: Path) -> Iterator[Path]:
    """The checkpoint, while the store of its episodes lies nowhere."""
    store = Path(MixtureManifest.load(checkpoint / "manifest.json").sources[0].store)
    away = store.rename(store.with_name("away"))
    yield checkpoint
    away.rename(store)


def test_without_its_episodes_it_is_tried_on_made_up_ones(store_gone: Path) -> None:
    source = open_source(store_gone)
    made, told = observed(source, source.policy)
    assert told.startswith("made up: ") and "store" in told
    assert source.policy.act(made).report.rows == 2 and not source.policy.act(made).report.far_states


def test_in_float16_it_acts_nearly_alike(checkpoint: Path, halved: Path) -> None:
    reach = read_json(halved / COMPARISON)["reach"]
    assert reach.keys() == PARTS.keys() and all(0 < one["activation"] < 100 for one in reach.values())
    policy = Policy.from_checkpoint(halved)
    wanted = Policy.from_checkpoint(checkpoint).get_action(observation(policy, 3, 17))
    for key, values in policy.get_action(observation(policy, 3, 17)).items():
        assert 0 < np.abs(values - wanted[key]).max() < 0.02 * np.abs(wanted[key]).max()


def test_in_eight_bits_it_is_smaller_and_acts_nearly_alike(checkpoint: Path, exported: Path, tmp_path: Path) -> None:
    compared = export_onnx(checkpoint, tmp_path / "int8", dtype="int8")
    assert 1e-5 < compared.parts["DiT"].relative < 0.2 and not list((tmp_path / "int8").rglob(".whole*"))
    whole, narrow = exported / part_file("DiT", "float32"), tmp_path / "int8" / part_file("DiT", "int8")
    assert narrow.stat().st_size < whole.stat().st_size
    policy = Policy.from_checkpoint(tmp_path / "int8")
    wanted = Policy.from_checkpoint(checkpoint).get_action(observation(policy, 3, 17))
    for key, values in policy.get_action(observation(policy, 3, 17)).items():
        assert 0 < np.abs(values - wanted[key]).max() < 0.2 * np.abs(wanted[key]).max()
