"""Small stores in which something moves: a coloured square crosses the picture as the arm turns."""

from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, sealed

SIDE_PX = 64
SQUARE_PX = 12
COLOURS = {"red": (200, 30, 30), "green": (40, 170, 60), "blue": (40, 80, 200), "yellow": (230, 210, 40)}


def motion(rows: int, seed: int) -> np.ndarray:
    """float64 [rows, 44]: both arms follow a random smooth path, other for each seed."""
    generator = np.random.default_rng(seed)
    phase, height = generator.uniform(0, 6, 44), generator.uniform(0.1, 0.5, 44)
    return height * np.sin(np.arange(rows)[:, None] / rows * 3 + phase)


def pictures(rows: int, seed: int, colour: str = "red", to_right: bool = True) -> np.ndarray:
    """uint8 [rows, 64, 64, 3]: a square of one colour goes left or right over a textured table."""
    generator = np.random.default_rng([seed, 1])
    table = np.kron(generator.integers(90, 160, (8, 8, 1)), np.ones((8, 8, 3))).astype(np.uint8)
    frames = np.repeat(table[None] + generator.integers(0, 40, (SIDE_PX, SIDE_PX, 1)).astype(np.uint8), rows, 0)
    row = int(generator.integers(4, SIDE_PX - SQUARE_PX - 4))
    path = np.linspace(6, SIDE_PX - SQUARE_PX - 6, rows).round().astype(int)
    for frame, column in zip(frames, path if to_right else path[::-1], strict=True):
        frame[row : row + SQUARE_PX, column : column + SQUARE_PX] = COLOURS[colour]
    return frames


def moving_episode(seed: int, rows: int = 30, colour: str = "red", to_right: bool = True, **changes: Any) -> Episode:
    """An episode "push the red square to the right", or so."""
    side = "right" if to_right else "left"
    fields: dict[str, Any] = {
        "instruction": f"push the {colour} square to the {side}",
        "times_s": np.arange(rows) / 20,
        "state": motion(rows, seed),
        "action": motion(rows, seed) + 0.01,
        "video": {"ego_view": pictures(rows, seed, colour, to_right)},
        "success": True,
        "source": {"file": f"{seed}.h5"},
    }
    fields |= changes
    return Episode(**{**fields, "source": EpisodeSource.model_validate(fields["source"])})


def moving_store(root: Path, episodes: int = 8, **changes: Any) -> EpisodeStore:
    """A sealed store of that many, colours and sides in turn; ``changes`` go to every episode."""
    names = list(COLOURS)
    made = [moving_episode(s, colour=names[s % 4], to_right=s % 3 != 0, **changes) for s in range(episodes)]
    return sealed(root, made, robot=GR1)
