"""EgoDex: pairs of N.mp4 and N.hdf5, one task a pair, hands and camera in ARKit's world (Hoque et al., 2025)."""

from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.sources.formats.asking import asked
from gr00t_data.sources.formats.hdf5.tree import Dataset, opened
from gr00t_data.sources.human.footage import Footage, Intrinsics, Narration
from gr00t_data.sources.human.readers.drop import MOVIES, FootageReader, Found, visible
from gr00t_data.sources.recordings.streams import StreamError
from gr00t_data.store.provenance import Refusal
from gr00t_data.video.files import VideoError
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import probe

NAME = "egodex"
LICENCE = "CC-BY-NC-ND-4.0"
_SUFFIXES = (".hdf5", ".h5")
_TEXTS = ("llm_description", "llm_description2")


def _movie(path: Path) -> Path | None:
    return next((path.with_suffix(end) for end in MOVIES if path.with_suffix(end).is_file()), None)


def _has_poses(path: Path) -> bool:
    with opened(path) as file:
        return file.has("transforms") or file.has("camera")


def _held(path: Path) -> tuple[dict[str, Any], np.ndarray | None]:
    """The attributes, and the intrinsic matrix float64 [3, 3] of the camera if there is one."""
    wrong = f"{path}: camera/intrinsic is {{}}, expected a finite 3 x 3 matrix; copy it again"
    with opened(path) as file:
        file.require_closed()
        camera = file.member("camera/intrinsic")
        if not isinstance(camera, Dataset):
            return file.attributes(), None
        if camera.shape != (3, 3):
            raise StreamError(wrong.format(camera.shape))
        matrix = camera.array()
        if not np.isfinite(matrix).all():
            raise StreamError(wrong.format("not finite"))
        return file.attributes(), matrix


def _footage(name: str, movie: Path, path: Path) -> Footage:
    attributes, matrix = asked(path, _held)
    facts = watched(movie, probe, movie)
    text = _description(attributes)
    step_s = float(np.median(np.diff(facts.pts_s))) if facts.frames > 1 else 0.0
    end_s = float(facts.pts_s[-1] - facts.pts_s[0]) + step_s if facts.frames else 0.0
    return Footage(
        uid=name,
        video=movie,
        dataset=NAME,
        narrations=(Narration(f"{name}#task", text, 0.0, end_s),) if text else (),
        participant=None,
        consent=None,
        licence=LICENCE,
        tracks=path,
        intrinsics=None if matrix is None else Intrinsics(matrix, facts.width, facts.height),
        extra=attributes,
    )


def _description(attributes: dict[str, Any]) -> str:
    """What is done. Reversible tasks have two descriptions; ``which_llm_description`` then says which one it is."""
    which = str(attributes.get("which_llm_description", "1")).strip()
    first, second = (str(attributes.get(name, "") or "").strip() for name in _TEXTS)
    return (second or first) if which == "2" else (first or second)


class EgoDex(FootageReader):
    """Pairs of a video and its poses. See ``FootageReader``."""

    name = NAME

    def recognises(self, drop: Path) -> bool:
        """Whether a video has an HDF5 file of its name beside it, with poses in it."""
        for path in visible(drop, _SUFFIXES):
            if _movie(path):
                try:
                    return asked(path, _has_poses)
                except StreamError:
                    continue
        return False

    def read(self, drop: Path) -> Found:
        """Every pair of the drop; the poses stay in the file, which becomes ``tracks``."""
        footage, refused = [], []
        for path in visible(drop, _SUFFIXES):
            name = path.relative_to(drop).with_suffix("").as_posix()
            movie = _movie(path)
            if movie is None:
                refused.append(Refusal(name, f"{path}: has no video of its name beside it; copy {path.stem}.mp4"))
                continue
            try:
                footage.append(_footage(name, movie, path))
            except (StreamError, VideoError, ValueError) as error:
                refused.append(Refusal(name, str(error)))
        paired = {one.video for one in footage} | {drop / f"{one.episode}.mp4" for one in refused}
        alone = [path for path in visible(drop, MOVIES) if path not in paired]
        refused += [Refusal(path.relative_to(drop).as_posix(), f"{path}: has no HDF5 file beside it") for path in alone]
        return Found(NAME, tuple(sorted(footage, key=lambda one: one.uid)), tuple(refused))


READER = EgoDex()
