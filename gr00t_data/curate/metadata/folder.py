"""Checks of a folder before it is a store: whether info.json names the format of the files, and what reading met.

LeRobot v2 lists its episodes in ``meta/episodes.jsonl``, with a file for each; v3.0 lists them in ``meta/episodes/``,
with many of them in a file. A wrong ``codebase_version`` is one fault, whatever a reader trips over first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.disk import read_json

_LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "v2.1": ("meta/episodes.jsonl", "meta/tasks.jsonl", "data/chunk-*/episode_*.parquet"),
    "v3.0": ("meta/episodes/*/*.parquet", "meta/tasks.parquet", "data/chunk-*/file-*.parquet"),
}
"""What only a folder of that version holds, each as a pattern; v2.0 is laid out as v2.1."""


@dataclass(frozen=True)
class Folder:
    """A folder that somebody hands over, and what was met when it was read as a store.

    Attributes:
        error: why it cannot be read; empty when it can.
        notes: what was odd about taking a v3.0 folder apart.
    """

    root: Path
    error: str = ""
    notes: tuple[str, ...] = field(default=())


def check_folder(folder: Folder) -> Iterator[Finding]:
    """META-12, else META-13; META-14 for each note."""
    if (wrong := _other_layout(folder.root)) is not None:
        yield wrong
    elif folder.error:
        yield META_13.finding(folder.error)
    yield from (META_14.finding(f"{folder.root}: {note}") for note in folder.notes)


def _other_layout(root: Path) -> Finding | None:
    """META-12: everything that tells the versions apart says another one than info.json."""
    try:
        said = str(read_json(root / "meta/info.json")["codebase_version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    held = {version: _first_files(root, patterns) for version, patterns in _LAYOUTS.items()}
    own = "v2.1" if said.startswith("v2.") else said
    others = [version for version, files in held.items() if files and version != own]
    if held.get(own) or not others:
        return None
    (is_laid_out,) = others[:1]
    kept = "leave the files alone" if said in ("v2.0", "v2.1", "v3.0") else "this reader takes v2.0, v2.1 and v3.0"
    return META_12.finding(
        f"{root}/meta/info.json: codebase_version is {said!r}, but the files are laid out as {is_laid_out} "
        f"({', '.join(held[is_laid_out])}); write {is_laid_out!r} into codebase_version, with the path templates of "
        f"that version, and {kept}"
    )


def _first_files(root: Path, patterns: tuple[str, ...]) -> list[str]:
    found = (next(iter(sorted(root.glob(pattern))), None) for pattern in patterns)
    return [path.relative_to(root).as_posix() for path in found if path is not None]


META_12, META_13, META_14 = Look(Folder, check_folder, 0).finds(
    Check("META-12", "error", "info.json names another format than the files have", "no reader can open the folder"),
    Check("META-13", "error", "the folder cannot be read", "no reader can open it"),
    Check("META-14", "info", "something odd met when a v3.0 folder was taken apart",
          "readers of v3.0 may see other frames or rows"),
)  # fmt: skip
