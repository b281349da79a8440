"""What a wrong distance between the two pictures does to the actions, and that the guard refuses it.

    python -m benchmarks.neural.gap --lake lake

A user of the published chain found its actions "much smaller than realistically captured actions" (GR00T-Dreams issue
16): its scripts take pictures 8 frames apart, its public training configuration 16. Here the distance is changed with
the guard off, for two models. The first learnt joint targets from the scripted expert, which has one speed: the first
picture nearly tells how far the arm will go. The second learnt what most robots record: displacements from row to row,
at speeds that vary, so that only the pair of pictures tells the speed. Predicted is the motion between pictures that
far apart, by the motion over the right distance.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import yaml

from benchmarks.neural.model import (
    EPISODES,
    LAKE,
    SEED,
    STEPS,
    EpisodesOption,
    JsonOption,
    LakeOption,
    ModelOption,
    StepsOption,
    Subject,
    subject,
)
from gr00t_data import video
from gr00t_data.disk import write_text
from gr00t_data.embodiment import Embodiment, load_embodiment
from gr00t_data.episode import Episode
from gr00t_data.lake import Lake
from gr00t_data.store import SEAL, EpisodeRow, EpisodeStore
from gr00t_model.idm.artifact import load_artifact
from gr00t_model.idm.evaluate import evaluate_idm
from gr00t_model.idm.timing import TimingError
from gr00t_model.idm.train import IdmTraining, train_on

RIGHT, HALF = 16, 8
GAPS = (2, 4, HALF, 12, RIGHT, 24)
ARMS = ("left_arm", "right_arm")
DISPLACED = "gr1_displaced"
SLOWEST = 0.3
TOLERANCE = 0.2
"""The pictures tell of the speed, but so does the distance still to go: the labels fall less than the motion does."""

PICTURE_PX = 96


def displaced_robot(folder: Path) -> Embodiment:
    """The gr1 with arms that are told how far to move until the next row, and nothing else."""
    text = yaml.safe_load(load_embodiment("gr1").text)
    text["name"], text["default_selection"] = DISPLACED, "arms"
    text["action"] = [{**part, "absolute": False} if part["name"] in ARMS else part for part in text["action"]]
    text["selections"] = {"arms": {"cameras": ["ego_view"], "state": list(ARMS), "action": list(ARMS)}}
    path = folder / f"{DISPLACED}.yaml"
    write_text(path, yaml.safe_dump(text, sort_keys=False))
    return load_embodiment(path)


def displaced_store(store: EpisodeStore, robot: Embodiment, target: Path, episodes: int) -> EpisodeStore:
    """``episodes`` of a store, each at a speed of its own, with displacements for actions of the arms.

    A slower episode shows pictures twice or more; between its rows commands are interpolated. Row t leads from command
    t to command t + 1.
    """
    if (target / SEAL).is_file():
        return EpisodeStore.open(target)
    source = {"displaced": store.root.name, "store": store.digest, "episodes": episodes, "slowest": SLOWEST}
    writer = EpisodeStore.create(target, robot, kind="simulated", licence=store.licence, source=source)
    chosen = store.rows[:: max(len(store.rows) // episodes, 1)][:episodes]
    for row in chosen[len(writer) :]:
        writer.append(_slowed(store, row, robot))
    return writer.seal()


def _slowed(store: EpisodeStore, row: EpisodeRow, robot: Embodiment) -> Episode:
    speed = float(np.random.default_rng([SEED, row.index]).uniform(SLOWEST, 1))
    command = store.action(row.index)
    at = np.arange(0, len(command) - 1, speed)
    near = np.rint(at).astype(np.int64)
    action = command[near]
    for part in (robot.action_part(name) for name in ARMS):
        columns = np.arange(part.start, part.end)
        path = np.stack([np.interp([*at, at[-1] + speed], np.arange(len(command)), command[:, one]) for one in columns])
        action[:, part.slice] = np.diff(path, axis=1).T
    size = (PICTURE_PX, PICTURE_PX)
    videos: dict[str, np.ndarray | Path] = {
        camera: video.decode(store.video_path(row.index, camera), size)[near] for camera in store.cameras
    }
    times_s, state = np.arange(len(at)) / robot.control_hz, store.state(row.index)[near]
    return Episode(row.instruction, times_s, state, action, videos, row.success, {**(row.source or {}), "speed": speed})


def displaced(measured: Subject, lake: Path, steps: int, episodes: int) -> Subject:
    """A model of displacements at many speeds."""
    where, robot = Lake(lake.absolute()), displaced_robot(lake)
    name = f"{measured.store.root.name}-displaced-{episodes}"
    store = displaced_store(measured.store, robot, where.stores / name, episodes)
    training = IdmTraining(steps=steps, held_out_share=0.1)
    folder = train_on([store], robot, where.root / "idm" / f"{name}-{steps}", training, _say)
    return Subject(load_artifact(folder), store, None, folder)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def predicted_ratio(measured: Subject, gap: int) -> float:
    """How far the arms move in ``gap`` frames, by how far they move over the right distance; unseen episodes."""
    right, ways = measured.artifact.timing.frame_gap, np.zeros(2)
    arms = [measured.robot.state_part(name).slice for name in ARMS]
    for index in measured.unseen:
        values = np.concatenate([measured.store.state(index)[:, arm] for arm in arms], axis=1)
        rows = max(len(values) - max(GAPS), 1)
        ways += [np.linalg.norm(values[g:] - values[:-g], axis=-1)[:rows].sum() for g in (gap, right)]
    return float(ways[0] / ways[1])


def rows_of(measured: Subject) -> list[dict[str, Any]]:
    """Distance -> what was predicted, magnitude within a window, step from row to row of the labels, and R2.

    All of the arms alone: hands open and close at once, in jumps that no distance changes.
    """
    found = []
    for gap in GAPS:
        report = evaluate_idm(measured.artifact, [measured.source], frame_gap=gap, baselines=False)
        windows, labels = ([side[name] for name in ARMS] for side in (report["parts"], report["labels"]["parts"]))
        row = {"gap": gap, "predicted": predicted_ratio(measured, gap)}
        row["magnitude"] = _mean(one["idm"]["magnitude"] for one in windows)
        row["labels"] = _mean(one["steps"] for one in labels)
        found.append(row | {"r2": _mean(one["idm"]["r2"] for one in windows)})
    return found


def _mean(values: Iterable[float | None]) -> float:
    """Over the parts that moved; NaN where none did."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")


