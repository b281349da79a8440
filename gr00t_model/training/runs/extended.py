"""A run among those that are there: it goes on from one of fewer steps, or starts anew beside the one most like it."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gr00t_data.disk import link_or_copy, replacing_folder
from gr00t_data.integrity import IntegrityError, read_sealed
from gr00t_data.locks import locked
from gr00t_data.progress import Say
from gr00t_model.loop.config import flattened
from gr00t_model.loop.run import list_states
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.key import CONTENT, PolicyRun, prepare_run, run_content

_MOST_TOLD = 4
_SHORT = 16
_OF_STEPS = ("steps", "earlier")


@dataclass(frozen=True)
class Former:
    """A run that is there, and how it differs.

    Attributes:
        content: what its key is the digest of.
        differences: dotted field -> (there, here), the steps left out.
    """

    run: PolicyRun
    content: Mapping[str, Any]
    differences: Mapping[str, tuple[Any, Any]]

    @property
    def steps(self) -> int:
        """In all."""
        return self.content["config"]["steps"]

    @property
    def reached(self) -> int:
        """The step of its last state; 0 without one."""
        return max(list_states(self.run.states), default=0)

    @property
    def earlier(self) -> tuple[tuple[int, int], ...]:
        """How its steps were asked for, up to the last state: ``LoopConfig.earlier`` of a run that goes on."""
        found, begun = [], 0
        for until, steps in (*self.content["config"].get("earlier", ()), (self.steps, self.steps)):
            if begun < self.reached:
                found.append((min(until, self.reached), steps))
            begun = until
        return tuple(found)


def run_beside(config: TrainConfig, runs: Path, say: Say) -> PolicyRun:
    """The run of ``config``: the one that is there, one that goes on from a run of fewer steps, or a new one.

    What a run that goes on will have learnt is decided by its configuration alone: ``earlier`` holds the steps that
    were asked for before, and the state that is taken over saves the time to do them again.

    Raises:
        ConfigError: as ``prepare_run``.
    """
    content = run_content(config)
    formers = list(_formers(content, config.recipe, runs, say))
    alike = [one for one in formers if not one.differences]
    same = [one for one in alike if one.steps == config.steps]
    if same:
        best = min(same, key=lambda one: len(one.content["config"].get("earlier", ())))
        return prepare_run(config.model_copy(update={"earlier": _pairs(best)}), runs)
    shorter = [one for one in alike if one.steps < config.steps and one.reached]
    if shorter:
        return _extended(config, max(shorter, key=lambda one: (one.reached, one.steps)), runs, say)
    if formers:
        nearest = min(formers, key=lambda one: (len(one.differences), -one.reached))
        say(f"starts anew beside {nearest.run.root}: {_told(nearest, config)}")
    return prepare_run(config, runs)


def _pairs(former: Former) -> tuple[tuple[int, int], ...]:
    return tuple((until, steps) for until, steps in former.content["config"].get("earlier", ()))


def _formers(content: Mapping[str, Any], recipe: str, runs: Path, say: Say) -> Iterator[Former]:
    """The runs of a recipe that say what they are made of, in the order of their names."""
    here = _flat(content)
    for path in sorted(runs.glob(f"{recipe}-*/RUN.json")):
        try:
            there = read_sealed(path, "nothing goes on from it")[CONTENT]
            flat = _flat(there)
            unlike = {name: (flat.get(name), here.get(name)) for name in sorted(flat.keys() | here.keys())}
            yield Former(PolicyRun(path.parent), there, {n: v for n, v in unlike.items() if v[0] != v[1]})
        except IntegrityError as error:
            say(str(error))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # of an older version: nothing goes on from it


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted name -> value, the steps left out."""
    settings = {name: one for name, one in content["config"].items() if name not in _OF_STEPS}
    return flattened({name: one for name, one in content.items() if name != "config"} | settings)


def _told(former: Former, config: TrainConfig) -> str:
    """Why a run is not the one that is there."""
    if not former.differences:
        return (
            f"it has {former.steps} steps and its last state is at step {former.reached}, asked for are {config.steps}"
        )
    shown = [f"{name} {_short(there)} there, {_short(here)} here" for name, (there, here) in former.differences.items()]
    more = f"; {len(shown) - _MOST_TOLD} more" if len(shown) > _MOST_TOLD else ""
    return "; ".join(shown[:_MOST_TOLD]) + more


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text[:_SHORT] if isinstance(value, str) and len(text) == 64 else text


def _extended(config: TrainConfig, former: Former, runs: Path, say: Say) -> PolicyRun:
    run = prepare_run(config.model_copy(update={"earlier": former.earlier}), runs)
    _take_over(former.run, former.reached, run)
    say(
        f"goes on from step {former.reached} of {former.run.root}, which has {former.steps} steps, to step "
        f"{config.steps}; the learning rate is that of {config.steps} steps from there on"
    )
    return run


def _take_over(former: PolicyRun, step: int, run: PolicyRun) -> None:
    """Give a run the state, the metrics and the random base of another one, by hard links where there can be some; one
    that has begun keeps what it has."""
    name = f"{step:08d}"
    from gr00t_model.loop.state import check_state  # torch

    with locked(run.root / "lock"):
        if list_states(run.states):
            return
        check_state(former.states / name)
        run.write_records(record for record in former.records() if record["step"] <= step)
        for source, target in ((former.fresh_base, run.fresh_base), (former.states / name, run.states / name)):
            if source.is_dir() and not target.is_dir():
                with replacing_folder(target) as folder:
                    shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=link_or_copy)
