"""A drop in which nobody says what the robot was asked to do is asked about before anything of it is encoded."""

from pathlib import Path

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.reader import reader_for
from gr00t_data.sources.recordings.mapping import Mapping
from gr00t_data.sources.told import Told
from gr00t_data.store.store import StoreError


class UntoldError(StoreError):
    """No episode of a drop has an instruction, and nobody told one."""


def require_instruction(
    drop: Path, embodiment: Embodiment, mapping: Mapping | None, told: Told, remedy: str = "give --instruction TEXT"
) -> None:
    """Whether an episode of a drop says what the robot was asked to do, or somebody does.

    Raises:
        UntoldError: none does, and nobody does; ``remedy`` says how.
        StoreError, MappingError: see ``ingest``.
    """
    if not told.instruction and not reader_for(drop).says_instructions(drop, embodiment, mapping, told):
        raise UntoldError(f"{drop}: none of its episodes says what the robot was asked to do; {remedy}")
