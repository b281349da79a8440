"""Ingest speed: times real time per core for pictures that must be encoded, and against `cp` for files that need not.

python -m benchmarks.ingest --seconds 60
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import h5py
import numpy as np
from cyclopts import Parameter
from mcap.writer import Writer

from benchmarks.clocks import cpu_s, elapsed
from benchmarks.command import command, heading, row
from gr00t_data.confined import end_idle
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.recordings.clocks import NS
from gr00t_data.sources.recordings.mapping import Mapping, parse_mapping
from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.store.episode import Episode
from gr00t_data.store.writing import StoreWriter

ROBOT = load_embodiment("gr1")
EPISODE_S = 10
HZ = 20
PIXELS = 256


def pictures() -> np.ndarray:
    """uint8 [200, 256, 256, 3]: what the simulator's camera sees, forwards and backwards, with sensor noise."""
    episode = record_episode("pick_and_place", 0, PIXELS)
    seen = episode.video["ego_view"]
    assert isinstance(seen, np.ndarray)
    order = np.abs((np.arange(EPISODE_S * HZ) % (2 * len(seen) - 2)) - (len(seen) - 1))
    noise = np.random.default_rng(0).normal(0, 2, (EPISODE_S * HZ, PIXELS, PIXELS, 3))
    return (seen[order] + noise).clip(0, 255).astype(np.uint8)


def _mapping(reader: str, state: str, action: str, camera: str) -> Mapping:
    parts: dict[str, dict[str, Any]] = {"state": {}, "action": {}}
    for side, key in (("state", state), ("action", action)):
        for part in getattr(ROBOT, side):
            parts[side][part.name] = {"key": key, "index": f"{part.start}:{part.end}"}
    return parse_mapping({"format": reader, "hz": HZ, "cameras": {"ego_view": {"key": camera}}, **parts})


def robomimic(folder: Path, frames: np.ndarray, episodes: int) -> Mapping:
    """Raw arrays, one picture a chunk."""
    with h5py.File(folder / "demos.hdf5", "w") as file:
        for number in range(episodes):
            group = file.create_group(f"data/demo_{number}")
            group["actions"] = group["obs/joint_pos"] = np.zeros((len(frames), ROBOT.state_dim))
            group.create_dataset("obs/ego_view", data=frames, chunks=(1, PIXELS, PIXELS, 3))
    return _mapping("robomimic HDF5", "obs/joint_pos", "actions", "obs/ego_view")


def unitree(folder: Path, frames: np.ndarray, episodes: int) -> Mapping:
    """One JPEG a picture."""
    for number in range(episodes):
        (folder / f"episode_{number:04d}/colors").mkdir(parents=True)
        rows = []
        for index, frame in enumerate(frames):
            name = f"colors/{index:06d}_color_0.jpg"
            cv2.imwrite(str(folder / f"episode_{number:04d}" / name), frame[..., ::-1])
            values = {"all": {"qpos": [0.0] * ROBOT.state_dim}}
            rows.append({"idx": index, "colors": {"color_0": name}, "states": values, "actions": values})
        (folder / f"episode_{number:04d}/data.json").write_text(json.dumps({"info": {}, "data": rows}))
    return _mapping("Unitree JSON", "states.all.qpos", "actions.all.qpos", "color_0")


