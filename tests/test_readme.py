"""The README says what is: its tree, its commands and its make targets exist."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from gr00t_model.shell.main import VERBS, app

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def test_every_command_exists_and_every_verb_is_listed() -> None:
    mentioned = set(re.findall(r"gr00t ([a-z]+)\b", "\n".join(re.findall(r"`gr00t [^`]*`|^gr00t .*$", TEXT, re.M))))
    assert mentioned == set(VERBS)


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z_0-9]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make ([a-z_0-9]+)", TEXT, re.M)) <= targets


def test_the_tree_exists() -> None:
    tree = TEXT.split("## Where things are")[1].split("```")[1]
    folder, listed = Path(), set()
    for line in tree.strip().splitlines():
        name = line.split()[0]
        folder = Path() if not line.startswith(" ") else folder
        path = folder / name
        folder = path if not line.startswith(" ") else folder
        assert (ROOT / path).is_dir(), line
        listed.add(path.as_posix())
    for package in ("gr00t_data", "gr00t_model"):
        rooms = {p.parent.relative_to(ROOT).as_posix() for p in (ROOT / package).glob("*/__init__.py")}
        assert rooms <= listed, rooms - listed


def test_every_link_and_picture_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def commands(page: Path) -> list[str]:
    """The lines of its blocks of shell, without their comments."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.M | re.S)
    return [shlex.join(shlex.split(line, comments=True)) for block in blocks for line in block.splitlines() if line]


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_command_of_a_page_is_understood(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options exist and take such values; benchmarks are there."""
    monkeypatch.chdir(tmp_path)
    for line in commands(page):
        words = [word for word in shlex.split(line) if not re.fullmatch(r"[A-Z0-9_]+=.*", word)]
        if words[:1] == ["gr00t"] and not {"|", "&&", ">", ";"} & set(words):
            app.parse_args(words[1:], exit_on_error=False, print_error=False)
        if words[:2] == ["python", "-m"] and words[2].startswith("benchmarks"):
            assert find_spec(words[2]), line
