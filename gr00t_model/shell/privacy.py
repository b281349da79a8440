"""The shell verb of withdrawals: someone in the videos takes the consent back."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from gr00t_data.lake import Lake, working
from gr00t_model.shell.app import InLake
from gr00t_model.shell.options import verb

if TYPE_CHECKING:
    from gr00t_data.terms.withdrawal import Withdrawal


@verb
def withdraw(
    participant: Annotated[str, Parameter(help="Who, as the dataset names them, for example P07.")] = "",
    /,
    *,
    reason: Annotated[str, Parameter(help="Why, in a few words; kept in the list.")] = "",
    dataset: Annotated[str | None, Parameter(help="Only this dataset's participant of that name.")] = None,
    video: Annotated[str | None, Parameter(help="Only this video; also where nobody is named.")] = None,
    listing: Annotated[bool, Parameter("--list", help="Who withdrew so far.")] = False,
    purge: Annotated[
        bool,
        Parameter(help="Also delete their pictures, rows, decoded copies, cached features and found hands. For good."),
    ] = False,
    undo: Annotated[bool, Parameter(help="Take an entry written by mistake off the list.")] = False,
    ahead: Annotated[bool, Parameter(help="Also when the lake holds nothing of theirs yet.")] = False,
    asked: InLake,
) -> int:
    """Take a participant's clips out of everything to come, and name all that has seen them.

    Every index rejects the clips (CONSENT-01), the next mixtures do not hold them, mixtures made before refuse to be
    trained on, and footage that lands later is refused. Sealed stores are not rewritten, and weights cannot unlearn:
    the checkpoints and runs listed here have to be dealt with by you. What was dreamt from a first frame of theirs is
    theirs as well.

    Names are compared without regard to case, to how accents are composed, and to blanks around them. A name that
    matches nothing is an error with the nearest names, and nobody is written down. Exit status 1 when a store could not
    be looked into.

    With --purge the files of the clips are deleted as well. The originals in the landing are only named.

    Example: `gr00t withdraw P07 --reason "mail of 3 May"`
    Example: `gr00t withdraw --list`
    """
    from gr00t_data.terms.withdrawal import Withdrawal, WithdrawalError

    where = asked.where
    if listing:
        asked.show({}, _listed(where))
        return 0
    entry = Withdrawal(participant, dataset, video, reason)
    if undo:
        asked.show(_undone(where, entry))
        return 0
    if not entry.names_somebody:
        raise WithdrawalError("name who withdraws: `gr00t withdraw P07`, or a video with --video")
    facts, rows = withdraw_from(where, entry, ahead=ahead)
    if purge:
        facts |= _purged(where, entry)
    asked.show(facts, rows)
    return int(any(row["what"].startswith("unreadable") for row in rows))


@working
def withdraw_from(
    lake: Lake, entry: "Withdrawal", *, ahead: bool = False
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write the entry down and bring every index of the lake up to date; what was reached, and what has seen it.

    Args:
        ahead: also when nothing in the lake is of that person.

    Raises:
        WithdrawalError: nothing is, and nobody said ``ahead``; nothing was written down.
    """
    from gr00t_data.curate.withdrawn import bring_up_to_date
    from gr00t_data.store.store import sealed_in
    from gr00t_data.terms.withdrawal import add, read, require_match
    from gr00t_model.lineage.lineage import unreadable
    from gr00t_model.lineage.people import of_participant, reach
    from gr00t_model.lineage.record import LineageError

    if not ahead and not reach(lake, entry):
        require_match(lake, entry)
    written = add(lake, entry)
    every = read(lake.root)
    changed = [path for store in sealed_in(lake.stores) for path in bring_up_to_date(lake.index, store, every)]
    try:
        rows = of_participant(lake, entry.participant, entry.dataset, entry.video)
    except LineageError:
        rows = unreadable(lake)
    seen = [row for row in rows if row.what != "clip"]
    unknown = [row.name for row in rows if row.what.startswith("unreadable")]
    facts = {
        "withdrawn": written.who,
        "since": written.at,
        "clips rejected": sum(row.what == "clip" for row in rows) or "none: the lake holds nothing of theirs yet",
        "indexes rewritten": len(changed),
        "mixtures that hold them": sum(row.what == "manifest" for row in seen),
        "checkpoints that saw them": sum(row.what.startswith("checkpoint") for row in seen),
        "runs that trained on them": len({row.path for row in seen if row.what == "run"}),
    } | ({"could not be looked into": unknown} if unknown else {})
    return facts, [vars(row) for row in rows]


def _purged(lake: Lake, entry: "Withdrawal") -> dict[str, Any]:
    from gr00t_data.sources.human.detector.client import forget
    from gr00t_data.terms.purge import footage, originals, purge

    left = [str(path) for path in originals(lake, entry)]
    deleted, forgotten = len(purge(lake, entry)), sum(map(forget, footage(lake, entry)))
    return {
        "files deleted": deleted,
        "videos whose found hands were deleted": forgotten,
        "originals left to you": left or "none",
        "pictures left to you": "thumbnails in Dagster's event log: wipe the materializations of these assets there",
    }


@working
def _undone(lake: Lake, entry: "Withdrawal") -> dict[str, Any]:
    from gr00t_data.curate.withdrawn import forget
    from gr00t_data.terms.withdrawal import remove

    removed = remove(lake, entry.participant, entry.dataset, entry.video)
    files = [path for clip in removed.clips for path in forget(lake.index, clip.digest)]
    return {"taken off the list": removed.who, "indexes to be made again": len(files)}


def _listed(lake: Lake) -> list[dict[str, Any]]:
    from gr00t_data.terms.withdrawal import read

    return [
        {
            "participant": entry.participant or "-",
            "dataset": entry.dataset or "all",
            "video": entry.video or "all",
            "since": entry.at,
            "reason": entry.reason,
            "clips": sum(len(clip.episodes) for clip in entry.clips),
        }
        for entry in read(lake.root).entries
    ]
