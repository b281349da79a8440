"""The import law: schemas <- gr00t_data <- gr00t_model <- assets <- pipelines, and the rooms inside the libraries."""

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("gr00t_data", "gr00t_model", "assets", "pipelines")

# Floors of a library from the ground up. Rooms on one floor do not know each other, and none knows one above it.
GROUND = ("disk", "locks", "workers", "rotations", "lake", "code_key", "replayed", "settings", "progress", "integrity")
GROUND += ("beside", "confined", "confined_worker", "foreign_text", "limits", "pictures", "plain_yaml", "seal")
STOREYS = {
    "gr00t_data": (
        GROUND,
        ("embodiment", "video"),
        ("store",),
        ("rates",),  # what lies between the rows of a store and the steps of a robot
        ("horizon",),
        ("terms",),
        ("lerobot", "curate"),
        ("sources", "batches"),
        ("stages",),
    ),
    "gr00t_model": (
        ("groot", "loop"),
        ("lineage",),
        ("training", "grounding", "idm", "acting"),
        ("dream", "policy"),
        ("evaluate", "serve"),
        ("release",),
        ("stages",),
        ("retrain",),
        ("view", "shell"),
    ),
}
FORBIDDEN = {
    "gr00t_data": ("gr00t_model", "assets", "pipelines", "dagster", "tests", "benchmarks"),
    "gr00t_model": ("assets", "pipelines", "dagster", "tests", "benchmarks"),
    "assets": ("gr00t_model.shell", "pipelines", "tests", "benchmarks"),
    "pipelines": ("tests", "benchmarks"),
}
"""A module whose name starts with the left may not import one whose name starts with anything on the right."""
FULLEST = 20
TYPED = ("gr00t_data", "assets", "pipelines")
"""Packages whose rooms take from and give to other rooms and packages nothing that is ``Any``."""
UNTYPED = ("gr00t_data.disk.read_json", "gr00t_data.disk.parse_json", "gr00t_data.integrity.read_sealed")
"""What may answer ``Any``: JSON as it is read, before its reader says what it must be."""
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


def storey(name: str) -> tuple[int, str] | None:
    """Floor and room of a module of a library; None for the package itself. Ground modules are one room."""
    package, _, rest = name.partition(".")
    room = rest.partition(".")[0]
    for number, rooms in enumerate(STOREYS.get(package, ())):
        if room in rooms:
            return number, "ground" if rooms is GROUND else room
    return None


def breaks_a_floor(name: str, target: str) -> bool:
    """Whether a module imports from a floor above, or from another room of its own floor."""
    here, there = storey(name), storey(target)
    if here is None or there is None or name.partition(".")[0] != target.partition(".")[0]:
        return False
    return there[0] > here[0] or (there[0] == here[0] and there[1] != here[1])


def violations(root: Path) -> list[str]:
    """Every import that breaks the law, as file:line: importer imports imported."""
    found = []
    for name, file in modules(root).items():
        barred = [target for left, targets in FORBIDDEN.items() if within(name, left) for target in targets]
        barred += ("av",) if not within(name, "gr00t_data.video") else ()
        for line, target in imported(name, file):
            barring = any(within(target, one) for one in barred) or target == "__future__.annotations"
            if barring or breaks_a_floor(name, target):
                found.append(f"{file.relative_to(root)}:{line}: {name} imports {target}")
    return found


def test_the_import_law_holds() -> None:
    assert modules(ROOT).keys() >= set(FLOORS)
    assert violations(ROOT) == []


def test_every_room_has_a_floor() -> None:
    rooms = {name for name in modules(ROOT) if name.count(".") == 1 and name.partition(".")[0] in STOREYS}
    assert [name for name in rooms if storey(name) is None] == []


def room(name: str) -> tuple[str, str]:
    """Package and room of a module. What lies on the ground of a library is one room, and so is a whole graph."""
    package = name.partition(".")[0]
    found = storey(name)
    return package, found[1] if found else ""


