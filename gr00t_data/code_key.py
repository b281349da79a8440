"""The key of a piece of code: one hash of everything in this project that it can run, found by following its imports.

Work is found again by its key, and the code that did it is part of that key. No list says which files these are: the
key of a module covers the module and all that it imports, directly or through others, inside functions too.

Meaning counts: comments, formatting and docstrings change no key. Nothing is imported to make one.
"""

import ast
import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

from gr00t_data.disk import digest_json
from gr00t_data.integrity import read_sealed, write_sealed

ROOT = Path(__file__).parents[1]
PACKAGES = ("gr00t_data", "gr00t_model")
LIBRARIES = "LIBRARIES"
"""A module that a key is asked of names in this tuple the distributions whose version can change what it does."""

_FILE_NAME = re.compile(r"[\w.-]+\.\w+")
_MOST_KEPT = 2000
_ASKING = ("code_key", "library_versions")


class Said(NamedTuple):
    """What the text of one module says.

    Attributes:
        digest: SHA-256 of its meaning.
        names: what it imports, and strings that may name a module (for ``python -m``) or a file beside it.
        searched: it looks into its folder for modules (``__path__``).
    """

    digest: str
    names: Sequence[str]
    searched: bool


@lru_cache(maxsize=256)
def code_key(entry_module: str) -> str:
    """SHA-256 (hex) of the import closure of a module and of the versions of the libraries that it declares.

    The code as it was when it was first asked for: a process works by one state of it.

    Args:
        entry_module: dotted name, ``gr00t_model.training.train``.

    Raises:
        ValueError: there is no such module in this project.
    """
    return digest_json({"code": closure_of(entry_module), "libraries": library_versions(entry_module)})


def closure_of(entry_module: str, root: Path = ROOT) -> dict[str, str]:
    """Module, or file that one of them reads -> SHA-256 of what it means.

    Args:
        root: the folder that holds the packages.

    Raises:
        ValueError: there is no such module.
    """
    known, found, waiting, kept = _modules(root), {}, [entry_module], _kept()
    if entry_module not in known:
        raise ValueError(f"{entry_module}: no module of {' or '.join(PACKAGES)} below {root}")
    while waiting:
        name = waiting.pop()
        if name not in found:
            file = known[name]
            said = kept.said(file.read_bytes(), name if file.name == "__init__.py" else name.rpartition(".")[0])
            found[name] = said.digest
            waiting += [one for one in _searched(name, said, known) if one in known]
            for path in {file.with_name(one) for one in said.names if _FILE_NAME.fullmatch(one)}:
                if path.suffix != ".py" and path.is_file():
                    found[path.relative_to(root).as_posix()] = _digest(path.read_bytes())
    kept.save()
    return found


def _searched(name: str, said: Said, known: Mapping[str, Path]) -> set[str]:
    """The names that a module can run, with all below the folders that it looks into."""
    package = name.rpartition(".")[0]
    beside = {f"{package}.{one.removesuffix('.py')}" for one in said.names if one.endswith(".py")}
    names = {*said.names, *beside, package}
    if not said.searched:
        return names
    folders = [one for one in {*names, name} & known.keys() if known[one].name == "__init__.py"]
    return names | {other for other in known if any(other.startswith(f"{one}.") for one in folders)}


def library_versions(module: str, root: Path = ROOT) -> dict[str, str]:
    """Distribution -> installed version, of those in ``LIBRARIES`` of a module; empty when it declares none."""
    for node in ast.parse(_modules(root)[module].read_bytes()).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == LIBRARIES for t in node.targets):
            return {name: installed_version(name) for name in ast.literal_eval(node.value)}
    return {}


@lru_cache(maxsize=256)
def installed_version(name: str) -> str:
    """Version of an installed distribution, or ``not installed``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _modules(root: Path) -> dict[str, Path]:
    files = (file for package in PACKAGES for file in (root / package).rglob("*.py"))
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Kept:
    """What modules say, by the hash of their text, kept where Python keeps what it compiled: parsing takes longest."""

    def __init__(self) -> None:
        self._path = Path(cache_from_source(__file__)).with_suffix(".json")
        self._by = _digest(Path(__file__).read_bytes())
        self._new = False
        self._asked: set[str] = set()
        try:
            kept = read_sealed(self._path)
            self._said = {key: Said(*one) for key, one in kept["said"].items()} if kept["by"] == self._by else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._said: dict[str, Said] = {}

    def said(self, text: bytes, package: str) -> Said:
        """What a text says, as a module of ``package``."""
        key = f"{package} {_digest(text)}"
        if key not in self._said:
            self._said[key] = _said(text, package)
            self._new = True
        self._asked.add(key)
        return self._said[key]

    def save(self) -> None:
        """Leave what is new for the next process; a folder that cannot be written keeps nothing."""
        if self._new:
            self._new = False
            few = len(self._said) <= _MOST_KEPT
            kept = {key: said for key, said in self._said.items() if few or key in self._asked}
            with contextlib.suppress(OSError):
                write_sealed(self._path, {"by": self._by, "said": kept})


@lru_cache(maxsize=1)
def _kept() -> _Kept:
    return _Kept()


def _said(text: bytes, package: str) -> Said:
    names, searched = set(), False
    tree = ast.parse(text)
    for node in _running(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, package)
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
        searched |= "__path__" in (getattr(node, "id", ""), getattr(node, "attr", ""))
    words = "\0".join(_meaning(tree, b"__doc__" in text))
    named = sorted(name for name in names if name.startswith(PACKAGES) or _FILE_NAME.fullmatch(name))
    return Said(_digest(words.encode("utf-8", "surrogatepass")), named, searched)


def _origin(node: ast.ImportFrom, package: str) -> str:
    """The module that an import names, with the dots of a relative one resolved."""
    above = package.split(".")[: -(node.level - 1) or None] if node.level else []
    return ".".join([*above, *filter(None, [node.module])])


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that run nothing: imports for types only, and names of modules whose key is asked for."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ASKING:
        return
    yield node
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
        children = node.orelse
    for child in children:
        yield from _running(child)


def _meaning(node: object, documented: bool) -> Iterator[str]:
    """The tree as words, without positions and, unless the module uses its docstrings, without those."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for field in node._fields:
            if field not in ("kind", "type_comment"):
                yield from _meaning(getattr(node, field, None), documented)
    elif isinstance(node, list):
        yield "["
        for one in node:
            if documented or not _is_text(one):
                yield from _meaning(one, documented)
        yield "]"
    else:
        yield repr(node)


def _is_text(node: object) -> bool:
    """A string on its own: a docstring, or one behind an attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
