"""Run by another Python that has LeRobot 0.4.4, never imported here: writes a v3.0 dataset, or reads one and reports.

usage: lerobot_program.py write FOLDER CODEC | read FOLDER OUTPUT.npz
"""

import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

LENGTHS = (20, 13, 17)


def write(folder: str, codec: str) -> None:
    """Record three episodes through LeRobot's own writer, of which the last one has two subtasks."""
    vector = {"dtype": "float32", "shape": (6,), "names": [f"joint_{n}" for n in range(6)]}
    features = {
        "observation.state": vector,
        "action": vector,
        "observation.images.front": {"dtype": "video", "shape": (64, 80, 3), "names": ["height", "width", "channels"]},
    }
    dataset = LeRobotDataset.create("test/test", 30, features, root=folder, robot_type="so100", vcodec=codec)
    for episode, rows in enumerate(LENGTHS):
        for number in range(rows):
            image = np.full((64, 80, 3), 50 + 40 * episode, dtype=np.uint8)
            image[20:36, 2 * number : 2 * number + 16] = (220, 60, 40)
            values = np.arange(6, dtype=np.float32) + 10 * episode + number / 100
            frame = {"observation.state": values, "action": -values, "observation.images.front": image}
            subtask = ", then lift" if episode == 2 and number >= 9 else ""
            dataset.add_frame({**frame, "task": f"task {episode % 2}{subtask}"})
        dataset.save_episode()
    dataset.finalize()


def read(folder: str, output: str) -> None:
    """Read every item through LeRobot, with a window of actions, and save what it gave."""
    fps = LeRobotDataset("test/test", root=folder).fps
    dataset = LeRobotDataset("test/test", root=folder, delta_timestamps={"action": [n / fps for n in range(4)]})
    items = [dataset[number] for number in range(len(dataset))]
    columns = {
        "episode_index": [int(item["episode_index"]) for item in items],
        "state": [item["observation.state"].numpy() for item in items],
        "action": [item["action"].numpy() for item in items],
        "is_pad": [item["action_is_pad"].numpy() for item in items],
        "task": [item["task"] for item in items],
    }
    for camera in dataset.meta.video_keys:
        columns[camera] = [(item[camera].numpy() * 255).round().astype(np.uint8) for item in items]
    stats = {f"stats/{k}/{s}": value for k, entry in dataset.meta.stats.items() for s, value in entry.items()}
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    np.savez(output, **columns, **stats)


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
