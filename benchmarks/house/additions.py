"""What it takes to add one of each: the tests that do so in a temporary copy are run, and the copy is compared.

An embodiment needs no copy of the code: the YAML of its test lies in ``embodiments`` of a temporary lake.
"""

import difflib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.house.sizes import ROOT

_FOLDERS = ("gr00t_data", "gr00t_model", "assets", "pipelines", "schemas", "embodiments")


class Addition(NamedTuple):
    """One thing that is added.

    Attributes:
        test: the test that adds and uses it, as pytest names it.
        files: new files at most.
        lines: lines changed in files that were there, at most.
    """

    what: str
    test: str
    files: int
    lines: int = 0


ADDITIONS = (
    Addition(
        "a new embodiment in the graph",
        "tests/pipelines/test_new_embodiment.py::test_one_yaml_in_the_lake_is_a_robot_of_the_graph",
        1,
    ),
    Addition("a format reader", "tests/data/sources/test_new_format.py::test_a_format_is_one_file_and_one_line", 1, 1),
    Addition("a doctor check", "tests/data/curate/test_catalogue.py::test_a_new_check_is_one_new_file", 1),
    Addition("a sampler weight", "tests/data/batches/test_new_weight.py::test_one_file_is_a_new_way_to_weigh", 1),
    Addition(
        "a FLARE target", "tests/model/training/test_new_target.py::test_a_file_and_a_name_are_a_new_target", 1, 1
    ),
)


def touched(addition: Addition) -> tuple[int, int] | None:
    """New files, and lines changed in others; None when its test fails or is not there."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", addition.test, "--basetemp", f"{folder}/tests"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            print(done.stdout[-2000:], file=sys.stderr)
            return None
        return compared(Path(folder))


def compared(folder: Path) -> tuple[int, int]:
    """Files below ``folder`` that the repository does not have, and lines that others have more than there."""
    new, lines = 0, 0
    for path in (*folder.rglob("*.py"), *folder.rglob("*.yaml")):
        parts = path.relative_to(folder).parts
        at = next((place for place, part in enumerate(parts) if part in _FOLDERS), None)
        if at is None:
            continue
        original = ROOT.joinpath(*parts[at:])
        if not original.is_file():
            new += 1
        elif original.read_bytes() != path.read_bytes():
            pair = original.read_text().splitlines(), path.read_text().splitlines()
            lines += sum(line.startswith(("+ ", "- ")) for line in difflib.ndiff(*pair))
    return new, lines
