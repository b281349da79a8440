"""Harmless changes: the data says the same as before, so the doctor must say the same as before."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as parquet

from benchmarks.doctor import packets
from benchmarks.doctor.anatomy import STATE, Unplantable
from benchmarks.doctor.clean import keep
from benchmarks.doctor.defects.defect import Planting, add
from benchmarks.doctor.defects.language import say
from benchmarks.doctor.defects.motion import grainy

Numbers = dict[int, int]
"""New episode number -> the number it had in the clean store."""


@dataclass(frozen=True)
class Control:
    """One harmless change of every episode of a store; ``change`` returns where each episode came from."""

    name: str
    description: str
    change: Callable[[Planting], Numbers]
    stores: tuple[str, ...] = ("simulator", "pick_n_place")


def every(
    change: Callable[[Planting, int], object], stride: int = 1, refresh: bool = False
) -> Callable[[Planting], Numbers]:
    """A change of every episode by itself, or of one in ``stride``."""

    def changed(p: Planting) -> Numbers:
        numbers = [row.index for row in p.folder.store.rows]
        for index in numbers[::stride]:
            change(p, index)
        if refresh:
            p.folder.refresh()
        return dict(zip(numbers, numbers, strict=True))

    return changed


def encoded(codec: str, **options: str) -> Callable[[Planting], Numbers]:
    """The same pictures by another encoder."""

    def encode(p: Planting, index: int) -> None:
        store = p.folder.store
        for camera in p.robot.cameras:
            frames = p.folder.frames(index, camera)
            packets.encode(store.video_path(index, camera), frames, store.fps, codec, options)

    return every(encode)


def reordered(p: Planting) -> Numbers:
    """The episodes in another order, renumbered throughout."""
    store = p.folder.store
    old = [row.index for row in store.rows]
    new = dict(zip(old, p.generator.permutation(old).tolist(), strict=True))
    lines, moves = p.folder.lines("episodes.jsonl"), []
    for index in old:
        rows = p.folder.rows(index)
        p.folder.write_rows(index, rows | {"episode_index": np.full(len(rows["timestamp"]), new[index])})
        moves.append((store.data_path(index), store.data_path(new[index])))
        moves += [(store.video_path(index, c), store.video_path(new[index], c)) for c in store.cameras]
    moves = [(source, target) for source, target in moves if source.is_file()]
    for source, _ in moves:
        source.rename(source.with_name(f"{source.name}.moving"))
    for source, target in moves:
        source.with_name(f"{source.name}.moving").rename(target)
    for line in lines:
        line["episode_index"] = new[line["episode_index"]]
    p.folder.write_lines("episodes.jsonl", sorted(lines, key=lambda line: line["episode_index"]))
    p.folder.refresh()
    return {now: before for before, now in new.items()}


def paraphrase(p: Planting, index: int) -> None:
    """The same request in other words."""
    swaps = {"pick up": "take", "pick the": "take the", "put the": "place the", "reach for": "reach", "slide": "push"}
    before = text = p.folder.store.row(index).instruction
    for old, new in swaps.items():
        text = text.replace(old, new)
    say(p, index, f"please {text}" if text == before else text)


def compress(p: Planting, index: int) -> None:
    """Parquet with zstd."""
    path = p.folder.store.data_path(index)
    p.folder.write_table(path, parquet.ParquetFile(path).read(), "zstd")


def brighten(p: Planting, index: int) -> None:
    """6 % more light."""
    for camera in p.robot.cameras:
        p.folder.change_frames(index, camera, lambda frames: frames * 1.06)


def sensor_noise(p: Planting, index: int) -> None:
    """States with noise of 0.1 mrad, pictures with noise of 2 levels."""
    rows = p.folder.rows(index)
    for limb in p.robot.limbs:
        rows = add(rows, STATE, limb, p.generator.normal(0, 1e-4, (len(rows[STATE]), len(limb.state))))
    p.folder.write_rows(index, rows)
    p.change_cameras(index, lambda frames: grainy(p, frames))


def extra_column(p: Planting) -> Numbers:
    """A column more, declared: the reward."""
    features = p.folder.json("info.json")["features"]
    p.folder.change_info(features={**features, "reward": {"dtype": "float32", "shape": [1], "names": None}})

    def append(p: Planting, index: int) -> None:
        path = p.folder.store.data_path(index)
        table = parquet.ParquetFile(path).read()
        p.folder.write_table(path, table.append_column("reward", [np.zeros(len(table), dtype=np.float32)]))

    return every(append)(p)


def _keep(p: Planting, kept: list[int]) -> Numbers:
    keep(p.folder, kept)
    p.folder.refresh()
    return dict(enumerate(kept))


def subset(p: Planting) -> Numbers:
    """Every fifth episode left out, the rest renumbered."""
    numbers = [row.index for row in p.folder.store.rows]
    return _keep(p, [number for number in numbers if number % 5])


def one_task_only(p: Planting) -> Numbers:
    """Only the episodes of one task."""
    tasks = {row.instruction for row in p.folder.store.rows}
    if len(tasks) < 2:
        raise Unplantable("a single task")
    return _keep(p, [row.index for row in p.folder.store.rows if "plate" in row.instruction])


CONTROLS = (
    Control("control-reencoded", "H.264 again, crf 23", encoded("libx264", crf="23", preset="veryfast")),
    Control(
        "control-few-keyframes",
        "H.264, key frame every 250, B frames",
        encoded("libx264", crf="20", g="250", bf="3", preset="veryfast"),
    ),
    Control("control-av1", "AV1 instead of H.264", encoded("libsvtav1", crf="30", g="2", preset="10")),
    Control("control-reordered", "episodes renumbered", reordered),
    Control("control-paraphrased", "the same request in other words", every(paraphrase)),
    Control("control-compression", "parquet with zstd", every(compress)),
    Control("control-brighter", "6 % more light in half of the episodes", every(brighten, stride=2)),
    Control("control-noise", "0.1 mrad and 2 levels of noise", every(sensor_noise, refresh=True)),
    Control("control-extra-column", "a declared column more", extra_column),
    Control("control-subset", "every fifth episode left out", subset),
    Control("control-one-task", "episodes of one task only", one_task_only, ("simulator",)),
)
