"""`gr00t eval` of any folder with a model: a merged one, a state of a run, a checkpoint that lies elsewhere."""

import json
import shutil
from pathlib import Path

import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_model.loop.loss_figure import loss_figure
from gr00t_model.loop.run import RunFolder
from gr00t_model.stages.evaluate import Chosen, evaluate_checkpoint
from gr00t_model.stages.settings import EvaluationSettings
from gr00t_model.training.config import Lora, Model
from gr00t_model.training.merge import merge_into
from tests.model.service_lake import add_store, train_tiny
from tests.model.tiny import SMALL
from tests.shell import invoke

OPEN_LOOP = EvaluationSettings(tasks=["none"])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a checkpoint of a LoRA run."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_store(lake, "monday", range(4))
    train_tiny(lake, model=Model(base="random", changes=SMALL, lora=Lora(rank=2)))
    return lake


def evaluated(lake: Lake, chosen: Chosen) -> dict:
    report = evaluate_checkpoint(lake, load_embodiment("gr1"), OPEN_LOOP, lambda line: None, chosen)
    return json.loads((report.folder / "report.json").read_text())


def test_a_merged_folder_does_as_well_as_the_checkpoint_of_its_adapter(lake: Lake, tmp_path: Path) -> None:
    checkpoint, base = lake.pointed("checkpoint_gr1"), next(lake.runs.glob("*/base"))
    assert checkpoint
    merge_into(base, checkpoint[0] / "adapter", tmp_path / "merged")
    theirs, ours = evaluated(lake, Chosen(str(tmp_path / "merged"))), evaluated(lake, Chosen())
    assert theirs["recipe"] == "published folder" and theirs["steps"] == 0
    error, wanted = (one["open_loop"]["overall"]["policy"] for one in (theirs, ours))
    assert error == pytest.approx(wanted, rel=1e-4)
    pointed = lake.pointed("evaluation_gr1")
    assert pointed and pointed[0].name == checkpoint[1][:16]  # the release looks at the lake's own


def test_a_checkpoint_elsewhere_and_a_state_are_evaluated(lake: Lake, tmp_path: Path) -> None:
    checkpoint = lake.pointed("checkpoint_gr1")
    assert checkpoint
    copied = shutil.copytree(checkpoint[0], tmp_path / "elsewhere")
    assert evaluated(lake, Chosen(str(copied)))["checkpoint"] == checkpoint[1]
    state = evaluated(lake, Chosen("run_gr1", at=2))
    assert state["steps"] == 2 and state["checkpoint"] != checkpoint[1]


def test_the_loss_curve_of_a_report_is_that_of_its_own_run_and_ends_at_its_step(lake: Lake, tmp_path: Path) -> None:
    (folder,) = lake.runs.iterdir()
    decoy = lake.runs / f"a-{folder.name.rpartition('-')[2]}"  # a name is no proof
    decoy.mkdir()
    (decoy / "RUN.json").write_text(json.dumps({"key": folder.name.rpartition("-")[2] + "f" * 48, "config": {}}))
    (decoy / "metrics.jsonl").write_text('{"step": 1, "flow": 9.0, "flare": 9.0}\n')
    try:
        report = evaluate_checkpoint(lake, load_embodiment("gr1"), OPEN_LOOP, print, Chosen("run_gr1", at=2))
    finally:
        shutil.rmtree(decoy)
    logged = RunFolder(folder).records()
    shown = [record for record in logged if record["step"] <= 2]
    assert 0 < len(shown) < len(logged)
    assert (report.folder / "loss.png").read_bytes() == loss_figure(shown)


def test_an_adapter_alone_and_a_slip_are_told(lake: Lake) -> None:
    checkpoint = lake.pointed("checkpoint_gr1")
    assert checkpoint
    for name, told in (
        (str(checkpoint[0] / "adapter"), "is an adapter, not a model; merge it first"),
        ("nowhere", "is no path"),
    ):
        shown = invoke(["eval", name, "--task", "none", "--lake", str(lake.root)])
        assert shown.exit_code == 2 and told in shown.stderr.replace("\n", " ")
