"""Every verb that prints what data says, on a lake in which everything that can be named has a hostile name."""

import ast
import json
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from tests.data.builders import episode, sealed
from tests.shell import invoke

ROOT = Path(__file__).parents[3]
TEXT = "pick [/b] the [apple] :apple: \x1b]0;owned\x07\x1b[2J\x9b31m \u202egreen\u2066 \x85 \r\n\u2028error: none \x7f"
NAME = "s[bold][apple]\x1b[2J\x9b31m\u202e:apple:\u200b\nverdict: accepted"
PERSON = "P07 [/b] \x1b[31m\u202e"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    people = {"participant": PERSON, "dataset": TEXT, "video": TEXT, "licence": TEXT, "consent": TEXT, "clip": NAME}
    rows = [episode(seed=seed, instruction=f"{TEXT} {seed}", source=people) for seed in range(3)]
    sealed(Lake(root).stores / NAME, rows)
    sealed(Lake(root).stores / "plain", rows)
    (Lake(root).stores / "torn [red] \x1b[2J").mkdir()
    (Lake(root).stores / "torn [red] \x1b[2J" / "sealed.json").write_text(TEXT)
    for name, marker in ((NAME, ""), ("marked [red] \x1b[2J", f"kind: '{TEXT}'")):
        (root / "landing" / name / "meta").mkdir(parents=True)
        (root / "landing" / name / "meta" / f"{NAME}.part").write_text("x")
        (root / "landing" / name / "_SUCCESS").write_text(marker)
    return root


VERBS = [
    ["check", NAME],
    ["doctor", NAME],
    ["doctor", NAME, "--fix", "--dry-run"],
    ["doctor", "torn [red] \x1b[2J"],
    ["stats", "--stores", "plain"],
    ["mix", "--stores", "plain", "--held-out", "0"],
    ["mix", "preview"],
    ["landing"],
    ["ingest", TEXT],
    ["checkpoints"],
    ["checkpoints", TEXT],
    ["lineage", "plain"],
    ["lineage", "plain/0"],
    ["lineage", NAME],
    ["lineage", "--participant", PERSON],
    ["lineage", "--participant", f"{PERSON}8"],
    ["withdraw", f"{PERSON}8"],
    ["withdraw", "--ahead", TEXT, "--reason", TEXT],
    ["withdraw", "--list"],
    ["withdraw", PERSON, "--reason", TEXT],
    ["withdraw", PERSON, "--purge"],
    ["eval", TEXT],
    ["release", TEXT],
    ["reproduce", TEXT],
    ["explain", TEXT],
    ["gate", NAME, "--calibrate", "plain"],
    [TEXT],
    ["check", "plain", f"--{TEXT}"],
]


@pytest.mark.parametrize("words", VERBS, ids=lambda words: f"{words[0][:6]} {VERBS.index(words)}")
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["people", "machines"])
def test_every_verb_prints_text_as_text(lake: Path, words: list[str], flags: list[str]) -> None:
    where = ["--lake", lake] if words[0] not in ("explain", TEXT) else []
    answer = invoke([*words, *where, *flags])
    lines = answer.output.replace("\r\n", "\n").split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert not any(line.startswith(("error: none", "verdict: accepted")) for line in lines)
    assert "🍎" not in answer.output


def test_what_was_said_is_shown(lake: Path) -> None:
    shown = invoke(["lineage", "--participant", PERSON, "--lake", lake, "--json"]).stdout
    assert any("the [apple] :apple:" in str(row) and TEXT in str(row["how"]) for row in json.loads(shown)["rows"])
    assert "[/b] the" in invoke(["lineage", "--participant", PERSON, "--lake", lake]).stdout


def test_nothing_prints_past_the_shell() -> None:
    """Only two modules write to a terminal: the shell, and the trainer's progress that the shell forwards."""
    may = {"gr00t_model/shell/app.py", "gr00t_model/loop/progress.py"}
    found = set()
    for package in ("gr00t_data", "gr00t_model", "assets", "pipelines"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if called in ("print", "Console", "sys.stdout.write", "sys.stderr.write"):
                    found.add(path.relative_to(ROOT).as_posix())
    assert found == may
