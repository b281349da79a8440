"""Videos as robots' recorders write them, put under the episodes of a small store."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from av.video import VideoStream

from gr00t_data.store.store import EpisodeStore
from tests.data.builders import sealed, unsealed
from tests.data.curate.moving import moving_episode

ROWS = 60
LEROBOT_AV1 = ("libsvtav1", {"crf": "30", "g": "2", "preset": "10"})
"""LeRobot's defaults: a key frame every other frame."""

H264 = ("libx264", {"crf": "23", "g": "250", "bf": "0"})

Change = Callable[[np.ndarray], np.ndarray]


def write_film(path: Path, frames: np.ndarray, fps: int = 20, codec: tuple[str, dict[str, str]] = LEROBOT_AV1) -> None:
    """Write uint8 [T, H, W, 3] RGB with that encoder, over what is there."""
    name, options = codec
    with av.open(str(path), "w") as container:
        stream = container.add_stream(name, rate=fps, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))


def arm_places(seed: int, rows: int = ROWS, speed: float = 1.0) -> np.ndarray:
    """float64 [rows], 0.15 to 0.85: where the arm is, from left to right; other for each seed."""
    phase = np.random.default_rng([seed, 7]).uniform(0, 6)
    return 0.5 + 0.35 * np.sin(speed * np.arange(rows) / 8 + phase)


def arm_film(seed: int, rows: int = ROWS, side: int = 128, speed: float = 1.0, noise: float = 2.0) -> np.ndarray:
    """uint8 [rows, side, side, 3]: an arm that swings over a table under sensor noise."""
    generator = np.random.default_rng([seed, 8])
    table = np.kron(np.random.default_rng(3).integers(80, 170, (16, 16, 3)), np.ones((side // 16, side // 16, 1)))
    film = np.repeat(table[None], rows, 0)
    width = side // 6
    for frame, place in zip(film, arm_places(seed, rows, speed), strict=True):
        left = round(place * (side - width))
        frame[side // 3 :, left : left + width] = (225, 225, 215)
    return np.clip(film + generator.normal(0, noise, film.shape), 0, 255).astype(np.uint8)


def film_store(
    root: Path,
    changes: dict[int, Change] | Change,
    episodes: int = 12,
    codec: tuple[str, dict[str, str]] = LEROBOT_AV1,
    speed: float = 1.0,
    noise: float = 2.0,
) -> EpisodeStore:
    """A store of films of an arm whose joints say where it is; a change of all films, or of some by episode."""
    made = []
    for index in range(episodes):
        state = (arm_places(index, speed=speed) - 0.5)[:, None] * np.linspace(0.2, 0.4, 44)
        made.append(moving_episode(index, ROWS, state=state, action=state + 0.01))
    store = unsealed(sealed(root, made))
    for index in range(episodes):
        change = changes.get(index, np.asarray) if isinstance(changes, dict) else changes
        film = change(arm_film(index, speed=speed, noise=noise))
        write_film(store.video_path(index, "ego_view"), film, codec=codec)
    return EpisodeStore.open(store.root)
