"""The shell verbs about egocentric human video: what a drop holds, and a drop into the lake."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gr00t_data.sources.human.settings import ClipSettings, HumanSettings
from gr00t_model.shell.app import InLake, Shown, progress_bar, say, tell
from gr00t_model.shell.options import verb

if TYPE_CHECKING:
    from gr00t_data.store.store import EpisodeStore

human = App(
    name="human",
    help="Egocentric video of people at work: look into a drop, and turn it into clips. "
    "Takes EPIC-KITCHENS-100, Ego4D, EgoDex, LeRobot sets of people, and a folder of videos with an optional CSV "
    "(columns video, start_s, end_s, text, participant, consent, licence).",
)

DropArgument = Annotated[Path, Parameter(help="Folder with the videos and their annotations; it is not changed.")]


@human.command
@verb
def inspect(
    drop: DropArgument,
    /,
    *,
    videos: Annotated[int, Parameter(help="Look into so many videos, evenly spread.")] = 20,
    settings: ClipSettings,
    asked: Shown,
) -> int:
    """Say what would become of a drop: footage, narrations, clips, head motion, and every problem. Nothing is written.

    Exit status 1 when no clip would come out. Example: `gr00t human inspect ~/epic --videos 5`
    """
    from gr00t_data.sources.human.inspection import inspect_drop

    with progress_bar("looking into videos") as progress:
        seen = inspect_drop(drop, settings, most_videos=max(videos, 1), progress=progress)
    if asked.as_json:
        asked.show({**seen.facts, "videos": seen.videos, "clips": seen.clips, "problems": seen.problems})
    else:
        asked.show(seen.facts, seen.videos)
        asked.show({}, seen.clips)
        for problem in seen.problems:
            tell(f"{problem['what']}: {problem['reason']}")
    return 0 if seen.clips else 1


@human.command
@verb
def ingest(
    drop: DropArgument,
    /,
    *,
    settings: HumanSettings,
    name: Annotated[str | None, Parameter(help="Name of the store; the folder's name by default.")] = None,
    asked: InLake,
) -> int:
    """Turn egocentric video into a sealed store of clips: cut, upright, faces hidden, sound dropped.

    Clips follow the narrations; shot cuts split them, fast turns of the head are cut off or masked. A kill costs one
    clip; the same command again goes on, and is a no-op when all is done. Without labels of hands the store has
    pictures and words only, which FLARE learns from. What became no clip is listed with reasons; exit status 1 then.

    Example: `gr00t human ingest ~/epic --licence CC-BY-NC-4.0`
    """
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.sources.human.ingest import ingest_human

    robot = load_embodiment(settings.robot)
    with progress_bar("cutting clips") as progress:
        store = ingest_human(drop, robot, asked.where, name=name, settings=settings, progress=progress)
    _report(store, asked)
    return 1 if store.about.source.refused else 0


def _report(store: "EpisodeStore", asked: Shown) -> None:
    from gr00t_data.sources.content import counts

    refused = [vars(one) for one in store.about.source.refused or ()]
    rows = [
        {
            "episode": row.index,
            "video": row.source.video,
            "seconds": f"{row.source.start_s:.2f} - {row.source.end_s:.2f}",
            "frames": row.length,
            "instruction": row.instruction,
            "was": "" if row.source.original == row.instruction else row.source.original,
            "labels": (row.source.hands or {})["mode"],
        }
        for row in store.rows
    ]
    facts = {
        "store": str(store.root),
        "digest": store.digest,
        **counts(store),
        "clips": len(rows),
        "frames": sum(row.length for row in store.rows),
        "licence": store.licence,
        "labels": dict(Counter(row["labels"] for row in rows)),
        "refused": refused if asked.as_json else len(refused),
    }
    asked.show(facts, rows)
    for one in () if asked.as_json else refused:
        say(f"refused {one['episode']}: {one['reason']}")
