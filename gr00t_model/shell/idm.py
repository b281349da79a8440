"""The shell verbs of generated video: `gr00t clips`, `gr00t idm train` and `eval`, `gr00t label`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from gr00t_data.sources.neural.settings import ClipsMade
from gr00t_model.idm.config import IdmTraining
from gr00t_model.shell.app import (
    EVERY,
    EmbodimentOption,
    JsonOption,
    LakeOption,
    StoresOption,
    lake_at,
    progress_bar,
    say,
    show,
)
from gr00t_model.shell.options import verb

idm = App(name="idm", help="Inverse dynamics: which actions lead from frame to frame.")


@verb
def clips(
    drop: Annotated[str, Parameter(help="Folder of generated clips, or a drop of `gr00t dream generate` by name.")],
    /,
    *,
    embodiment: EmbodimentOption = "gr1",
    name: Annotated[str | None, Parameter(help="Name of the store; the folder's name by default.")] = None,
    licence: Annotated[str, Parameter(help="Licence of the clips.")] = "unknown",
    settings: ClipsMade,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Bring generated clips into the lake as a store without actions; `gr00t label` adds those.

    Takes `<N>_<instruction>.mp4`, labels/ beside videos/, manifest.jsonl, and datasets that GR00T-Dreams wrote. Exit
    status 1 when a clip was refused. Example: `gr00t clips dreams --licence Apache-2.0 --made model=wan2.1`
    """
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.sources.neural.ingest import ingest_clips
    from gr00t_data.stages.names import named

    where, robot = lake_at(lake), load_embodiment(embodiment)
    folder = named(where, drop, where.root / "dreams")
    with progress_bar("clips") as progress:
        store = ingest_clips(folder, robot, where, name=name, licence=licence, settings=settings, progress=progress)
    source = store.about.source
    refused = [vars(one) for one in source.refused or ()]
    facts = {"store": str(store.root), "digest": store.digest, "clips": len(store.rows)}
    show(facts | {"findings": list(source.findings or ())}, as_json, refused)
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
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the accepted episodes of the lake's recorded stores, then measure on those that were held out.

    Without --into the model becomes the lake's `idm_<embodiment>`. What was begun with the same inputs goes on;
    Ctrl-C saves the state first.

    Example: `gr00t idm train --stores simulator`
    """
    from gr00t_data.disk import read_json
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_model.idm.train import train_on
    from gr00t_model.loop.stop import StopRequest
    from gr00t_model.stages import idm as stages

    robot, where = load_embodiment(embodiment), lake_at(lake)
    if into is None:
        folder, _ = stages.train_idm(where, robot, stores, training=settings, say=say, stop=StopRequest())
        report = read_json(folder / "report.json")
    else:
        checked = stages.recorded_stores(where, robot, stores, say)
        folder = train_on(checked, robot, into, settings, say, StopRequest())
        report = stages.measure_idm(folder, checked)
    _show_report(report, folder, as_json)


@idm.command(name="eval")
@verb
def evaluate(
    model: Annotated[str, Parameter(help="The model, by folder or name; the lake's idm_<embodiment> by default.")] = "",
    /,
    *,
    stores: StoresOption = EVERY,
    frame_gap: Annotated[int | None, Parameter(help="Another distance, to show what it does.")] = None,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """R2, error in units and magnitude of motion, part by part, beside predictors without a model.

    Only accepted episodes that the model was not trained on count. Example: `gr00t idm eval --stores simulator`
    """
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_model.stages import idm as stages

    robot, where = load_embodiment(embodiment), lake_at(lake)
    folder = stages.model_named(where, model, embodiment)
    checked = stages.recorded_stores(where, robot, stores, say)
    _show_report(stages.measure_idm(folder, checked, frame_gap), folder, as_json)


def _show_report(report: dict[str, Any], folder: Path, as_json: bool) -> None:
    rows = [
        {
            "part": part,
            "predictor": name,
            **{key: "-" if value is None else f"{value:.3f}" for key, value in scores.items()},
        }
        for part, table in {**report["parts"], "all that moves": report["moving"]}.items()
        for name, scores in table.items()
    ]
    facts = {"model": str(folder), "episodes": report["episodes"], "windows": report["windows"]}
    facts |= {
        "timing": report["timing"],
        "spread tells error (rank correlation)": report["labels"]["spread_tells_error"],
    }
    show({**report, "model": str(folder)} if as_json else facts, as_json, None if as_json else rows)


@verb
def label(
    store: Annotated[str, Parameter(help="A sealed store, by name or path.")],
    /,
    *,
    idm: Annotated[
        str, Parameter(help="The inverse dynamics model, by folder or name; the lake's idm_<embodiment> by default.")
    ] = "",
    name: Annotated[str | None, Parameter(help="Name of the new store; <store>-labelled by default.")] = None,
    batch_size: Annotated[int, Parameter(help="Windows at once, of several clips where they are short.")] = 32,
    workers: Annotated[int, Parameter(help="Threads that decode ahead.")] = 1,
    device: Annotated[str, Parameter(help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the actions of a store of generated clips, into a new store; the old one is not changed.

    The result does not depend on batch size, workers or device. A killed labelling goes on with the next clip.

    Example: `gr00t label dreams`
    """
    from gr00t_data.stages.names import store_named
    from gr00t_data.store.store import EpisodeStore
    from gr00t_model.stages import idm as stages

    where = lake_at(lake)
    opened = store_named(where, store)
    folder = stages.model_named(where, idm, opened.about.embodiment or "gr1")
    options = {"device": device, "batch_size": max(batch_size, 1), "workers": max(workers, 1)}
    title = name or f"{opened.root.name}-labelled"
    with progress_bar("labelling") as progress:
        root, digest = stages.label_store(where, opened, folder, name=title, progress=progress, **options)
    done = EpisodeStore.open(root)
    facts: dict[str, Any] = {"store": str(root), "digest": digest, "clips": len(done.rows)}
    refused = [vars(one) for one in done.about.source.refused or ()]
    show(facts | {"masked": list(done.about.absent or ())}, as_json, refused)
