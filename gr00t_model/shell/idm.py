"""The shell verbs of generated video: `gr00t clips`, `gr00t idm train` and `eval`, `gr00t label`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore
from gr00t_model.shell.ingest import (
    EmbodimentOption,
    JsonOption,
    LakeOption,
    StoresOption,
    app,
    console,
    lake_at,
    progress_bar,
    show,
)

_ABOUT = "Inverse dynamics: which actions lead from frame to frame."
idm_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help=_ABOUT)
app.add_typer(idm_app, name="idm")

StoreArgument = Annotated[Path, typer.Argument(help="A sealed store.")]


@app.command("clips")
def clips(
    drop: Annotated[Path, typer.Argument(help="Folder of generated clips.")],
    embodiment: EmbodimentOption = "gr1",
    name: Annotated[str | None, typer.Option(help="Name of the store; the folder's name by default.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the clips.")] = "unknown",
    fps: Annotated[float | None, typer.Option(help="Frames a second of the motion, for clips that do not say.")] = None,
    view: Annotated[str | None, typer.Option(help="single, grid_2x2 or gr1_crop; probed by default.")] = None,
    made: Annotated[list[str], typer.Option(help="Provenance, KEY=VALUE: model, adapter_sha256, seed, ...")] = [],  # noqa: B006
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring generated clips into the lake as a store without actions; `gr00t label` adds those.

    Takes `<N>_<instruction>.mp4`, labels/ beside videos/, manifest.jsonl, and datasets that GR00T-Dreams wrote. Exit
    status 1 when a clip was refused. Example: `gr00t clips dreams --licence Apache-2.0 --made model=wan2.1`
    """
    from gr00t_data.sources.neural.ingest import ingest_clips
    from gr00t_data.sources.neural.reading import Settings

    settings, robot = Settings(fps, view, dict(_pair(text) for text in made)), load_embodiment(embodiment)
    with progress_bar("clips") as progress:
        store = ingest_clips(
            drop, robot, lake_at(lake), name=name, licence=licence, settings=settings, progress=progress
        )
    source = store.about.source
    facts = {
        "store": str(store.root),
        "digest": store.digest,
        "clips": len(store.rows),
        "findings": list(source.findings),
    }
    refused = [vars(one) for one in source.refused or ()]
    show(facts, as_json, refused)
    if refused:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE, for example model=wan2.1", param_hint="--made")
    return key, value


@idm_app.command("train")
def train(
    into: Annotated[
        Path | None, typer.Option(help="Folder of the training; by default one in the lake, named by what goes in.")
    ] = None,
    stores: StoresOption = ["*"],  # noqa: B006
    preset: Annotated[str, typer.Option(help="nano or published.")] = "nano",
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Windows a step.")] = None,
    frame_gap: Annotated[int | None, typer.Option(min=1, help="Frames between the two pictures.")] = None,
    nearest_gap: Annotated[
        int | None,
        typer.Option(min=1, help="Learn slower motions too: pictures this close up to the gap pass for a whole gap."),
    ] = None,
    held_out_share: Annotated[float, typer.Option(min=0, max=0.9)] = 0.15,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the accepted episodes of the lake's recorded stores, then measure on those that were held out.

    Without --into the model becomes the lake's `idm_<embodiment>`. What was begun with the same inputs goes on.

    Example: `gr00t idm train --stores simulator`
    """
    from gr00t_model.idm.config import IdmTraining
    from gr00t_model.idm.train import train_on
    from gr00t_model.stages import idm as stages

    given = {"preset": preset, "frame_gap": frame_gap, "nearest_gap": nearest_gap, "seed": seed, "steps": steps}
    given |= {"batch_size": batch_size, "held_out_share": held_out_share}
    training = IdmTraining.model_validate({name: value for name, value in given.items() if value is not None})
    robot, where = load_embodiment(embodiment), lake_at(lake)
    if into is None:
        folder, _ = stages.train_idm(where, robot, stores, training=training, say=_say)
        report = read_json(folder / "report.json")
    else:
        checked = stages.recorded_stores(where, robot, stores, _say)
        folder = train_on(checked, robot, into, training, _say)
        report = stages.measure_idm(folder, checked)
    _show_report(report, folder, as_json)


@idm_app.command("eval")
def evaluate(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the model; the lake's idm_<embodiment> by default.")
    ] = None,
    stores: StoresOption = ["*"],  # noqa: B006
    frame_gap: Annotated[int | None, typer.Option(min=1, help="Another distance, to show what it does.")] = None,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """R2, error in units and magnitude of motion, part by part, beside predictors without a model.

    Only accepted episodes that the model was not trained on count. Example: `gr00t idm eval --stores simulator`
    """
    from gr00t_model.stages import idm as stages

    robot, where = load_embodiment(embodiment), lake_at(lake)
    folder = folder or _model_of(where, embodiment)
    checked = stages.recorded_stores(where, robot, stores, _say)
    _show_report(stages.measure_idm(folder, checked, frame_gap), folder, as_json)


def _model_of(lake: Lake, embodiment: str) -> Path:
    """The lake's current model of an embodiment."""
    from gr00t_model.stages.inputs import MissingInput

    if (pointed := lake.pointed(f"idm_{embodiment}")) is None:
        raise MissingInput(f"{lake.root}: has no idm_{embodiment} yet; run `gr00t idm train`, or name a folder")
    return pointed[0]


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


@app.command("label")
def label(
    store: StoreArgument,
    idm: Annotated[
        Path | None, typer.Option(help="Folder of the inverse dynamics model; the lake's idm_<embodiment> by default.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new store; <store>-labelled by default.")] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Windows at once, of several clips where they are short.")
    ] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode ahead.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the actions of a store of generated clips, into a new store; the old one is not changed.

    The result does not depend on batch size, workers or device. A killed labelling goes on with the next clip.

    Example: `gr00t label lake/stores/dreams`
    """
    from gr00t_model.stages import idm as stages

    opened, where = EpisodeStore.open(store), lake_at(lake)
    folder = idm or _model_of(where, opened.embodiment_name or "gr1")
    with progress_bar("labelling") as progress:
        root, digest = stages.label_store(
            where,
            opened,
            folder,
            name=name or f"{opened.root.name}-labelled",
            device=device,
            batch_size=batch_size,
            workers=workers,
            progress=progress,
        )
    done = EpisodeStore.open(root)
    facts: dict[str, Any] = {"store": str(root), "digest": digest, "clips": len(done.rows)}
    refused = [vars(one) for one in done.about.source.refused or ()]
    show(facts | {"masked": list(done.about.absent or ())}, as_json, refused)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False)
