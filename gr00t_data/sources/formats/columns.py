"""State and action of a dataset that is taken over, put in the order and the units of the robot file.

What a store holds is in the order of its robot, so that statistics, exports and actions on their way back need not know
how it was recorded. Rows, statistics, names and modality.json change together; the store says what was done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.disk import read_json, write_json, write_json_lines
from gr00t_data.embodiment.modality import modality_json
from gr00t_data.embodiment.names import NamesError, Order, order_of
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.embodiment.units import Affine, UnitError, conversion
from gr00t_data.store.layout import Feature
from gr00t_data.store.provenance import Facts
from gr00t_data.store.store import StoreError, declared_features, json_lines
from gr00t_data.store.tables import column_matrix, read_table

_LEVELS = ("mean", "min", "max", "q01", "q10", "q50", "q90", "q99")
"""Statistics that move with the values; ``std`` only scales."""


@dataclass(frozen=True)
class Column:
    """What becomes of one column.

    Attributes:
        order: where its dimensions come from; None: they stay.
        affine: over all its dimensions, in the order of the robot; None: the values stay.
        units: ``state.single_arm`` -> recorded and kept unit.
    """

    order: Order | None
    affine: Affine | None
    units: dict[str, tuple[str, str]]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """float64 [T, D] as recorded to [T, D] as the robot file says."""
        ordered = values if self.order is None else values[:, list(self.order.places)]
        return ordered if self.affine is None else self.affine(ordered)


def planned(root: Path, embodiment: Embodiment) -> dict[str, Column]:
    """The columns of the dataset ``root`` that must change, by name.

    Raises:
        StoreError: names contradict the robot file, or a unit cannot be converted; says what to write.
    """
    found: dict[str, Column] = {}
    features = declared_features(root, read_json(root / "meta/info.json"))
    for column, parts in embodiment.parts_by_column.items():
        feature = features.get(column, Feature())
        if feature.flat_width != (dims := sum(part.dim for _, part in parts)):
            if any(part.recorded_unit not in (None, part.unit) for _, part in parts):
                raise StoreError(
                    f"{root}/meta/info.json: {column!r} declares {feature.flat_width} values a row, "
                    f"{embodiment.name!r} lists {dims} joints: their units cannot be converted; correct one of the two"
                )
            continue
        try:
            order = order_of(embodiment.joints_by_column[column], feature.names)
            affine, units = _units(parts)
        except NamesError as error:
            raise StoreError(
                f"{root}/meta/info.json: the names of {column!r} contradict the order of the joints of "
                f"{embodiment.name!r} ({error}); list the joints in the robot file as the data set "
                "has them, under its names or your own, or correct the names in info.json"
            ) from error
        except UnitError as error:
            raise StoreError(f"{root}: {error}") from error
        if order or affine:
            found[column] = Column(order, affine, units)
    return found


def _units(parts: list[tuple[str, Part]]) -> tuple[Affine | None, dict[str, tuple[str, str]]]:
    turned = {f"{side}.{part.name}": (part, conversion(part)) for side, part in parts}
    units = {name: (str(part.recorded_unit), part.unit) for name, (part, affine) in turned.items() if affine}
    if not units:
        return None, {}
    each = [affine or Affine(np.ones(part.dim), np.zeros(part.dim)) for part, affine in turned.values()]
    return Affine(*(np.concatenate([getattr(one, field) for one in each]) for field in ("scale", "offset"))), units


def facts_of(plan: Mapping[str, Column]) -> Facts:
    """What was done, for the provenance of the store."""
    return {
        column: {
            **({"recorded_names": list(one.order.recorded), "places": list(one.order.places)} if one.order else {}),
            **({"units": {name: list(pair) for name, pair in one.units.items()}} if one.units else {}),
            **({"scale": one.affine.scale.tolist(), "offset": one.affine.offset.tolist()} if one.affine else {}),
        }
        for column, one in plan.items()
    }


def lines_of(plan: Mapping[str, Column]) -> list[str]:
    """The same in a line each, for a person."""
    lines = []
    for column, one in plan.items():
        if one.order:
            lines.append(f"{column}: reordered by name from {', '.join(one.order.recorded)}")
        lines += [f"{column}: {name} converted from {old} to {new}" for name, (old, new) in one.units.items()]
    return lines


def rewrite(folder: Path, plan: Mapping[str, Column], embodiment: Embodiment) -> set[str]:
    """Change the files of a GR00T-LeRobot v2 folder that is still being written.

    Returns:
        names of the files that are no longer those of the drop.
    """
    changed = {path for path in sorted((folder / "data").rglob("*.parquet")) if _rewrite_rows(path, plan)}
    info = read_json(folder / "meta/info.json")
    for column, one in plan.items():
        feature = info["features"][column]
        if one.order:
            feature["names"] = [one.order.recorded[place] for place in one.order.places]
        if one.affine and not str(feature.get("dtype")).startswith("float"):
            feature["dtype"] = "float32"
    write_json(folder / "meta/info.json", info)
    changed |= {folder / "meta/info.json", *_rewrite_stats(folder, plan), *_rewrite_modality(folder, plan, embodiment)}
    return {path.relative_to(folder).as_posix() for path in changed}


def _rewrite_rows(path: Path, plan: Mapping[str, Column]) -> bool:
    """Whether the file was one that could be read; the checks reject the others."""
    try:
        table = read_table(path)
        matrices = {column: column_matrix(table, column) for column in plan if column in table.column_names}
    except (OSError, ValueError):
        return False
    for column, values in matrices.items():
        one = plan[column]
        if one.order is not None and values.shape[1] != len(one.order.places):
            continue
        kind = table.schema.field(column).type
        table = table.set_column(table.column_names.index(column), column, _stored(kind, one(values), one.affine))
    parquet.write_table(table, path, compression="snappy")
    return True


def _stored(kind: pa.DataType, values: np.ndarray, affine: Affine | None) -> pa.Array:
    """Values as the file had them; whole numbers that were converted become float32."""
    nested = pa.types.is_nested(kind)
    number = kind.value_type if nested else kind
    flat = pa.array(values.ravel()).cast(pa.float32() if affine and not pa.types.is_floating(number) else number)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]) if nested else flat


def _rewrite_stats(folder: Path, plan: Mapping[str, Column]) -> set[Path]:
    changed = set()
    whole, each = folder / "meta/stats.json", folder / "meta/episodes_stats.jsonl"
    if whole.is_file():
        write_json(whole, _moved_stats(read_json(whole), plan))
        changed.add(whole)
    if each.is_file():
        lines = [dict(line) for line in json_lines(each)]
        write_json_lines(each, [line | {"stats": _moved_stats(line.get("stats"), plan)} for line in lines])
        changed.add(each)
    return changed


def _moved_stats(stats: Any, plan: Mapping[str, Column]) -> Any:
    """Statistics of the rows as they are now; what is no statistics stays, for the checks to find."""
    if not isinstance(stats, dict):
        return stats
    moved = dict(stats)
    for column, one in plan.items():
        entry = stats.get(column)
        if not isinstance(entry, dict):
            continue
        moved[column] = dict(entry)
        for name in (*_LEVELS, "std"):
            try:
                values = np.array(entry[name], dtype=np.float64)
                spread = Column(one.order, one.affine and Affine(one.affine.scale, 0 * one.affine.offset), {})
                moved[column][name] = (spread if name == "std" else one)(values[None])[0].tolist()
            except (IndexError, KeyError, TypeError, ValueError):
                continue
    return moved


def _rewrite_modality(folder: Path, plan: Mapping[str, Column], embodiment: Embodiment) -> set[Path]:
    """The slices of a modality.json are those of the recorded order."""
    path = folder / "meta/modality.json"
    if not path.is_file() or not any(one.order for one in plan.values()):
        return set()
    robot = modality_json(embodiment)
    write_json(path, read_json(path) | {side: robot[side] for side in ("state", "action")})
    return {path}
