"""Items 4 to 8: statistics, the data configurations, normalizers, rotations."""

from typing import Any

import numpy as np

from benchmarks.recorded.recording import Absent, Comparison, Comparisons, Item, Recordings, close, equal, within
from gr00t_data.batches.statistics.metadata import published_part
from gr00t_data.batches.statistics.statistics import PartStatistics
from gr00t_data.batches.transforms.transforms import Normalize, VectorTransform, vector_transform
from gr00t_data.embodiment.robot import Embodiment, Part, Selection, embodiment_names, load_embodiment
from gr00t_data.horizon import window
from gr00t_data.rotations import WIDTHS, convert
from gr00t_data.store.store import EpisodeStore

Arrays = dict[str, np.ndarray]
F64, F32 = 1e-12, 1e-6
MEASURES = ("mean", "std", "min", "max", "q01", "q99")


def configurations(recordings: Recordings) -> list[str]:
    """The recorded data configurations."""
    folders = sorted(recordings.root.glob("transforms_*/metadata.json"))
    return [path.parent.name for path in folders]


def transforms(recordings: Recordings, name: str) -> Comparisons:
    """States and actions of one data configuration to the model's vectors, and actions back."""
    item = recordings.item(name)
    arrays, config = item.arrays("outputs"), item.json("config")
    embodiment = with_selection(config["data_config"])
    chosen = embodiment.selection(config["data_config"])
    yield equal([f"state.{part}" for part in chosen.state], config["state_keys"], "config/state_keys", "parts")
    yield equal([f"action.{part}" for part in chosen.action], config["action_keys"], "config/action_keys", "parts")
    if config["embodiment_tag"] == embodiment.name:
        slots = set(np.ravel(config["embodiment_id"]).tolist())
        yield equal({embodiment.slot}, slots, "config/embodiment_id", "slot")
    sides = _sides(item, embodiment, chosen, arrays)
    samples = sorted({key.split(".")[0] for key in arrays if key.split(".")[0].isdigit()})
    for sample in samples:
        for side, transform in sides.items():
            parts = {part: arrays[f"{sample}.raw.{side}.{part}"] for part in transform.steps}
            vector, recorded = f"outputs/{sample}.out.{side}", arrays[f"{sample}.out.{side}"]
            yield close(transform(parts), recorded, vector, "to the model", F64)
            mask = np.broadcast_to(transform.pad.mask, recorded.shape)
            yield equal(mask, arrays[f"{sample}.out.{side}_mask"], f"{vector}_mask", "masks")
    yield from _unapply(sides["action"], arrays)
    if "steps" in config:
        yield from _raw(recordings, config, sides, embodiment, arrays)


def _sides(item: Item, embodiment: Embodiment, chosen: Selection, arrays: Arrays) -> dict[str, VectorTransform]:
    metadata, sides = item.json("metadata")["statistics"], {}
    for side in ("state", "action"):
        parts = [_part(embodiment, side, name) for name in getattr(chosen, side)]
        modes, rotations = getattr(chosen, f"{side}_normalization"), getattr(chosen, f"{side}_rotations")
        measured = {name: published_part(value) for name, value in metadata[side].items()}
        sides[side] = vector_transform(parts, modes, rotations, measured, arrays[f"00.out.{side}"].shape[-1])
    return sides


def _part(robot: Embodiment, side: str, name: str) -> Part:
    return robot.state_part(name) if side == "state" else robot.action_part(name)


def with_selection(name: str) -> Embodiment:
    """The embodiment that has the published data configuration."""
    for candidate in embodiment_names():
        embodiment = load_embodiment(candidate)
        if name in embodiment.selections:
            return embodiment
    raise AssertionError(f"no embodiment has the published data configuration {name!r}")


def _unapply(action: VectorTransform, arrays: Arrays) -> Comparisons:
    """``fresh`` keeps the type of its input; after a float64 sample was seen, float32 input comes back as float64.

    (There the published code still adds 1 and halves in float32: hence the tolerance of float32.)
    """
    variants = {
        "fresh_f32": ("input_action_f32", np.float32, 2 * F32),
        "fresh_f64": ("input_action_f64", np.float64, F64),
        "after_apply_f32": ("input_action_f32", np.float64, F32),
    }
    for variant, (source, dtype, tolerance) in variants.items():
        recorded = {part: f"unapply.{variant}.action.{part}" for part in action.steps}
        if not all(name in arrays for name in recorded.values()):
            continue
        for part, values in action.inverse(arrays[f"unapply.{source}"].astype(dtype)).items():
            expected = arrays[recorded[part]]
            yield equal(str(values.dtype), str(expected.dtype), f"dtype/{recorded[part]}", "dtypes")
            yield close(values, expected, f"outputs/{recorded[part]}", f"back, {variant}", tolerance)


def _raw(
    recordings: Recordings, config: dict[str, Any], sides: dict[str, VectorTransform], robot: Embodiment, arrays: Arrays
) -> Comparisons:
    """What is read of the demonstration at each step, past the end of an episode included."""
    try:
        store = recordings.demonstration()
    except Absent:
        return
    for number, (episode, step) in enumerate(config["steps"]):
        for side, transform in sides.items():
            for name in transform.steps:
                part = _part(robot, side, name)
                recorded = arrays[f"{number:02}.raw.{side}.{name}"]
                values = store.matrix(episode, part.column)[:, part.slice]
                found, _ = window(values, step, len(recorded), part.absolute)
                yield equal(found, recorded, f"outputs/{number:02}.raw.{side}.{name}", "read")


