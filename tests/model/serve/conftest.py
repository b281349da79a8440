"""A very small checkpoint, and what was exported of it: once a session."""

from pathlib import Path

import pytest

from gr00t_model.loop.stop import StopRequest
from gr00t_model.serve.onnx.export import export_onnx
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import build


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After a few steps on episodes of two lengths of instruction."""
    folder = tmp_path_factory.mktemp("lake")
    run = prepare_run(build(folder).config(steps=4, batch_size=8), folder / "runs")
    train(run, StopRequest())
    return run.checkpoint


@pytest.fixture(scope="session")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That checkpoint in float32. Tests that damage it take a copy."""
    folder = tmp_path_factory.mktemp("onnx") / "exported"
    export_onnx(checkpoint, folder)
    return folder