class Borders:
    """Who uses what of whom, and what the public parts of it are declared to be, from the text of the modules."""

    def __init__(self, root: Path) -> None:
        self.files = modules(root)
        self.trees = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in self.files.items()}
        self.bound = {name: dict(self._imports(name)) for name in self.files}
        self.defined = {
            f"{name}.{defined}": node
            for name, tree in self.trees.items()
            for node in tree.body
            for defined in self._defines(node)
        }

    def _imports(self, name: str) -> Iterator[tuple[str, str]]:
        """(name in this module, full name) of everything imported, also inside functions and under TYPE_CHECKING."""
        package = name.split(".") if self.files[name].name == "__init__.py" else name.split(".")[:-1]
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Import):
                yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                source = ".".join([*above, *filter(None, [node.module])])
                yield from ((alias.asname or alias.name, f"{source}.{alias.name}") for alias in node.names)

    @staticmethod
    def _defines(node: ast.stmt) -> Iterator[str]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))

    def _named(self, module: str, node: ast.AST) -> Iterator[str]:
        """Full names of what an expression speaks of."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                yield self.bound[module].get(part.id, f"{module}.{part.id}")
            elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
                yield f"{self.bound[module].get(part.value.id, part.value.id)}.{part.attr}"
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                with suppress(SyntaxError, ValueError):  # a quoted annotation; shapes of arrays are quoted too
                    yield from self._named(module, ast.parse(part.value.strip(), mode="eval"))

    def _declared(self, node: ast.AST, owner: str = "") -> Iterator[tuple[str, ast.AST]]:
        """(place, annotation) of what others see of a definition: parameters, answers, fields, bases, an alias."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            arguments += filter(None, [node.args.vararg, node.args.kwarg])
            yield from ((f"{owner}{node.name}({a.arg})", a.annotation) for a in arguments if a.annotation)
            if node.returns:
                yield f"{owner}{node.name}()", node.returns
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}", base) for base in node.bases)
            for part in node.body:
                if all(not one.startswith("_") or one.startswith("__") for one in self._defines(part)):
                    yield from self._declared(part, f"{node.name}.")
        elif isinstance(node, ast.AnnAssign):
            yield f"{owner}{ast.unparse(node.target)}", node.annotation
            if not owner and node.value and "TypeAlias" in ast.unparse(node.annotation):
                yield ast.unparse(node.target), node.value
        elif isinstance(node, ast.Assign) and not owner and not isinstance(node.value, ast.Call):
            yield ast.unparse(node.targets[0]), node.value

    def crossing(self) -> set[str]:
        """Definitions that another room imports, and those that reach it as parts of these."""
        reached = [
            full
            for name, tree in self.trees.items()
            for full in {*self.bound[name].values(), *self._named(name, tree)}
            if full in self.defined and room(full.rpartition(".")[0]) != room(name)
        ]
        seen = set[str]()
        while reached:
            if (full := reached.pop()) not in seen:
                seen.add(full)
                module = full.rpartition(".")[0]
                declared = [one for _, one in self._declared(self.defined[full])]
                reached += [other for one in declared for other in self._named(module, one) if other in self.defined]
        return seen

    def loose(self, packages: Iterable[str]) -> list[str]:
        """Places of these packages where a room hands another something of which nothing is said."""
        found = set[str]()
        for full in self.crossing():
            module = full.rpartition(".")[0]
            if module.partition(".")[0] in packages and full not in UNTYPED:
                places = self._declared(self.defined[full])
                found |= {f"{module}.{at}" for at, said in places if "typing.Any" in self._named(module, said)}
        return sorted(found)


def test_rooms_say_what_they_hand_each_other() -> None:
    assert Borders(ROOT).loose(TYPED) == []


@pytest.mark.parametrize(
    ("made", "used"),
    [
        ("def facts() -> dict[str, Any]: ...", "facts"),
        ("def keep(value: 'list[Any]') -> None: ...", "keep"),
        ("Stats = dict[str, Any]", "Stats"),
        ("class Report:\n    facts: dict[str, Any]", "Report"),
        ("class Report:\n    def plain(self) -> dict[str, Any]: ...", "Report"),
        ("class Part:\n    said: Any\nclass Whole:\n    part: Part", "Whole"),
        ("Stats = dict[str, Any]\ndef stats() -> Stats: ...", "stats"),
    ],
)
@pytest.mark.parametrize(
    "statement", ["from gr00t_data.curate.one import {}", "from gr00t_data.curate import one\none.{}"]
)
def test_an_untyped_border_is_seen(tmp_path: Path, made: str, used: str, statement: str) -> None:
    (tmp_path / "gr00t_data/curate").mkdir(parents=True)
    (tmp_path / "gr00t_model").mkdir()
    (tmp_path / "gr00t_data/curate/one.py").write_text(f"from typing import Any\n{made}\n")
    (tmp_path / "gr00t_data/curate/two.py").write_text(statement.format(used) + "\n")
    assert Borders(tmp_path).loose(["gr00t_data"]) == []
    (tmp_path / "gr00t_model/policy.py").write_text(statement.format(used) + "\n")
    assert len(Borders(tmp_path).loose(["gr00t_data"])) >= 1 and Borders(tmp_path).loose(["gr00t_model"]) == []


