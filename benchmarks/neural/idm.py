"""The small inverse dynamics model on episodes it has not seen: R2, error and magnitude of motion, part by part.

    python -m benchmarks.neural.idm --lake lake
    python -m benchmarks.neural.idm --lake lake --real path/to/GR00T-LeRobot-folder

The second also trains on all real episodes but one, measures on that one, and does so for each. Beside the model stand
predictors without one: the mean action, the action before the window held (which no video tells), and a linear map of
small grey pictures. Bounds: R2 at least 0.8 over what moves, magnitude 0.9 to 1.1, better than all of them.
"""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from benchmarks.command import Json, command, heading, row, say, show
from benchmarks.neural.model import DEFAULT, Options
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore
from gr00t_model.idm.artifact import load_artifact
from gr00t_model.idm.config import IdmTraining
from gr00t_model.idm.evaluate import evaluate_idm
from gr00t_model.idm.examples import takes_of
from gr00t_model.idm.train import train_on

R2_BOUND = 0.8
MAGNITUDE_BOUNDS = 0.9, 1.1
ROBOT = "gr1"


def failures(moving: dict[str, dict[str, float]]) -> list[str]:
    """What of the bounds is missed; ``moving`` is predictor -> r2, error, magnitude over all that moves."""
    mine = moving["idm"]
    low, high = MAGNITUDE_BOUNDS
    missed = [] if mine["r2"] >= R2_BOUND else [f"R2 {mine['r2']:.3f} is under {R2_BOUND}"]
    missed += [] if low <= mine["magnitude"] <= high else [f"magnitude {mine['magnitude']:.3f} is not {low} to {high}"]
    return missed + [f"{name} has R2 {one['r2']:.3f}" for name, one in moving.items() if one["r2"] > mine["r2"]]


def left_one_out(folder: Path, steps: int, into: Path) -> list[dict[str, Any]]:
    """The report of each episode of a real store, by a model trained on the others."""
    store, robot = EpisodeStore.open(folder), load_embodiment(ROBOT)
    found = []
    for take in takes_of([store]):
        training = IdmTraining(steps=steps, held_out=(take.name,))
        trained = train_on([store], robot, into / take.name.replace("/", "-"), training, lambda line: None)
        report = evaluate_idm(load_artifact(trained), [store]).facts()
        found.append({"episode": take.index, "moving": report["moving"], "parts": report["parts"]})
        say(f"episode {take.index}: {report['moving']}")
    return found


def scored(title: str, report: dict[str, Any]) -> list[str]:
    """A report as lines of Markdown."""
    rows = [heading(title, "predictor", "R2", "error, rad", "magnitude")]
    for part, predictors in {**report["parts"], "all that moves": report["moving"]}.items():
        for name, one in predictors.items():
            numbers = ("-" if one[key] is None else f"{one[key]:.3f}" for key in ("r2", "error", "magnitude"))
            rows.append(row(part, name, *numbers))
    return rows


@command
def main(
    options: Options = DEFAULT,
    real: Annotated[Path | None, Parameter(help="A GR00T-LeRobot folder of the gr1: leave one episode out.")] = None,
    real_steps: Annotated[PositiveInt, Parameter(help="Optimizer steps of each of those trainings.")] = 300,
    as_json: Json = False,
) -> bool:
    """Print the tables. Exit status 1 when a bound is missed in the simulator; real numbers only stand there."""
    report = read_json(options.subject().folder / "report.json")  # on unseen episodes, kept beside the model
    left = left_one_out(real, real_steps, options.lake / "idm/left-one-out") if real else []
    missed, labels = failures(report["moving"]), report["labels"]
    lines = [
        *scored("simulator, unseen", report),
        f"\nlabels (windows combined): R2 {labels['moving']['r2']:.3f}, step from row to row "
        f"{labels['moving']['steps']:.3f} of the true one; spread against error, rank correlation "
        f"{labels['spread_tells_error']:.2f}",
        *(line for one in left for line in ("", *scored(f"real, episode {one['episode']}", one))),
        "\n" + ("; ".join(missed) or "every bound is kept"),
    ]
    show({"simulator": report, "missed": missed, "real": left}, lines, as_json)
    return not missed
