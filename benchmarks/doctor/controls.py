"""Harmless changes: the data says the same as before, so the doctor must say the same as before."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as parquet

from benchmarks.doctor import packets
from benchmarks.doctor.clean import renumber
from benchmarks.doctor.defect import CAMERA, Planting
from benchmarks.doctor.defects_language import say

Numbers = dict[int, int]
"""New episode number -> the number it had in the clean store."""


@dataclass(frozen=True)
class Control:
    """One harmless change of every episode of a store; ``change`` returns where each episode came from."""

    name: str
    description: str
    change: Callable[[Planting], Numbers]
    stores: tuple[str, ...] = ("simulator", "pick_n_place")


def _same(p: Planting) -> Numbers:
    return {row.index: row.index for row in p.folder.store.rows}


def _encoded(p: Planting, codec: str, options: dict[str, str]) -> Numbers:
    for row in p.folder.store.rows:
        path = p.folder.store.video_path(row.index, CAMERA)
        packets.encode(path, p.folder.frames(row.index, CAMERA), p.folder.store.fps, codec, options)
    return _same(p)


def reencoded(p: Planting) -> Numbers:
    """H.264 again, at the quality of LeRobot recordings."""
    return _encoded(p, "libx264", {"crf": "23", "preset": "veryfast"})


def few_keyframes(p: Planting) -> Numbers:
    """H.264 with B frames and a key frame every 250."""
    return _encoded(p, "libx264", {"crf": "20", "g": "250", "bf": "3", "preset": "veryfast"})


def av1(p: Planting) -> Numbers:
    """AV1 as LeRobot writes it."""
    return _encoded(p, "libsvtav1", {"crf": "30", "g": "2", "preset": "10"})


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
    for source, _ in moves:
        source.rename(source.with_name(f"{source.name}.moving"))
    for source, target in moves:
        source.with_name(f"{source.name}.moving").rename(target)
    for line in lines:
        line["episode_index"] = new[line["episode_index"]]
    p.folder.write_lines("episodes.jsonl", sorted(lines, key=lambda line: line["episode_index"]))
    p.folder.refresh()
    return {now: before for before, now in new.items()}


def paraphrased(p: Planting) -> Numbers:
    """The same request in other words."""
    swaps = {"pick up": "take", "pick the": "take the", "put the": "place the", "reach for": "reach", "slide": "push"}
    for row in p.folder.store.rows:
        text = row.instruction
        for old, new in swaps.items():
            text = text.replace(old, new)
        say(p, row.index, f"please {text}" if text == row.instruction else text)
    return _same(p)


def other_compression(p: Planting) -> Numbers:
    """Parquet with zstd."""
    for row in p.folder.store.rows:
        path = p.folder.store.data_path(row.index)
        p.folder.write_table(path, parquet.ParquetFile(path).read(), "zstd")
    return _same(p)


def brighter(p: Planting) -> Numbers:
    """6 % more light in every second episode."""
    for row in p.folder.store.rows[::2]:
        p.folder.change_frames(row.index, CAMERA, lambda frames: frames * 1.06)
    return _same(p)


def sensor_noise(p: Planting) -> Numbers:
    """States with noise of 0.1 mrad, pictures with noise of 2 levels."""
    for row in p.folder.store.rows:
        rows = p.folder.rows(row.index)
        state = rows["observation.state"]
        p.folder.write_rows(row.index, rows | {"observation.state": state + p.generator.normal(0, 1e-4, state.shape)})
        shape = p.folder.frames(row.index, CAMERA).shape
        grain = p.generator.normal(0, 2, shape).astype(np.float32)
        p.folder.change_frames(row.index, CAMERA, lambda frames, grain=grain: frames + grain)
    p.folder.refresh()
    return _same(p)


def extra_column(p: Planting) -> Numbers:
    """A column more, declared: the reward."""
    features = p.folder.json("info.json")["features"]
    p.folder.change_info(features={**features, "reward": {"dtype": "float32", "shape": [1], "names": None}})
    for row in p.folder.store.rows:
        path = p.folder.store.data_path(row.index)
        table = parquet.ParquetFile(path).read()
        p.folder.write_table(path, table.append_column("reward", [np.zeros(len(table), dtype=np.float32)]))
    return _same(p)


def _keep(p: Planting, kept: list[int]) -> Numbers:
    store = p.folder.store
    for row in store.rows:
        if row.index not in kept:
            store.data_path(row.index).unlink()
            store.video_path(row.index, CAMERA).unlink()
    lines = [line for line in p.folder.lines("episodes.jsonl") if line["episode_index"] in kept]
    p.folder.write_lines("episodes.jsonl", lines)
    renumber(p.folder, kept)
    p.folder.refresh()
    return dict(enumerate(kept))


def subset(p: Planting) -> Numbers:
    """Every fifth episode left out, the rest renumbered."""
    numbers = [row.index for row in p.folder.store.rows]
    return _keep(p, [number for number in numbers if number % 5])


def one_task_only(p: Planting) -> Numbers:
    """Only the episodes of one task."""
    return _keep(p, [row.index for row in p.folder.store.rows if "plate" in row.instruction])


CONTROLS = (
    Control("control-reencoded", "H.264 again, crf 23", reencoded),
    Control("control-few-keyframes", "H.264, key frame every 250, B frames", few_keyframes),
    Control("control-av1", "AV1 instead of H.264", av1),
    Control("control-reordered", "episodes renumbered", reordered),
    Control("control-paraphrased", "the same request in other words", paraphrased),
    Control("control-compression", "parquet with zstd", other_compression),
    Control("control-brighter", "6 % more light in half of the episodes", brighter),
    Control("control-noise", "0.1 mrad and 2 levels of noise", sensor_noise),
    Control("control-extra-column", "a declared column more", extra_column),
    Control("control-subset", "every fifth episode left out", subset),
    Control("control-one-task", "episodes of one task only", one_task_only, ("simulator",)),
)
