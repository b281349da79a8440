"""A key covers all that its module runs, and nothing else; only a change of meaning changes it."""

import ast
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from gr00t_data.code_key import PACKAGES, closure_of, code_key, library_versions

ROOT = Path(__file__).parents[2]
ENTRIES = (
    "gr00t_data.curate.doctor",
    "gr00t_data.curate.gate.scores",
    "gr00t_data.sources.neural.replay",
    "gr00t_data.sources.human.detector.client",
    "gr00t_data.video.files",
    "gr00t_data.batches.statistics.kept_tallies",
    "gr00t_data.batches.mixture.motion_cache",
    "gr00t_model.training.train",
    "gr00t_model.training.batches",
    "gr00t_model.idm.train",
    "gr00t_model.idm.label",
    "gr00t_model.idm.evaluate",
    "gr00t_model.dream.train",
    "gr00t_model.dream.generate",
    "gr00t_model.grounding.ground",
    "gr00t_model.evaluate.closed_loop",
    "gr00t_model.stages.gate",
)
"""The modules whose key names work that is found again."""

# Of what a module says, only these follow: what they change is how something is shown, read from a file, or started.
WITHOUT_RESULT = {
    "rich",
    "yaml",
    "pydantic",
    "pydantic_core",
    "psutil",
    "safetensors",
    "tensorboard",
    "jaxtyping",
    "ftfy",
    "polars",
}
WITHOUT_RESULT |= {"accelerate", "peft", "tokenizers", "transformers", "PIL", "bitsandbytes", "cosmos_guardrail"}
WITHOUT_RESULT |= {"wandb", "mlflow"}


def known(root: Path) -> dict[str, Path]:
    files = [file for package in PACKAGES for file in (root / package).rglob("*.py")]
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def tree(folder: Path, files: dict[str, str]) -> Path:
    """A project of its own below ``folder``: file -> text, with the packages and ``__init__.py`` where they lack."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for above in path.relative_to(folder).parents:
            if above.parts:
                (folder / above / "__init__.py").touch()
    return folder


def digest(folder: Path, entry: str = "gr00t_data.a") -> dict[str, str]:
    return closure_of(entry, folder)


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Module -> modules it imports anywhere, typing blocks left out: told by another reading than the product's."""
    found: dict[str, set[str]] = {}
    modules = known(ROOT)
    for name, file in modules.items():
        text = ast.parse(file.read_text())
        for node in ast.walk(text):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                node.body = [ast.Pass()]
        lines = [node for node in ast.walk(text) if isinstance(node, ast.Import | ast.ImportFrom)]
        said = {a.name for n in lines if isinstance(n, ast.Import) for a in n.names}
        said |= {x for n in lines if isinstance(n, ast.ImportFrom) for x in _names(n)}
        found[name] = said & modules.keys()
    return found


