"""The gate: paired intervals, the rule, releases and the way back, the card."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.disk import digest_json, write_json
from gr00t_data.integrity import write_record
from gr00t_data.lake import Lake
from gr00t_model.evaluate.evaluation import Evaluation, OpenLoopErrors, PartErrors
from gr00t_model.evaluate.paired import Comparison, Measure, paired_errors, paired_shares
from gr00t_model.evaluate.report import evaluate
from gr00t_model.release.history import History, ReleaseError, history, judge, release, released, rollback
from gr00t_model.release.rule import Rule
from gr00t_model.stages.evaluate import evaluate_checkpoint
from gr00t_model.stages.release import release_by_hand, release_candidate, starting_settings
from gr00t_model.stages.settings import EvaluationSettings
from gr00t_model.training.checkpoint import Checkpoint
from tests.model.service_lake import GR1, add_store, train_tiny
from tests.shell import invoke


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Lake, Path, Path]:
    """A lake with two checkpoints of different length and the reports of neither."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_store(lake, "monday", range(6))
    return lake, train_tiny(lake), train_tiny(lake, steps=6)


@pytest.fixture
def lake(made, tmp_path) -> Lake:
    shutil.copytree(made[0].root, tmp_path / "lake", symlinks=True)
    return Lake(tmp_path / "lake")


def point(lake: Lake, folder: Path) -> str:
    """Make a checkpoint of the copied lake its candidate."""
    place = lake.checkpoints / folder.name
    digest = Checkpoint.load(place).digest
    lake.point("checkpoint_gr1", place, digest)
    return digest


def evaluated(lake: Lake, folder: Path) -> dict:
    point(lake, folder)
    return evaluate_checkpoint(
        lake, GR1, EvaluationSettings(tasks=[], trials=1, swapped=False, processes=1), lambda line: None
    ).content


def test_paired_shares_have_the_interval_of_agresti_and_min():
    """b = 12 scenes won, c = 4 lost, of 100: (12.5 - 4.5) / 102 and its adjusted Wald half width."""
    ours = [True] * 12 + [False] * 4 + [True] * 40 + [False] * 44
    theirs = [False] * 12 + [True] * 4 + [True] * 40 + [False] * 44
    measure = paired_shares("success", "higher", ours, theirs)
    centre, half = 8 / 102, 1.959964 * np.sqrt(17 - 64 / 102) / 102
    assert measure.difference == pytest.approx(0.08)
    assert measure.interval == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert measure.loss_interval == pytest.approx((-centre - half, half - centre), abs=1e-6)
    told = Comparison(released="ab", measures=(measure,))
    assert Comparison.model_validate_json(json.dumps(told.facts())) == told


def test_pairing_narrows_the_interval_of_errors():
    rng = np.random.default_rng(0)
    hardness = rng.uniform(0, 10, 40)
    measure = paired_errors("error", "x", (hardness + 0.5 + 0.01 * rng.standard_normal(40)).tolist(), hardness.tolist())
    assert measure.interval and 0.48 < measure.interval[0] < 0.5 < measure.interval[1] < 0.52
    assert paired_errors("error", "x", [1.0], [2.0]).interval is None
    assert paired_errors("error", "x", [1.0, 2.0], [1.0, 2.0]).interval == (0.0, 0.0)


def share(difference: float, low: float, high: float) -> Measure:
    return Measure("success", "share", "higher", 0.5 + difference, 0.5, difference, (low, high), 50)


@pytest.mark.parametrize(
    ("measure", "word"),
    [
        (share(-0.05, -0.09, -0.01), "is worse, the 95% interval"),
        (share(-0.15, -0.35, 0.05), "worse by more than 0.100"),
        (share(-0.05, -0.2, 0.1), None),
        (share(0.2, 0.1, 0.3), None),
        (Measure("error", "sd", "lower", 1.2, 1.0, 0.2, None, 1), "worse by more than 0.100"),
    ],
)
def test_the_rule(measure, word):
    objection = Rule().objection(measure)
    assert (objection is None) if word is None else word in str(objection)


def test_the_strict_rule_wants_proof():
    assert "do not show" in str(Rule(strict=True).objection(share(-0.05, -0.2, 0.1)))
    assert Rule(strict=True).objection(share(0.0, -0.05, 0.05)) is None


def test_the_first_candidate_must_beat_its_baselines():
    def of(ratio: float) -> Evaluation:
        errors = PartErrors(policy=ratio, hold_last=1.0, mean_action=1.0, ratio=ratio, unit="standard deviations")
        opened = OpenLoopErrors(episodes=1, chunks=1, parts={"arm": errors}, overall=errors)
        return Evaluation(checkpoint="a", recipe="tiny", steps=1, open_loop=opened)

    assert not judge(of(1.3), History(), Rule()).release
    assert judge(of(0.7), History(), Rule()).release


