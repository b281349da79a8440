"""LeRobot v3.0 drops, taken apart into a folder that a store reads."""

from pathlib import Path

from gr00t_data.lerobot import v3
from gr00t_data.lerobot.v3_records import read_dataset
from gr00t_data.lerobot.v3_rows import unlisted
from gr00t_data.sources.formats.taken_over import TakenOver
from gr00t_data.sources.reader import Intake, Reader
from gr00t_data.store.provenance import Refusal


def _take_over(intake: Intake, folder: Path) -> dict[str, str]:
    untold = bool(intake.told.instruction)
    v3.take_over(intake.drop, folder, intake.progress, intake.embodiment, untold)  # what it notes lies in the folder
    return {}


def _unlisted(drop: Path) -> list[Refusal]:
    return unlisted(read_dataset(drop, untold=True))


READER: Reader = TakenOver("LeRobot v3", v3.recognises, _take_over, _unlisted, counted=False)
