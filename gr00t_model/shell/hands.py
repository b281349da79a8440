"""The shell verbs `gr00t hands setup`, `detect` and `sheet`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gr00t_model.shell.app import InLake, Shown, progress_bar, say
from gr00t_model.shell.options import verb

hands = App(name="hands", help="Hands in egocentric video: set the detector up, and run it.")

COULD_NOT_DETECT = 3
"""Exit status when the detector or the video cannot be used."""


@hands.command
@verb
def setup(
    *,
    wheels: Annotated[Path | None, Parameter(help="Folder of wheels to install from, without a network.")] = None,
    python: Annotated[
        Path | None, Parameter(help="An interpreter that has mediapipe 0.10.14 already; nothing is installed.")
    ] = None,
    again: Annotated[bool, Parameter(help="Make the environment anew.")] = False,
    asked: Shown,
) -> int | None:
    """Make the environment of the hand and face detector, once: a Python of its own with MediaPipe 0.10.14.

    It lies in the user's cache folder, or where the variable GR00T_MEDIAPIPE says. Nothing is downloaded later.

    Example: `gr00t hands setup`
    """
    from gr00t_data.sources.human.detector.environment import DetectorError, set_up

    try:
        facts = set_up(wheels=wheels, python=python, again=again, say=say)
    except DetectorError as error:
        say(error, style="red")
        return COULD_NOT_DETECT
    asked.show(dict(facts))
    return None


@hands.command
@verb
def detect(
    video: Annotated[Path, Parameter(help="A video of hands, taken by a camera that does not mirror.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="JSON file of tracks; beside the video by default.")] = None,
    asked: Shown,
) -> int | None:
    """Find the hands in a video and write them as a JSON file, which `gr00t human ingest` reads beside the video.

    What was found is kept by the content of the video: a run that was ended goes on, a second one reads.

    Example: `gr00t hands detect kitchen.mp4 --out kitchen.hands.json`
    """
    from gr00t_data.sources.human.detector.client import HandDetector
    from gr00t_data.sources.human.detector.environment import DetectorError
    from gr00t_data.sources.human.hands.assign import assign_sides
    from gr00t_data.sources.human.hands.detections import write_detections
    from gr00t_data.sources.human.hands.quality import summary_of
    from gr00t_data.video.files import VideoError

    target = out or video.with_suffix(".hands.json")
    try:
        with HandDetector() as detector, progress_bar("finding hands") as progress:
            found = detector.detect(video, progress=progress)
        write_detections(target, found)
    except (DetectorError, VideoError, OSError) as error:
        say(error, style="red")
        return COULD_NOT_DETECT
    asked.show({"tracks": str(target), **vars(summary_of(assign_sides(found)))})
    return None


@hands.command
@verb
def sheet(
    store: Annotated[str, Parameter(help="A store that `gr00t human ingest` made, by name or path.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="PNG to write; hands.png in the working folder by default.")] = None,
    most: Annotated[int, Parameter(help="Clips on the sheet.")] = 60,
    asked: InLake,
) -> int | None:
    """Draw a contact sheet of human video: a strip of frames a clip, with the hands that were found drawn in.

    Read from the stored video, in which faces are hidden. Each clip stands beside the codes that would reject it.

    Example: `gr00t hands sheet kitchen --out kitchen.png`
    """
    from gr00t_data.curate.examine import check_episode
    from gr00t_data.curate.hand_sheet import write_hand_sheet
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.stages.names import store_named
    from gr00t_data.store.store import StoreError
    from gr00t_data.video.files import VideoError

    target = out or Path("hands.png")
    try:
        opened = store_named(asked.where, store)
        robot = load_embodiment(opened.about.embodiment or "human_hands")
        verdicts = [check_episode(opened, row.index, robot) for row in opened.rows]
        reasons = {
            one.episode_index: tuple(sorted({f.code for f in one.findings if f.severity == "error"}))
            for one in verdicts
        }
        with progress_bar("drawing") as progress:
            write_hand_sheet(target, opened, reasons=reasons, most=most, progress=progress)
    except (StoreError, VideoError, ValueError, OSError) as error:
        say(error, style="red")
        return COULD_NOT_DETECT
    rejected = {str(number): list(codes) for number, codes in reasons.items() if codes}
    asked.show({"sheet": str(target), "clips": len(opened.rows), "rejected": rejected})
    return None
