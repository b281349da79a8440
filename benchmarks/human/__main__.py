"""How fast footage is cut: seconds of 1080p30 video a second of one core, for looking, and for writing the clips.

python -m benchmarks.human --seconds 20

Looking is everything that decides the cuts: packets, decoding, optical flow, shot cuts; two looks a second. Its bound
is ten times real time. Writing decodes every frame of a clip at full quality, and has no bound: it is shown beside it.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from benchmarks.clocks import elapsed
from benchmarks.command import Json, command
from benchmarks.human.films import CODINGS, again_and_again, calm_view
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.cutting.clips import plan_in_full
from gr00t_data.sources.human.cutting.motion import measure_head_motion
from gr00t_data.sources.human.footage import Footage, Narration
from gr00t_data.sources.human.ingest import ingest_human
from gr00t_data.sources.human.settings import ClipSettings, HumanSettings
from gr00t_data.video.footage import footage_frames, glances, read_footage

BOUND = 10.0
KITCHEN = Path(__file__).parents[3] / "shared/data/ego/kitchen_plate.mp4"
EVERY_S = 4.0
"""A narration each four seconds, over the whole film."""


@dataclass(frozen=True)
class Speed:
    """One film. All but ``seconds`` and ``looked_closer_share`` are seconds of video a second of the processor.

    Attributes:
        look: deciding the cuts, whole.
        decode: the cheap decoding of it alone.
        decode_all: decoding every frame in full, as a peer that samples would have to without the shortcuts.
        write: the store with its clips, faces left.
        looked_closer_share: part of the film that the fine pass decoded again.
    """

    film: str
    seconds: float
    look: float
    decode: float
    decode_all: float
    write: float
    looked_closer_share: float
    clips: int

    @property
    def within(self) -> bool:
        """Whether looking keeps its bound."""
        return self.look >= BOUND


def timed(work: Callable[[], object], runs: int = 2) -> float:
    """Seconds of the processor; the best of some runs."""
    return min(elapsed(work) for _ in range(runs))


def measure(name: str, path: Path, folder: Path) -> Speed:
    """Time one film."""
    facts = read_footage(path)
    seconds = facts.duration_s
    starts = [EVERY_S * number for number in range(int(seconds // EVERY_S))]
    narrations = tuple(Narration(f"n{start:g}", f"wash cup {start:g}", start, start + EVERY_S) for start in starts)
    footage = Footage("film", path, "folder", narrations, None, "own film", "CC0-1.0")
    look_s = timed(lambda: plan_in_full(footage, ClipSettings()))
    decode_s = timed(lambda: sum(1 for _ in glances(facts, [(0.0, seconds)])))
    every = range(len(facts.times_s))
    all_s = timed(lambda: sum(1 for _ in footage_frames(facts, every, 320)), runs=1)
    closer = measure_head_motion(facts).looked_closer_s
    rows = [f"{path.name},{one.start_s},{one.end_s},{one.text}" for one in narrations]
    (path.parent / "notes.csv").write_text("video,start_s,end_s,text\n" + "\n".join(rows))
    settings = HumanSettings(faces="none", consent="own film", licence="CC0-1.0")
    drop, robot, lake, stores = path.parent, load_embodiment("human_hands"), Lake(folder), []
    write_s = elapsed(lambda: stores.append(ingest_human(drop, robot, lake, settings=settings))) - look_s
    return Speed(
        film=name,
        seconds=round(seconds, 2),
        look=round(seconds / look_s, 2),
        decode=round(seconds / decode_s, 2),
        decode_all=round(seconds / all_s, 2),
        write=round(seconds / write_s, 2),
        looked_closer_share=round(closer / seconds, 3),
        clips=len(stores[0].rows),
    )


def films(folder: Path, seconds: float, only: str) -> Iterator[tuple[str, Path]]:
    """(name, path) of every film whose name holds ``only``; each in a drop of its own."""
    kitchen = "kitchen clip repeated (turns and cuts)"
    if KITCHEN.is_file() and only in kitchen:
        (folder / "kitchen").mkdir()
        yield kitchen, again_and_again(KITCHEN, folder / "kitchen/a.mp4", seconds)
    for number, (coding, options) in enumerate(CODINGS.items()):
        if only in (name := f"calm view, {coding}"):
            (folder / str(number)).mkdir()
            yield name, calm_view(folder / f"{number}/a.mp4", seconds, options)


@command
def main(
    seconds: Annotated[float, Parameter(validator=Number(gte=4), help="Length of each film.")] = 20.0,
    only: Annotated[str, Parameter(help="Only films with this in their name.")] = "",
    as_json: Json = False,
) -> bool:
    """Make the films, time them, and fail where looking is slower than its bound."""
    speeds = []
    titles = ("times real time, one core", "look", "(decode)", "all frames", "write", "closer")
    if not as_json:
        print("{:45} {:>6} {:>9} {:>11} {:>6} {:>7}".format(*titles))
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, path) in enumerate(films(Path(folder), seconds, only)):
            speeds.append(one := measure(name, path, Path(folder) / f"lake{number}"))
            if not as_json:
                verdict = "" if one.within else f"below {BOUND:g}"
                numbers = f"{one.look:6.1f} {one.decode:9.1f} {one.decode_all:11.1f} {one.write:6.1f}"
                print(f"{one.film:45.45} {numbers} {one.looked_closer_share:7.0%}  {verdict}")
    if as_json:
        print(json.dumps([asdict(one) | {"within": one.within} for one in speeds], indent=1))
    return all(one.within for one in speeds)