def _names(node: ast.ImportFrom) -> set[str]:
    return {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_module_of_a_closure_counts_and_no_other(entry: str, imports, tmp_path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    reached, waiting = set(), [entry]
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting += imports[name]
    before = closure_of(entry, tmp_path)
    assert reached <= before.keys()
    modules = known(tmp_path)
    for name in before.keys() & modules.keys():
        text = modules[name].read_text()
        modules[name].write_text(f"{text}\n_CHANGED = 1\n")
        assert closure_of(entry, tmp_path) != before, name
        modules[name].write_text(text)
    assert modules.keys() - before.keys()
    for name in modules.keys() - before.keys():
        modules[name].write_text(f"{modules[name].read_text()}\n_CHANGED = 1\n")
    assert closure_of(entry, tmp_path) == before


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_libraries_of_a_closure_are_declared(entry: str) -> None:
    """Each distribution that the code imports and whose version can change the result."""
    distributions = packages_distributions()
    modules = known(ROOT)
    trees = [ast.parse(modules[name].read_bytes()) for name in closure_of(entry) if name in modules]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    tops = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    tops |= {(node.module or "").partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    declared = {name.casefold() for name in library_versions(entry)}
    needed = {top: distributions[top] for top in tops & distributions.keys() - WITHOUT_RESULT - {*PACKAGES}}
    assert {top: names for top, names in needed.items() if not declared & {n.casefold() for n in names}} == {}


BOTH = {"gr00t_data/a.py": "from gr00t_data import b\n\nLIMIT = 3\n", "gr00t_data/b.py": "STEP = 2\n"}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("# a comment\nfrom gr00t_data import (\n    b,\n)\nLIMIT    =   3\n", True),
        ('"""What it is for."""\nfrom gr00t_data import b\n\nLIMIT = 3\n"""The most."""\n', True),
        ("from gr00t_data import b\n\nLIMIT = 4\n", False),
        ("from gr00t_data import b\n\nLIMIT = 3.0\n", False),
        ("from gr00t_data import b\n\nLIMIT = 3\nprint(__doc__)\n", False),
        ("from gr00t_data import b\n\nLIMIT: int = 3\n", False),
    ],
)
def test_only_meaning_counts(tmp_path, text: str, same: bool) -> None:
    changed = tree(tmp_path / "new", BOTH | {"gr00t_data/a.py": text})
    assert (digest(changed) == digest(tree(tmp_path / "old", BOTH))) == same


def test_a_docstring_that_is_read_counts(tmp_path) -> None:
    one, other = (tree(tmp_path / word, {"gr00t_data/a.py": f'"""{word}"""\nprint(__doc__)\n'}) for word in "xy")
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    "text",
    [
        "import gr00t_data.rooms.b",
        "def f():\n    from gr00t_data.rooms.b import STEP",
        "class A:\n    def f(self):\n        from .rooms import b",
        "from .rooms.b import STEP as _step",
        "COMMAND = ['python', '-m', 'gr00t_data.rooms.b']",
        "from gr00t_data import rooms\nimport pkgutil\nFOUND = pkgutil.iter_modules(rooms.__path__)",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import gr00t_data.rooms.b",
        "PROGRAM = Path(__file__).with_name('program.py')",
        "try:\n    import gr00t_data.rooms.b\nexcept ImportError:\n    pass",
    ],
)
def test_every_way_to_run_a_module_is_followed(tmp_path, text: str) -> None:
    files = {"gr00t_data/a.py": text, "gr00t_data/rooms/b.py": "from gr00t_data import c", "gr00t_data/c.py": ""}
    files["gr00t_data/program.py"] = "import gr00t_data.rooms.b"
    assert {"gr00t_data.rooms.b", "gr00t_data.c", "gr00t_data.rooms"} <= digest(tree(tmp_path, files)).keys()


@pytest.mark.parametrize(
    "text",
    [
        "if TYPE_CHECKING:\n    import gr00t_data.b",
        "import typing\nif typing.TYPE_CHECKING:\n    import gr00t_data.b",
        "KEY = code_key('gr00t_data.b')",
        "# import gr00t_data.b",
    ],
)
def test_what_runs_nothing_is_not_followed(tmp_path, text: str) -> None:
    found = digest(tree(tmp_path, {"gr00t_data/a.py": text, "gr00t_data/b.py": ""}))
    assert found.keys() == {"gr00t_data", "gr00t_data.a"}


def test_a_file_beside_a_module_that_names_it_counts(tmp_path) -> None:
    folder = tree(tmp_path, {"gr00t_data/a.py": "PAGE = 'page.html.j2'\n"})
    assert digest(folder).keys() == {"gr00t_data", "gr00t_data.a"}
    (folder / "gr00t_data/page.html.j2").write_text("one")
    first = digest(folder)
    (folder / "gr00t_data/page.html.j2").write_text("two")
    assert "gr00t_data/page.html.j2" in first and digest(folder) != first


def test_libraries_count(tmp_path, monkeypatch) -> None:
    folder = tree(tmp_path, {"gr00t_data/a.py": "LIBRARIES = ('numpy', 'no-such-library')\n"})
    found = library_versions("gr00t_data.a", folder)
    assert found.keys() == {"numpy", "no-such-library"} and found["no-such-library"] == "not installed"


def test_no_such_module_is_named() -> None:
    with pytest.raises(ValueError, match=r"gr00t_data\.nowhere: no module of gr00t_data or gr00t_model below"):
        code_key("gr00t_data.nowhere")


def test_what_was_read_is_kept_for_the_next_process_and_damage_is_read_again(tmp_path) -> None:
    """In a copy: the key is the same read anew, kept, and with a damaged or foreign file where it was kept."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    program = "from gr00t_data.code_key import code_key; print(code_key('gr00t_data.curate.doctor'))"

    def asked() -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    first, (kept,) = asked(), [*(tmp_path / "gr00t_data/__pycache__").glob("code_key*.json")]
    assert asked() == first
    for damage in ("", "{", "[]", '{"by": "another", "said": {}}', kept.read_text()[:-40]):
        kept.write_text(damage)
        assert asked() == first
    (tmp_path / "gr00t_data/rates.py").write_text("ANOTHER = 1\n" + (tmp_path / "gr00t_data/rates.py").read_text())
    assert asked() != first
