"""GR00T-LeRobot v2.0 and v2.1 drops: a store reads them as they are."""

from pathlib import Path

from gr00t_data.lerobot import v2
from gr00t_data.sources.formats.taken_over import TakenOver
from gr00t_data.sources.reader import Intake, Reader
from gr00t_data.store.provenance import Refusal
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.unlisted import unlisted


def _take_over(intake: Intake, folder: Path) -> dict[str, str]:
    return v2.take_over(intake.drop, folder, intake.progress)


def _unlisted(drop: Path) -> list[Refusal]:
    return unlisted(EpisodeStore.open(drop))


READER: Reader = TakenOver("GR00T-LeRobot v2", v2.recognises, _take_over, _unlisted, counted=True)
