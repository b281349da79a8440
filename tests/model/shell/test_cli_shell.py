"""The console script itself: what it costs to ask it, how it answers a slip, and names in place of paths."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gr00t_model.shell.main import VERBS
from gr00t_model.stages.settings import EvaluationSettings
from tests.data.builders import episode, sealed
from tests.shell import invoke

HEAVY = {"torch", "transformers", "diffusers", "av", "dagster", "numpy", "pyarrow", "polars", "scipy", "mujoco", "cv2"}


ASKED = [
    (["--help"], 0),
    (["--version"], 0),
    *(([verb, "--help"], 0) for verb in VERBS),
    *(([verb, "--no-such-option"], 2) for verb in VERBS),
    (["dream", "generate", "--no-such-option"], 2),
    (["idm", "train", "--steps", "0"], 2),
    (["human", "ingest", "x", "--faces", "some"], 2),
    (["no_such_verb"], 2),
]


def test_help_and_slips_load_nothing_heavy() -> None:
    code = f"""
import sys
from gr00t_model.shell.main import main
for words, status in {ASKED!r}:
    try:
        main(words)
    except SystemExit as ended:
        assert ended.code == status, words
    assert not {HEAVY!r} & sys.modules.keys(), words
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_verb_is_listed_in_its_group_with_what_it_does() -> None:
    shown = invoke(["--help"]).output
    for title in ("Data", "Mixtures", "Training", "Generated video", "People", "Releases"):
        assert f"─ {title} ─" in shown
    lines = {line.split()[1]: line for line in shown.splitlines() if line.startswith("│ ") and line[2] != " "}
    assert set(VERBS) <= lines.keys()
    assert all(len(lines[verb].split()) > 3 for verb in VERBS)


def test_angle_brackets_are_shown() -> None:
    assert "idm_<embodiment>" in invoke(["idm", "train", "--help"]).output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mix", "--temperature", "0"], "--temperature: input should be greater than or equal to 1, found 0.0"),
        (["mix", "--weight", "real"], "--weight: 'real' is not STORE=SHARE, for example PickNPlace=0.3"),
        (["clips", "x", "--made", "wan"], "--made: 'wan' is not KEY=VALUE, for example model=wan2.1"),
        (["human", "ingest", "x", "--shortest", "5", "--longest", "2"], "--shortest 5 must be above 0 and at most"),
        (["mix", "--temprature", "2"], "Did you mean --temperature?"),
        (["traim"], 'Did you mean "train"?'),
        (["mix", "--licence-profile", "lax"], 'Choose from: "any", "commercial".'),
    ],
)
def test_a_slip_is_one_line_that_names_the_option(words: list[str], told: str) -> None:
    answer = invoke(words)
    assert answer.exit_code == 2 and told in answer.stderr and answer.stderr.count("\n") == 1


def test_a_path_in_an_error_is_whole(tmp_path: Path) -> None:
    lake = tmp_path / "a folder with a name that is longer than any line" / "and another one of sixty letters in it"
    assert str(lake) in invoke(["train", "--lake", lake]).stderr


def test_a_store_is_named_or_given_by_path(tmp_path: Path) -> None:
    store = sealed(tmp_path / "stores/simulator", [episode(20, seed) for seed in range(3)])
    lake = ["--lake", tmp_path, "--json"]
    named, given = (invoke(["doctor", text, *lake]) for text in ("simulator", store.root))
    assert named.stdout == given.stdout and json.loads(named.stdout)["store"] == str(store.root)
    assert "did you mean 'simulator'" in invoke(["check", "simulater", *lake]).stderr
    assert invoke(["check", "simulator", *lake]).exit_code == json.loads(named.stdout).get("rejected", named.exit_code)


def test_a_manifest_is_named_by_pointer_or_digest(tmp_path: Path) -> None:
    sealed(tmp_path / "stores/simulator", [episode(20, seed) for seed in range(3)])
    lake = ["--lake", tmp_path]
    made = json.loads(invoke(["mix", *lake, "--json"]).stdout)
    for text in (made["file"], "mixture_gr1", made["manifest"][:8]):
        assert json.loads(invoke(["mix", "diff", made["file"], text, *lake]).stdout) == {}


def test_releases_of_nothing_are_said(tmp_path: Path) -> None:
    assert "nothing of it" in invoke(["release", "list", "--lake", tmp_path]).stdout


def test_a_mistyped_recipe_is_named_before_a_missing_mixture(tmp_path: Path) -> None:
    told = invoke(["train", "--recipe", "gr1_nan", "--lake", tmp_path]).stderr
    assert "no recipe 'gr1_nan'; did you mean gr1_nano? known: gr1_nano," in told
    assert "has no mixture_gr1 yet" in invoke(["train", "--lake", tmp_path]).stderr


def test_a_version_may_be_given_without_its_v(tmp_path: Path) -> None:
    store = sealed(tmp_path / "one", [episode(20, 0)])
    answer = invoke(["convert", store.root, tmp_path / "two", "--to", "3.0", "--json"])
    assert json.loads(answer.stdout)["to"] == "v3.0", answer.output


def test_options_are_the_fields_of_the_settings() -> None:
    shown = invoke(["eval", "--help"]).output
    assert {"--task", "--trials", "--swapped", "--no-swapped", "--processes"} <= set(shown.split())
    assert f"[default: {EvaluationSettings().trials}]" in " ".join(shown.split())
