"""A check is one entry: found by being there, with all that is to be said about its code, and nothing beside it."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from gr00t_data.curate.check import Check
from gr00t_data.curate.checks.catalogue import CHECKS, _by_code
from tests.data.builders import episode, sealed

ROOT = Path(__file__).parents[3]
CURATE = ROOT / "gr00t_data/curate"
DROPPED = """
from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.subject.subject import Subject


def check_thumb(subject: Subject):
    if subject.rows:
        yield THUMB_01.finding(f"{subject.where}: the thumb was not looked at", (0, 1))


(THUMB_01,) = Look(Subject, check_thumb).finds(
    Check("THUMB-01", "error", "nobody watched the thumb", "the policy drops things", explains="TEXT-02"),
)
"""
PROGRAM = """
import json, sys
from pathlib import Path
from gr00t_data.curate.doctor import diagnose
from gr00t_data.curate.rules import checks_key
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore

report = diagnose(EpisodeStore.open(Path(sys.argv[1])), load_embodiment("gr1"))
print(json.dumps([checks_key(), report.to_json()["episodes"]]))
"""


def run(project: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(project)}
    done = subprocess.run([sys.executable, *arguments], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_check_has_all_its_facts() -> None:
    assert len(CHECKS) > 100 and list(CHECKS) == sorted(CHECKS)
    for code, check in CHECKS.items():
        assert re.fullmatch("[A-Z]+-[0-9]{2}", code) and check.code == code
        assert check.severity in ("error", "warning", "info") and check.title and check.consequence
        assert check.look is not None and callable(check.look.function)
        assert check.explanation == f"{check.title}. If it is ignored, {check.consequence}."


def test_nothing_explains_a_code_that_does_not_exist() -> None:
    patterns = {(code, pattern) for code, check in CHECKS.items() for pattern in check.explains.split()}
    assert patterns and [one for one in patterns if not any(fnmatch(code, one[1]) for code in CHECKS)] == []


def test_codes_are_unique() -> None:
    one, other = (Check("THUMB-01", "error", title, "nothing") for title in ("a", "b"))
    assert _by_code([one, one]) == {"THUMB-01": one}
    with pytest.raises(ValueError, match="two checks have the code THUMB-01: 'a' and 'b'"):
        _by_code([one, other])


def test_every_finding_is_of_a_check_and_its_code_is_written_once() -> None:
    """Only ``Check.finding`` makes findings, so none has a code without an entry."""
    entries, makers, elsewhere = [], [], []
    for file in CURATE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
        checks = [call for call in calls if ast.unparse(call.func) == "Check"]
        entries += [ast.literal_eval(call.args[0]) for call in checks]
        makers += [file.name for call in calls if ast.unparse(call.func) == "Finding"]
        inside = {node for call in checks for node in ast.walk(call)}
        elsewhere += [n.value for n in nodes if isinstance(n, ast.Constant) and n not in inside and n.value in CHECKS]
    assert sorted(entries) == list(CHECKS) and makers == ["check.py"] and elsewhere == []


def test_a_new_check_is_one_new_file(tmp_path: Path) -> None:
    store = sealed(tmp_path / "store", [episode(instruction="todo"), episode(seed=1)]).root
    for name in ("gr00t_data", "gr00t_model", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    before, episodes = json.loads(run(tmp_path, "-c", PROGRAM, str(store)))
    assert [[found["code"] for found in one["findings"]] for one in episodes] == [["TEXT-02"], []]
    (tmp_path / "gr00t_data/curate/checks/thumb.py").write_text(DROPPED)
    after, episodes = json.loads(run(tmp_path, "-c", PROGRAM, str(store)))
    assert after != before
    for one in episodes:
        (finding,) = one["findings"]
        assert (finding["code"], finding["severity"], finding["frames"]) == ("THUMB-01", "error", [0, 1])
        assert one["verdict"] == "rejected" and finding["message"].endswith("the thumb was not looked at")
    explain = ("-c", "from gr00t_model.shell.main import main; main()", "explain")
    said = run(tmp_path, *explain, "thumb-01")
    assert said.startswith("THUMB-01: nobody watched the thumb. If it is ignored, the policy drops things.")
    assert "'error'" in said and "not reported: TEXT-02." in said
    assert json.loads(run(tmp_path, *explain, "THUMB-01", "--json"))["severity"] == "error"
