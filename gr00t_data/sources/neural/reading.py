"""One generated clip as an episode: its robot checked, its picture cut, its frames laid on the control clock."""

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gr00t_data.disk import digest_file
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.pictures import opened_file
from gr00t_data.sources.neural.clip import Clip
from gr00t_data.sources.neural.settings import ClipsMade
from gr00t_data.sources.neural.views import Layout, choose_layout, cut_views
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.video import files as video
from gr00t_data.video.packets import Packets, probe

SOURCE_FRAME = "source_frame"
"""Column: the number of the generated frame that a row shows. A clip slower than the rows repeats frames."""

FIRST_FRAME, FIRST_PX = "first_frame_png", 32
"""Provenance of a row: the picture that the clip was to begin with, cut like the clip, as a PNG of this side in base64.
It follows the clip into every later store, where the file of the drop does not."""

_SAME_ROBOT = {"robocasa_panda_omron": "panda_gripper", "robocasa": "panda_gripper", "franka": "oxe_droid"}
"""Names that published datasets give robots which have another name here."""

_DEFAULT_PX = 256
_FEWEST_FRAMES = 2


class ClipError(ValueError):
    """A clip that cannot become an episode; the message says why."""


def read_clip_episode(clip: Clip, embodiment: Embodiment, settings: ClipsMade) -> Episode:
    """The episode of one clip: rows at the control rate, each showing the frame nearest in time.

    State and, without labels of its own, actions are zeros; the store says that they are absent.

    Raises:
        ClipError: another robot, no instruction, too few frames, or a rate that cannot be.
        ViewError: the picture does not fit the embodiment's views.
        VideoError: a file cannot be read to its end.
    """
    _check_robot(clip, embodiment)
    if not clip.instruction:
        raise ClipError("has no instruction; add it to the name, the label or the manifest")
    facts = {view: probe(path) for view, path in clip.videos.items()}
    info = next(iter(facts.values()))
    period_s, told_by = clock_of(clip, settings, info.fps)
    frames = {view: video.decode(path) for view, path in clip.videos.items()}
    counts = {len(one) for one in frames.values()} | {one.frames for one in facts.values()}
    if len(counts) != 1:
        raise ClipError(f"its videos list or hold different numbers of frames ({sorted(counts)}); copy it again")
    if (count := counts.pop()) < _FEWEST_FRAMES:
        raise ClipError(f"has {count} frame; a motion needs at least {_FEWEST_FRAMES}")
    views, layout = _views(clip, frames, embodiment, settings)
    shown = frame_of_rows(count, period_s, embodiment.control_hz)
    said = _source(clip, settings, info, layout, frames) | {"period_s": period_s, "clock": told_by}
    return Episode(
        instruction=clip.instruction,
        times_s=np.arange(len(shown)) / embodiment.control_hz,
        state=np.zeros((len(shown), embodiment.state_dim)),
        action=_action(clip, shown, count, embodiment),
        video={camera: pictures[shown] for camera, pictures in views.items()},
        source=EpisodeSource.model_validate(said | _first_frame(clip, layout, frames, embodiment)),
        columns={SOURCE_FRAME: shown},
    )


def _check_robot(clip: Clip, embodiment: Embodiment) -> None:
    said = clip.embodiment
    if said is not None and _SAME_ROBOT.get(said, said) != embodiment.name:
        raise ClipError(
            f"shows the robot {said!r}, the store is for {embodiment.name!r}; actions inferred for another robot would "
            "be wrong: ingest it with its own embodiment, or leave it out"
        )


def clock_of(clip: Clip, settings: ClipsMade, container_fps: float) -> tuple[float, str]:
    """Seconds of the robot from frame to frame, and who said so: the drop, else the settings, else the container."""
    said = ((clip.fps, "manifest"), (settings.fps, "option"), (container_fps, "container (nobody verified it)"))
    fps, source = next((fps, source) for fps, source in said if fps is not None)
    if not 0 < fps <= 240:
        raise ClipError(f"plays at {fps:g} frames a second according to the {source}; give the rate of its motion")
    return clip.time_warp / fps, source


