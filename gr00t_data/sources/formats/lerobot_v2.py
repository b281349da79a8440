"""GR00T-LeRobot v2.0 and v2.1 drops: a store reads them as they are."""

from gr00t_data.lerobot import v2
from gr00t_data.sources.formats.taken_over import TakenOver
from gr00t_data.sources.reader import Reader

READER: Reader = TakenOver("GR00T-LeRobot v2", v2.recognises, v2.take_over, counted=True)