def normalizer(recordings: Recordings) -> Comparisons:
    """Every mode, forward and back, with constant dimensions."""
    arrays = recordings.item("transforms_normalizer").arrays("outputs")
    columns = {name: tuple(arrays[f"stat.{name}"].tolist()) for name in MEASURES}
    for key in arrays:
        if key == "x" or key.startswith("stat."):
            continue
        mode, kind, what = key.split(".")
        dtype, tolerance = (np.float64, F64) if kind == "f64" else (np.float32, F32)
        transform = Normalize(PartStatistics(count=0, **columns), mode)
        x = arrays["x"].astype(dtype)
        given = {"forward": x, "inverse_of_x": x, "inverse_of_forward": arrays[f"{mode}.{kind}.forward"]}[what]
        found = transform(given) if what == "forward" else transform.inverse(given)
        yield close(found, arrays[key], f"outputs/{key}", f"{what}, {kind}", tolerance)


def rotations(recordings: Recordings) -> Comparisons:
    """Every conversion and its way back.

    The rows of ``special`` (no turn, half turns, locked gimbals) have several names for one rotation: they are compared
    as matrices, and their float32 names carry square roots of rounding errors. The recorded float32 names are
    themselves up to 5e-6 away from float64: three times that distance is allowed where it is more than 1e-5.
    """
    item = recordings.item("transforms_rotations")
    inputs, outputs = item.arrays("inputs"), item.arrays("outputs")
    for key, recorded in outputs.items():
        group, kind, what, name = key.split("/")
        tolerance = {"f64": 1e-9, "f32": 1e-3 if group == "special" else 1e-5}[kind]
        note = "as matrices" if group == "special" else ""
        if what == "rep":
            given, source, target = inputs[f"{group}_quaternion_wxyz_f64"], "quaternion", name
        else:
            source, target = name.split("__to__")
            given = _given(inputs, outputs, group, kind, source)
            if what == "inverse_of_forward":
                given, source, target = outputs[f"{group}/{kind}/forward/{name}"], target, source
        found = _converted(given, source, target)
        if kind == "f32" and group != "special":
            tolerance = max(tolerance, 3 * float(np.abs(recorded - outputs[key.replace("/f32/", "/f64/")]).max()))
        if group == "special" and what != "rep":
            found, recorded = _matrix(found, target), _matrix(recorded, target)
        yield within(found, recorded, f"outputs/{key}", f"{group} {what}, {kind}", tolerance, note)


def _given(inputs: Arrays, outputs: Arrays, group: str, kind: str, source: str) -> np.ndarray:
    named = {"large": "large_axis_angle_f64", "nonunit": "nonunit_quaternion_wxyz_f64"}
    values = inputs[named[group]] if group in named else outputs[f"{group}/f64/rep/{source}"]
    return values.astype(np.float64 if kind == "f64" else np.float32)


def _converted(values: np.ndarray, source: str, target: str) -> np.ndarray:
    flat = values.reshape(*values.shape[:-2], WIDTHS["matrix"]) if source == "matrix" else values
    found = convert(flat, source, target)
    return found.reshape(*found.shape[:-1], 3, 3) if target == "matrix" else found


def _matrix(values: np.ndarray, name: str) -> np.ndarray:
    return _converted(values, name, "matrix") if name != "matrix" else values


def dataset_statistics(recordings: Recordings) -> Comparisons:
    """Every numeric column of the demonstration, all episodes and a subset.

    The published code measures in float32 and in row order, which mean, std, min and max follow to the last bit;
    percentiles of float32 differ by one rounding between numpy 1 and 2.
    """
    recorded = recordings.item("dataset_statistics").json("stats")
    store = recordings.demonstration()
    everything = next(name for name in recorded if name.startswith("all"))
    groups = {everything: [row.index for row in store.rows], "subset": recorded.get("subset_episodes", [])}
    for name, episodes in groups.items():
        for column, measures in recorded.get(name, {}).items():
            values = np.concatenate([_column(store, episode, column) for episode in episodes]).astype(np.float32)
            found = PartStatistics.of(values)
            for measure in MEASURES:
                vector = f"stats/{name}/{column}/{measure}"
                exact = measure in ("min", "max")
                ours = np.array(getattr(found, measure))
                yield _measure(ours, np.array(measures[measure], dtype=np.float64), vector, exact)


def _measure(found: np.ndarray, recorded: np.ndarray, vector: str, exact: bool) -> Comparison:
    if exact:
        return equal(found, recorded, vector, "min, max")
    return close(found, recorded, vector, "mean, std, percentiles", F32)


def _column(store: EpisodeStore, episode: int, column: str) -> np.ndarray:
    """float64 [T, D] of a column, plain numbers as one dimension."""
    values = store.columns(episode)[column].to_list()
    return np.array(values, dtype=np.float64).reshape(len(values), -1)