def fallen(rows: list[dict[str, Any]], gap: int) -> float:
    """How far the labels of a distance move from row to row, by how far those of the right distance do."""
    steps = {row["gap"]: row["labels"] for row in rows}
    return steps[gap] / steps[RIGHT]


def refusal(measured: Subject) -> str:
    """What the guard says to a store of half the rate."""
    store = EpisodeStore.open(measured.store.root)
    store.info = {**store.info, "fps": store.fps / 2}
    try:
        measured.artifact.timing.check_store(store)
    except TimingError as error:
        return str(error)
    raise AssertionError("the guard let a store of half the rate pass")


def main(
    lake: LakeOption = LAKE,
    episodes: EpisodesOption = EPISODES,
    steps: StepsOption = STEPS,
    displaced_steps: StepsOption = 900,
    displaced_episodes: Annotated[int, typer.Option(min=10, help="Episodes of the second model.")] = 200,
    idm: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print how the size of motion falls with the distance. Exit status 1 when displacements do not fall so."""
    positions = subject(lake, episodes, steps, idm)
    other = displaced(positions, lake, displaced_steps, displaced_episodes)
    tables = {"positions": rows_of(positions), "displacements": rows_of(other)}
    said = refusal(positions)
    if as_json:
        print(json.dumps({"refused": said, **tables}, indent=1))
    else:
        print(f"guard: {said}\n")
        for name, rows in tables.items():
            print(
                f"| {name}: distance, frames | predicted | labels by those at the right one | labels | windows | R2 |"
            )
            print("|---|---|---|---|---|---|")
            for row in rows:
                numbers = (row["predicted"], fallen(rows, row["gap"]), row["labels"], row["magnitude"], row["r2"])
                print(f"| {row['gap']} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")
    half = next(row for row in tables["displacements"] if row["gap"] == HALF)
    if fallen(tables["displacements"], HALF) > half["predicted"] + TOLERANCE:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