def frame_of_rows(frames: int, period_s: float, control_hz: float) -> np.ndarray:
    """int64 [T]: the frame nearest to each tick of the control clock, from the first frame to the last."""
    ticks = int(np.floor((frames - 1) * period_s * control_hz + 1e-6)) + 1
    nearest = np.rint(np.arange(ticks) / (control_hz * period_s) - 1e-9)
    return np.minimum(nearest, frames - 1).astype(np.int64)


def _views(
    clip: Clip, frames: dict[str, np.ndarray], embodiment: Embodiment, settings: ClipsMade
) -> tuple[dict[str, np.ndarray], Layout | None]:
    """Camera -> pictures, and the layout they were cut by; None for views that came as files of their own."""
    cameras = embodiment.selection().cameras
    camera = embodiment.camera(cameras[0])
    size = camera.height or _DEFAULT_PX, camera.width or _DEFAULT_PX
    if "" not in frames:
        names = {key: one.name for one in embodiment.cameras for key in (one.column, one.name)}
        if unknown := sorted(frames.keys() - names.keys()):
            raise ClipError(f"has a view {unknown[0]!r}, which is none of {', '.join(cameras)}; rename its folder")
        return {names[view]: video.fit(pictures, size) for view, pictures in frames.items()}, None
    layout = choose_layout(frames[""], clip.view or settings.view, cameras)
    return cut_views(frames[""], layout, cameras, size), layout


def _first_frame(
    clip: Clip, layout: Layout | None, frames: dict[str, np.ndarray], embodiment: Embodiment
) -> dict[str, Any]:
    """The picture the clip was given, cut as the clip is; nothing for clips whose views came as files of their own."""
    if clip.first_frame is None or layout is None:
        return {}
    given = read_picture(clip.first_frame)
    wanted = clip.made.get("first_frame_sha256")
    if wanted is not None and wanted != (found := digest_file(clip.first_frame)):
        raise ClipError(
            f"its first frame {clip.first_frame.name} has the hash {found[:16]}, the manifest says {wanted}"
        )
    cameras = embodiment.selection().cameras
    same_size = video.resize(given[None], (frames[""].shape[1], frames[""].shape[2]))
    cut = cut_views(same_size, layout, cameras, (FIRST_PX, FIRST_PX))
    return {FIRST_FRAME: png_text(next(iter(cut.values()))[0])}


def read_picture(path: Path) -> np.ndarray:
    """uint8 [H, W, 3] of a PNG or JPEG. ClipError when it is none."""
    try:
        with opened_file(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ClipError(f"{path}: is no readable picture ({error})") from error


def png_text(picture: np.ndarray) -> str:
    """uint8 [h, w, 3] as PNG in base64."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _action(clip: Clip, shown: np.ndarray, frames: int, embodiment: Embodiment) -> np.ndarray:
    if clip.action is None:
        return np.zeros((len(shown), embodiment.action_dim))
    if len(clip.action) != frames:
        raise ClipError(
            f"has {len(clip.action)} rows of actions for {frames} frames, so they cannot be matched; label it again"
        )
    return clip.action[shown]


def _source(
    clip: Clip,
    settings: ClipsMade,
    info: Packets,
    layout: Layout | None,
    frames: dict[str, np.ndarray],
) -> dict[str, Any]:
    first = {view or "picture": hashlib.sha256(one[0].tobytes()).hexdigest() for view, one in frames.items()}
    return {
        "clip": clip.name,
        "sha256": {view or "picture": digest_file(path) for view, path in clip.videos.items()},
        "frames": info.frames,
        "size_px": [info.height, info.width],
        "container_fps": info.fps,
        "time_warp": clip.time_warp,
        "embodiment_said": clip.embodiment,
        "layout": None if layout is None else {"name": layout.name, "content": layout.content, "bars": layout.bars},
        "generated": {**settings.made, **clip.made},
        "first_decoded_frame_sha256": first,
        "notes": list(clip.notes),
    }
