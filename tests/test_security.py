"""What no module may do: unpickle, load YAML that makes objects, unpack archives by itself, run texts as code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("gr00t_data", "gr00t_model", "assets", "pipelines", "benchmarks")

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "pty"}
"""Reading with these runs what a file says."""
WITH_CARE = {
    "tarfile": ("gr00t_data/sources/landing/archive.py", "benchmarks/hostile/landing.py"),
    "zipfile": (
        "gr00t_data/sources/landing/archive.py",
        "gr00t_data/sources/human/hands/vitra.py",
        "benchmarks/hostile/landing.py",
    ),
    "urllib.request": ("pipelines/alerts.py", "gr00t_data/curate/gate/opinion.py"),
}
"""Modules that need care, and who takes it: archive members and the schemes of addresses are checked there, and bad
archives are only written."""
CALLS = {
    *("torch.load", "torch.save", "torch.hub", "torch.jit.load", "torch.package"),
    *("numpy.fromregex", "numpy.lib.format.read_array", "pandas.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load", "yaml.unsafe_load_all"),
    *("yaml.Loader", "yaml.FullLoader", "yaml.UnsafeLoader"),
    *("shutil.unpack_archive", "os.system", "os.popen", "tempfile.mktemp", "eval", "exec"),
}
METHODS = {"extractall", "unpack_archive", "read_pickle", "to_pickle"}
OPTIONS = {"allow_pickle", "trust_remote_code", "shell", "weights_only"}
"""Keyword arguments that may only be False (``weights_only`` belongs to torch.load, which is not called at all)."""


def dangers(source: str, name: str) -> Iterator[str]:
    """``line: what`` for everything in a module that is forbidden."""
    tree = ast.parse(source)
    known = dict(_imported(tree))
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for module in _modules_of(node):
            allowed = next((places for one, places in WITH_CARE.items() if _within(module, one)), (name,))
            if module.split(".")[0] in MODULES or name not in allowed:
                yield f"{line}: imports {module}"
        if isinstance(node, ast.alias) and any(_within(known.get(node.asname or node.name, ""), one) for one in CALLS):
            yield f"{line}: imports {known[node.asname or node.name]}"
        if isinstance(node, ast.Attribute | ast.Name) and (full := _full_name(node, known)) in CALLS:
            yield f"{line}: {full}"
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            yield f"{line}: .{node.attr}"
        if isinstance(node, ast.keyword) and node.arg in OPTIONS and not _is_false(node.value):
            yield f"{node.value.lineno}: {node.arg} that is not False"


def _modules_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and _full_name(node.func, {}) in ("__import__", "importlib.import_module"):
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return []


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Name in the module -> what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _full_name(node: ast.expr, known: dict[str, str]) -> str:
    """``np.load`` as ``numpy.load``; an empty text for anything that is no dotted name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([known.get(node.id) or node.id, *reversed(parts)])


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def test_nothing_in_the_tree_is_dangerous() -> None:
    found = []
    for file in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))):
        name = file.relative_to(ROOT).as_posix()
        found += [f"{name}:{one}" for one in dangers(file.read_text(encoding="utf-8"), name)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads as read",
        "def f():\n    import joblib",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import numpy as np\nnp.load('x', allow_pickle=flag)",
        "import torch\ntorch.load('x')",
        "import torch as t\nt.load('x')",
        "from torch import load\nload('x')",
        "import yaml\nyaml.load('x', Loader=yaml.Loader)",
        "from yaml import unsafe_load",
        "import tarfile",
        "from zipfile import ZipFile",
        "archive.extractall('x')",
        "from shutil import unpack_archive",
        "import os\nos.system('x')",
        "import subprocess\nsubprocess.run('x', shell=True)",
        "eval('1')",
        "import importlib\nimportlib.import_module('pickle')",
        "AutoModel.from_pretrained('x', trust_remote_code=True)",
        "from urllib.request import urlopen",
        "import urllib.request as web",
    ],
)
def test_a_danger_is_seen(source: str) -> None:
    assert list(dangers(source, "gr00t_data/x.py"))


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.load('x', mmap_mode='r')\nnp.load('x', allow_pickle=False)",
        "import yaml\nyaml.safe_load('x')",
        "model.eval()\nself.load('x')\ncache.load('y')",
        "from safetensors.torch import load_file\nload_file('x')",
        "from urllib.parse import urlsplit",
        "import subprocess\nsubprocess.run(['x'], shell=False)",
    ],
)
def test_what_is_safe_is_no_danger(source: str) -> None:
    assert list(dangers(source, "gr00t_data/x.py")) == []
