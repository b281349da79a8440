"""The shell verbs of generated video: `gr00t clips`, `gr00t idm train` and `eval`, `gr00t label`."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gr00t_data.sources.neural.settings import ClipsMade
from gr00t_model.idm.config import IdmTraining
from gr00t_model.shell.app import EVERY, InLake, OfRobot, Shown, StoresOption, progress_bar, say
from gr00t_model.shell.options import verb
from gr00t_model.stages.settings import LabellingSettings

if TYPE_CHECKING:
    from gr00t_model.idm.report import IdmReport

idm = App(name="idm", help="Inverse dynamics: which actions lead from frame to frame.")


@verb
def clips(
    drop: Annotated[str, Parameter(help="Folder of generated clips, or a drop of `gr00t dream generate` by name.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="Name of the store; the folder's name by default.")] = None,
    licence: Annotated[str, Parameter(help="Licence of the clips.")] = "unknown",
    settings: ClipsMade,
    asked: OfRobot,
) -> int:
    """Bring generated clips into the lake as a store without actions; `gr00t label` adds those.

    Takes `<N>_<instruction>.mp4`, labels/ beside videos/, manifest.jsonl, and datasets that GR00T-Dreams wrote. Exit
    status 1 when a clip was refused. Example: `gr00t clips dreams --licence Apache-2.0 --made model=wan2.1`
    """
    from gr00t_data.sources.content import counts
    from gr00t_data.sources.neural.ingest import ingest_clips
    from gr00t_data.stages.names import named

    where, robot = asked.where, asked.robot
    folder = named(where, drop, where.root / "dreams")
    with progress_bar("clips") as progress:
        store = ingest_clips(folder, robot, where, name=name, licence=licence, settings=settings, progress=progress)
    source = store.about.source
    refused = [vars(one) for one in source.refused or ()]
    facts = {"store": str(store.root), "digest": store.digest, **counts(store), "clips": len(store.rows)}
    asked.show(facts | {"findings": list(source.findings or ())}, refused)
    return 1 if refused else 0


@idm.command
@verb
def train(
    *,
    into: Annotated[
        Path | None, Parameter(help="Folder of the training; by default one in the lake, named by what goes in.")
    ] = None,
    stores: StoresOption = EVERY,
    settings: IdmTraining,
    asked: OfRobot,
) -> None:
    """Train on the accepted episodes of the lake's recorded stores, then measure on those that were held out.

    Without --into the model becomes the lake's `idm_<embodiment>`. What was begun with the same inputs goes on;
    Ctrl-C saves the state first.

    Example: `gr00t idm train --stores simulator`
    """
    from gr00t_model.idm.report import IdmReport
    from gr00t_model.idm.train import train_on
    from gr00t_model.loop.stop import StopRequest
    from gr00t_model.stages import idm as stages

    robot, where = asked.robot, asked.where
    if into is None:
        folder, _ = stages.train_idm(where, robot, stores, training=settings, say=say, stop=StopRequest())
        report = IdmReport.load(folder)
    else:
        checked = stages.recorded_stores(where, robot, stores, say)
        folder = train_on(checked, robot, into, settings, say, StopRequest())
        report = stages.measure_idm(folder, checked)
    _show_report(report, folder, asked)


@idm.command(name="eval")
@verb
def evaluate(
    model: Annotated[str, Parameter(help="The model, by folder or name; the lake's idm_<embodiment> by default.")] = "",
    /,
    *,
    stores: StoresOption = EVERY,
    frame_gap: Annotated[int | None, Parameter(help="Another distance, to show what it does.")] = None,
    asked: OfRobot,
) -> None:
    """R2, error in units and magnitude of motion, part by part, beside predictors without a model.

    Only accepted episodes that the model was not trained on count. Example: `gr00t idm eval --stores simulator`
    """
    from gr00t_model.stages import idm as stages

    robot, where = asked.robot, asked.where
    folder = stages.model_named(where, model, robot.name)
    checked = stages.recorded_stores(where, robot, stores, say)
    _show_report(stages.measure_idm(folder, checked, frame_gap), folder, asked)


def _show_report(report: "IdmReport", folder: Path, asked: Shown) -> None:
    rows = [
        {
            "part": part,
            "predictor": name,
            **{key: f"{value:.3f}" if isfinite(value) else "-" for key, value in vars(scores).items()},
        }
        for part, table in {**report.parts, "all that moves": report.moving}.items()
        for name, scores in table.items()
    ]
    told = report.facts()
    facts = {"model": str(folder), "episodes": report.episodes, "windows": report.windows, "timing": told["timing"]}
    facts["spread tells error (rank correlation)"] = report.labels.spread_tells_error
    asked.show({**told, "model": str(folder)} if asked.as_json else facts, None if asked.as_json else rows)


@verb
def label(
    store: Annotated[str, Parameter(help="A sealed store, by name or path.")],
    /,
    *,
    idm: Annotated[
        str, Parameter(help="The inverse dynamics model, by folder or name; the lake's idm_<embodiment> by default.")
    ] = "",
    name: Annotated[str | None, Parameter(help="Name of the new store; <store>-labelled by default.")] = None,
    settings: LabellingSettings,
    asked: InLake,
) -> int:
    """Predict the actions of a store of generated clips, into a new store; the old one is not changed.

    The result does not depend on batch size, workers or device. A killed labelling goes on with the next clip. Exit
    status 1 when a clip was refused.

    Example: `gr00t label dreams`
    """
    from gr00t_data.stages.names import store_named
    from gr00t_data.store.store import EpisodeStore
    from gr00t_model.stages import idm as stages

    where = asked.where
    opened = store_named(where, store)
    folder = stages.model_named(where, idm, opened.about.embodiment or "gr1")
    title = name or f"{opened.root.name}-labelled"
    with progress_bar("labelling") as progress:
        root, digest = stages.label_store(where, opened, folder, name=title, settings=settings, progress=progress)
    done = EpisodeStore.open(root)
    facts = {"store": str(root), "digest": digest, "clips": len(done.rows)}
    refused = [vars(one) for one in done.about.source.refused or ()]
    asked.show(facts | {"masked": list(done.about.absent or ())}, refused)
    return 1 if refused else 0
