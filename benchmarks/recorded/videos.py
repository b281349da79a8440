"""Item 10: which frame, what it decodes to, and what the evaluation chain makes of it."""

import hashlib

import numpy as np
import torch

from benchmarks.recorded.recording import Comparisons, Recordings, equal, within
from gr00t_data.batches.published_video import FRAME_RULES, PublishedVideo
from gr00t_data.video import files as video_file
from gr00t_data.video.packets import probe


def video(recordings: Recordings) -> Comparisons:
    """Both backends' frame choice, the raw frame's bytes, and the chain's output (a level of 255 may differ)."""
    item, store = recordings.item("video"), recordings.demonstration()
    samples, outputs = item.json("config")["samples"], item.arrays("outputs")
    camera = store.cameras[0]
    for number, sample in enumerate(samples):
        path = store.video_path(sample["episode"], camera)
        starts_s, time_s = probe(path).pts_s, np.array([sample["parquet_timestamp"]])
        chain = PublishedVideo(size=tuple(sample["out_shape"][1:3]))
        yield equal(len(starts_s), sample["video_n_frames"], f"config/{number}/video_n_frames", "frames")
        for backend, rule in FRAME_RULES.items():
            recorded, vector = sample[backend], f"config/{number}/{backend}"
            index = int(rule(starts_s, time_s)[0])
            yield equal(index, recorded["video_frame_index"], f"{vector}/video_frame_index", "frame choice")
            raw = video_file.decode_at(path, [index])
            digest = hashlib.sha256(np.ascontiguousarray(raw)).hexdigest()
            yield equal(digest, recorded["raw_sha256"], f"{vector}/raw_sha256", "decoded bytes")
            found = chain(torch.from_numpy(raw)[:, None])[:, 0].numpy()
            for name, value in (("out_mean", found.mean()), ("out_std", found.std())):
                yield within(value, recorded[name], f"{vector}/{name}", "chain, mean and std in levels", 0.01)
            stored = f"{number}.{backend}.out_uint8"
            if stored in outputs:
                yield within(found, outputs[stored], f"outputs/{stored}", "chain, levels of 255", 1.0)
