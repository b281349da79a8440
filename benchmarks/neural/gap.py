"""What a wrong distance between the two pictures does to the actions, and that the guard refuses it.

    python -m benchmarks.neural.gap --lake lake

A user of the published chain found its actions "much smaller than realistically captured actions" (GR00T-Dreams issue
16): its scripts take pictures 8 frames apart, its public training configuration 16. Here the distance is changed with
the guard off, for two models of the same episodes. The first learnt them as they were recorded: the scripted expert
has one speed, so the first picture nearly tells how far the arm will go, and the actions fall little. The second also
learnt them slowed down (``nearest_gap``), as people move at many speeds: only both pictures tell how far the arm goes.
Predicted is the motion that a model reports which believes its two pictures: the recorded commands between them, taken
for those of the right distance. All numbers are of the arms: hands open and close at once, in jumps that no distance
changes.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from pydantic import TypeAdapter

from benchmarks.command import Json, command, show, table
from benchmarks.neural.model import DEFAULT, Options, Subject
from gr00t_data.store.store import EpisodeStore
from gr00t_model.idm.evaluate import left_out, score
from gr00t_model.idm.examples import Slowed, gather, read_recording, window_starts
from gr00t_model.idm.predict import Clip, predict_clips
from gr00t_model.idm.report import Scores
from gr00t_model.idm.timing import TimingError

RIGHT, HALF = 16, 8
GAPS = (2, 4, HALF, 12, RIGHT, 24)
ARMS = ("left_arm", "right_arm")
NEAREST = 2
TOLERANCE = 0.15
"""How far the fall along the true motion may be from the predicted one, at half the distance."""


@dataclass(frozen=True)
class Row:
    """One distance.

    Attributes:
        predicted: what a model would score that takes the motion between its pictures for that of a whole gap.
        found: what the model scores.
    """

    gap: int
    predicted: Scores
    found: Scores


def rows_of(measured: Subject) -> list[Row]:
    """Every distance, on the same windows of unseen episodes."""
    artifact = measured.artifact
    recordings = [
        read_recording(take, artifact.robot, artifact.image_size) for take in left_out(artifact, [measured.source])
    ]
    starts = window_starts(recordings, artifact.timing)
    lengths = np.array([len(one) for one in recordings])
    starts = starts[starts[:, 1] + max(GAPS) < lengths[starts[:, 0]]]  # with a second picture at every distance
    clips = [Clip(one.pictures, starts[starts[:, 0] == i, 1], (i,)) for i, one in enumerate(recordings)]
    arms = np.flatnonzero(np.isin([part.name for part in artifact.robot.parts for _ in range(part.dim)], ARMS))
    _, truth = gather(recordings, starts, artifact.timing)
    slowed, found = Slowed(recordings, artifact.robot.parts, artifact.timing), []
    for gap in GAPS:
        _, between = slowed.gather(starts, np.full(len(starts), gap))
        told = np.concatenate(list(predict_clips(artifact, clips, batch_size=64, frame_gap=gap)))
        scores = (score(chunks[..., arms], truth[..., arms]) for chunks in (between, told))
        found.append(Row(gap, *scores))
    return found


def fallen(rows: list[Row], gap: int, measure: str) -> tuple[float, float]:
    """Predicted and found ``along`` or ``magnitude`` at a distance, by those at the right one."""
    at = {row.gap: row for row in rows}

    def share(side: str) -> float:
        return getattr(getattr(at[gap], side), measure) / getattr(getattr(at[RIGHT], side), measure)

    return share("predicted"), share("found")


def refusal(measured: Subject) -> str:
    """What the guard says to a store of half the rate."""
    store = EpisodeStore.open(measured.store.root)
    store.info = {**store.info, "fps": store.fps / 2}
    try:
        measured.artifact.timing.check_store(store)
    except TimingError as error:
        return str(error)
    raise AssertionError("the guard let a store of half the rate pass")


def falls(name: str, rows: list[Row]) -> list[str]:
    """Markdown."""
    titles = (
        f"{name}: frames apart",
        "motion along the true one, predicted",
        "found",
        "its size, predicted",
        "found",
        "R2",
    )

    def numbers(one: Row) -> tuple[float, ...]:
        return *fallen(rows, one.gap, "along"), *fallen(rows, one.gap, "magnitude"), one.found.r2

    return table(titles, ((one.gap, *map("{:.2f}".format, numbers(one))) for one in rows))


@command
def main(
    options: Options = DEFAULT,
    slowed_idm: Annotated[Path | None, Parameter(help="A trained second model instead of training one.")] = None,
    as_json: Json = False,
) -> bool:
    """Print how motion falls with the distance. Exit status 1 when the second model does not fall as predicted."""
    second = replace(options, idm=slowed_idm).subject(nearest_gap=NEAREST)
    first = options.subject()  # last: it becomes the lake's model
    tables: dict[str, list[Row]] = {"as recorded": rows_of(first), "and slowed": rows_of(second)}
    said = refusal(first)
    plain = TypeAdapter(dict[str, list[Row]]).dump_python(tables, mode="json")
    shown = (line for name, rows in tables.items() for line in ("", *falls(name, rows)))
    show({"refused": said, **plain}, [f"guard: {said}", *shown], as_json, indent=None)
    predicted, found = fallen(tables["and slowed"], HALF, "along")
    return abs(found - predicted) <= TOLERANCE
