"""The shell verbs of generated video: `gr00t clips`, `gr00t idm train` and `eval`, `gr00t label`, `gr00t gate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gr00t_data.cli import (
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
from gr00t_data.embodiment import load_embodiment
from gr00t_data.store import EpisodeStore

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
    source = store.about["source"]
    facts = {"store": str(store.root), "digest": store.digest, "clips": len(store.rows), "findings": source["findings"]}
    show(facts, as_json, source["refused"])
    if source["refused"]:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE, for example model=wan2.1", param_hint="--made")
    return key, value


@idm_app.command("train")
def train(
    into: Annotated[Path, typer.Option(help="Folder of the training; what was begun there goes on.")],
    stores: StoresOption = ["*"],  # noqa: B006
    preset: Annotated[str, typer.Option(help="nano or published.")] = "nano",
    steps: Annotated[int, typer.Option(min=1)] = 600,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    frame_gap: Annotated[int | None, typer.Option(min=1, help="Frames between the two pictures.")] = None,
    held_out_share: Annotated[float, typer.Option(min=0, max=0.9)] = 0.15,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the lake's stores, then measure on the episodes that were held out.

    Example: `gr00t idm train --stores simulator --into lake/idm/nano --steps 600`
    """
    from gr00t_model.idm.train import IdmTraining, train_idm

    training = IdmTraining(
        preset=preset, steps=steps, batch_size=batch_size, frame_gap=frame_gap, held_out_share=held_out_share, seed=seed
    )
    robot, opened = load_embodiment(embodiment), _stores(lake, embodiment, stores)
    folder = train_idm(opened, robot, into, training, _say)
    _measure(folder, opened, None, as_json)


@idm_app.command("eval")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="The model: INTO/model of the training.")],
    stores: StoresOption = ["*"],  # noqa: B006
    frame_gap: Annotated[int | None, typer.Option(min=1, help="Another distance, to show what it does.")] = None,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """R2, error in units and magnitude of motion, part by part, beside predictors without a model.

    Only episodes that the model was not trained on count. Example: `gr00t idm eval lake/idm/nano/model`
    """
    _measure(folder, _stores(lake, embodiment, stores), frame_gap, as_json)


def _measure(folder: Path, stores: list[EpisodeStore], frame_gap: int | None, as_json: bool) -> None:
    from gr00t_data.disk import write_json
    from gr00t_model.idm.artifact import load_artifact
    from gr00t_model.idm.evaluate import evaluate_idm

    report = evaluate_idm(load_artifact(folder), stores, frame_gap=frame_gap)
    if frame_gap is None:
        write_json(folder / "report.json", report)
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
    idm: Annotated[Path, typer.Option(help="Folder of the inverse dynamics model.")],
    name: Annotated[str | None, typer.Option(help="Name of the new store; <store>-labelled by default.")] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode ahead.")] = 1,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the actions of a store of generated clips, into a new store; the old one is not changed.

    Example: `gr00t label lake/stores/dreams --idm lake/idm/nano/model`
    """
    from gr00t_model.idm.artifact import load_artifact
    from gr00t_model.idm.label import label_store

    opened = EpisodeStore.open(store)
    target = lake_at(lake).stores / (name or f"{opened.root.name}-labelled")
    with progress_bar("labelling") as progress:
        done = label_store(
            opened, load_artifact(idm), target, batch_size=batch_size, workers=workers, progress=progress
        )
    facts: dict[str, Any] = {"store": str(done.root), "digest": done.digest, "clips": len(done.rows)}
    show(facts | {"masked": done.about["absent"]}, as_json, done.about["source"]["refused"])


@app.command("gate")
def gate(
    store: StoreArgument,
    calibrate: Annotated[
        list[Path], typer.Option(help="A labelled store of real video that sets the thresholds; repeat for several.")
    ] = [],  # noqa: B006
    thresholds: Annotated[Path | None, typer.Option(help="Thresholds of an earlier run (JSON), instead.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new store; <store>-accepted by default.")] = None,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge labelled clips by scores that are kept apart; the accepted ones become a new sealed store.

    Thresholds are set so that at most 5 % of real episodes would be rejected. `gate/<name>.thresholds.json` and the
    contact sheet `gate/<name>.png` are written into the lake.

    Example: `gr00t gate lake/stores/dreams-labelled --calibrate lake/stores/real-labelled`
    """
    from gr00t_data.curate import gate as gates
    from gr00t_data.curate.gate_sheet import write_sheet

    opened, robot, where = EpisodeStore.open(store), load_embodiment(embodiment), lake_at(lake)
    if bool(calibrate) == bool(thresholds):
        raise typer.BadParameter("give --calibrate or --thresholds, one of them", param_hint="--calibrate")
    real = [EpisodeStore.open(path) for path in calibrate]
    scored = [(one, gates.score_store(one, robot)) for one in real]
    limits = gates.Thresholds.load(thresholds) if thresholds else gates.calibrate(scored)
    with progress_bar("scoring") as progress:
        clips = gates.score_store(opened, robot, progress=progress)
    title, judged = name or f"{opened.root.name}-accepted", gates.judge(clips, limits)
    sheet = write_sheet(where.root / "gate" / f"{title}.png", opened, judged)
    limits.save(where.root / "gate" / f"{title}.thresholds.json")
    done = gates.gate_store(opened, robot, clips, limits, where.stores / title)
    facts: dict[str, Any] = {"store": str(done.root), "accepted": len(done.rows)}
    facts |= {
        "rejected": len(judged) - len(done.rows),
        "sheet": str(sheet),
        "false rejects of real episodes": limits.false_rejects,
    }
    show(facts, as_json, [{"episode": one.episode, "reasons": "; ".join(one.reasons) or "accepted"} for one in judged])


def _stores(lake: Path | None, embodiment: str, names: list[str]) -> list[EpisodeStore]:
    from gr00t_data.stages import sealed_stores
    from gr00t_data.store import StoreError

    robot, where = load_embodiment(embodiment), lake_at(lake)
    found = [store for store in sealed_stores(where, robot, names) if "action" not in store.about.get("absent", ())]
    if not found:
        raise StoreError(f"{where.stores}: no sealed store of {robot.name!r} with actions is named {names}")
    return found


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False)
