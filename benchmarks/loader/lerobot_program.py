"""Runs in the environment of lerobot, not in ours: CPU-milliseconds a sample of its dataset, read at random.

python lerobot_program.py FOLDER CAMERA SAMPLES SIDE_PX
"""

import json
import sys
import time

import numpy as np
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from torch.utils.data import default_collate

HORIZON, BATCH = 16, 32


def main(folder: str, camera: str, samples: int, side_px: int) -> None:
    torch.set_num_threads(1)
    steps = {"action": [step / 20 for step in range(HORIZON)]}
    dataset = LeRobotDataset("local/benchmark", root=folder, delta_timestamps=steps, video_backend="torchcodec")
    order = np.random.default_rng(0).integers(0, len(dataset), samples + BATCH).tolist()
    batches = [order[first : first + BATCH] for first in range(0, samples + 1, BATCH)]
    started = 0.0
    for number, batch in enumerate(batches):
        if number == 1:  # the first batch opens the files
            started = time.process_time()
        images = default_collate([dataset[index] for index in batch])[f"observation.images.{camera}"]
        if images.shape[-1] != side_px:
            images = torch.nn.functional.interpolate(images, (side_px, side_px), mode="area")
    seconds = time.process_time() - started
    print(json.dumps({"ms": 1e3 * seconds / (len(batches) - 1) / BATCH}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
