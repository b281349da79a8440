"""A disk that fills up while drops are taken in, checked, measured and trained on: said in words, nothing lost."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from gr00t_data.disk import DiskError, digest_file, folder_digests, replacing, write_json
from gr00t_data.lake import Lake
from gr00t_data.sources.how_made import HOW_MADE
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.stores import check, sealed_stores
from tests.pipelines.drops import GR1, put
from tests.pipelines.small_disk import fill, small_disk

REMEDY = "disk is full: free some space, then run again; nothing was left half-written"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 100) as folder:
        yield folder


def content(lake: Lake) -> dict[str, str]:
    """Digests of what a lake holds; a lock holds nothing but who took it last."""
    return {name: one for name, one in folder_digests(lake.root).items() if not name.startswith("locks/")}


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.name not in (HOW_MADE, ".fetching")]


@pytest.mark.parametrize("write", ["text", "array", "tensors"])
def test_every_library_that_writes_says_the_same(disk, write):
    import torch
    from safetensors.torch import save_file

    fill(disk, leave_bytes=8192)
    ways: dict[str, Callable[[Path], object]] = {
        "text": lambda path: path.write_text("x" * 100_000),
        "array": lambda path: np.save(path.open("wb"), np.zeros(100_000)),
        "tensors": lambda path: save_file({"a": torch.zeros(100_000)}, path),
    }
    with pytest.raises(DiskError, match=REMEDY), replacing(disk / "x.bin") as temporary:
        ways[write](temporary)
    assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_a_disk_that_fills_while_a_drop_is_taken_in(disk):
    lake = Lake(disk / "lake")
    put(lake, "monday", episodes=3)
    put(lake, "tuesday", episodes=2, seed=1)
    first = take_in(lake, "monday", GR1)
    ballast: list[Path] = []

    def fills_up(done: int, total: int) -> None:
        if done == 2:
            ballast.append(fill(disk))

    with pytest.raises(DiskError, match=REMEDY):
        take_in(lake, "tuesday", GR1, progress=fills_up)
    first.verify()
    assert [store.root.name for store in sealed_stores(lake, GR1)] == ["monday"] and not hidden(lake.stores)
    ballast[0].unlink()
    take_in(lake, "tuesday", GR1).verify()


def test_a_disk_that_is_full_before_checks_statistics_and_manifests(disk):
    lake = Lake(disk / "lake")
    put(lake, "monday", episodes=3)
    store = take_in(lake, "monday", GR1)
    steps: list[Callable[[], object]] = [
        lambda: check(lake, store, GR1),
        lambda: measure_statistics(lake, GR1),
        lambda: mix(lake, GR1),
    ]
    for step in steps:
        before = content(lake)
        ballast = fill(disk)
        with pytest.raises(DiskError, match=REMEDY):
            step()
        assert before.items() <= content(lake).items() and not hidden(lake.root)
        ballast.unlink()
        step()
    assert lake.pointed("mixture_gr1") and lake.pointed("norm_stats_gr1")


def test_a_disk_that_fills_while_a_model_is_trained(disk, tmp_path):
    """The states before stay, and the run that goes on ends with the weights of one that was not disturbed."""
    from gr00t_model.loop.state import list_states
    from gr00t_model.loop.stop import StopRequest
    from gr00t_model.training.key import prepare_run
    from gr00t_model.training.train import train
    from tests.model.tiny import build

    lake = build(tmp_path)
    config = lake.config(steps=6)
    calm = prepare_run(config, tmp_path / "calm")
    train(calm, StopRequest())
    run = prepare_run(config, disk)

    class FillsUp(StopRequest):
        """Asked by the loop before each step: the disk is full when the first state is there."""

        @property
        def reason(self) -> str | None:  # type: ignore[override]
            if list_states(run.states) == [2] and not (disk / "ballast").exists():
                fill(disk, leave_bytes=20_000)
            return None

        @reason.setter
        def reason(self, value: str | None) -> None:
            """Nobody asks it to stop."""

    with pytest.raises(DiskError, match=REMEDY):
        train(run, FillsUp())
    assert list_states(run.states) == [2] and run.outcome() is None
    (disk / "ballast").unlink()
    assert train(run, StopRequest()).steps_done == 4
    names = [path.name for path in run.checkpoint.glob("*.safetensors")]
    assert names and all(digest_file(run.checkpoint / n) == digest_file(calm.checkpoint / n) for n in names)
    assert load_file(run.checkpoint / names[0])


def test_a_cache_of_features_that_has_no_room_is_said_and_not_a_bus_error(disk, tmp_path):
    """The arrays are maps of sparse files: without their room taken first, the kernel would kill the trainer."""
    from gr00t_model.loop.stop import StopRequest
    from gr00t_model.training.key import prepare_run
    from gr00t_model.training.train import train
    from tests.model.tiny import build

    lake = build(tmp_path)
    data = lake.config().data.model_copy(update={"cache": str(disk / "cache")})
    config = lake.config(data=data)
    train(prepare_run(config, tmp_path / "first"), StopRequest())
    (features,) = (path.parent for path in disk.rglob("features.npy"))
    room = sum(path.stat().st_size for path in features.iterdir())
    shutil.rmtree(features)
    ballast = fill(disk, leave_bytes=room // 2)
    run = prepare_run(config, tmp_path / "second")
    with pytest.raises(DiskError, match=REMEDY):
        train(run, StopRequest())
    ballast.unlink()
    assert train(run, StopRequest()).steps_done == 4


def test_what_stood_before_a_failed_write_stands_after_it(disk):
    write_json(disk / "a.json", {"old": True})
    before = (disk / "a.json").read_bytes()
    fill(disk)
    with pytest.raises(DiskError, match=REMEDY):
        write_json(disk / "a.json", {"new": "x" * 100_000})
    assert (disk / "a.json").read_bytes() == before
