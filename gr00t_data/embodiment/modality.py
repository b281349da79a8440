"""``meta/modality.json`` of a store as the published GR00T loader reads it. No numpy."""

from collections.abc import Collection, Iterable, Mapping

from gr00t_data.embodiment.robot import ACTION_COLUMN, STATE_COLUMN, Embodiment, Part

Entry = Mapping[str, int | str | bool]
Modality = dict[str, dict[str, Entry]]
"""state, action, video, annotation -> name -> where it lies and how it is written."""

_DTYPE = "float64"


def modality_json(embodiment: Embodiment, cameras: Collection[str] | None = None) -> Modality:
    """The content of the file.

    Args:
        cameras: the views a store holds; without it, those of the default selection.

    Every language key of a selection that is not a column of its own points at ``language_column``, so that each
    selection can be read from the same store.
    """
    own = embodiment.language_column
    names = embodiment.selection().cameras if cameras is None else cameras
    keys = [embodiment.language_key, *(selection.language for selection in embodiment.selections.values())]
    return {
        "state": {part.name: _entry(part, STATE_COLUMN) for part in embodiment.state},
        "action": {part.name: _entry(part, ACTION_COLUMN) for part in embodiment.action},
        "video": {name: {"original_key": embodiment.camera(name).column} for name in names},
        "annotation": {
            key.removeprefix("annotation."): {} if key == own else {"original_key": own} for key in dict.fromkeys(keys)
        },
    }


def further_views(columns: Iterable[str], embodiment: Embodiment, taken: Collection[str]) -> dict[str, Entry]:
    """The camera columns that the embodiment does not have, by their last word where no view has that name."""
    known, views = {camera.column for camera in embodiment.cameras}, dict[str, Entry]()
    for column in columns:
        if column not in known:
            short = column.rpartition(".")[2]
            views[column if short in taken or short in views else short] = {"original_key": column}
    return views


def _entry(part: Part, default_column: str) -> Entry:
    """Only what differs from the published defaults (absolute true, float64, the side's own column)."""
    entry: dict[str, int | str | bool] = {"start": part.start, "end": part.end}
    entry |= {"original_key": part.column} if part.column != default_column else {}
    entry |= {"rotation_type": part.rotation} if part.rotation else {}
    entry |= {"absolute": False} if not part.absolute else {}
    return entry | ({"dtype": part.dtype} if part.dtype != _DTYPE else {})
