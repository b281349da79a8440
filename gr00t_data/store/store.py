"""EpisodeStore: a folder of episodes in GR00T-LeRobot layout (reads v2.0 and v2.1, writes v2.1).

Written once through ``StoreWriter.create``, sealed, then immutable.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as parquet
from pydantic import ValidationError

from gr00t_data.disk import digest_json, json_records, path_inside, read_json
from gr00t_data.foreign_text import pointer_told
from gr00t_data.integrity import first_fault
from gr00t_data.limits import LimitError
from gr00t_data.seal import SEAL, Seal, read_seal, require_sealed, store_digests
from gr00t_data.store import layout
from gr00t_data.store.episode import EpisodeRow
from gr00t_data.store.provenance import EpisodeSource, Facts, Kind, StoreAbout, wrong_field
from gr00t_data.store.tables import TableError, column_matrix, read_table
from gr00t_data.store.texts import Changes, numbered_texts, texts_in

if TYPE_CHECKING:
    import polars

PENDING = ".pending"
ABOUT = "meta/about.json"


class StoreError(ValueError):
    """A store that cannot be read or must not be written; the message names the file and the remedy."""


class EpisodeStore:
    """Episodes in one folder. Use ``EpisodeStore.open`` to read and ``StoreWriter.create`` to write.

    What gives a path to be read has compared the file with the seal in this process, if there is a seal.
    """

    def __init__(self, root: Path, info: Facts, about: StoreAbout) -> None:
        self.root = root
        self.info = info
        self.about = about

    @classmethod
    def open(cls, root: Path | str) -> "EpisodeStore":
        """Open a sealed store, or any GR00T-LeRobot v2.0 / v2.1 folder.

        Raises:
            StoreError: not such a folder, or its metadata cannot be read or was changed after sealing.
        """
        root = Path(root)
        if (root / PENDING).is_dir() and not (root / SEAL).is_file():
            raise StoreError(f"{root}: is still being written; finish it with the command that began it, then open it")
        if not (root / "meta/info.json").is_file():
            wanted = "has no meta/info.json; give the GR00T-LeRobot folder that holds meta/, data/ and videos/"
            raise StoreError(f"{root}: {wanted if root.exists() else 'no such folder'}")
        info = _metadata(_checked(root, root / "meta/info.json"))
        version = info.get("codebase_version")
        if version not in ("v2.0", "v2.1"):
            raise StoreError(
                f"{root}/meta/info.json: codebase_version is {version!r}, this reader takes 'v2.0' and 'v2.1'"
                + (f"; make it one: `gr00t convert {root} TARGET --to v2.1`" if version == "v3.0" else "")
            )
        about = _checked(root, root / ABOUT)
        return cls(root, info, _about(about) if about.is_file() else StoreAbout())

    @property
    def sealed(self) -> bool:
        """Whether the content is fixed and named by ``digest``."""
        return (self.root / SEAL).is_file()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the names and hashes of all files: recorded by the seal, computed for folders without one."""
        seal = _seal_of(self.root)
        if seal and seal.fault:
            raise StoreError(f"{self.root / SEAL}: {seal.fault}")
        return seal.digest if seal else digest_json(store_digests(self.root))

    def verify(self) -> None:
        """Compare every file with the seal.

        Raises:
            StoreError: not sealed, or a file was changed, added or removed (named).
        """
        seal = _seal_of(self.root)
        if not seal:
            raise StoreError(f"{self.root}: is not sealed; there is nothing to compare with")
        found = store_digests(self.root)
        for name in sorted(seal.files.keys() | found.keys()):
            if seal.files.get(name) != found.get(name):
                what = "was added" if name not in seal.files else "is gone" if name not in found else "was changed"
                raise StoreError(f"{self.root / name}: {what} after sealing; ingest the drop again under another name")

    def verify_metadata(self) -> None:
        """Compare every file of ``meta/`` with the seal, if there is one.

        Raises:
            StoreError: one was changed, added or removed after sealing.
        """
        if seal := _seal_of(self.root):
            there = (f"meta/{path.name}" for path in (self.root / "meta").glob("[!.]*.json*"))
            for name in sorted({*(name for name in seal.files if name.startswith("meta/")), *there} - {SEAL}):
                self.verify_file(self.root / name)

    def verify_file(self, path: Path, index: int | None = None) -> Path:
        """Compare one file with the seal, if there is one: cheaper than ``verify`` where few files are read.

        Args:
            index: the episode that it is of, for the message.

        Raises:
            StoreError: the file was changed after sealing.
        """
        return _checked(self.root, path, "" if index is None else f"episode {index}: ")

    def verify_rows(self, episodes: Iterable[int]) -> None:
        """Compare the parquet files of some episodes with the seal, if there is one. Videos are compared as they are
        opened: there is a hundred times as much of them.

        Raises:
            StoreError: one was changed after sealing.
        """
        for index in episodes:
            self.data_path(index)

    def meta(self, name: str) -> Path:
        """A file of ``meta/`` (it may not exist in folders without a seal).

        Raises:
            StoreError: it was changed, added or removed after sealing.
        """
        return _checked(self.root, self.root / "meta" / name)

    @property
    def _declared(self) -> Mapping[str, Any]:
        """``info``, whose readers here refuse what they cannot use."""
        return self.info

    @property
    def fps(self) -> float:
        """Rows a second declared by the metadata, Hz."""
        return float(self._declared["fps"])

    @cached_property
    def features(self) -> dict[str, layout.Feature]:
        """See ``declared_features``."""
        return declared_features(self.root, self.info)

    @property
    def video_columns(self) -> list[str]:
        """Columns that info.json declares as videos."""
        return [name for name, feature in self.features.items() if feature.dtype == "video"]

    @property
    def chunks_size(self) -> int:
        """Episodes a folder of files."""
        said = self._declared.get("chunks_size", layout.CHUNK_EPISODES)
        if isinstance(said, bool) or not isinstance(said, int) or said < 1:
            raise StoreError(f"{self.root}/meta/info.json: chunks_size is {said!r}, expected a number from 1 up")
        return said

    @property
    def kind(self) -> Kind:
        """real, simulated, neural, human or rollout; foreign folders count as real."""
        return self.about.kind or "real"

    @property
    def licence(self) -> str:
        """Licence of the content, ``unknown`` when nobody said."""
        return self.about.licence or "unknown"

    @cached_property
    def tasks(self) -> dict[int, str]:
        """``meta/tasks.jsonl``: task index -> text."""
        return dict(task_lines(self.meta("tasks.jsonl")))

    @cached_property
    def rows(self) -> tuple[EpisodeRow, ...]:
        """``meta/episodes.jsonl``, sorted by episode number."""
        lines = _json_lines(path := self.meta("episodes.jsonl"))
        try:
            return tuple(sorted((_episode_row(path, line) for line in lines), key=lambda row: row.index))
        except StoreError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{path}: every line needs episode_index, length and tasks ({error!r})") from error

    def row(self, index: int) -> EpisodeRow:
        """The metadata of one episode; KeyError when the store has no such episode."""
        return self._rows_by_index[index]

    @cached_property
    def _rows_by_index(self) -> dict[int, EpisodeRow]:
        return {row.index: row for row in self.rows}

    @cached_property
    def camera_columns(self) -> dict[str, str]:
        """Camera name -> column, from modality.json; for folders without one, from the video features of info.json."""
        path = self.meta("modality.json")
        if path.is_file():
            return {name: entry.get("original_key", name) for name, entry in _metadata(path).get("video", {}).items()}
        return {name.rpartition(".")[2]: name for name in self.video_columns}

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras the metadata maps."""
        return tuple(self.camera_columns)

    def _place(self, index: int) -> dict[str, int]:
        """What path templates name: hand-written converters call the chunk of v2.1 as v3.0 does."""
        chunk = index // self.chunks_size
        return {"episode_chunk": chunk, "chunk_index": chunk, "episode_index": index}

    def data_place(self, index: int) -> Path:
        """Where the parquet file of an episode is or would be; what is to be read is asked for by ``data_path``."""
        return path_inside(self.root, self._declared["data_path"], **self._place(index))

    def data_path(self, index: int) -> Path:
        """The parquet file of an episode (it may not exist).

        Raises:
            StoreError: it was changed after sealing.
        """
        return self.verify_file(self.data_place(index), index)

    def video_place(self, index: int, camera: str) -> Path:
        """Where the mp4 of an episode and camera is or would be; what is to be read is asked for by ``video_path``."""
        return self._video_place(index, self.camera_columns[camera])

    def video_column_place(self, index: int, column: str) -> Path:
        """The same of a video column of info.json, also of one that modality.json does not map."""
        return self._video_place(index, column)

    def video_path(self, index: int, camera: str) -> Path:
        """The mp4 of an episode and camera (it may not exist).

        Raises:
            StoreError: it was changed after sealing.
        """
        return self.video_file(index, self.camera_columns[camera])

    def video_file(self, index: int, column: str) -> Path:
        """The mp4 of an episode and a video column of info.json, also of one that modality.json does not map.

        Raises:
            StoreError: it was changed after sealing.
        """
        return self.verify_file(self._video_place(index, column), index)

    def _video_place(self, index: int, column: str) -> Path:
        return path_inside(self.root, self._declared["video_path"], **self._place(index), video_key=column)

    def columns(self, index: int) -> "polars.DataFrame":
        """Every column of an episode's parquet file."""
        import polars

        path = self.data_path(index)
        try:
            return polars.DataFrame(read_table(path))
        except TableError as error:
            raise StoreError(f"{path}: episode {index}: {str(error).removeprefix(f'{path}: ')}") from error

    def matrix(self, index: int, column: str) -> np.ndarray:
        """One numeric column of one episode, float64 [T, D], rows as stored.

        Raises:
            StoreError: no such file or column, an unreadable file, or rows of different lengths.
        """
        path = self.data_path(index)
        try:
            return column_matrix(read_table(path, [column]), column)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: episode {index}: {str(error).removeprefix(f'{path}: ')}") from error

    def state(self, index: int) -> np.ndarray:
        """``observation.state`` of one episode, float64 [T, S]."""
        return self.matrix(index, "observation.state")

    def action(self, index: int) -> np.ndarray:
        """``action`` of one episode, float64 [T, A]."""
        return self.matrix(index, "action")

    def times_s(self, index: int) -> np.ndarray:
        """``timestamp`` of one episode, float64 [T], seconds."""
        return self.matrix(index, "timestamp")[:, 0]

    def texts(self, index: int, column: str) -> tuple[str, Changes]:
        """The instruction of the first row of an episode, and the rows from which on it is another one.

        Args:
            column: what the rows are to be read by: it holds texts or their numbers. Without it ``task_index`` counts,
                which LeRobot's own readers go by; without that, the first text that the episode lists.

        Raises:
            StoreError: see ``matrix``.
            ValueError: the column holds neither texts nor numbers, or no row.
        """
        path, row = self.data_path(index), self.row(index)
        there = parquet.read_schema(path).names
        name = next((one for one in (column, "task_index") if one in there), None)
        if name is None:
            return row.instruction, ()
        otherwise = row.instruction if name != column and len(row.tasks) < 2 else ""
        try:
            return texts_in(read_table(path, [name]), name, self._texts_of(name), otherwise)
        except TableError as error:
            raise StoreError(f"{path}: episode {index}: {str(error).removeprefix(f'{path}: ')}") from error

    def _texts_of(self, column: str) -> dict[int, str]:
        """Number -> text for a column: ``subtask_index`` has a table of its own where meta/subtasks.* is there."""
        stem = column.rpartition(".")[2].removesuffix("_index")
        if stem == "task":
            return self.tasks
        if (path := self.meta(f"{stem}s.jsonl")).is_file():
            return dict(task_lines(path, stem))
        return numbered_texts(path, stem) if (path := self.meta(f"{stem}s.parquet")).is_file() else self.tasks


