"""A very small checkpoint, and what was exported of it: once a session."""

import json
from pathlib import Path

import pytest

from gr00t_model.acting.onnx.layout import PARTS
from gr00t_model.loop.stop import StopRequest
from gr00t_model.serve.onnx.export import export_onnx
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import build
from tests.shell import invoke


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After a few steps on episodes of two lengths of instruction."""
    folder = tmp_path_factory.mktemp("lake")
    run = prepare_run(build(folder).config(steps=4, batch_size=8), folder / "runs")
    train(run, StopRequest())
    return run.checkpoint


@pytest.fixture(scope="session")
def halved(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That checkpoint in float16, exported as a user does."""
    folder = tmp_path_factory.mktemp("onnx") / "halved"
    made = invoke(["export", checkpoint, "--onnx", folder, "--dtype", "float16", "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["folder"] == str(folder) and told["compared on"].startswith("2 frames of held-out episodes")
    assert [row["part"] for row in told["rows"]] == [*PARTS, "action"]
    return folder


@pytest.fixture(scope="session")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That checkpoint in float32. Tests that damage it take a copy."""
    folder = tmp_path_factory.mktemp("onnx") / "exported"
    export_onnx(checkpoint, folder)
    return folder
