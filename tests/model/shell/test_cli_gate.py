"""`gr00t gate` from clips without labels to an accepted store, with a model and a judge; again, and it is a no-op."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.gate.thresholds import Thresholds
from gr00t_data.disk import read_json
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_model.idm.artifact import Artifact, Robot, load_artifact, save_artifact
from gr00t_model.idm.config import nano
from gr00t_model.idm.examples import measure_actions, split_episodes
from gr00t_model.idm.model import Idm
from gr00t_model.idm.timing import Timing
from tests.data.builders import GR1, episode, sealed
from tests.shell import invoke

ROWS = 22


def run(*arguments: object, status: int = 0) -> str:
    result = invoke(arguments)
    assert result.exit_code == status, result.output
    return result.stdout


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded episodes, clips without labels, and a model that has learned nothing yet."""
    lake = tmp_path_factory.mktemp("lake")
    recorded = sealed(lake / "stores/recorded", [episode(ROWS, seed) for seed in range(3)])
    writer = StoreWriter.create(
        lake / "stores/dreams", GR1, kind="neural", licence="CC0-1.0", absent=["state", "action"]
    )
    for seed in (4, 5):
        hidden = episode(ROWS, seed, action=np.zeros((ROWS, 44)), instruction=f"push the cube {seed}")
        writer.append(replace(hidden, state=np.zeros((ROWS, 44))))
    writer.seal()
    learn, _ = split_episodes([recorded], 0.3)
    robot = Robot(GR1, None, measure_actions(learn, GR1))
    config = replace(nano(), num_inference_timesteps=2)
    save_artifact(Artifact(Idm(config).eval(), Timing(20, 16, 20, 16), robot, {"learned": []}), lake / "idm")
    return lake


def test_clips_are_labelled_judged_and_sealed(lake: Path, tmp_path: Path) -> None:
    program = tmp_path / "judge.py"
    program.write_text(
        "import json, sys\nasked = json.load(sys.stdin)\nassert asked['prompt'] == 'Is this ' + asked['instruction']\n"
        "print(json.dumps({'verdict': 'reject' if asked['instruction'].endswith('5') else 'accept', 'reason': 'red'}))"
    )
    (tmp_path / "prompt.txt").write_text("Is this {instruction}")
    # Grey pictures are no robot and the model knows nothing, so the thresholds are loose.
    loose = tmp_path / "loose.json"
    model = load_artifact(lake / "idm").digest
    Thresholds({"frozen": 1.0}, {}, 0.0, idm=model).save(loose)
    judged = ("--judge", shlex.join([sys.executable, str(program)]), "--judge-prompt", tmp_path / "prompt.txt")
    given = ("gate", lake / "stores/dreams", "--idm", lake / "idm", "--lake", lake, "--json", *judged)
    told = json.loads(run(*given, "--thresholds", loose))
    assert (told["accepted"], told["rejected"], told["rejected by"]) == (1, 1, {"judge": 1}) and told["slot"] == 25
    assert told["judge was asked"] == 2 and told["no verdict"] == [] and Path(told["sheet"]).is_file()
    accepted = EpisodeStore.open(lake / "stores/dreams-accepted")
    source = accepted.rows[0].source.facts()
    assert source is not None and source["idm"] == model and source["judge"]["verdict"] == "accept"
    report = read_json(Path(told["report"]))
    assert (
        report["decisions"][1]["judge"]["reason"] == "red"
        and "push the cube 5" in report["decisions"][1]["judge"]["prompt"]
    )
    # What was only labelled to be judged lies where no mixture looks.
    assert {path.name for path in (lake / "stores").iterdir()} == {"recorded", "dreams", "dreams-accepted"}
    assert json.loads(run(*given, "--thresholds", loose))["digest"] == told["digest"]
    Thresholds({"frozen": 1.0}, {}, 0.0, idm="b" * 64).save(loose)
    assert "label real episodes with the model of the clips" in str(invoke((*given, "--thresholds", loose)).output)


def test_recorded_episodes_set_the_thresholds(lake: Path) -> None:
    given = ("gate", lake / "stores/dreams", "--idm", lake / "idm", "--lake", lake, "--json", "--no-own-slot")
    told = invoke([str(one) for one in (*given, "--calibrate", lake / "stores/recorded", "--name", "calibrated")])
    (path,) = (lake / "gate").glob("calibrated-*/thresholds.json")
    thresholds = Thresholds.load(path)
    assert thresholds.idm == load_artifact(lake / "idm").digest and thresholds.limits["disagreement"] > 0
    assert thresholds.calibrated_on and not thresholds.promised
    report = read_json(path.parent / "report.json")
    assert report["clips"] == 2 and report["calibrated_on"] == thresholds.calibrated_on
    assert (told.exit_code == 0) == (report["accepted"] > 0)


def test_a_judge_is_asked_in_one_way(lake: Path) -> None:
    both = ("gate", lake / "stores/dreams", "--calibrate", lake, "--judge", "x", "--judge-url", "http://x")
    assert "give one of them" in invoke(both).output
