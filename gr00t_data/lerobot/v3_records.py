"""What a LeRobot v3.0 folder says about itself: info.json, tasks, and one record an episode. No row and no frame."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from gr00t_data.disk import PathError, path_inside, read_json
from gr00t_data.lerobot.v3_layout import ORIGIN, TASKS, VERSION, Place
from gr00t_data.store.declared import require_numbers
from gr00t_data.store.layout import Feature
from gr00t_data.store.provenance import Facts, Said
from gr00t_data.store.store import StoreError, declared_features
from gr00t_data.store.tables import TableError, read_table


@dataclass(frozen=True)
class Clip:
    """Where the video of one episode and camera lies: seconds from ``begin_s`` up to ``end_s`` in one mp4."""

    file: Path
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Record:
    """One line of ``meta/episodes``.

    Attributes:
        index: the episode's number; numbers may have gaps.
        length: rows declared.
        tasks: every text the episode lists.
        data_file: the parquet file that holds its rows.
        clips: camera column -> its clip; None where the metadata gives none.
    """

    index: int
    length: int
    tasks: tuple[str, ...]
    data_file: Path
    clips: dict[str, Clip | None]


class EpisodeLine(Said):
    """A line of episodes.jsonl as it was."""

    episode_index: int = Field(ge=0)


class Origin(Said):
    """What our own writer kept of the folder that a dataset was made from.

    Attributes:
        info: its info.json.
        episodes: number of an episode -> its line in episodes.jsonl as it was; ``rows`` -> rows it had.
        filler_tasks: numbers of tasks that were added because v3.0 allows no gaps.
        added_columns: columns that v3.0 asks for and the folder did not have.
        about: its about.json; None when it had none.
    """

    info: Facts
    episodes: dict[str, EpisodeLine]
    rows: dict[str, int]
    filler_tasks: tuple[int, ...] = ()
    added_columns: tuple[str, ...]
    about: Facts | None = None


@dataclass(frozen=True)
class Dataset:
    """A LeRobot v3.0 folder with its metadata read.

    Attributes:
        records: sorted by episode number.
        tasks: task index -> text.
        origin: of a dataset that our own writer made and nobody changed since; None for all others.
    """

    root: Path
    info: Facts
    records: tuple[Record, ...]
    tasks: dict[int, str]
    origin: Origin | None

    @property
    def fps(self) -> float:
        """Rows a second, Hz."""
        return float(self._declared["fps"])

    @property
    def _declared(self) -> Mapping[str, Any]:
        """``info`` as it was checked."""
        return self.info

    @cached_property
    def features(self) -> dict[str, Feature]:
        """See ``declared_features``."""
        return declared_features(self.root, self.info)

    @cached_property
    def cameras(self) -> tuple[str, ...]:
        """Columns whose frames are in videos."""
        return _cameras(self._declared)

    def number_of(self, index: int) -> int:
        """The number an episode had before our own writer renumbered it for v3.0; of other datasets its own."""
        before = self.origin.episodes.get(str(index)) if self.origin else None
        return before.episode_index if before else index

    def stats(self) -> Iterator[tuple[int, dict[str, dict[str, object]]]]:
        """(episode number, feature -> statistic -> value) as the folder holds them."""
        for file in _episode_files(self.root):
            table = read_table(file, joined=True)
            names = [name for name in table.column_names if name.startswith("stats/")]
            for line in table.select(["episode_index", *names]).to_pylist():
                stats: dict[str, dict[str, object]] = {}
                for name in names:
                    feature, _, statistic = name.removeprefix("stats/").rpartition("/")
                    if line[name] is not None:
                        stats.setdefault(feature, {})[statistic] = line[name]
                yield int(line["episode_index"]), stats


def read_dataset(root: Path, untold: bool = False) -> Dataset:
    """Read the metadata of ``root``.

    Args:
        untold: meta/tasks.parquet may be missing; somebody says what the robot was asked to do.

    Raises:
        StoreError: a file is missing, cannot be read, or contradicts the format (named).
    """
    try:
        info = _checked_info(root)
        records = tuple(sorted(_records(root, info), key=lambda record: record.index))
        repeated = [index for index, times in Counter(record.index for record in records).items() if times > 1]
        if repeated or not records:
            what = f"lists episode {repeated[0]} twice" if repeated else "lists no episode"
            raise StoreError(f"{root}/meta/episodes: {what}; copy the dataset again from its source")
        tasks = {} if untold and not (root / TASKS).is_file() else _tasks(root)
        return Dataset(root, info, records, tasks, _origin(root, records))
    except (TableError, OSError) as error:
        raise StoreError(str(error)) from error


def _checked_info(root: Path) -> dict[str, Any]:
    path = root / "meta/info.json"
    try:
        info = read_json(path)
    except ValueError as error:
        raise StoreError(str(error)) from error
    if info.get("codebase_version") != VERSION:
        raise StoreError(f"{path}: codebase_version is {info.get('codebase_version')!r}, expected {VERSION!r}")
    if not (root / "meta/episodes").is_dir():
        old = (root / "meta/episodes.jsonl").is_file()
        holds = "but meta/episodes.jsonl belongs to v2.1: write the version it is" if old else "copy the folder again"
        raise StoreError(f"{path}: says {VERSION}, but there is no folder meta/episodes; {holds}")
    require_numbers(root, info)
    features = info.get("features")
    described = isinstance(features, dict) and all(isinstance(feature, dict) for feature in features.values())
    if not described or not isinstance(info.get("data_path"), str):
        raise StoreError(f"{path}: needs an object `features` and a text `data_path`; copy it again from its source")
    return info


def _cameras(info: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name, feature in info["features"].items() if feature.get("dtype") == "video")


def _episode_files(root: Path) -> list[Path]:
    files = sorted((root / "meta/episodes").glob("*/*.parquet"))
    if not files:
        raise StoreError(f"{root}/meta/episodes: holds no parquet file; copy the dataset again, with all its files")
    return files


def _records(root: Path, info: dict[str, Any]) -> Iterator[Record]:
    for file in _episode_files(root):
        table = read_table(file, joined=True)
        names = [name for name in table.column_names if not name.startswith("stats/")]
        for line in table.select(names).to_pylist():
            try:
                yield _record(root, info, line)
            except PathError:
                raise
            except (KeyError, TypeError, ValueError) as error:
                where = f"{file}: episode {line.get('episode_index')}"
                raise StoreError(f"{where}: {error!r}; its columns are {names}; copy the dataset again") from error


def _record(root: Path, info: dict[str, Any], line: dict[str, Any]) -> Record:
    place = Place(int(line["data/chunk_index"]), int(line["data/file_index"]))
    return Record(
        index=int(line["episode_index"]),
        length=int(line["length"]),
        tasks=tuple(line.get("tasks") or ()),
        data_file=path_inside(root, info["data_path"], **place.values),
        clips={camera: _clip(root, info, line, camera) for camera in _cameras(info)},
    )


def _clip(root: Path, info: dict[str, Any], line: dict[str, Any], camera: str) -> Clip | None:
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    chunk, file, begin_s, end_s = (line.get(f"videos/{camera}/{name}") for name in names)
    if chunk is None or file is None or begin_s is None or end_s is None:
        return None
    place = Place(int(chunk), int(file))
    path = path_inside(root, info["video_path"], video_key=camera, **place.values)
    return Clip(path, float(begin_s), float(end_s))


def _origin(root: Path, records: tuple[Record, ...]) -> Origin | None:
    """What ``ORIGIN`` says; None when the dataset was changed after it was written."""
    try:
        origin = Origin.model_validate(read_json(root / ORIGIN))
        rows = {str(record.index): record.length for record in records}
        numbers = {line.episode_index for line in origin.episodes.values()}
        whole = origin.rows == rows and origin.episodes.keys() == rows.keys() and len(numbers) == len(rows)
        return origin if whole else None
    except (OSError, ValueError):
        return None


def _tasks(root: Path) -> dict[int, str]:
    table = read_table(root / TASKS, joined=True)
    texts = [name for name in table.column_names if name != "task_index"]
    if "task_index" not in table.column_names or not texts:
        raise StoreError(f"{root / TASKS}: expected task_index and the text of the task, found {table.column_names}")
    lines = zip(table["task_index"].to_pylist(), table[texts[0]].to_pylist(), strict=True)
    return {int(index): str(text) for index, text in lines}
