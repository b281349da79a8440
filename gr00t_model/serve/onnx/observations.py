"""Observations that an exported model is tried on: of its own held-out episodes where they are at hand."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.values.masks import read_parts
from gr00t_data.video import files as video
from gr00t_model.policy import Policy
from gr00t_model.serve.onnx.source import Source

_ROWS = 4
"""Enough for a difference to show, few enough for the full size on a CPU."""
_SIDE_PX = 256


def observed(source: Source, policy: Policy) -> tuple[dict[str, Any], str]:
    """An observation of several rows, and where it came from, in words.

    Made up where the checkpoint has no mixture, its stores are gone or withdrawn from, or nothing was held out; the
    words then say why.
    """
    if source.manifest is None:
        return made_up(source, policy), "made up: the folder names no mixture"
    try:
        rows = list(islice(_held_out(source.manifest, policy), _ROWS))
    except (OSError, ValueError) as error:
        return made_up(source, policy), f"made up: {error}"
    if not rows:
        return made_up(source, policy), f"made up: mixture {source.manifest.name!r} holds nothing out"
    told = f"{len(rows)} frames of held-out episodes of mixture {source.manifest.name!r}"
    return _stacked(rows), told


def _held_out(manifest: MixtureManifest, policy: Policy) -> Iterator[dict[str, Any]]:
    """The middle frame of each held-out episode."""
    chosen, robot = policy.selection, policy.embodiment
    for number, episode in manifest.held_out:
        store, entry = manifest.sources[number].open(), manifest.entry(number, episode)
        frame = entry.end // 2
        states = read_parts(store, episode, [robot.state_part(name) for name in chosen.state])
        row: dict[str, Any] = {f"state.{name}": values[frame : frame + 1] for name, values in states.items()}
        for camera in chosen.cameras:
            row[f"video.{camera}"] = video.decode_at(store.video_path(episode, camera), [frame])
        yield row | {chosen.language: [entry.text_at(frame)]}


def _stacked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One observation of rows. Pictures of several sizes do not stack: those of the first row's size are taken."""
    shapes = {key: value.shape for key, value in rows[0].items() if isinstance(value, np.ndarray)}
    alike = [row for row in rows if all(row[key].shape == shape for key, shape in shapes.items())]
    texts = {key: [row[key][0] for row in alike] for key in rows[0] if key not in shapes}
    return {key: np.stack([row[key] for row in alike]) for key in shapes} | texts


def made_up(source: Source, policy: Policy) -> dict[str, Any]:
    """Pictures of noise, and states within what training saw; always the same."""
    chosen, statistics, random = policy.selection, source.robots[0].statistics, np.random.default_rng(0)
    shape = (2, 1, _SIDE_PX, _SIDE_PX, 3)
    seen: dict[str, Any] = {
        f"video.{name}": random.integers(256, size=shape, dtype=np.uint8) for name in chosen.cameras
    }
    for name in chosen.state:
        low, high = np.array(statistics.state[name].q01), np.array(statistics.state[name].q99)
        seen[f"state.{name}"] = low + (high - low) * random.random((2, 1, len(low)))
    return seen | {chosen.language: ["pick up the cube", "put the red block into the box"]}
