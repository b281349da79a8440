"""Every recorded number of the published code against ours: what was compared, the largest error, the tolerance.

The recordings were made by running the published GR00T N1.5 code at tiny sizes on a CPU, in float32. Ours runs in
float32 on the CPU here. Errors are relative to the largest magnitude of the recorded tensor unless a group says
"absolute"; a tolerance of 0 counts differing elements. The same comparisons are tests
(``tests/model/groot/test_parity.py``, ``tests/data/batches/test_parity.py``).

python -m benchmarks.parity [--json] [--every] [ITEM ...]
"""

from dataclasses import asdict
from typing import Annotated

from cyclopts import CycloptsError, Parameter

from benchmarks.command import Json, command, heading, row, show
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


def table(results: list[Result], every: bool) -> list[str]:
    """Markdown: item, vectors, their number, the largest error and its tolerance, the verdict."""
    rows = [heading("item", "vectors", "compared", "largest error", "tolerance", "holds")]
    for result in results:
        if result.absent:
            rows.append(row(result.item, "-", 0, "-", "-", f"skipped: {result.absent}"))
        for name, comparisons in lines(result, every):
            worst = max(comparisons, key=lambda c: (not c.holds, c.error))
            tolerance = f"{worst.tolerance:.0e}" if worst.tolerance else "exact"
            verdict = "yes" if all(c.holds for c in comparisons) else f"NO: {worst}"
            rows.append(row(result.item, name, len(comparisons), f"{worst.error:.1e}", tolerance, verdict))
        rows += [row(result.item, name, 0, "-", "-", "NO: never compared") for name in result.uncompared]
    compared = sum(len(result.comparisons) for result in results)
    failed = sum(len(result.failures) for result in results)
    return [*rows, "", f"{compared} vectors compared, {failed} do not hold"]


@command
def main(
    items: Annotated[list[str] | None, Parameter(help="Items to compare; default: all.")] = None,
    as_json: Json = False,
    every: Annotated[bool, Parameter(help="A line for every vector instead of every group.")] = False,
) -> None:
    """Print the table; exit code 1 when something does not hold."""
    recordings = Recordings.from_environment()
    known = every_item(recordings)
    if unknown := sorted(set(items or []) - set(known)):
        raise CycloptsError(msg=f"no item {', '.join(unknown)}; known: {', '.join(known)}")
    results = [compare(name, recordings) for name in items or known]
    show({result.item: asdict(result) for result in results}, table(results, every), as_json, indent=None)
    return not any(result.failures for result in results)
