"""The kinds of files that a lake holds: where each lies, and what mends one that is damaged. No torch."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from gr00t_data.integrity import RECORD
from gr00t_data.lake import root_above
from gr00t_data.store.store import SEAL


@dataclass(frozen=True)
class Kind:
    """What a file is.

    Attributes:
        name: for people.
        remedy: what to do about a damaged one.
        ours: whether this project wrote it, so that it can be read as what it says it is.
    """

    name: str
    remedy: str
    ours: bool = True


_AGAIN = "delete it, it is made again"
_TRAINED = "copy the whole folder again from where it was made, or train again"
_KINDS = {
    "stores/*": Kind("store", "copy the whole store again, or ingest its drop again under another name"),
    "index/*": Kind("index", f"{_AGAIN} by the next `gr00t check`"),
    "statistics/tallies/*": Kind("tally", f"{_AGAIN} by the next `gr00t stats`"),
    "statistics/*": Kind("statistics", "delete it, and measure again: `gr00t stats`"),
    "mixtures/*": Kind("mixture", "delete it, and make it again: `gr00t mix` with its settings"),
    "cache/*": Kind("cache", f"{_AGAIN} when it is asked for"),
    "bases/*": Kind("base model", "copy the whole folder again, or make it again: `gr00t ground`"),
    "*runs/*/states/*": Kind("state", "`gr00t checkpoints RUN --mend` sets it aside, then train on"),
    "*run/states/*": Kind("state", "delete its folder, and train on from the state before"),
    "*runs/*/checkpoint/*": Kind("checkpoint", _TRAINED),
    "*runs/*/exports/*": Kind("checkpoint", f"{_AGAIN} by `gr00t checkpoints RUN --at STEP`"),
    "*runs/*/encoded/*": Kind("cache", f"{_AGAIN} when it is asked for"),
    "*runs/*": Kind("run", "`gr00t checkpoints RUN --mend` sets aside what is damaged, then train on"),
    "reproductions/*/states/*": Kind("state", "`gr00t checkpoints RUN --mend` sets it aside, then train on"),
    "reproductions/*": Kind("reproduction", f"{_AGAIN} by `gr00t reproduce`"),
    "checkpoints/*": Kind("checkpoint", _TRAINED),
    "evaluations/*": Kind("evaluation", "delete its folder, and evaluate again: `gr00t eval`"),
    "served/*": Kind("exported model", f"{_AGAIN} with `served_ROBOT`, or by `gr00t export`"),
    "releases/*/history.json": Kind("release history", "put it back from a copy: nothing else knows what was released"),
    "releases/*": Kind("model card", "put its folder back from a copy, or delete it and release again"),
    "current/*": Kind("pointer", "make again what it names: `dagster asset materialize --select NAME`"),
    "idm/*": Kind("inverse dynamics model", f"{_TRAINED}: `gr00t idm train`"),
    "dreams/*": Kind("dream", "delete its folder, and generate again: `gr00t dream`"),
    "gate/*": Kind("gate report", "delete its folder, and judge again: `gr00t gate`"),
    "sheets/*": Kind("contact sheet", f"{_AGAIN} with `human_clips`"),
    "landed/*": Kind("landing record", "delete it: the drop is taken in once more, and compared with its store"),
    "failed/*": Kind("landing record", "delete it: the drop is tried again"),
    "fetched/*": Kind("landing record", "delete it: the drop is fetched again"),
    "withdrawn*": Kind("withdrawals", "put it back from a copy"),
    "landing/*": Kind("drop", "copy the drop again", ours=False),
    "embodiments/*": Kind("embodiment", "put it back from a copy", ours=False),
}
"""Pattern of the place in a lake -> kind; the first one that fits."""
_OTHER = Kind("other", "put it back from a copy")
_SIGNS = (
    (SEAL, "stores/"),
    ("RUN.json", "runs/"),
    ("idm.json", "idm/"),
    ("train_config.json", "checkpoints/"),
    ("lineage.json", "checkpoints/"),
    ("state.json", "runs/run/states/"),
    ("report.json", "evaluations/"),
    (RECORD, "checkpoints/"),
)
"""File -> where a folder that holds it would lie in a lake, for one that lies in none."""


def kind_of(path: Path, above: str) -> Kind:
    """The kind of a file or folder.

    Args:
        above: how its place begins, see ``place_of``.
    """
    place = (above + path.as_posix()).removesuffix("/.")
    forms = place, f"{place}/"
    fits = (kind for pattern, kind in _KINDS.items() if any(fnmatchcase(form, pattern) for form in forms))
    return next(fits, _OTHER)


def place_of(root: Path) -> str:
    """How the places of what lies in ``root`` begin: its own place in its lake, or the one that its files tell.

    Returns:
        a text that ends with a slash; empty for a lake.
    """
    lake = root_above(root / "any")
    if lake is not None:
        inside = root.absolute().relative_to(lake).as_posix()
        return "" if inside == "." else f"{inside}/"
    place = next((place for sign, place in _SIGNS if (root / sign).is_file()), "")
    return f"{place}{root.name}/" if place else ""