def declared_features(root: Path, info: Facts) -> dict[str, layout.Feature]:
    """Column -> what the info.json of the dataset ``root`` says of it.

    Raises:
        StoreError: it says what no column can be (named).
    """
    try:
        return layout.FEATURES.validate_python(info.get("features", {}))
    except ValidationError as error:
        raise StoreError(f"{root}/meta/info.json: features.{first_fault(error)}; correct it") from error


def sealed_in(folder: Path) -> list[EpisodeStore]:
    """Every sealed store in a folder that can be read, by name; a hidden one is not finished."""
    return listed_in(folder)[0]


def listed_in(folder: Path) -> tuple[list[EpisodeStore], dict[str, str]]:
    """The sealed stores in a folder, each looked at alone: those that can be read, and why the others cannot."""
    whole, damaged = list[EpisodeStore](), dict[str, str]()
    for one in sorted(folder.iterdir()) if folder.is_dir() else []:
        if one.name.startswith(".") or not (one / SEAL).is_file():
            continue
        try:
            whole.append(read_through(one))
        except StoreError as error:
            damaged[one.name] = str(error)
    return whole, damaged


def read_through(root: Path) -> EpisodeStore:
    """Open a store and read its metadata to the end.

    Raises:
        StoreError: something of it cannot be read.
    """
    try:
        store = EpisodeStore.open(root)
        store.verify_metadata()
        _ = store.digest, store.rows, store.tasks, store.features, store.camera_columns, store.fps, store.chunks_size
    except StoreError:
        raise
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        raise StoreError(f"{root}: its metadata cannot be read ({error!r}); put the store back from a copy") from error
    return store


