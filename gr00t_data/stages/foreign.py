"""What the doctor is shown, as a store: one of ours, a GR00T-LeRobot v2 folder, or a LeRobot v3.0 folder taken apart.

A v3.0 folder is cut by packets into a temporary folder, as ingest does it, and what is found there is told with the
names of the files that were handed over. Nothing is written beside them.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gr00t_data.beside import beside
from gr00t_data.curate.doctor import Report
from gr00t_data.curate.examine import check_folder
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.metadata.folder import META_12, Folder
from gr00t_data.curate.proposal import propose_robot
from gr00t_data.disk import path_inside, read_json, write_json
from gr00t_data.embodiment.modality import modality_json
from gr00t_data.embodiment.robot import Embodiment, embodiment_names, load_embodiment
from gr00t_data.lerobot import v3
from gr00t_data.lerobot.v3_layout import TASKS
from gr00t_data.lerobot.v3_records import Dataset, read_dataset
from gr00t_data.lerobot.v3_rows import unlisted
from gr00t_data.progress import Progress, silent
from gr00t_data.store import layout
from gr00t_data.store.notes import Note
from gr00t_data.store.store import EpisodeStore, StoreError

_DECLARED = ("total_episodes", "total_frames", "total_tasks", "splits")
"""What info.json of a v3.0 folder says of it, true or not."""
_MOST_NOTES, _MOST_NAMED = 40, 8
_SIDES = ("state", "action")


@dataclass(frozen=True)
class Shown:
    """A store, and whose it is.

    Attributes:
        store: what the checks read.
        root: the folder that was handed over.
        names: file of the store, relative -> the file of ``root`` that holds it; empty where they are the same.
        findings: what was met on the way.
    """

    store: EpisodeStore
    root: Path
    names: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def repairable(self) -> EpisodeStore:
        """The store, where it is the folder itself.

        Raises:
            StoreError: it is a copy of a v3.0 folder.
        """
        if self.names:
            raise StoreError(
                f"{self.root}: is v3.0, whose metadata is not repaired in place; `gr00t ingest`, or `gr00t convert "
                f"{self.root} TARGET --to v2.1`, writes it anew from the files"
            )
        return self.store

    def told(self, report: Report) -> Report:
        """The report with the names of the files that were handed over, and with what was met on the way."""
        place = re.compile(re.escape(str(self.store.root)) + r"(?:/([^\s,:;()']+))?")

        def renamed(finding: Finding) -> Finding:
            return replace(finding, message=place.sub(self._name, finding.message))

        verdicts = (replace(one, findings=tuple(map(renamed, one.findings))) for one in report.verdicts)
        findings = (*self.findings, *map(renamed, report.findings))
        return replace(report, store_path=str(self.root), findings=findings, verdicts=tuple(verdicts))

    def _name(self, found: re.Match[str]) -> str:
        inside = found[1]
        return f"{self.root}/{self.names.get(inside, inside)}" if inside else str(self.root)


@contextmanager
def shown(root: Path, embodiment: Embodiment | None = None, progress: Progress = silent) -> Iterator[Shown]:
    """Yield the folder ``root`` as a store; what stands for it goes away in the end.

    Args:
        embodiment: gives modality.json its parts where a v3.0 folder brings none.
        progress: counts the files of a v3.0 folder.

    Raises:
        StoreError: it cannot be read; see ``unreadable``.
    """
    if not v3.recognises(root):
        yield Shown(EpisodeStore.open(root), root)
        return
    name = root.resolve().name
    with beside(Path(tempfile.gettempdir()) / name, folder=True) as place:
        folder = place / name
        notes = v3.take_over(root, folder, progress, embodiment)
        dataset = read_dataset(root)
        _as_declared(dataset, folder)
        told = [f"{one.episode}: {one.reason}" for one in unlisted(dataset)] + _told(notes)
        more = [f"{len(told) - _MOST_NOTES} more notes of this kind"] if len(told) > _MOST_NOTES else []
        met = check_folder(Folder(root, notes=(*told[:_MOST_NOTES], *more)))
        yield Shown(EpisodeStore.open(folder), root, _names(dataset), tuple(met))


def robot_of(shown: Shown) -> tuple[Embodiment, str]:
    """The robot that a store names, or a known one with these joints and cameras; else one that is proposed.

    Returns:
        the robot, and the YAML of a proposed one (empty for a known one).

    Raises:
        StoreError: the store names none, and says too little to propose one.
    """
    text = ""
    if (robot := _named_robot(shown.store)) is None:
        text = propose_robot(shown.store)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "proposed.yaml"
            path.write_text(text, encoding="utf-8")
            robot = load_embodiment(path)
    write_modality(shown, robot)
    return robot, text


def _named_robot(store: EpisodeStore) -> Embodiment | None:
    if store.about.embodiment:
        return load_embodiment(store.about.embodiment)
    modality = store.meta("modality.json")
    slices = read_json(modality) if modality.is_file() else {}
    for name in embodiment_names():
        robot = load_embodiment(name)
        fitting = [one.name for one in robot.selections.values() if {*one.cameras} <= {*store.cameras}]
        own = modality_json(robot, ())
        if fitting and all(slices.get(side) and _bounds(slices[side]) == _bounds(own[side]) for side in _SIDES):
            usual = robot.default_selection
            return replace(robot, default_selection=usual if usual in fitting else fitting[0])
    return None


def _bounds(parts: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    return {name: (entry.get("start"), entry.get("end")) for name, entry in parts.items()}


def unreadable(root: Path, error: Exception) -> Report:
    """What is said of a folder that cannot be read: one finding, META-12 or META-13."""
    found = check_folder(Folder(root, str(error)))
    return Report(str(root), "", tuple(found), ())


def is_labelled_wrongly(report: Report) -> bool:
    """Whether the folder is another version than it says: that much is known of it."""
    return any(finding.code == META_12.code for finding in report.findings)


def _as_declared(dataset: Dataset, folder: Path) -> None:
    """The totals and statistics as the folder has them, where taking it apart made them true; and, empty, the folders
    of videos that info.json declares no camera for, whose names a check may want."""
    for key in (path for path in (dataset.root / "videos").glob("*") if path.is_dir()):
        if key.name not in dataset.cameras and any(key.rglob("*.mp4")):
            (folder / "videos/chunk-000" / key.name).mkdir(parents=True, exist_ok=True)
    path = folder / "meta/info.json"
    write_json(path, {**read_json(path), **{name: dataset.info[name] for name in _DECLARED if name in dataset.info}})
    stats = dataset.root / "meta/stats.json"
    if stats.is_file():
        shutil.copyfile(stats, folder / "meta/stats.json")
    else:
        (folder / "meta/stats.json").unlink(missing_ok=True)


def write_modality(shown: Shown, embodiment: Embodiment) -> None:
    """Give a v3.0 folder without a modality.json the parts of its robot, where the widths fit."""
    if not shown.names or (shown.root / "meta/modality.json").is_file():
        return
    dims = [shown.store.features[one].dims for one in ("observation.state", "action") if one in shown.store.features]
    if dims == [[embodiment.state_dim], [embodiment.action_dim]]:
        there = [one.name for one in embodiment.cameras if one.column in shown.store.features]
        write_json(shown.store.root / "meta/modality.json", modality_json(embodiment, there))


def _told(notes: Sequence[Note]) -> list[str]:
    """One line for what is the same of several episodes."""
    episodes: dict[tuple[str, str], list[int]] = {}
    for note in notes:
        of = episodes.setdefault((f", camera {note.camera!r}" if note.camera else "", note.message), [])
        of += [] if note.episode_index is None else [note.episode_index]
    return [f"{_named(numbers)}{camera}: {message}" for (camera, message), numbers in episodes.items()]


def _named(numbers: Sequence[int]) -> str:
    if not numbers:
        return "all episodes"
    more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
    return f"episode{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:_MOST_NAMED]))}{more}"


def _names(dataset: Dataset) -> dict[str, str]:
    names = {"meta/episodes.jsonl": "meta/episodes", "meta/tasks.jsonl": TASKS}
    names["meta/episodes_stats.jsonl"] = "meta/episodes"
    root = dataset.root
    for record in dataset.records:
        number = dataset.number_of(record.index)
        place = {"episode_chunk": number // layout.CHUNK_EPISODES, "episode_index": number}
        rows = path_inside(root, layout.DATA_PATH, **place).relative_to(root).as_posix()
        names[rows] = record.data_file.relative_to(root).as_posix()
        for camera, clip in record.clips.items():
            video = path_inside(root, layout.VIDEO_PATH, video_key=camera, **place).relative_to(root).as_posix()
            names[video] = clip.file.relative_to(root).as_posix() if clip else "meta/episodes"
    return names
