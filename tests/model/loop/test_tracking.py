"""What trackers are told, read back with their own libraries: one curve over kills, nothing twice, nothing missing."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accelerate import PartialState

from gr00t_model.loop.config import ConfigError, Machine, TrackerName
from gr00t_model.loop.progress import Progress
from gr00t_model.loop.run import RunFolder
from gr00t_model.loop.tracking import require_trackers, with_trackers
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import TinyLake, build
from tests.model.training.test_training_loop import StopAfter, never

Curve = list[tuple[int, float]]
STEPS = [1, 2, 3, 4, 5, 6]


def tensorboard_curve(run: RunFolder) -> Curve:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(run.tensorboard), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss")]


def wandb_curve(run: RunFolder) -> Curve:
    """The history of the one run in the offline files."""
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = run.root.glob("wandb/offline-run-*/run-*.wandb")
    found = []
    for data in _logged(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            found.append((record.history.step.num, json.loads(items["loss"])))
    return found


def _logged(content: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: blocks of 32 KiB, chunks with checksum, length and kind (1 whole, 2
    first, 3 middle, 4 last part of a record) in front; the file begins with seven bytes of its own.
    """
    place, record = 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        length, kind = struct.unpack_from("<HB", content, place + 4) if left >= 7 else (0, 0)
        if kind == 0:  # the rest of a block is padding
            place += left
            continue
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


def mlflow_curve(run: RunFolder) -> Curve:
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri((run.root / "mlflow").absolute().as_uri())
    (only,) = mlflow.MlflowClient().search_runs([_experiment(mlflow)])
    history = mlflow.MlflowClient().get_metric_history(only.info.run_id, "loss")
    return [(metric.step, metric.value) for metric in history]


def _experiment(mlflow) -> str:
    return mlflow.MlflowClient().get_experiment_by_name("gr00t-training").experiment_id


READERS: dict[TrackerName, Callable[[RunFolder], Curve]] = {
    "tensorboard": tensorboard_curve,
    "wandb": wandb_curve,
    "mlflow": mlflow_curve,
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    for name in ("WANDB_MODE", "WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    PartialState()
    root = tmp_path / "a-run"
    root.mkdir()
    return RunFolder(root)


def told(run: RunFolder, first: int, steps: list[int], *names: TrackerName) -> None:
    """One start of a training that logs ``steps``; the loss of a step is always the same."""
    progress = Progress(run, first, STEPS[-1], lambda line: None, names)
    for step in steps:
        progress.log(step, {"loss": 1 / step}, 1e-3, 1.0)
    progress.close()


@pytest.mark.parametrize("name", READERS)
def test_a_killed_training_leaves_one_curve(run: RunFolder, name: TrackerName) -> None:
    pytest.importorskip(name)
    told(run, 0, [1, 2, 3], name)
    told(run, 2, [3, 4, 5], name)  # killed after step 3, its state was of step 2
    told(run, 3, [4, 5, 6], name)
    assert READERS[name](run) == [(step, pytest.approx(1 / step)) for step in STEPS]


@pytest.mark.parametrize("name", READERS)
def test_a_tracker_named_later_is_told_what_was_before(run: RunFolder, name: TrackerName) -> None:
    pytest.importorskip(name)
    told(run, 0, [1, 2, 3])
    told(run, 3, [4, 5, 6], name)
    assert READERS[name](run) == [(step, pytest.approx(1 / step)) for step in STEPS]


def test_a_training_tells_all_that_are_named(tmp_path: Path, run: RunFolder) -> None:
    for name in READERS:
        pytest.importorskip(name)
    lake: TinyLake = build(tmp_path)
    config = lake.config(machine=Machine(threads=1, track=("tensorboard", "wandb", "mlflow")))
    assert prepare_run(config, tmp_path / "runs").key == prepare_run(lake.config(), tmp_path / "runs").key
    of_policy = prepare_run(config, tmp_path / "runs")
    train(of_policy, StopAfter(3))
    train(of_policy, never())
    logged = [(record["step"], pytest.approx(record["loss"])) for record in of_policy.records()]
    assert [step for step, _ in logged] == [1, 2, 3, 4]
    assert [read(of_policy) for read in READERS.values()] == [logged] * 3


def test_a_library_that_is_not_there_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"machine\.track: wandb needs a library .* pip install wandb"):
        require_trackers(["wandb"])
    with pytest.raises(ConfigError, match=r"track\.0: Input should be 'tensorboard', 'wandb' or 'mlflow', found 'wb'"):
        with_trackers(Machine(), ["wb"])
    assert with_trackers(Machine(track=()), []).track == ()
