"""The clean stores, made once in a work folder: simulator demonstrations, the same with a second camera, PickNPlace."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np

from benchmarks.doctor.folder import Folder
from gr00t_data.disk import replacing_folder
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages.ingest import simulate
from gr00t_data.stages.settings import Demonstrations
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video.packets import probe

SIMULATOR, TWO_CAMERAS, PICK_N_PLACE = "simulator", "two_cameras", "pick_n_place"
_TASKS = {"reach": 5, "push": 6, "pick_and_place": 13}
_SEED = 4_000
_TRUTH = ("simulator", "seed", "shoves")
"""What stays of the source of an episode. Task, object and hand go: a check that read them would not be a check."""


def shared_data() -> Path:
    """Where real input data lies: ``GR00T_SHARED_DATA``, or ``shared/data`` beside the project."""
    return Path(os.environ.get("GR00T_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


def clean_stores(work: Path, embodiment: Embodiment) -> dict[str, Path]:
    """Name -> folder of every clean store; PickNPlace is left out when the real data is absent."""
    stores = {SIMULATOR: _simulator(work, embodiment)}
    stores[TWO_CAMERAS] = _two_cameras(work, stores[SIMULATOR], embodiment)
    real = shared_data() / "teleop/robot_sim.PickNPlace"
    if real.is_dir():
        stores[PICK_N_PLACE] = _copied(real, work / PICK_N_PLACE)
    return stores


def _simulator(work: Path, embodiment: Embodiment) -> Path:
    root = work / SIMULATOR
    if root.is_dir():
        return root
    recorded = simulate(Lake(work / "lake"), embodiment, Demonstrations.of(_TASKS, seed=_SEED, shoves=True))
    with replacing_folder(root) as temporary:
        temporary.rmdir()
        folder = Folder.copy(recorded.root, temporary)
        lines = folder.lines("episodes.jsonl")
        for line in lines:
            line["source"] = {key: line["source"][key] for key in _TRUTH}
        folder.write_lines("episodes.jsonl", lines)
    return root


def _two_cameras(work: Path, simulator: Path, embodiment: Embodiment) -> Path:
    """Ten episodes with a second view: the first one through a fixed perspective warp."""
    root = work / TWO_CAMERAS
    if root.is_dir():
        return root
    clean = EpisodeStore.open(simulator)
    with replacing_folder(root) as temporary:
        temporary.rmdir()
        folder = Folder.copy(simulator, temporary)
        kept = [row.index for row in clean.rows][-10:]
        camera = embodiment.camera("front_view")
        modality = folder.json("modality.json")
        modality["video"][camera.name] = {"original_key": camera.column}
        folder.write_json("modality.json", modality)
        features = folder.json("info.json")["features"]
        folder.change_info(features={**features, camera.column: features[embodiment.camera("ego_view").column]})
        for index in kept:
            folder.write_frames(index, camera.name, across(folder.frames(index, "ego_view")))
        keep(folder, kept)
        folder.refresh()
    return root


def keep(folder: Folder, kept: list[int]) -> None:
    """Remove every other episode, and number those that are kept 0, 1, ..."""
    store = folder.store
    for index in {row.index for row in store.rows} - {*kept}:
        for path in (store.data_path(index), *(store.video_path(index, camera) for camera in store.cameras)):
            path.unlink(missing_ok=True)
    folder.write_lines("episodes.jsonl", [x for x in folder.lines("episodes.jsonl") if x["episode_index"] in kept])
    renumber(folder, kept)


def renumber(folder: Folder, kept: list[int]) -> None:
    """Give the kept episodes, all that ``meta/episodes.jsonl`` lists, the numbers 0, 1, ..."""
    lines, store, first = folder.lines("episodes.jsonl"), folder.store, 0
    for new, old in enumerate(kept):
        rows = folder.rows(old)
        count = len(rows["episode_index"])
        numbers = {"episode_index": np.full(count, new), "index": np.arange(first, first + count)}
        folder.write_rows(old, rows | {name: values for name, values in numbers.items() if name in rows})
        first += count
        store.data_path(old).rename(store.data_path(new))
        for camera in store.cameras:
            if store.video_path(old, camera).is_file():
                store.video_path(old, camera).rename(store.video_path(new, camera))
        lines[new]["episode_index"] = new
    folder.write_lines("episodes.jsonl", lines)
    folder.change_info(splits={"train": f"0:{len(kept)}"})


def across(frames: np.ndarray) -> np.ndarray:
    """uint8 [T, H, W, 3] seen from the other side: turned by half and foreshortened."""
    height, width = frames.shape[1:3]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    seen = np.array([[0.95, 1.0], [0.05, 1.0], [0.25, 0.1], [0.75, 0.1]], dtype=np.float32) * (width, height)
    warp = cv2.getPerspectiveTransform(corners, seen.astype(np.float32))
    return np.stack([cv2.warpPerspective(f, warp, (width, height), borderValue=(60, 62, 70)) for f in frames])


def _copied(real: Path, root: Path) -> Path:
    if not root.is_dir():
        with replacing_folder(root) as temporary:
            shutil.copytree(real, temporary, dirs_exist_ok=True, copy_function=shutil.copyfile)
            for path in [temporary, *temporary.rglob("*")]:
                path.chmod(0o755 if path.is_dir() else 0o644)
    return root


def video_hours(store: EpisodeStore) -> float:
    """Hours of video in a store, all cameras."""
    paths = (store.video_path(row.index, camera) for row in store.rows for camera in store.cameras)
    return sum(probe(path).frames for path in paths if path.is_file()) / store.fps / 3600
