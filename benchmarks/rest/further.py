"""What a lake may hold beside: a broken drop, a baseline, world models and dreams, adapters, answers of a judge."""

import shlex
import shutil
import sys
from contextlib import suppress

from benchmarks.rest.steps import GATE, STORE, must, new_run
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.sources.landing.marker import MARKER
from gr00t_data.store.store import StoreError
from gr00t_model.dream.local_folder import folder_digest
from gr00t_model.dream.plans import plan_training
from gr00t_model.dream.run import DreamRun, prepare_run
from gr00t_model.dream.settings import Sizes, WorldModelSettings
from gr00t_model.dream.train import train as train_dream
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.train import publish_checkpoint
from gr00t_model.training.config import Lora
from gr00t_model.training.train import train
from tests.model import tiny_worlds
from tests.model.service_lake import GR1

BASELINE, MERGED, PUBLISHED = "baseline.json", "bases/merged", "bases/wan"
_ANSWER = 'print(\'{"verdict": "accept", "reason": "it does"}\')'
_JUDGE = shlex.join([sys.executable, "-c", _ANSWER])
JUDGED = (*GATE, "--calibrate", STORE, "--judge", _JUDGE, "--name", "asked")
_CLIPS = ("--from", STORE, "--count", "1", "--frames", "9", "--height", "32", "--width", "32")
DREAM_NANO = ("dream", "generate", "--generator", "nano", *_CLIPS, "--set", "sampler.steps=1")
DREAM_ADAPTED = (
    *("dream", "generate", "--generator", f"LAKE/{PUBLISHED}", "--adapter", "world_model_adapter_gr1", *_CLIPS),
    *("--set", "sampler.steps=1", "--set", "sampler.guidance=1.0", "--set", "sampler.guardrail=none"),
)
_NANO = ("codes=12", "picture_codes=12", "width=24", "heads=2", "layers=1", "text_width=16")
_SIZES = Sizes(frames=9, fps=20, height=tiny_worlds.SIDE_PX, width=tiny_worlds.SIDE_PX)


def add_further(lake: Lake, seed: int) -> None:
    """Make them in a lake that has a store, a released checkpoint, an inverse dynamics model and dreams."""
    must(lake, "doctor", STORE, "--write-baseline", str(lake.root / BASELINE))
    _broken_drop(lake)
    tiny_worlds.wan(lake.root / PUBLISHED, seed)
    world_model(lake)
    world_model(lake, PUBLISHED)
    must(lake, *DREAM_NANO)
    must(lake, *JUDGED)
    _adapted(lake)
    must(lake, "reproduce", "checkpoint_gr1")
    must(lake, "label", "dreams", "--idm", "idm_gr1", "--any-model")


def _broken_drop(lake: Lake) -> None:
    drop = lake.landing / "broken"
    (drop / "meta").mkdir(parents=True)
    (drop / "meta/info.json").write_text("{}")
    (drop / MARKER).touch()
    with suppress(StoreError):
        take_in(lake, drop.name, GR1)


def world_model(lake: Lake, base: str = "") -> DreamRun:
    """Two steps of a very small one, or of adapters of a published one; what is there goes on."""
    own = [f"nano.{one}" for one in _NANO] if not base else []
    settings = [*own, "steps=2", "batch_size=2", "log_every_steps=1", "checkpoint_every_steps=1", "keep_states=2"]
    at = str(lake.root / base) if base else ""
    config = plan_training(lake, GR1, WorldModelSettings(base=at, stores=[STORE], sizes=_SIZES, settings=settings))
    run = prepare_run(config, lake.runs, lake.cache / "model_digests.json")
    train_dream(run, StopRequest())
    name = "world_model_adapter_gr1" if base else "world_model_gr1"
    lake.point(name, run.product, folder_digest(run.product))
    return run


def _adapted(lake: Lake) -> None:
    """A run of adapters on the current checkpoint, and the two merged into a base."""
    before = lake.pointed("checkpoint_gr1")
    assert before is not None
    caches = set((lake.cache / "features").iterdir())
    run = new_run(lake, base=str(before[0]), lora=Lora(rank=2), recipe="adapted", steps=2)
    train(run, StopRequest())
    folder, _ = publish_checkpoint(lake, GR1, run)
    for cache in set((lake.cache / "features").iterdir()) - caches:
        shutil.rmtree(cache)  # the uses read the other one
    lake.point("checkpoint_gr1", *before)
    must(lake, "merge", str(folder), str(before[0]), str(lake.root / MERGED))
