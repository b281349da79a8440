"""What was odd about a dataset when it was brought in or converted: ``meta/conversion.json``, one note an episode and
camera."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gr00t_data.disk import read_json, write_json

CONVERSION = "meta/conversion.json"
"""The file: what a folder was made from, and the notes."""


@dataclass(frozen=True)
class Note:
    """One thing that a conversion did or found, for one episode and camera (None: for all of them)."""

    message: str
    episode_index: int | None = None
    camera: str | None = None

    def __str__(self) -> str:
        place = [f"episode {self.episode_index}"] if self.episode_index is not None else []
        return ": ".join([*place, *([self.camera] if self.camera else []), self.message])


_NOTES = TypeAdapter(list[Note])


def write_notes(root: Path, source_format: str, notes: Iterable[Note]) -> None:
    """Write the notes on the dataset ``root``, without the fields that say nothing."""
    listed = [{name: value for name, value in asdict(note).items() if value is not None} for note in notes]
    write_json(root / CONVERSION, {"from": source_format, "notes": listed})


def read_notes(root: Path) -> Sequence[Note]:
    """The notes on the dataset ``root``; none where the file is gone or is not one of ours."""
    try:
        return _NOTES.validate_python(read_json(root / CONVERSION)["notes"])
    except (OSError, ValidationError, ValueError, KeyError, TypeError):
        return ()
