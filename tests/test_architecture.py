"""The import law: schemas <- gr00t_data <- gr00t_model <- assets <- pipelines, and the rooms inside the libraries."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("gr00t_data", "gr00t_model", "assets", "pipelines")

# A module whose name starts with the left may not import one whose name starts with anything on the right.
FORBIDDEN = {
    "gr00t_data": ("gr00t_model", "assets", "pipelines", "dagster", "tests", "benchmarks"),
    "gr00t_model": ("assets", "pipelines", "dagster", "tests", "benchmarks"),
    "assets": ("pipelines", "tests", "benchmarks"),
    "pipelines": ("tests", "benchmarks"),
    "gr00t_data.sources": ("gr00t_data.batches", "gr00t_data.export"),
    "gr00t_data.batches": ("gr00t_data.sources", "gr00t_data.export"),
    "gr00t_data.curate": ("gr00t_data.batches", "gr00t_data.export"),
    "gr00t_data.export": ("gr00t_data.batches", "gr00t_data.curate"),
    "gr00t_model.groot": (
        "gr00t_model.training",
        "gr00t_model.policy",
        "gr00t_model.evaluate",
        "gr00t_model.serve",
    ),
    "gr00t_model.training": ("gr00t_model.policy", "gr00t_model.evaluate", "gr00t_model.serve"),
    "gr00t_model.policy": ("gr00t_model.evaluate", "gr00t_model.serve"),
}
ROOF = (
    "gr00t_data.checked",
    "gr00t_data.stages",
    "gr00t_data.cli",
    "gr00t_data.cli_doctor",
    "gr00t_data.cli_hands",
    "gr00t_data.cli_human",
    "gr00t_data.cli_mix",
)  # string the rooms together for the shell and the graph; no room knows them
VIDEO_MODULES = tuple(f"gr00t_data.video{part}" for part in ("", "_clip", "_footage", "_packets", "_spans", "_survey"))
ROOMS_ABOVE_GROUND = ("gr00t_data.sources", "gr00t_data.curate", "gr00t_data.batches", "gr00t_data.export")
HEAVY = ("torch", "transformers", "diffusers", "av", "ray", "matplotlib", "mujoco")


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file, of every module of the four floors."""
    files = [file for floor in FLOORS for file in sorted((root / floor).rglob("*.py"))]
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imported(name: str, file: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a module imports, also inside functions and under TYPE_CHECKING."""
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            yield node.lineno, source
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def is_ground(name: str) -> bool:
    """Modules directly in gr00t_data, but for the roof: what an episode is."""
    return within(name, "gr00t_data") and not any(within(name, room) for room in (*ROOMS_ABOVE_GROUND, *ROOF))


def violations(root: Path) -> list[str]:
    """Every import that breaks the law, as file:line: importer imports imported."""
    found = []
    for name, file in modules(root).items():
        barred = [target for left, targets in FORBIDDEN.items() if within(name, left) for target in targets]
        barred += ROOMS_ABOVE_GROUND if is_ground(name) else ()
        barred += ROOF if within(name, "gr00t_data") and name not in ROOF else ()
        barred += ("av",) if name not in VIDEO_MODULES else ()
        for line, target in imported(name, file):
            if any(within(target, one) for one in barred) or target == "__future__.annotations":
                found.append(f"{file.relative_to(root)}:{line}: {name} imports {target}")
    return found


def test_the_import_law_holds() -> None:
    assert modules(ROOT).keys() >= set(FLOORS)
    assert violations(ROOT) == []


def test_nothing_annotates_from_the_future() -> None:
    folders = [ROOT / name for name in (*FLOORS, "tests", "benchmarks")]
    line = "from __future__ " + "import annotations"
    assert [str(f) for folder in folders for f in folder.rglob("*.py") if f"\n{line}" in f"\n{f.read_text()}"] == []


def test_schemas_are_data() -> None:
    assert {file.suffix for file in (ROOT / "schemas").rglob("*") if file.is_file()} == {".yaml"}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("gr00t_data/store.py", "import gr00t_model.groot"),
        ("gr00t_data/store.py", "from gr00t_data.curate import checks"),
        ("gr00t_data/store.py", "def f():\n    import av"),
        ("gr00t_data/disk.py", "from gr00t_data import batches"),
        ("gr00t_data/disk.py", "from . import sources"),
        ("gr00t_data/curate/index.py", "from gr00t_data import stages"),
        ("gr00t_data/sources/align.py", "from ..batches import window"),
        ("gr00t_data/batches/loader.py", "from gr00t_data.sources.sim import env"),
        ("gr00t_data/curate/index.py", "import gr00t_data.batches.loader"),
        ("gr00t_model/policy.py", "import dagster as dg"),
        ("gr00t_model/groot/flow.py", "from gr00t_model.training import train"),
        ("assets/teleop.py", "from pipelines.resources import lake"),
        ("assets/teleop.py", "from __future__ import annotations"),
    ],
)
def test_a_breach_is_seen(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(line + "\n")
    assert len(violations(tmp_path)) >= 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("gr00t_data/video.py", "import av"),
        ("gr00t_data/stages.py", "from gr00t_data.sources import ingest\nfrom gr00t_data.batches import mixture"),
        ("gr00t_data/batches/loader.py", "from gr00t_data.curate.index import load_index\nimport torch"),
        ("gr00t_model/policy.py", "from gr00t_data.embodiment import load_embodiment"),
        ("assets/teleop.py", "import dagster as dg\nfrom gr00t_data.store import EpisodeStore"),
        ("gr00t_data/disk.py", "import avro_like_name"),
    ],
)
def test_what_is_allowed_is_no_breach(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(line + "\n")
    assert violations(tmp_path) == []


def loaded_by(statement: str, tmp_path: Path, names: tuple[str, ...]) -> str:
    """Which of ``names`` a fresh Python has loaded after the statement."""
    program = f"import sys\n{statement}\nprint(sorted(set({names!r}) & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GR00T_LAKE": str(tmp_path), "DAGSTER_HOME": str(tmp_path)}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.strip().splitlines()[-1]


def test_definitions_load_nothing_heavy(tmp_path: Path) -> None:
    assert loaded_by("import pipelines.definitions", tmp_path, HEAVY) == "[]"


def test_embodiments_load_without_arrays(tmp_path: Path) -> None:
    light = (*HEAVY, "numpy", "pyarrow", "polars", "dagster")
    assert loaded_by("import gr00t_data.embodiment as e; e.load_embodiment('gr1')", tmp_path, light) == "[]"