def circles(root: Path) -> list[set[str]]:
    """Groups of modules that import each other, also inside functions."""
    known = modules(root)
    reach = {name: {t for _, t in imported(name, file) if t in known and t != name} for name, file in known.items()}
    graph = TopologicalSorter({name: {t for t in targets if t.count(".")} for name, targets in reach.items()})
    try:
        graph.prepare()
    except CycleError as error:
        return [set(error.args[1])]
    return []


def test_no_import_circle() -> None:
    assert circles(ROOT) == []


def test_a_circle_is_seen(tmp_path: Path) -> None:
    (tmp_path / "gr00t_data").mkdir()
    (tmp_path / "gr00t_data/a.py").write_text("from gr00t_data import b\n")
    (tmp_path / "gr00t_data/b.py").write_text("def f():\n    import gr00t_data.a\n")
    assert circles(tmp_path) == [{"gr00t_data.a", "gr00t_data.b"}]


def crowds(root: Path) -> Counter[str]:
    """Folder -> how many modules lie in it, beside its ``__init__``."""
    files = [file for file in modules(root).values() if file.name != "__init__.py"]
    return Counter(file.parent.relative_to(root).as_posix() for file in files)


def test_no_folder_is_too_full() -> None:
    assert {folder: count for folder, count in crowds(ROOT).items() if count > FULLEST} == {}


def test_nothing_annotates_from_the_future() -> None:
    folders = [ROOT / name for name in (*FLOORS, "tests", "benchmarks")]
    line = "from __future__ " + "import annotations"
    assert [str(f) for folder in folders for f in folder.rglob("*.py") if f"\n{line}" in f"\n{f.read_text()}"] == []


def test_schemas_are_data() -> None:
    assert {file.suffix for file in (ROOT / "schemas").rglob("*") if file.is_file()} == {".yaml"}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("gr00t_data/store/store.py", "import gr00t_model.groot"),
        ("gr00t_data/store/store.py", "from gr00t_data.curate import checks"),
        ("gr00t_data/store/store.py", "def f():\n    import av"),
        ("gr00t_data/lerobot/v3.py", "from gr00t_data.curate import index"),
        ("gr00t_model/idm/train.py", "from gr00t_model.policy import Policy"),
        ("gr00t_model/loop/run.py", "from gr00t_model.training import config"),
        ("assets/teleop.py", "from gr00t_model.shell import main"),
        ("gr00t_data/disk.py", "from gr00t_data import batches"),
        ("gr00t_data/disk.py", "from . import sources"),
        ("gr00t_data/curate/index.py", "from gr00t_data import stages"),
        ("gr00t_data/sources/recordings/align.py", "from ...batches import window"),
        ("gr00t_data/batches/rows.py", "from gr00t_data.sources.sim import env"),
        ("gr00t_data/curate/index.py", "import gr00t_data.batches.rows"),
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
        ("gr00t_data/video/files.py", "import av"),
        ("gr00t_data/stages/mix.py", "from gr00t_data.sources import ingest\nfrom gr00t_data.batches import mixture"),
        ("gr00t_data/batches/rows.py", "from gr00t_data.curate.index import load_index\nimport torch"),
        ("gr00t_model/policy.py", "from gr00t_data.embodiment.robot import load_embodiment"),
        ("assets/teleop.py", "import dagster as dg\nfrom gr00t_data.store.store import EpisodeStore"),
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
    assert loaded_by("import gr00t_data.embodiment.robot as e; e.load_embodiment('gr1')", tmp_path, light) == "[]"
