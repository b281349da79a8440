"""Convert a dataset between GR00T-LeRobot v2.1 and LeRobot v3.0. The target takes its name when it is complete."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gr00t_data.disk import PathError, read_json, refuse_links_out, replacing_folder
from gr00t_data.embodiment.names import NamesError, order_of
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lerobot import stage_v21 as lerobot_v21
from gr00t_data.lerobot import v2 as lerobot_v2
from gr00t_data.lerobot import v3 as lerobot_v3
from gr00t_data.lerobot.to_v3 import FileSizes, export_v3
from gr00t_data.lerobot.v3_layout import VERSION
from gr00t_data.store.notes import Note
from gr00t_data.store.store import EpisodeStore, StoreError, declared_features

TARGETS = ("v3.0", "v2.1")


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Attributes:
        source, target: folders.
        before, after: ``codebase_version`` of each.
        notes: what a reader should know: drift, re-encoded spans, missing videos.
    """

    source: Path
    target: Path
    before: str
    after: str
    notes: tuple[Note, ...]


def convert(
    source: Path,
    target: Path,
    to: str,
    progress: Callable[[int, int], None],
    *,
    embodiment: Embodiment | None = None,
    sizes: FileSizes | None = None,
) -> Conversion:
    """Write ``source`` to ``target`` in the version ``to``. The source is not changed.

    Args:
        to: ``v3.0`` or ``v2.1``.
        progress: called with (files done, files in all).
        embodiment: gives modality.json its parts when a v3.0 dataset brings none.
        sizes: when the next file of a v3.0 dataset begins; LeRobot's limits when None.

    Raises:
        StoreError: the source is no such dataset, has that version already, cannot be read, or the target is taken; or
            its dimensions are in another order than the embodiment's, whose slices modality.json would then hold.
    """
    source, target = Path(source), Path(target)
    _check_target(source, target)
    before = _version(source)
    if to not in TARGETS or before == to:
        raise StoreError(
            f"{source}: is {before}; it can be converted to {' or '.join({*TARGETS} - {before})}, not {to}"
        )
    try:
        with replacing_folder(target) as folder:
            if before == VERSION:
                _require_order(source, embodiment)
                notes = lerobot_v3.take_over(source, folder, progress, embodiment)
            elif to == VERSION:
                refuse_links_out(source)
                store = EpisodeStore.open(source)
                store.verify_metadata()
                notes = export_v3(store, folder, progress, sizes)
            else:
                lerobot_v2.take_over(source, folder, progress)
                notes = lerobot_v21.complete(folder)
    except PathError as error:
        raise StoreError(str(error)) from error
    return Conversion(source, target, before, to, tuple(notes))


def _require_order(source: Path, embodiment: Embodiment | None) -> None:
    if embodiment is None or (source / "meta/modality.json").is_file():
        return
    features = declared_features(source, read_json(source / "meta/info.json"))
    for column, joints in embodiment.joints_by_column.items():
        found = features[column].names if column in features else None
        try:
            why = "in another order" if order_of(joints, found) else ""
        except NamesError as error:
            why = str(error)
        if why:
            raise StoreError(
                f"{source}/meta/info.json: the names of {column!r} are not in the order of the joints of "
                f"{embodiment.name!r} ({why}); a conversion keeps the rows as they are: leave --embodiment out, or "
                "ingest it, which puts them in order"
            )


def _version(source: Path) -> str:
    if lerobot_v3.recognises(source):
        return VERSION
    return str(EpisodeStore.open(source).info["codebase_version"])


def _check_target(source: Path, target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"{target}: exists and is not empty; choose another folder")
    if target.resolve().is_relative_to(source.resolve()):
        raise StoreError(f"{target}: is inside {source}; choose a folder outside, because the source is not changed")
