"""The stages of dreaming, for the shell and the graph: train a world model, dream a drop of clips. Folder in, folder
out, content-addressed, safe to kill. No torch at import."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gr00t_data.disk import digest_json, folder_digests, read_json, write_json
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.integrity import write_record
from gr00t_data.lake import Lake, working
from gr00t_data.locks import locked
from gr00t_data.progress import Progress, silent
from gr00t_data.stages.names import find
from gr00t_data.stages.stores import sealed_stores
from gr00t_data.store.store import EpisodeStore
from gr00t_data.terms.licences import UNKNOWN, joined
from gr00t_model.dream.adapter import FACTS
from gr00t_model.dream.config import DreamTraining
from gr00t_model.dream.dreamers import Dreamer, FromFirstFrame, Oracle, open_world_model
from gr00t_model.dream.generate import make_clips
from gr00t_model.dream.job import LATEST, ORACLE, DreamJob, job_key
from gr00t_model.dream.local_folder import folder_digest
from gr00t_model.dream.nano.config import NANO_CONFIG
from gr00t_model.dream.pictures import GRID, view_of
from gr00t_model.dream.plans import named_job, shape_of
from gr00t_model.dream.run import DreamRun, prepare_run
from gr00t_model.dream.settings import ContinuationSettings, DreamSettings, Sizes
from gr00t_model.dream.shots import Shot, shots
from gr00t_model.dream.windows import Films, plan_windows
from gr00t_model.dream.world_model import ClipShape, DreamError, Sampler
from gr00t_model.loop.launch import Launched, launch

_SIMULATOR_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Planned:
    """A job with everything resolved that can be without reading weights.

    Attributes:
        target: where its drop will lie, or lies.
        key: SHA-256 of all that decides its bytes.
    """

    job: DreamJob
    dreamer: Dreamer
    shots: list[Shot]
    shape: ClipShape
    common: dict[str, str]
    key: str
    target: Path

    def to_dict(self) -> dict[str, object]:
        """JSON-able, for a dry run."""
        return {
            "drop": str(self.target),
            "finished": self.target.is_dir(),
            "clips": len(self.shots) * self.job.candidates,
            "shape": self.shape.model_dump(),
            **self.dreamer.facts,
            **self.common,
        }


def plan_dream(lake: Lake, embodiment: Embodiment, job: DreamJob) -> Planned:
    """Resolve a job: the model's files, the shots, the shape of the clips. Reads no weights, writes nothing.

    Raises:
        DreamError: the model, the first frames, the instructions or the sizes do not fit; says which.
    """
    dreamer, licence = _dreamer(lake, embodiment, job)
    listed = shots(job.first_frames, job.instructions, embodiment)
    shape = job.shape or dreamer.usual
    dreamer.check(shape, listed, job.candidates)
    view = job.first_frames.view or embodiment.selection().cameras[0]
    common = {"embodiment": embodiment.name, "view": GRID if view == GRID else view, "licence": job.licence or licence}
    key = job_key(job, {**dreamer.facts, **common}, shape, listed, embodiment.digest)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", dreamer.facts["model"])
    return Planned(job, dreamer, listed, shape, common, key, dreams_folder(lake) / f"{name}-{key[:16]}")


def dreams_folder(lake: Lake) -> Path:
    """Where drops of dreams lie, one folder each."""
    return lake.root / "dreams"


@working
def dream(lake: Lake, embodiment: Embodiment, job: DreamJob, *, progress: Progress = silent) -> tuple[Path, str]:
    """Dream the clips of a job into ``lake/dreams/<model>-<key>``; it becomes ``dreamed_videos_<embodiment>``.

    Equal jobs give the same folder and are made once; a killed one goes on with the next clip, and ends with the same
    bytes (on the same kind of device).

    Returns:
        the drop, for ``gr00t clips``, and the digest of its content.

    Raises:
        DreamError: see ``plan_dream``; or a clip came out as no clip.
    """
    planned = plan_dream(lake, embodiment, job)
    make_clips(planned.target, planned.dreamer, job, planned.shots, planned.shape, planned.common, progress)
    digest = digest_json(folder_digests(planned.target))
    lake.point(f"dreamed_videos_{embodiment.name}", planned.target, digest)
    return planned.target, digest


@working
def train_world_model(lake: Lake, config: DreamTraining, say: Callable[[str], None]) -> tuple[DreamRun, Launched]:
    """Train a world model, or adapters of one, in processes of their own; an interrupted training resumes.

    A nano model that is complete becomes ``world_model_<embodiment>`` of the lake, an adapter
    ``world_model_adapter_<embodiment>``.

    Raises:
        DreamError: inputs that do not fit. TrainingError: the trainer failed.
    """
    embodiment = load_embodiment(config.embodiment)
    run = prepare_run(config, lake.runs, lake.cache / "model_digests.json")
    with locked(run.root / "lock"):
        launched = launch(run, say)
    if launched.outcome.state == "complete":
        name = "world_model_adapter" if config.preset == "lora" else "world_model"
        lake.point(f"{name}_{embodiment.name}", run.product, folder_digest(run.product))
    return run, launched


def job_named(lake: Lake, embodiment: Embodiment, named: DreamSettings, texts: Sequence[str] = ()) -> DreamJob:
    """The job of what a user names (``plans.named_job``); the model decides the sizes that are not named."""
    job = named_job(lake, named, texts)
    if named.sizes == Sizes():
        return job
    return job.model_copy(update={"shape": shape_of(_dreamer(lake, embodiment, job)[0].usual, named.sizes)})


@working
def evaluate_world_model(
    lake: Lake,
    embodiment: Embodiment,
    model: str,
    settings: ContinuationSettings = ContinuationSettings(),
    progress: Progress = silent,
) -> tuple[dict[str, Any], Path]:
    """Continue first frames of episodes that the model did not learn from, and compare. See ``measure.measure``.

    Returns:
        the report, which also lies in ``lake/dreams/evaluations``, and the sheet of true and dreamed frames.

    Raises:
        DreamError: no such model, or no episode that is long enough and was not learnt from.
    """
    from gr00t_model.dream.measure import measure, write_sheet

    folder, adapter = _folder_of(lake, embodiment, model), _adapter_of(lake, settings.adapter)
    opened = open_world_model(folder, adapter, Sampler(steps=settings.sampling_steps, guardrail="none"))
    held = _held_out(adapter or folder)
    found = [store for store in sealed_stores(lake, embodiment, settings.stores) if store.cameras]
    windows = plan_windows(found, opened.usual, 0, 0.0).learn
    windows = [one for one in windows if held is None or f"{one.store.digest}:{one.episode}" in held][: settings.clips]
    if not windows:
        raise DreamError(
            f"{folder}: none of the episodes in {settings.stores} was held out of its training; name others"
        )
    films = Films(view_of(embodiment), opened.usual)
    report, shown = measure(opened, windows, films, opened.usual, settings.seed, progress)
    report |= {**opened.facts, "held_out": held is not None, "seed": settings.seed}
    place = dreams_folder(lake) / "evaluations" / digest_json([report, [w.episode for w in windows]])[:16]
    write_json(place / "report.json", report)
    sheet = write_sheet(place / "sheet.png", shown)
    write_record(place)
    return report, sheet


def _held_out(product: Path) -> set[str] | None:
    """Episodes that a model or adapter trained here did not see; None for a model that nobody knows this of."""
    path = next((product / name for name in (NANO_CONFIG, FACTS) if (product / name).is_file()), None)
    return None if path is None else set(read_json(path).get("held_out", ()))


def _folder_of(lake: Lake, embodiment: Embodiment, model: str) -> Path:
    if model != LATEST:
        return _within(lake, model, "model")
    pointed = lake.pointed(f"world_model_{embodiment.name}")
    if pointed is None:
        raise DreamError(f"{lake.root}: has no world_model_{embodiment.name} yet; run `gr00t dream train` first")
    return pointed[0]


def _adapter_of(lake: Lake, adapter: str) -> Path | None:
    return _within(lake, adapter, "adapter") if adapter else None


def _within(lake: Lake, text: str, product: str) -> Path:
    """A folder that is named, or what a run that is named has left."""
    folder = find(lake, text, lake.runs) or Path(text)
    return folder / product if (folder / "RUN.json").is_file() else folder


def _dreamer(lake: Lake, embodiment: Embodiment, job: DreamJob) -> tuple[Dreamer, str]:
    """The dreamer of a job, and the licence of what it was trained on, as far as that is known."""
    if job.generator == ORACLE:
        recorded = EpisodeStore.open(job.first_frames.path) if job.first_frames.source == "store" else None
        return Oracle(recorded, job.defects), recorded.licence if recorded else _SIMULATOR_LICENCE
    if job.defects:
        raise DreamError("defects are planted into the oracle's dreams only; leave --defect out")
    folder, adapter = _folder_of(lake, embodiment, job.generator), _adapter_of(lake, job.adapter)
    model = open_world_model(folder, adapter, job.sampler, lake.cache / "model_digests.json")
    return FromFirstFrame(model), _licence_of(folder, adapter)


def _licence_of(folder: Path, adapter: Path | None) -> str:
    """That of the stores a model or its adapter learnt from; a published checkpoint's own terms are the user's to
    state, so they count as unknown."""
    if (folder / NANO_CONFIG).is_file():
        return joined(read_json(folder / NANO_CONFIG).get("licences", [UNKNOWN.name]))
    tuned = read_json(adapter / FACTS).get("licences", []) if adapter else []
    return joined([UNKNOWN.name, *tuned])
