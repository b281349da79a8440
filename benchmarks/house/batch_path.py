"""Which files of the project a batch passes from disk to ``Batch``: those of which a function runs while it is made."""

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np

from benchmarks.house.sizes import ROOT

_SIZES = {"batch_size": 4, "max_state_dim": 64, "max_action_dim": 32, "horizon": 16, "horizon_frames": 16}
_ROWS, _SIDE_PX = 24, 16


def batch_path() -> list[str]:
    """Files below the root of the repository, sorted: stores opened, rows, pictures and future pictures read.

    The pictures are decoded for the first time, and mixture, statistics and embodiment are in memory.
    """
    from gr00t_data.batches.frames import FramesCache
    from gr00t_data.batches.loader import Loader

    with tempfile.TemporaryDirectory() as folder:
        member, cache = _member(Path(folder)), FramesCache(Path(folder) / "frames", (_SIDE_PX, _SIDE_PX))
        return _files_run(lambda: next(iter(Loader([member], cache=cache, tokenize=_tokens, **_SIZES))))


def above_ground(files: list[str]) -> list[str]:
    """Those that lie in a room: not the modules directly in ``gr00t_data``."""
    return [file for file in files if Path(file).parent != Path("gr00t_data")]


def _member(folder: Path):
    """A mixture of one sealed store with one episode that passes every check."""
    from gr00t_data.batches.mixture.build import build_manifest
    from gr00t_data.batches.rows import Member
    from gr00t_data.batches.statistics.measure import measure
    from gr00t_data.curate.build import build_index
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.store.episode import Episode
    from gr00t_data.store.writing import StoreWriter

    gr1 = load_embodiment("gr1")
    writer = StoreWriter.create(folder / "store", gr1, kind="simulated", licence="Apache-2.0")
    phases = np.random.default_rng(0).uniform(0, 6, (2, 44))
    state, action = (0.1 * np.sin(np.arange(_ROWS)[:, None] / 10 + phase) for phase in phases)
    grey = (np.arange(_ROWS) * 4 % 250).astype(np.uint8)[:, None, None, None]
    film = np.broadcast_to(grey, (_ROWS, _SIDE_PX, _SIDE_PX, 3))
    writer.append(Episode("reach the sphere", np.arange(_ROWS) / 20, state, action, {"ego_view": film}, True))
    store = writer.seal()
    index = build_index(store, gr1, folder / "index")
    manifest = build_manifest("path", gr1, [(store, index, 1.0)], held_out_share=0)
    return Member(manifest, measure([(store, index)], gr1), gr1)


def _tokens(texts: list[str], images: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
    ids = np.ones((len(texts), 2), dtype=np.int64)
    return ids, ids


def _files_run(work: Callable[[], object]) -> list[str]:
    """Files of the packages of which a function was called, in any thread of this process."""
    seen: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            seen.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    packages = (ROOT / "gr00t_data", ROOT / "gr00t_model")
    own = [Path(file) for file in seen if any(Path(file).is_relative_to(package) for package in packages)]
    return sorted(file.relative_to(ROOT).as_posix() for file in own)
