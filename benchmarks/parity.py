"""Every recorded number of the published code against ours: what was compared, the largest error, the tolerance.

The recordings were made by running the published GR00T N1.5 code at tiny sizes on a CPU, in float32. Ours runs in
float32 on the CPU here. Errors are relative to the largest magnitude of the recorded tensor unless a group says
"absolute"; a tolerance of 0 counts differing elements. The same comparisons are tests
(``tests/model/groot/test_parity.py``, ``tests/data/batches/test_parity.py``).

python -m benchmarks.parity [--json] [--every] [ITEM ...]
"""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from benchmarks.recorded.items import Result, compare, every_item
from benchmarks.recorded.recording import Comparison, Recordings

Line = tuple[str, list[Comparison]]


def lines(result: Result, every: bool) -> list[Line]:
    """The groups of an item, or every vector by itself."""
    if every:
        return [(comparison.vector, [comparison]) for comparison in result.comparisons]
    groups: dict[str, list[Comparison]] = {}
    for comparison in result.comparisons:
        groups.setdefault(comparison.group, []).append(comparison)
    return list(groups.items())


def table(results: list[Result], every: bool) -> str:
    """Markdown: item, vectors, their number, the largest error and its tolerance, the verdict."""
    rows = ["| item | vectors | compared | largest error | tolerance | holds |", "|---|---|---|---|---|---|"]
    for result in results:
        if result.absent:
            rows.append(f"| {result.item} | - | 0 | - | - | skipped: {result.absent} |")
        for name, comparisons in lines(result, every):
            worst = max(comparisons, key=lambda c: (not c.holds, c.error))
            tolerance = f"{worst.tolerance:.0e}" if worst.tolerance else "exact"
            verdict = "yes" if all(c.holds for c in comparisons) else f"NO: {worst}"
            rows.append(
                f"| {result.item} | {name} | {len(comparisons)} | {worst.error:.1e} | {tolerance} | {verdict} |"
            )
        rows += [f"| {result.item} | {name} | 0 | - | - | NO: never compared |" for name in result.uncompared]
    compared = sum(len(result.comparisons) for result in results)
    failed = sum(len(result.failures) for result in results)
    return "\n".join([*rows, "", f"{compared} vectors compared, {failed} do not hold"])


def main(
    items: Annotated[list[str] | None, typer.Argument(help="Items to compare; default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
    every: Annotated[bool, typer.Option(help="A line for every vector instead of every group.")] = False,
) -> None:
    """Print the table; exit code 1 when something does not hold."""
    recordings = Recordings.from_environment()
    known = every_item(recordings)
    if unknown := sorted(set(items or []) - set(known)):
        raise typer.BadParameter(f"no item {', '.join(unknown)}; known: {', '.join(known)}")
    results = [compare(name, recordings) for name in items or known]
    if as_json:
        json.dump({result.item: asdict(result) for result in results}, sys.stdout)
    else:
        print(table(results, every))
    if any(result.failures for result in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