def mcap(folder: Path, frames: np.ndarray, episodes: int) -> Mapping:
    """JSON messages: states and commands at 100 Hz, JPEG pictures at 20 Hz."""

    coded = [base64.b64encode(cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes()).decode() for frame in frames]
    values = json.dumps({"position": [0.0] * ROBOT.state_dim}).encode()
    for number in range(episodes):
        with (folder / f"run_{number}.mcap").open("wb") as stream:
            writer = Writer(stream)
            writer.start()
            schema = writer.register_schema("any", "jsonschema", b"{}")
            topics = {name: writer.register_channel(name, "json", schema) for name in ("/state", "/command", "/image")}
            for tick in range(EPISODE_S * 100):
                stamp = tick * NS // 100
                for name in ("/state", "/command"):
                    writer.add_message(topics[name], stamp, values, stamp)
                if tick % 5 == 0:
                    picture = json.dumps({"format": "jpeg", "data": coded[tick // 5]}).encode()
                    writer.add_message(topics["/image"], stamp, picture, stamp)
            writer.finish()
    mapping = _mapping("MCAP", "/state", "/command", "/image").model_dump(mode="json", exclude_defaults=True)
    for side in ("state", "action"):
        for source in mapping[side].values():
            source["field"] = "position"
    return parse_mapping({**mapping, "hz": None})


def encoded(name: str, write: Callable[[Path, np.ndarray, int], Mapping], frames: np.ndarray, episodes: int) -> str:
    """One row of the table: real time over CPU time (children included) and over wall time."""
    with tempfile.TemporaryDirectory() as folder:
        drop = Path(folder) / "drop"
        drop.mkdir()
        mapping = write(drop, frames, episodes)
        wall, cpu = time.monotonic(), cpu_s()
        store = ingest(drop, ROBOT, Lake(Path(folder) / "lake"), mapping=mapping)
        end_idle()  # what the workers used counts when they have ended
        wall, cpu = time.monotonic() - wall, cpu_s() - cpu
        seconds = sum(row.length for row in store.rows) / HZ
    return row(name, f"{seconds:.0f}", f"{seconds / cpu:.1f}", f"{seconds / wall:.1f}")


def copied(megabytes: int, episodes: int = 20) -> str:
    """A LeRobot folder of ``megabytes``: ingest against `cp -r` with `sync`, the median of three, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        drop = _dataset(root / "drop", megabytes, episodes)
        ours, theirs, cpu = [], [], []
        copy = ["cp", "-r", drop, root / "copy"]
        for _ in range(3):
            theirs.append(elapsed(lambda: (subprocess.run(copy, check=True), os.sync()), time.monotonic))
            used = cpu_s()
            ours.append(elapsed(lambda: (ingest(drop, ROBOT, Lake(root / "lake")), os.sync()), time.monotonic))
            cpu.append(cpu_s() - used)
            shutil.rmtree(root / "copy")
            shutil.rmtree(root / "lake")
    mine, cp = sorted(ours)[1], sorted(theirs)[1]
    rates = f"ingest {mine:.2f} s ({megabytes / mine:.0f} MB/s, {sorted(cpu)[1]:.2f} s of CPU with every hash)"
    return f"{megabytes} MB copied, hashed and sealed: {rates}, cp + sync {cp:.2f} s: {mine / cp:.2f}x"


def _dataset(root: Path, megabytes: int, episodes: int) -> Path:
    """Videos are random bytes: a copy does not look inside."""
    rows = np.zeros((20, ROBOT.state_dim))
    writer = StoreWriter.create(root, ROBOT, kind="real", licence="CC0-1.0")
    for _ in range(episodes):
        writer.append(Episode("push", np.arange(20) / HZ, rows, rows))
    store = writer.seal()
    generator = np.random.default_rng(0)
    for index in range(episodes):
        path = root / f"videos/chunk-000/observation.images.ego_view/episode_{index:06d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.bytes((megabytes << 20) // episodes))
    (root / "meta/seal.json").unlink()
    (root / "meta/about.json").unlink()
    return store.root


@command
def main(
    seconds: Annotated[int, Parameter(help="Seconds of recording for each format.")] = 60,
    megabytes: Annotated[int, Parameter(help="Size of the dataset that is copied.")] = 512,
) -> None:
    """Print both tables."""
    frames, episodes = pictures(), max(seconds // EPISODE_S, 1)
    titles = "256x256, 20 fps, encoded", "s of recording", "x real time per core (bound 4)", "x real time, wall"
    print(heading(*titles))
    for name, write in (("robomimic HDF5, raw", robomimic), ("Unitree JSON, JPEG", unitree), ("MCAP JSON, JPEG", mcap)):
        print(encoded(name, write, frames, episodes), flush=True)
    print(copied(megabytes))
