"""The shell verbs about egocentric human video: what a drop holds, and a drop into the lake."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.shell.ingest import EmbodimentOption, JsonOption, LakeOption, app, console, lake_at, progress_bar, show

human_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Egocentric video of people at work: look into a drop, and turn it into clips. "
    "Takes EPIC-KITCHENS-100, Ego4D, EgoDex, LeRobot sets of people, and a folder of videos with an optional CSV "
    "(columns video, start_s, end_s, text, participant, consent, licence).",
)
app.add_typer(human_app, name="human")

DropArgument = Annotated[Path, typer.Argument(help="Folder with the videos and their annotations; it is not changed.")]
HeadOption = Annotated[
    float,
    typer.Option("--head-limit", min=0.05, help="Fastest view that is kept: longer sides of the picture a second."),
]
ShortestOption = Annotated[float, typer.Option("--shortest", min=0.2, help="Shortest clip, seconds.")]
LongestOption = Annotated[float, typer.Option("--longest", min=0.2, help="Longest clip, seconds; longer are divided.")]
OverlapOption = Annotated[
    float, typer.Option("--overlap", min=0, max=1, help="Share that two clips may have in common; 1 keeps all.")
]
InstructionOption = Annotated[
    str | None,
    typer.Option("--instruction", help="What is done in videos that nobody narrated; else they are left."),
]
LabelsOption = Annotated[
    str,
    typer.Option("--labels", help="action-free: pictures and words only. wrist: only clips with hands known in space."),
]
SlowDownOption = Annotated[
    float,
    typer.Option("--slow-down", min=1, max=20, help="Wrist labels: seconds of the robot for one of the person."),
]
FillGapsOption = Annotated[
    float, typer.Option("--fill-gaps", min=0, max=1, help="Wrist labels: longest gap in a track that is filled, s.")
]
HandsOption = Annotated[
    str | None,
    typer.Option("--hands", help="mediapipe looks for hands where no file of tracks lies (see `gr00t hands`)."),
]
FacesOption = Annotated[
    str, typer.Option("--faces", help="auto hides faces; none states that nobody's face is in the videos.")
]


@human_app.command("inspect")
def inspect(
    drop: DropArgument,
    videos: Annotated[int, typer.Option(min=1, help="Look into so many videos, evenly spread.")] = 20,
    head_limit: HeadOption = 0.6,
    shortest: ShortestOption = 1.0,
    longest: LongestOption = 10.0,
    overlap: OverlapOption = 0.5,
    instruction: InstructionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would become of a drop: footage, narrations, clips, head motion, and every problem. Nothing is written.

    Exit status 1 when no clip would come out. Example: `gr00t human inspect ~/epic --videos 5`
    """
    from gr00t_data.sources.human.inspection import inspect_drop

    settings = _clip_settings(head_limit, shortest, longest, overlap, instruction)
    with progress_bar("looking into videos") as progress:
        seen = inspect_drop(drop, settings, most_videos=videos, progress=progress)
    if as_json:
        show({**seen.facts, "videos": seen.videos, "clips": seen.clips, "problems": seen.problems}, True)
    else:
        show(seen.facts, False, seen.videos)
        show({}, False, seen.clips)
        for problem in seen.problems:
            typer.echo(f"{problem['what']}: {problem['reason']}")
    raise typer.Exit(0 if seen.clips else 1)


@human_app.command("ingest")
def ingest(
    drop: DropArgument,
    embodiment: EmbodimentOption = "human_hands",
    name: Annotated[str | None, typer.Option(help="Name of the store; the folder's name by default.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence; added to one that the dataset is known to have, never instead of it.")
    ] = None,
    consent: Annotated[
        str | None, typer.Option(help="What the people agreed to, for footage that does not say it.")
    ] = None,
    participant: Annotated[
        str | None, typer.Option(help="Who wore the camera, for footage that does not say it; for withdrawals.")
    ] = None,
    labels: LabelsOption = "action-free",
    slow_down: SlowDownOption = 4.0,
    fill_gaps: FillGapsOption = 0.2,
    hands: HandsOption = None,
    faces: FacesOption = "auto",
    head_limit: HeadOption = 0.6,
    shortest: ShortestOption = 1.0,
    longest: LongestOption = 10.0,
    overlap: OverlapOption = 0.5,
    instruction: InstructionOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn egocentric video into a sealed store of clips: cut, upright, faces hidden, sound dropped.

    Clips follow the narrations; shot cuts split them, fast turns of the head are cut off or masked. A kill costs one
    clip; the same command again goes on, and is a no-op when all is done. What became no clip is listed with reasons.
    Without labels of hands the store has pictures and words only, which FLARE learns from.

    Example: `gr00t human ingest ~/epic --licence CC-BY-NC-4.0`
    """
    from gr00t_data.sources.human.hands.labels import LabelSettings
    from gr00t_data.sources.human.ingest import HumanSettings, ingest_human

    for option, value, known in (
        ("--labels", labels, ("action-free", "wrist")),
        ("--faces", faces, ("auto", "none")),
        ("--hands", hands, (None, "mediapipe")),
    ):
        if value not in known:
            words = ", ".join(str(one) for one in known if one)
            raise typer.BadParameter(f"{value!r} is not one of {words}", param_hint=option)
    settings = HumanSettings(
        clips=_clip_settings(head_limit, shortest, longest, overlap, instruction),
        labels="wrist" if labels == "wrist" else "action-free",
        wrists=LabelSettings(slow_down=slow_down, longest_gap_s=fill_gaps),
        hands=hands,
        faces="none" if faces == "none" else "auto",
        licence=licence,
        consent=consent,
        participant=participant,
    )
    with progress_bar("cutting clips") as progress:
        store = ingest_human(
            drop, load_embodiment(embodiment), lake_at(lake), name=name, settings=settings, progress=progress
        )
    _report(store, as_json)


def _clip_settings(head: float, shortest: float, longest: float, overlap: float, instruction: str | None) -> Any:
    from gr00t_data.sources.human.cutting.clips import ClipSettings

    if shortest > longest:
        raise typer.BadParameter(f"--shortest {shortest:g} is above --longest {longest:g}", param_hint="--shortest")
    return ClipSettings(
        head_limit=head, shortest_s=shortest, longest_s=longest, largest_overlap=overlap, instruction=instruction
    )


def _report(store: Any, as_json: bool) -> None:
    refused = [vars(one) for one in store.about.source.refused or ()]
    rows = [
        {
            "episode": row.index,
            "video": row.source.video,
            "seconds": f"{row.source.start_s:.2f} - {row.source.end_s:.2f}",
            "frames": row.length,
            "instruction": row.instruction,
            "was": "" if row.source.original == row.instruction else row.source.original,
            "labels": row.source.hands["mode"],
        }
        for row in store.rows
    ]
    facts = {
        "store": str(store.root),
        "digest": store.digest,
        "clips": len(rows),
        "frames": sum(row.length for row in store.rows),
        "licence": store.licence,
        "labels": dict(Counter(row["labels"] for row in rows)),
        "refused": refused if as_json else len(refused),
    }
    show(facts, as_json, rows)
    for one in () if as_json else refused:
        console.print(f"refused {one['episode']}: {one['reason']}", markup=False, soft_wrap=True)
