"""Inverse dynamics as stages: a lake and settings in, a folder and its digest out. Shell and Dagster graph call these.

No torch at import: the stages that need it import it when called.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gr00t_data.code_key import code_key
from gr00t_data.curate.index import Index
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake, working
from gr00t_data.locks import locked
from gr00t_data.progress import Progress, Say
from gr00t_data.stages.names import named
from gr00t_data.stages.stores import checked_stores
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_model.idm.config import IdmTraining
from gr00t_model.idm.examples import TAUGHT_BY
from gr00t_model.idm.report import IdmReport, guessed_parts, record_digest
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.inputs import needed
from gr00t_model.stages.settings import LabellingSettings

_MEASURE = "gr00t_model.idm.evaluate"


def recorded_stores(
    lake: Lake, embodiment: Embodiment, names: Sequence[str] = ("*",), say: Say = print
) -> list[tuple[EpisodeStore, Index]]:
    """The stores with actions that somebody recorded, and the verdicts on them.

    Raises:
        StoreError: there is none with an accepted episode.
    """
    found = checked_stores(lake, embodiment, names)
    for store, _ in found:
        if store.kind not in TAUGHT_BY:
            say(f"{store.root.name}: of kind {store.kind}, its actions were not recorded; left out")
    if not (usable := [(store, index) for store, index in found if store.kind in TAUGHT_BY]):
        raise StoreError(
            f"{lake.stores}: no store of {embodiment.name!r} of kind {' or '.join(TAUGHT_BY)} is named {list(names)}; "
            "record one with `gr00t demo` or bring yours with `gr00t ingest`"
        )
    return usable


@working
def train_idm(
    lake: Lake,
    embodiment: Embodiment,
    names: Sequence[str] = ("*",),
    *,
    training: IdmTraining | None = None,
    say: Say = print,
    stop: StopRequest | None = None,
) -> tuple[Path, str]:
    """Train on the accepted episodes of the lake's recorded stores and measure on those held out; it becomes
    ``idm_<embodiment>`` of the lake.

    Returns:
        The folder of the model, with ``report.json`` of the held-out episodes, and its digest; made once for the same
        episodes, settings, code and libraries. A killed training goes on.

    Raises:
        StoreError: nothing to learn from. IdmTrainingError, ExamplesError, Stopped: see ``idm.train.train_on``.
    """
    from gr00t_model.idm.artifact import load_artifact
    from gr00t_model.idm.train import train_on, training_key

    checked = recorded_stores(lake, embodiment, names, say)
    training = training or IdmTraining()
    key = digest_json([training_key(checked, embodiment, training), code_key("gr00t_model.idm.train")])
    folder = lake.root / "idm" / key[:16]
    with locked(folder / "lock"):
        model = folder / "model"
        if not (model / "report.json").is_file():
            train_on(checked, embodiment, folder, training, say, stop)
        if not _measured(model):
            measure_idm(model, checked)
        digest = load_artifact(model).digest
    lake.point(f"idm_{embodiment.name}", model, digest)
    return model, digest


def _measured(model: Path) -> bool:
    """Whether its report was made by this code."""
    return (model / "report.json").is_file() and IdmReport.load(model).code == code_key(_MEASURE)


def measure_idm(folder: Path, checked: Sequence[tuple[EpisodeStore, Index]], frame_gap: int | None = None) -> IdmReport:
    """The report of ``idm.evaluate.evaluate_idm``; kept beside the model unless the time step is a wrong one."""
    from gr00t_model.idm.artifact import load_artifact
    from gr00t_model.idm.evaluate import evaluate_idm

    measured = evaluate_idm(load_artifact(folder), checked, frame_gap=frame_gap)
    report = replace(measured, code=code_key(_MEASURE), model=record_digest(folder))
    if frame_gap is None:
        report.save(folder)
    return report


def model_named(lake: Lake, text: str = "", embodiment: str = "gr1") -> Path:
    """The folder of a model, by path, pointer or name in ``lake/idm``; without a text the lake's current one.

    Raises:
        UnknownName: there is none of that name. MissingInput: the lake has none yet.
    """
    if not text:
        return needed(lake, f"idm_{embodiment}", "gr00t idm train")
    folder = named(lake, text, lake.root / "idm")
    return folder / "model" if (folder / "model").is_dir() else folder


@working
def label_store(
    lake: Lake,
    store: EpisodeStore,
    idm: Path,
    *,
    name: str | None = None,
    settings: LabellingSettings = LabellingSettings(),
    progress: Progress = lambda done, total: None,
) -> tuple[Path, str]:
    """Label a store of generated clips with the model in the folder ``idm``, into a new store of the lake. Parts
    that it only guesses are masked.

    Args:
        name: of the new store; the old one's name and the model's digest by default, so that it is made once for both.

    Returns:
        Its folder and digest.

    Raises:
        LabelError, TimingError, StoreError: see ``idm.label.label_store``. GuessError: see ``guessed_parts``.
        ValueError: no such device.
    """
    from gr00t_model.idm.artifact import load_artifact
    from gr00t_model.idm.label import label_store as label

    artifact = load_artifact(idm, settings.device)
    target = lake.stores / (name or f"{store.root.name}-labelled-{artifact.digest[:8]}")
    how = settings.model_dump(exclude={"device", "any_model"})
    how["guesses"] = guessed_parts(idm, settings.any_model)
    done = label(store, artifact, target, **how, progress=progress)
    return done.root, done.digest