def test_a_report_is_read_and_written_as_it_stands():
    """Its digest is the data version of the evaluation."""
    errors = {"policy": 0.5, "hold_last": 1.0, "mean_action": 2.0, "ratio": 0.5, "unit": "rad"}
    opened = {"episodes": 1, "chunks": 2, "parts": {"arm": errors}, "overall": errors | {"unit": "standard deviations"}}
    rate = {"hits": 1, "trials": 2, "share": 0.5, "interval_95": [0.1, 0.9]}
    trial = {"task": "reach", "seed": 7, "instruction": "reach", "swapped": False, "success": True}
    closed = {"success": rate, "wrong_object": rate, "trials": [trial | {"wrong_object": False, "steps": 9}]}
    measure = {"name": "m", "unit": "share", "better": "higher", "candidate": 0.5, "released": 0.25}
    compared = {
        "released": "b",
        "notes": [],
        "measures": [measure | {"difference": 0.25, "interval": None, "pairs": 1}],
    }
    content = {"checkpoint": "a", "recipe": "tiny", "steps": 3, "open_loop": opened, "others": {}, "alignment": None}
    content |= {"closed_loop": {"reach": closed}, "behaviour": "c", "comparison": compared}
    facts = Evaluation.model_validate(content).facts()
    assert digest_json(facts) == digest_json(content)
    assert digest_json(facts)[:16] == "b4219b0cc052ec44"


def test_a_worse_candidate_moves_nothing_and_the_release_stays(made, lake):
    _, first, second = made
    content = evaluated(lake, first)
    verdict, event = release_candidate(lake, GR1, Rule(first_ratio=1e9))
    assert verdict.release and event and released(lake, "gr1") == (lake.checkpoints / first.name, event.digest)
    assert content.comparison is None
    content = evaluated(lake, second)
    (measure,) = content.comparison.measures
    assert measure.pairs == content.open_loop.episodes == 2 and measure.interval
    refused, standing = release_candidate(lake, GR1, Rule.model_construct(error_margin=-1.0))
    assert not refused.release and "open loop error" in refused.reasons[0] and standing == event
    assert lake.pointed("released_gr1") == (lake.checkpoints / first.name, event.digest)
    accepted, now = release_candidate(lake, GR1, Rule(error_margin=10.0))
    assert accepted.release == (measure.interval[0] <= 0)  # only worse beyond doubt counts now
    assert now and now.digest == (content.checkpoint if accepted.release else event.digest)


def test_release_rollback_and_the_cards(made, lake):
    _, first, second = made
    evaluated(lake, first)
    one = release_by_hand(lake, GR1, lake.checkpoints / first.name, forced=True)
    evaluated(lake, second)
    two = release_by_hand(lake, GR1, lake.checkpoints / second.name, forced=True)
    again = release_by_hand(lake, GR1, lake.checkpoints / second.name, forced=True)
    assert (one.number, two.number, again) == (1, 2, two)
    text = (lake.root / "releases/gr1/0002/MODEL_CARD.md").read_text()
    assert "| monday | real | CC-BY-4.0 |" in text and "Shares by kind: real 100.0%" in text
    assert "## Beside the release before" in text and "model.safetensors" in text and "torch" in text
    for name in ("predicted", "comparison"):
        assert f"({name}.png)" in text and (lake.root / f"releases/gr1/0002/{name}.png").is_file()
    assert starting_settings(lake, GR1, "released") == [f"model.base={lake.checkpoints / second.name}"]
    assert rollback(lake, "gr1").digest == one.digest
    assert lake.pointed("released_gr1") == (lake.checkpoints / first.name, one.digest)
    refused, standing = release_candidate(lake, GR1)
    assert not refused.release and "rolled back" in refused.reasons[0] and standing == one
    with pytest.raises(ReleaseError, match="none to go back to"):
        rollback(lake, "gr1")
    events = history(lake, "gr1").events
    assert [event.action == "rollback" for event in events] == [False, False, True] and events[2].digest == one.digest


def test_the_release_is_one_command(made, lake):
    evaluated(lake, made[1])
    options = ["--lake", str(lake.root), "--json"]
    done = invoke(["release", "checkpoint_gr1", "--force", *options])
    assert done.exit_code == 0 and json.loads(done.stdout)["rows"][0]["state"] == "released"
    assert Path(json.loads(done.stdout)["model card"]).is_file()
    assert json.loads(invoke(["release", "list", *options]).stdout)["rows"][0]["number"] == 1
    refused = invoke(["release", "rollback", *options])
    assert refused.exit_code == 2 and "error: " in refused.stderr


def test_a_torn_history_is_named_and_an_outside_checkpoint_refused(made, lake, tmp_path):
    with pytest.raises(ReleaseError, match="outside the lake"):
        release(lake, "gr1", tmp_path, "digest")
    path = lake.root / "releases/gr1/history.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"events": [{"number": 1}], "standing": [1]}')
    with pytest.raises(ReleaseError, match="not a history"):
        history(lake, "gr1")


@pytest.mark.slow
def test_scenes_are_paired_and_reused(made, lake):
    """The released checkpoint acts once in each scene: afterwards its report is believed."""
    _, first, second = made
    evaluated(lake, first)
    folder = lake.checkpoints / first.name
    options = {"tasks": ["reach"], "trials": 3, "processes": 1}
    theirs = evaluate(folder, lake.evaluations, **options)
    assert theirs.content.behaviour
    content = json.loads(json.dumps(theirs.content.facts()))
    for trial in content["closed_loop"]["reach"]["trials"]:
        trial["wrong_object"] = not trial["swapped"]  # nothing that was simulated again would look like this
    write_json(theirs.folder / "report.json", content)
    write_record(theirs.folder)
    other = evaluate(lake.checkpoints / second.name, lake.evaluations, released=folder, **options)
    measures = {m.name: m for m in other.content.comparison.measures}
    assert measures["reach: success"].pairs == 3 and "open loop error" in measures
    assert measures["reach: wrong object"].released == 1.0
