"""From what a user names to a resolved training or job: the model's own sizes where none were given. No torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages.names import find
from gr00t_data.stages.stores import sealed_stores
from gr00t_model.dream.config import DreamTraining, lora_training, nano_training
from gr00t_model.dream.job import DreamJob
from gr00t_model.dream.nano.config import NanoConfig
from gr00t_model.dream.pipelines import family_of
from gr00t_model.dream.settings import SIMULATED_FRAMES, DreamSettings, Sizes, WorldModelSettings
from gr00t_model.dream.windows import plan_windows
from gr00t_model.dream.world_model import ClipShape, DreamError
from gr00t_model.loop.config import validated
from gr00t_model.loop.tracking import with_trackers
from gr00t_model.training.settings import changed_fields


def shape_of(usual: ClipShape, sizes: Sizes) -> ClipShape:
    """``usual`` with the sizes that were named.

    Raises:
        DreamError: a size that cannot be.
    """
    return validated(ClipShape, usual.model_dump() | sizes.model_dump(exclude_none=True), "the clips", DreamError)


def plan_training(
    lake: Lake, embodiment: Embodiment, settings: WorldModelSettings = WorldModelSettings(), named: str = ""
) -> DreamTraining:
    """The training of a nano model, or of adapters of a base, on the lake's stores that match.

    Stores of generated video are never learnt from unless named exactly.

    Args:
        named: the embodiment as the user named it, when it is not a bundled one.

    Raises:
        DreamError: no store with video, or a configuration that does not fit.
    """
    base, stores = settings.base, settings.stores
    family = family_of(Path(base)) if base else None
    shape = shape_of(family.usual if family else NanoConfig().shape, settings.sizes)
    if family:
        family.check(Path(base), shape)
    found = [store for store in sealed_stores(lake, embodiment, stores) if store.cameras]
    found = [store for store in found if store.kind != "neural" or store.root.name in stores]
    if not found:
        raise DreamError(
            f"{lake.stores}: no sealed store of {embodiment.name!r} with video matches {stores}; record "
            "some with `gr00t demo`, or bring yours with `gr00t ingest`"
        )
    common = {"stores": [str(store.root) for store in found], "embodiment": named or embodiment.name}
    planned = lora_training(base, shape, **common) if base else nano_training(shape=shape.model_dump(), **common)
    training = DreamTraining.of(changed_fields(planned.model_dump(mode="json"), settings.settings))
    return training.model_copy(update={"machine": with_trackers(training.machine, settings.track)})


def training_facts(config: DreamTraining) -> dict[str, object]:
    """What a training would learn from, for a dry run."""
    from gr00t_data.store.store import EpisodeStore

    stores = [EpisodeStore.open(path) for path in config.stores]
    windows = plan_windows(stores, config.shape, config.stride_frames, config.held_out_share)
    seen = config.steps * config.batch_size * config.accumulate * config.machine.num_processes
    return {
        "preset": config.preset,
        "base": config.base or "none",
        "stores": [store.root.name for store in stores],
        "shape": str(config.shape),
        "clips to learn from": len(windows.learn),
        "clips held out": len(windows.held_out),
        "episodes too short": windows.too_short,
        "episodes without an instruction": windows.unsaid,
        "epochs": round(seen / len(windows.learn), 1),
    }


def job_of(fields: Mapping[str, object], settings: Sequence[str]) -> DreamJob:
    """A job of the fields that differ from its defaults, with ``a.b=c`` changes (``sampler.offload=model``).

    Raises:
        DreamError: a value that cannot be. ConfigError: a setting of no field.
    """
    whole = validated(DreamJob, fields, "the job", DreamError).model_dump(mode="json")
    return validated(DreamJob, changed_fields(whole, settings), "the job", DreamError)


def named_job(lake: Lake, named: DreamSettings, texts: Sequence[str] = ()) -> DreamJob:
    """The job of what a user names, but for the sizes, which ask for the model.

    Args:
        texts: further instructions.

    Raises:
        DreamError, ConfigError: see ``job_of``.
    """
    source = source_of(lake, named.source)
    usual = SIMULATED_FRAMES if source["source"] == "simulator" else 0
    frames = {**source, "tasks": named.tasks, "count": usual if named.count is None else named.count}
    told = {"first_frames": frames, "instructions": {"texts": [*named.instructions, *texts]}}
    fields = named.model_dump(include={"generator", "adapter", "candidates", "seed", "licence", "defects"})
    return job_of({**fields, **told}, named.settings)


def source_of(lake: Lake, text: str) -> dict[str, str]:
    """``simulator``, a store by name or path, or a folder of pictures, as fields of FirstFrames."""
    if text == "simulator":
        return {"source": "simulator"}
    store = find(lake, text, lake.stores, "meta/info.json")
    return {"source": "store" if store else "images", "path": str(store or text)}


def lines_of(path: Path) -> list[str]:
    """The instructions of a text file, one a line; empty lines and lines that begin with # are passed over.

    Raises:
        DreamError: the file is missing, is not text, or has none.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DreamError(f"{path}: cannot be read as text ({error}); give one instruction a line, UTF-8") from error
    texts = [line for line in lines if line and not line.startswith("#")]
    if not texts:
        raise DreamError(f"{path}: holds no instruction; write one a line")
    return texts
