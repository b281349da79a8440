"""Generated clips as they lie in a drop: which files, which instruction, what is known about how they were made."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gr00t_data.disk import PathError, digest_file, numbered_lines, parse_json, path_inside, visible_files
from gr00t_data.sources.content import MOVIES, require_no_link, unusable
from gr00t_data.sources.neural import dreams
from gr00t_data.sources.neural.clip import Clip, Found
from gr00t_data.store.provenance import Refusal

MANIFEST = "manifest.jsonl"
PROVENANCE = (
    *("model", "adapter_sha256", "seed", "prompt", "first_frame_sha256", "sampler", "licence", "source_episode"),
    *("scene", "defect"),
)
"""Fields of a manifest line that say how a clip was made. ``scene`` is an object that names the scene of the embedded
simulator which the first frame shows (``{"simulator": "tabletop", "task": "push", "seed": 3}``), ``defect`` says what
was planted into an oracle dream. Others are kept too, under ``other``."""

_READ = {"file", "instruction", "embodiment", "view", "fps", "time_warp", "first_frame"}
_NUMBERED = re.compile(r"^\d+_")


class ClipsError(ValueError):
    """A drop in which no generated clip can be found; the message says what was looked for."""


def find_clips(drop: Path) -> Found:
    """The clips of a drop, sorted by name.

    Looked for in this order: ``meta/info.json`` (a dataset that GR00T-Dreams wrote), ``manifest.jsonl``, ``labels/``
    beside ``videos/``, and mp4 files whose names hold the instruction (``<N>_<instruction>.mp4``, also in folders, and
    ``<instruction>/<N>.mp4``).

    Raises:
        ClipsError: none of them.
    """
    found = _found(drop)
    told = {path for clip in found.clips for path in clip.videos.values()} | {
        drop / one.episode for one in found.refused
    }
    left = [one for one in unusable(drop, (), MOVIES) if drop / one.episode not in told]
    return replace(found, refused=(*found.refused, *left))


def _found(drop: Path) -> Found:
    require_no_link(drop / MANIFEST)
    if (drop / "meta/info.json").is_file():
        return dreams.read_dataset(drop)
    if (drop / MANIFEST).is_file():
        return _listed(drop)
    if (drop / "labels").is_dir() and (drop / "videos").is_dir():
        return _labelled(drop)
    clips = tuple(_named(drop, path) for path in visible_files(drop, "*.mp4"))
    if not clips:
        raise ClipsError(
            f"{drop}: holds no generated clip; expected {MANIFEST}, labels/ beside videos/, <N>_<instruction>.mp4 "
            "files, or a dataset with meta/info.json"
        )
    return Found("names", clips)


def _named(drop: Path, path: Path) -> Clip:
    """``3_pick_up_the_cup.mp4`` says it itself; ``pick_up_the_cup/3.mp4`` says it by its folder."""
    text = path.parent.name if path.stem.isdigit() and path.parent != drop else _NUMBERED.sub("", path.stem)
    name = path.relative_to(drop).as_posix()
    return Clip(name, {"": path}, "" if text.isdigit() else text.replace("_", " ").strip())


def _labelled(drop: Path) -> Found:
    clips, refused = [], []
    for label in sorted((drop / "labels").glob("*.txt"), key=lambda path: (len(path.stem), path.stem)):
        views = [drop / "videos" / f"{label.stem}.mp4"]
        cut = [folder / f"{label.stem}.mp4" for folder in sorted((drop / "videos").iterdir()) if folder.is_dir()]
        videos = {path.parent.name: path for path in cut if path.is_file()}
        if views[0].is_file():
            videos = {"": views[0]}
        if not videos:
            refused.append(Refusal(f"videos/{label.stem}.mp4", f"{label} has no video of that number; copy it again"))
            continue
        try:
            require_no_link(label)
            clips.append(Clip(f"videos/{label.stem}.mp4", videos, label.read_text("utf-8").strip()))
        except (OSError, ValueError) as error:
            refused.append(Refusal(f"videos/{label.stem}.mp4", f"{label}: the label cannot be read ({error})"))
    known = {clip.name for clip in clips} | {one.episode for one in refused}
    for path in sorted((drop / "videos").glob("*.mp4")):
        if f"videos/{path.name}" not in known:
            reason = f"{path} has no labels/{path.stem}.txt, so its instruction is unknown; write that file"
            refused.append(Refusal(f"videos/{path.name}", reason))
    return Found("labels", tuple(clips), tuple(refused))


def _listed(drop: Path) -> Found:
    clips, refused, seen = [], [], dict[str, int]()
    for number, line in _lines(drop / MANIFEST):
        where = f"{drop / MANIFEST}:{number}"
        if isinstance(line, str) or not isinstance(line.get("file"), str):
            reason = line if isinstance(line, str) else "has no text in 'file'"
            refused.append(Refusal(f"line {number}", f"{where}: {reason}; write one JSON object a line"))
            continue
        name = line["file"]
        try:
            path = path_inside(drop, "{name}", name=name)
            clip = _from_line(name, path, line, _first_frame(drop, line))
        except (PathError, ValueError, TypeError) as error:
            refused.append(Refusal(name, f"{where}: {error}"))
            seen.setdefault(name, number)
            continue
        if not path.is_file():
            refused.append(Refusal(name, f"{where}: names {name!r}, and there is no such file; copy it again"))
        elif (told := line.get("sha256")) is not None and told != (held := digest_file(path)):
            refused.append(
                Refusal(name, f"{path}: has SHA-256 {held[:12]}, {where} says {str(told)[:12]}; copy it again")
            )
        elif name in seen:
            refused.append(Refusal(name, f"{where}: names {name!r} again (as line {seen[name]}); keep one line"))
        else:
            clips.append(clip)
        seen.setdefault(name, number)
    unlisted = sorted({path.relative_to(drop).as_posix() for path in visible_files(drop, "*.mp4")} - seen.keys())
    refused += [Refusal(name, f"{drop / name}: is not in {MANIFEST}; add a line for it") for name in unlisted]
    return Found("manifest", tuple(sorted(clips, key=lambda clip: clip.name)), tuple(refused))


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Numbered objects of a file with one JSON object a line; a line that is none comes as the complaint about it."""
    for number, line in numbered_lines(path):
        try:
            value = parse_json(line)
        except ValueError as error:
            yield number, f"is not JSON ({error})"
            continue
        yield number, value if isinstance(value, dict) else f"holds {type(value).__name__}, expected an object"


