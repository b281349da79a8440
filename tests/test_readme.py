"""The README says what is: its tree, its commands and its make targets exist."""

import re
from pathlib import Path

from gr00t_model.shell.main import VERBS

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
