"""A robot file for a folder whose robot nobody described: what info.json, modality.json and the rows say of it.

Names, widths, cameras and the rate are read. Units are guessed from what the rows reach, and the file says so: a person
must look at them before anything is trained.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from gr00t_data.curate.compare.units import AT_END, ENDS, SCALE_END
from gr00t_data.embodiment.names import flat_names, joint_name
from gr00t_data.store.store import EpisodeStore, StoreError

_COLUMNS = {"state": ("observation.state", "state", "states"), "action": ("action", "actions")}
_SLOT = 31
"""Slot of a new embodiment in the released weights."""
_HORIZON = 16
_READ_EPISODES = 12
_IS_NAME = re.compile(r"[a-z][a-z0-9_]*")


def propose_robot(store: EpisodeStore) -> str:
    """The YAML of a robot that this store can be checked against.

    Raises:
        StoreError: info.json names no state and action of a width, or no rate.
    """
    sides = {side: _column(store, names) for side, names in _COLUMNS.items()}
    rows = {side: _reach(store, column) for side, column in sides.items()}
    if not store.info.get("fps"):
        raise StoreError(f"{store.root}/meta/info.json: says no fps; name the robot with --embodiment")
    name = joint_name(str(store.info.get("robot_type") or store.root.name))
    name = name if _IS_NAME.fullmatch(name) else f"robot_{name}".rstrip("_")
    cameras = [camera for camera in store.cameras if _IS_NAME.fullmatch(camera)]
    lines = [
        f"# Proposed from {store.root.name}/meta/info.json and its rows. Look at every unit, and give limits.",
        f"name: {name}",
        f"description: {name.replace('_', ' ')}",
        f"slot: {_SLOT}",
        f"control_hz: {store.fps!r}",
        f"action_horizon: {_HORIZON}",
        f"tolerance_s: {0.5 / store.fps:.4f}",
        "language_key: annotation.human.action.task_description",
        "language_column: task_index",
        "cameras:" + (" []" if not cameras else ""),
        *(f"  - {{name: {one}, role: {_role(one)}, column: {store.camera_columns[one]!r}}}" for one in cameras),
    ]
    parts = {side: list(_parts(store, column, rows[side])) for side, column in sides.items()}
    units = {part: _unit(part, [rows[side][dims] for side in parts for p, dims, _ in parts[side] if p == part])
             for side in parts for part, _, _ in parts[side]}  # fmt: skip
    for side, found in parts.items():
        lines.append(f"{side}:")
        for part, dims, joints in found:
            low, high = rows[side][dims].T
            lines += [
                f"  - name: {part}",
                f"    joints: [{', '.join(joints)}]",
                f"    unit: {units[part]}  # guessed: the rows go from {low.min():.4g} to {high.max():.4g}",
                "    limits: null",
                "    normalization: min_max",
                f"    column: {sides[side]!r}",
            ]
    chosen = {side: ", ".join(part for part, _, _ in found) for side, found in parts.items()}
    lines += ["default_selection: everything", "selections:", "  everything:", f"    cameras: [{', '.join(cameras)}]"]
    return "\n".join([*lines, *(f"    {side}: [{names}]" for side, names in chosen.items())]) + "\n"


def _column(store: EpisodeStore, names: Sequence[str]) -> str:
    column = next((name for name in names if name in store.features), None)
    if column is None:
        raise StoreError(
            f"{store.root}/meta/info.json: declares none of {', '.join(names)} (it has {', '.join(store.features)}); "
            "name the robot with --embodiment"
        )
    return column


def _reach(store: EpisodeStore, column: str) -> np.ndarray:
    """float64 [D, 2]: lowest and highest finite value of each dimension over some episodes."""
    lows, highs = [], []
    for row in store.rows[:: max(len(store.rows) // _READ_EPISODES, 1)]:
        try:
            values = store.matrix(row.index, column)
        except (ValueError, KeyError):
            continue
        values = values[np.isfinite(values).all(1)]
        if len(values):
            lows.append(values.min(0))
            highs.append(values.max(0))
    if not lows or len({len(low) for low in lows}) > 1:
        raise StoreError(f"{store.root}: column {column!r} cannot be read; name the robot with --embodiment")
    return np.stack([np.min(lows, axis=0), np.max(highs, axis=0)], axis=1)


def _parts(store: EpisodeStore, column: str, reach: np.ndarray) -> Iterator[tuple[str, slice, list[str]]]:
    """(name, dimensions, joints): neighbours of one side and kind are one part."""
    given = flat_names(store.features[column].names) or []
    joints = [joint_name(one) for one in given]
    if len(joints) != len(reach) or len(set(joints)) < len(joints) or not all(map(_IS_NAME.fullmatch, joints)):
        joints = [f"joint_{dim}" for dim in range(len(reach))]
    counts: dict[str, int] = {}
    start = 0
    for kind, neighbours in groupby(joints, _kind):
        found = list(neighbours)
        counts[kind] = counts.get(kind, 0) + 1
        name = kind if counts[kind] == 1 else f"{kind}_{counts[kind]}"
        yield name, slice(start, start + len(found)), found
        start += len(found)


def _kind(joint: str) -> str:
    side = next((side for side in ("left", "right") if side in joint.split("_")), "")
    kind = "gripper" if "grip" in joint else "hand" if re.search("hand|finger|thumb", joint) else "arm"
    return f"{side}_{kind}".strip("_")


def _unit(part: str, reach: Sequence[np.ndarray]) -> str:
    low, high = min(one[:, 0].min() for one in reach), max(one[:, 1].max() for one in reach)
    if part.endswith("gripper") and low >= -0.05 and high <= 1.05:
        return '"1"'
    if part.endswith("gripper") and low >= -10 and 2 < high <= 110:
        return "percent"
    farthest = max(abs(low), abs(high))
    if farthest <= SCALE_END and any(int((np.abs(one) > AT_END).any(1).sum()) >= ENDS for one in reach):
        return "range_m100_100"
    return "rad" if farthest <= 2 * np.pi else "deg" if farthest <= 400 else "ticks"


def _role(camera: str) -> str:
    words: Mapping[str, str] = {"wrist": "wrist", "hand": "wrist", "left": "left", "right": "right", "top": "top",
                                "ego": "ego", "head": "ego"}  # fmt: skip
    return next((role for word, role in words.items() if word in camera), "front")
