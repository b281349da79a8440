"""A LeRobot folder of others, in the form in which every reader of LeRobot and GR00T takes it: done at ingest, to the
copy."""

from pathlib import Path

from gr00t_data.disk import json_records, read_json, write_json, write_json_lines
from gr00t_data.embodiment.names import flat_names
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lerobot.v21_meta import PICTURES_STAY
from gr00t_data.sources.formats.lerobot_odd import odd_rows
from gr00t_data.sources.formats.lerobot_pictures import encode_pictures
from gr00t_data.store.notes import Note, read_notes, write_notes
from gr00t_data.store.store import EpisodeStore, StoreError, declared_features
from gr00t_data.store.tables import TableError, opened_table

_MARK = b"\xef\xbb\xbf"
_TEMPLATES = ("data_path", "video_path")


def tidy(root: Path, drop: Path, embodiment: Embodiment, source_format: str) -> None:
    """Rewrite what only lenient readers take of ``root``, a v2 folder that was just made of ``drop``; encode pictures.

    What was done is noted in ``meta/conversion.json``.

    Raises:
        StoreError: a file of the metadata cannot be read, or the rows are those of another robot.
    """
    notes = [*_plain_json(root), *_v2_templates(root)]
    require_fit(root, drop, embodiment)
    try:
        store = EpisodeStore.open(root)
        _ = store.rows, store.tasks, store.camera_columns
    except StoreError as error:
        raise StoreError(str(error).replace(str(root), str(drop))) from error
    encoded, done = encode_pictures(root, drop, embodiment)
    before = [note for note in read_notes(root) if not _outdated(note, done)]
    if every := [*notes, *encoded, *odd_rows(root, embodiment)]:
        write_notes(root, source_format, [*before, *every])


def _outdated(note: Note, done: set[tuple[int, str]]) -> bool:
    """Whether a note says that a video is missing which there is now."""
    if note.message == PICTURES_STAY:
        return any(column == note.camera for _, column in done)
    return (note.episode_index, note.camera) in done


def _plain_json(root: Path) -> list[Note]:
    """Metadata without a byte-order mark, one object a line where that is the form."""
    notes = []
    for path in sorted((root / "meta").glob("[!.]*.json*")):
        try:
            content, records = path.read_bytes(), json_records(path)
        except ValueError:
            continue  # who needs it says what is wrong with it
        if path.suffix == ".json" and content.startswith(_MARK):
            write_json(path, read_json(path))
            notes.append(Note(f"meta/{path.name} was rewritten without its byte-order mark"))
        lines = sum(1 for line in content.splitlines() if line.strip())
        if path.suffix == ".jsonl" and (content.startswith(_MARK) or lines != len(records)):
            write_json_lines(path, [value for _, value in records if isinstance(value, dict)])
            notes.append(Note(f"meta/{path.name} was rewritten with one object a line, without a byte-order mark"))
    return notes


def _v2_templates(root: Path) -> list[Note]:
    info = read_json(path := root / "meta/info.json")
    said = {name: info[name] for name in _TEMPLATES if "{chunk_index" in str(info.get(name))}
    if said:
        write_json(path, info | {name: text.replace("{chunk_index", "{episode_chunk") for name, text in said.items()})
    return [Note(f"{name} said chunk_index as in v3.0; it says episode_chunk now, as v2.1 has it") for name in said]


def require_fit(root: Path, drop: Path, embodiment: Embodiment) -> None:
    """Check the columns, and the widths that info.json declares, against those of the robot's parts.

    Raises:
        StoreError: they differ (both named): these are episodes of another robot.
    """
    features = declared_features(root, read_json(root / "meta/info.json"))
    held = _held_columns(root)
    if held and not held & embodiment.widths.keys():
        wanted = " or ".join(map(repr, embodiment.widths))
        raise StoreError(
            f"{drop}: its rows hold {', '.join(sorted(held))}, and no {wanted}, which embodiment {embodiment.name!r} "
            "reads; name the columns in the YAML of the robot (`column:` of each part). Nothing was written"
        )
    for column, width in embodiment.widths.items():
        dims = features[column].flat_width if column in features else None
        if dims is not None and dims != width:
            raise StoreError(
                f"{drop}/meta/info.json: {column!r} has {dims} values a row"
                f"{_listed(features[column].names)}, embodiment {embodiment.name!r} has {width}; choose the embodiment "
                "that this robot is (--embodiment NAME, or the path of its YAML). Nothing was written"
            )


def _held_columns(root: Path) -> set[str]:
    """The columns of the first data file that can be read."""
    for path in sorted((root / "data").rglob("*.parquet")):
        try:
            with opened_table(path, joined=True) as file:
                return set(file.schema_arrow.names)
        except TableError:
            continue  # its episode is rejected for it
    return set()


def _listed(names: object) -> str:
    return f" ({', '.join(listed)})"[:400] if (listed := flat_names(names)) else ""
