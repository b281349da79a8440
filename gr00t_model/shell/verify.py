"""The shell verb `gr00t verify`."""

from typing import Annotated, Any

from cyclopts import Parameter

from gr00t_model.shell.app import InLake, progress_bar, tell
from gr00t_model.shell.options import verb

_MB = 1_000_000


@verb
def verify(
    what: Annotated[
        str, Parameter(help="A lake, store, checkpoint, run or any folder of them, by path or name; else the lake.")
    ] = "",
    /,
    *,
    asked: InLake,
) -> int:
    """Hash every file in full and compare it with what was recorded of it; say what mends what is damaged.

    Files that nobody recorded, made before or by others, are counted as that. Exit status 1 when something is wrong.

    Example: `gr00t verify`
    Example: `gr00t verify released_gr1`
    """
    from gr00t_model.stages.verify import named_in
    from gr00t_model.stages.verify import verify as verified

    root = named_in(asked.where, what)
    with progress_bar("hashing, MB") as progress:
        found = verified(root, lambda done, total: progress(-(-done // _MB), -(-total // _MB)))
    rows = [{name.replace("_", " "): count for name, count in vars(kind).items()} for kind in found.kinds.values()]
    faults = [{"kind": kind.name, **vars(fault), "remedy": kind.remedy} for kind, fault in found.faults]
    _show({"verified": str(root)}, rows, faults, asked)
    return 1 if faults else 0


def _show(facts: dict[str, object], rows: list[dict[str, Any]], faults: list[dict[str, Any]], asked: InLake) -> None:
    facts |= {name: sum(row[name] for row in rows) for name in ("files", "bytes", "not recorded", "faults")}
    if asked.as_json:
        asked.show({**facts, "faults": faults}, rows)
        return
    asked.show(facts, rows)
    for one in faults:
        told = one["told"].removeprefix(one["file"]).removeprefix(":").strip()
        tell(f"{one['what']}: {one['file']}: {told}; {one['remedy']}")
