"""Attacks on logs of messages: MCAP files and bags of ROS 1 and 2."""

from benchmarks.hostile.beside import episodes_in, ingested
from benchmarks.hostile.case import Place, attacks
from tests.data.sources import test_logs


def _beside(place: Place) -> None:
    test_logs.ros2_mcap(place.drop / "good.mcap")


def _cut(place: Place) -> None:
    _beside(place)
    content = (place.drop / "good.mcap").read_bytes()
    (place.drop / "evil.mcap").write_bytes(content[:40])


attacks(
    "MCAP records",
    ingested(test_logs.MAPPING),
    ("cut off after its header", _cut, "refused evil.mcap"),
    beside=episodes_in(1),
)
