"""The index: verdicts over the episodes of a store. The data is never rewritten; the index says what of it may be used.

An index is one JSON file named by what it depends on, ``<store digest 16>-<rules digest 8>.json``: the same store under
the same rules is checked once. Changed data, another embodiment or other rules give another file beside it.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from gr00t_data.curate.finding import Finding, Scale, Verdict
from gr00t_data.curate.rules import index_name
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import IntegrityError, read_as, write_sealed
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.texts import each_text


@dataclass(frozen=True)
class Index:
    """What the checks said about one store.

    Attributes:
        store_path: where the store lay when it was checked last.
        store_digest: content hash of the store.
        embodiment, embodiment_digest: what it was checked against.
        rules_digest: hash of the checks, their thresholds and the embodiment.
        findings: about the store as a whole.
        verdicts: one an episode, by episode number.
        scales: in which unit the joints are and what they reach; empty in older indexes.
        libraries: those that took part in the checks, with their versions; empty in older indexes.
    """

    store_path: str
    store_digest: str
    embodiment: str
    embodiment_digest: str
    rules_digest: str
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    libraries: dict[str, str] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """How its file is named."""
        return f"{self.store_digest[:16]}-{self.rules_digest[:8]}.json"

    @property
    def accepted(self) -> tuple[Verdict, ...]:
        """The verdicts of the episodes that may be used."""
        return tuple(verdict for verdict in self.verdicts if verdict.accepted)

    @property
    def rejected(self) -> tuple[Verdict, ...]:
        """The verdicts of the episodes that stay on disk and out of every mixture."""
        return tuple(verdict for verdict in self.verdicts if not verdict.accepted)


_JSON = TypeAdapter(Index)
_REMEDY = "delete it, it is made again"
_LOG = logging.getLogger(__name__)


def index_path(index_folder: Path, store: EpisodeStore, embodiment: Embodiment) -> Path:
    """The file of the index of ``store`` under the rules of today."""
    return index_folder / index_name(store.digest, embodiment)


def load_index(path: Path) -> Index:
    """Read an index.

    Raises:
        ValueError: the file is not an index, or not the one of its name; the message names it.
    """
    index = read_as(_JSON, path, "not an index of verdicts", _REMEDY)
    if path.name != index.file_name:
        raise IntegrityError(f"{path}: holds the index {index.file_name}; {_REMEDY}")
    return index


def existing_index(path: Path) -> Index | None:
    """The index at ``path`` if it is there and whole; a damaged one is made again, which the log says."""
    if not path.is_file():
        return None
    try:
        return load_index(path)
    except ValueError as error:
        _LOG.warning("%s", error)
        return None


def save_index(path: Path, index: Index) -> None:
    """The inverse of ``load_index``."""
    write_sealed(path, _JSON.dump_python(index, mode="json"))


def summary_rows(index: Index) -> list[dict[str, str | int]]:
    """One row an episode for a table: episode, verdict, length, kept frames, instruction, codes, and the reason."""
    return [
        {
            "episode": verdict.episode_index,
            "verdict": "accepted" if verdict.accepted else "rejected",
            "length": verdict.length,
            "kept_frames": verdict.kept_frames,
            "instruction": " / ".join(each_text(verdict.instruction, verdict.text_changes)),
            "codes": " ".join(verdict.codes),
            "reason": "; ".join(finding.message for finding in verdict.findings if finding.severity == "error"),
        }
        for verdict in index.verdicts
    ]
