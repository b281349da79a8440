"""LeRobot datasets (v2.0, v2.1, v3.0) whose robot is a person: the head camera's video of each episode and its task."""

from collections.abc import Iterator
from pathlib import Path

from gr00t_data.lerobot import v2 as lerobot_v2
from gr00t_data.lerobot import v3 as lerobot_v3
from gr00t_data.lerobot.v3_records import read_dataset
from gr00t_data.sources.human.footage import Footage, Narration
from gr00t_data.sources.human.readers.drop import DropError, FootageReader, Found
from gr00t_data.store.declared import require_numbers
from gr00t_data.store.provenance import Facts, Refusal
from gr00t_data.store.store import EpisodeStore, StoreError

NAME = "lerobot"
_HEAD_WORDS = ("ego", "head", "wearer", "glasses", "top", "main", "front", "cam")
"""What cameras at a head are called, the surest first."""


def _of_v2(drop: Path) -> Iterator[Footage | Refusal]:
    store = EpisodeStore.open(drop)
    require_numbers(drop, store.info)
    cameras = store.camera_columns
    camera = _head_camera(drop, list(cameras))
    for row in store.rows:
        path = store.video_path(row.index, camera)
        if not path.is_file():
            yield Refusal(_uid(row.index), f"{path}: no such file; copy the dataset again")
            continue
        yield _footage(row.index, path, row.instruction, (0.0, row.length / store.fps), store.info, camera)


def _of_v3(drop: Path) -> Iterator[Footage | Refusal]:
    dataset = read_dataset(drop)
    camera = _head_camera(drop, list(dataset.cameras))
    for record in dataset.records:
        clip = record.clips[camera]
        if clip is None or not clip.file.is_file():
            yield Refusal(
                _uid(record.index), f"{drop}: episode {record.index} has no video of {camera!r}; copy it again"
            )
            continue
        text = record.tasks[0] if record.tasks else ""
        yield _footage(record.index, clip.file, text, (clip.begin_s, clip.end_s), dataset.info, camera)


def _head_camera(drop: Path, cameras: list[str]) -> str:
    if not cameras:
        raise DropError(f"{drop}/meta/info.json: declares no camera; egocentric video needs one")
    return next((name for word in _HEAD_WORDS for name in cameras if word in name.lower()), cameras[0])


def _uid(index: int) -> str:
    return f"episode_{index:06d}"


def _footage(index: int, video: Path, text: str, span: tuple[float, float], info: Facts, camera: str) -> Footage:
    uid = _uid(index)
    licence = info.get("licence") or info.get("license")
    return Footage(
        uid=uid,
        video=video,
        dataset=NAME,
        narrations=(Narration(f"{uid}#task", text, *span),),
        participant=None if info.get("participant") is None else str(info["participant"]),
        consent=None if info.get("consent") is None else str(info["consent"]),
        licence=str(licence or "unknown"),
        extra={"camera": camera, "robot_type": info.get("robot_type"), "episode": index},
    )


class LeRobot(FootageReader):
    """LeRobot datasets whose robot is a person. See ``FootageReader``."""

    name = NAME

    def recognises(self, drop: Path) -> bool:
        """Whether it is a LeRobot folder of a version that is read here."""
        return lerobot_v2.recognises(drop) or lerobot_v3.recognises(drop)

    def read(self, drop: Path) -> Found:
        """One footage an episode: the stretch of its video, narrated by its first task.

        Raises:
            DropError: the metadata cannot be read, or no camera is there.
        """
        try:
            episodes = list(_of_v3(drop) if lerobot_v3.recognises(drop) else _of_v2(drop))
        except StoreError as error:
            raise DropError(str(error)) from error
        footage = tuple(one for one in episodes if isinstance(one, Footage))
        refused = tuple(one for one in episodes if isinstance(one, Refusal))
        return Found(NAME, footage, refused)


READER = LeRobot()
