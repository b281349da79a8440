"""Sizes in lines of files and functions, and how many functions say all their types."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def files(*folders: str) -> list[Path]:
    """The Python files of these folders of the repository."""
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def lengths(paths: Iterable[Path]) -> list[int]:
    """Lines of each file, comments and empty ones too."""
    return [len(path.read_bytes().splitlines()) for path in paths]


def functions(paths: Iterable[Path]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, inner ones too."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to its end, docstring included."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def annotated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether every argument but ``self`` and ``cls`` has a type, and what is returned too."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return function.returns is not None and all(one.annotation or one.arg in ("self", "cls") for one in every)
