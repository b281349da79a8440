"""What was evaluated is what is released, acts and is made again: a byte that changed since is named first."""

import shutil
from pathlib import Path

import pytest

from gr00t_data.integrity import RECORD, IntegrityError
from gr00t_data.lake import Lake
from gr00t_model.evaluate.evaluation import Evaluation
from gr00t_model.lineage.record import Record
from gr00t_model.policy import Policy
from gr00t_model.release.history import ReleaseError, history, release, rollback
from gr00t_model.release.reproduce import reproduce
from gr00t_model.stages.evaluate import evaluate_checkpoint
from gr00t_model.stages.release import release_by_hand, release_candidate
from gr00t_model.stages.settings import EvaluationSettings
from gr00t_model.training.checkpoint import Checkpoint, publish
from tests.model.damage import damages, flips
from tests.model.service_lake import GR1, add_store, train_tiny

OPEN_LOOP = EvaluationSettings(tasks=[], trials=1, swapped=False, processes=1)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path]:
    """A lake whose current checkpoint was evaluated and released."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_store(lake, "monday", range(6))
    checkpoint = train_tiny(lake)
    lake.point("checkpoint_gr1", checkpoint, Checkpoint.load(checkpoint).digest)
    evaluate_checkpoint(lake, GR1, OPEN_LOOP, lambda line: None)
    release_by_hand(lake, GR1, checkpoint, forced=True)
    return lake, checkpoint


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "statistics.json",
        "config.json",
        "episodes.json",
        "versions.json",
        "embodiment.yaml",
        RECORD,
    ],
)
def test_a_checkpoint_damaged_after_its_evaluation_goes_nowhere(lake: tuple[Lake, Path], tmp_path: Path, name: str):
    where, checkpoint = lake
    digest, events = Checkpoint.load(checkpoint).digest, history(where, "gr1").events
    for done in damages(checkpoint / name, count=4):
        for use in (
            lambda: release_by_hand(where, GR1, checkpoint, forced=True),
            lambda: release_candidate(where, GR1, forced=True),
            lambda: release(where, "gr1", checkpoint, digest),
            lambda: reproduce(where, checkpoint),
            lambda: Policy.from_checkpoint(checkpoint),
            lambda: evaluate_checkpoint(where, GR1, OPEN_LOOP, lambda line: None),
            lambda: publish(checkpoint, tmp_path),
        ):
            with pytest.raises(ValueError, match=checkpoint.name):
                use()
                pytest.fail(done)
    assert history(where, "gr1").events == events and list(tmp_path.iterdir()) == []


def test_another_whole_checkpoint_under_its_name_is_not_the_evaluated_one(lake: tuple[Lake, Path], tmp_path: Path):
    shutil.copytree(lake[0].root, tmp_path / "lake")
    where = Lake(tmp_path / "lake")
    checkpoint, other = where.checkpoints / lake[1].name, train_tiny(where, steps=6)
    shutil.rmtree(checkpoint)
    shutil.copytree(other, checkpoint)
    with pytest.raises(IntegrityError, match="its name says"):
        Policy.from_checkpoint(checkpoint)
    with pytest.raises(IntegrityError, match="its name says"):
        reproduce(where, checkpoint)
    digest = history(where, "gr1").events[0].digest
    with pytest.raises(ReleaseError, match=f"the one that was evaluated or released has {digest[:16]}"):
        release(where, "gr1", other, digest)


def test_reports_history_and_small_files_are_not_believed_when_damaged(lake: tuple[Lake, Path]):
    where, checkpoint = lake
    report = where.evaluations / checkpoint.name[-16:]
    for name in ("report.json", "predicted.png", RECORD):
        for _ in flips(report / name, 3):
            with pytest.raises(IntegrityError, match="evaluate again"):
                Evaluation.load(report)
    for _ in flips(where.root / "releases/gr1/history.json", 6):
        with pytest.raises((IntegrityError, ReleaseError), match=r"history\.json"):
            rollback(where, "gr1")
    for _ in flips(checkpoint / "episodes.json", 6):
        with pytest.raises(ValueError, match=checkpoint.name):
            Record.load(checkpoint)
    for _ in flips(checkpoint / "metrics.json", 6):
        with pytest.raises(ValueError, match=r"metrics\.json"):
            Checkpoint.load(checkpoint)