def _seal_of(root: Path) -> Seal | None:
    try:
        return read_seal(root)
    except (OSError, ValueError) as error:
        raise StoreError(str(error)) from error


def _checked(root: Path, path: Path, where: str = "") -> Path:
    """A file of a store, compared with the seal if there is one.

    Raises:
        StoreError: the file, or the seal, is not what was written.
    """
    if seal := _seal_of(root):
        try:
            require_sealed(root, path, seal, where)
        except (OSError, ValueError) as error:
            raise StoreError(str(error)) from error
    return path


def _metadata(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError) as error:
        raise StoreError(str(error)) from error
    if not isinstance(value, dict):
        raise StoreError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def json_lines(path: Path) -> Sequence[Facts]:
    """The objects of a file with one JSON object a line; empty lines are passed over.

    Raises:
        StoreError: no such file, or a line is not JSON (says which).
    """
    return _json_lines(path)


def task_lines(path: Path, name: str = "task") -> list[tuple[int, str]]:
    """Number and text of each line of a ``tasks.jsonl``, in its order; of a ``subtasks.jsonl`` with ``subtask``.

    Raises:
        StoreError: no such file, or a line says something else.
    """
    try:
        return [(int(line[f"{name}_index"]), str(line[name])) for line in _json_lines(path)]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path}: every line needs {name}_index (a whole number) and {name} ({error!r})") from error