def _first_frame(drop: Path, line: dict[str, Any]) -> Path | None:
    """The picture that the clip was to begin with: ``first_frame`` names a PNG or JPEG of the drop."""
    said = line.get("first_frame")
    if said is None:
        return None
    path = path_inside(drop, "{name}", name=str(said))
    require_no_link(path)
    if not path.is_file():
        raise ValueError(f"first_frame names {said!r}, and there is no such file; copy it again or leave it out")
    return path


def _from_line(name: str, path: Path, line: dict[str, Any], first_frame: Path | None = None) -> Clip:
    fps = line.get("fps")
    if fps is not None and not 0 < float(fps) <= 240:
        raise ValueError(f"fps is {fps!r}, expected frames a second between 0 and 240")
    warp = float(line.get("time_warp", 1.0))
    if not 0 < warp <= 100:
        raise ValueError(f"time_warp is {warp}, expected seconds of the robot per second of the clip, 0 to 100")
    other = {key: value for key, value in line.items() if key not in _READ and key not in PROVENANCE}
    made = {key: line[key] for key in PROVENANCE if key in line} | ({"other": other} if other else {})
    return Clip(
        name=name,
        videos={"": path},
        instruction=str(line.get("instruction", "")).strip(),
        embodiment=line.get("embodiment"),
        view=line.get("view"),
        fps=None if fps is None else float(fps),
        time_warp=warp,
        made=made,
        first_frame=first_frame,
    )