def episode_lines(root: Path) -> dict[int, Facts]:
    """Episode number -> its line in ``meta/episodes.jsonl`` below ``root``, with all that it says.

    Raises:
        StoreError: no such file, or a line is not JSON.
    """
    return {int(line["episode_index"]): line for line in _json_lines(root / "meta/episodes.jsonl")}


def _json_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise StoreError(f"{path}: no such file; a GR00T-LeRobot folder needs it: one JSON object a line")
    try:
        records = json_records(path)
    except LimitError as error:
        raise StoreError(str(error)) from error
    except ValueError as error:
        number, _, why = str(error).partition(": ")
        raise StoreError(pointer_told(path) or f"{path}:{number}: not one JSON object ({why})") from error
    lines = list[dict[str, Any]]()
    for number, value in records:
        if not isinstance(value, dict):
            raise StoreError(f"{path}:{number}: expected a JSON object, found {type(value).__name__}")
        lines.append(value)
    return lines


def _about(path: Path) -> StoreAbout:
    said = _metadata(path)
    if said.get("source", {}) is None:
        said["source"] = {}
    try:
        return StoreAbout.model_validate(said)
    except ValidationError as error:
        raise StoreError(f"{path}: {wrong_field(error)}") from error


def _episode_row(path: Path, line: dict[str, Any]) -> EpisodeRow:
    index, source = int(line["episode_index"]), line.get("source")
    try:
        known = EpisodeSource() if source is None else EpisodeSource.model_validate(source)
    except ValidationError as error:
        raise StoreError(f"{path}: episode {index}: source.{wrong_field(error)}") from error
    tasks = tuple(str(text) for text in line.get("tasks", ()))
    return EpisodeRow(index, int(line["length"]), tasks, line.get("success"), known)
