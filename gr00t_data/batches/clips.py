"""An order for data that is decoded as it goes: random clips, their frames shuffled together.

Drawing frames at random makes a video decoder start over for every sample: 40 to 58 CPU-ms a frame where an independent
picture comes every 250 frames. Here samples come in blocks. A block takes some clips at random and shuffles all their
frames; a clip is decoded once and used to its last frame. Sample i is a pure function of (manifest, i), as in the other
order, and every kept frame is as likely as there.
"""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video.spans import read_clip

CLIP_FRAMES = 128
"""Frames of a clip: long enough that the pictures decoded unseen before it cost less than itself."""

CLIPS_A_BLOCK = 16
"""Clips that are shuffled together; a batch of 32 then holds about two frames of each. At 224 pixels a block of one
camera takes 308 MB, and the next one is decoded beside it.
"""

_BLOCKS_HELD = 3
"""The one in use, the one ahead, and the end of the one before."""

_SHUFFLE = 1 << 192
"""Added to the counter of the generator, so that shuffles and draws share no number."""


class Clip(NamedTuple):
    """A run of frames of one episode: from ``start``, ``length`` of them may be sampled."""

    source: int
    episode: int
    start: int
    length: int


@dataclass(frozen=True)
class ClipOrder:
    """Samples of a manifest, clip by clip.

    Attributes:
        frames: frames of a clip, cut from the kept ranges of the episodes.
        clips: clips of a block.
    """

    manifest: MixtureManifest
    frames: int = CLIP_FRAMES
    clips: int = CLIPS_A_BLOCK

    def samples(self, start: int, count: int) -> list[SampleId]:
        """The samples start, start + 1, ..., start + count - 1."""
        return [SampleId(*row) for row in self.draw(start, count).tolist()]

    def draw(self, start: int, count: int) -> np.ndarray:
        """Like ``samples``, as int64 [count, 3]: source, episode number, frame."""
        if start < 0 or count < 0:
            raise ValueError(f"samples are counted from 0, asked for {count} from {start}")
        size = self.frames * self.clips
        parts = [np.empty((0, 3), dtype=np.int64)]
        for block in range(start // size, (start + count - 1) // size + 1):
            first, last = max(start - block * size, 0), min(start + count - block * size, size)
            parts.append(_shuffled(self, block)[first:last])
        return np.concatenate(parts)

    def block_of(self, sample: int) -> int:
        """The block that a sample belongs to."""
        return sample // (self.frames * self.clips)

    def clips_of(self, block: int) -> list[Clip]:
        """What a block is made of. A clip is drawn as a sample is, and then taken whole."""
        return [self.clip_around(*row) for row in self.manifest.draw(block * self.clips, self.clips).tolist()]

    def clip_around(self, source: int, episode: int, frame: int) -> Clip:
        """The clip that holds a kept frame."""
        ranges = self.manifest.entry(source, episode).keep
        low, high = next((a, b) for a, b in ranges if a <= frame < b)
        start = low + (frame - low) // self.frames * self.frames
        return Clip(source, episode, start, min(self.frames, high - start))


@lru_cache(maxsize=4)
def _shuffled(order: ClipOrder, block: int) -> np.ndarray:
    """int64 [frames * clips, 3]: the samples of a block.

    A clip that the end of its range cuts short is gone through again, from a random frame on: so its frames together
    are as likely as the frame that drew it, and none of them is more likely than another.
    """
    key = int(order.manifest.digest[:32], 16)
    generator = np.random.Generator(np.random.Philox(key=key, counter=_SHUFFLE + block * (1 << 64)))
    clips = np.array(order.clips_of(block), dtype=np.int64)
    shifts = generator.integers(0, clips[:, 3])
    clip, place = np.divmod(generator.permutation(order.frames * order.clips), order.frames)
    frames = clips[clip, 2] + (place + shifts[clip]) % clips[clip, 3]
    return np.column_stack([clips[clip, :2], frames])


class ClipReader:
    """Frames of clips, decoded by threads ahead of their use. No cache on disk. Ask from one thread."""

    def __init__(
        self,
        order: ClipOrder,
        stores: Sequence[EpisodeStore],
        cameras: Sequence[str],
        size: tuple[int, int],
        *,
        beyond: int = 0,
        threads: int = 2,
    ) -> None:
        """Start the threads.

        Args:
            stores: those of the manifest's sources.
            size: (height, width) in pixels.
            beyond: frames after the end of a clip that may be asked for as well (FLARE's future frame).
            threads: how many decode at once; FFmpeg runs outside the interpreter's lock.
        """
        self.order, self.stores, self.cameras = order, tuple(stores), tuple(cameras)
        self.size, self.beyond = size, beyond
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._held: OrderedDict[tuple[Clip, str], Future[np.ndarray]] = OrderedDict()
        self._most = _BLOCKS_HELD * order.clips * len(self.cameras)

    def expect(self, sample: int) -> None:
        """Begin to decode the block of a sample and the next one."""
        block = self.order.block_of(sample)
        for number in (block, block + 1):
            for clip in self.order.clips_of(number):
                for camera in self.cameras:
                    self._frames(clip, camera)

    def picture(self, store: EpisodeStore, sample: SampleId, camera: str, frame: int) -> np.ndarray:
        """uint8 [H, W, 3]: the frame of a sample, or one up to ``beyond`` frames later. ``store`` is the sample's.

        Raises:
            VideoError: the video cannot be decoded.
            StoreError: the video was changed after its store was sealed.
            IndexError: the video ends before that frame.
        """
        clip = self.order.clip_around(sample.source, sample.episode, sample.frame)
        return self._frames(clip, camera).result()[frame - clip.start]

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _frames(self, clip: Clip, camera: str) -> "Future[np.ndarray]":
        found = self._held.get((clip, camera))
        if found is None:
            found = self._held[clip, camera] = self._pool.submit(self._decode, clip, camera)
            while len(self._held) > self._most:
                self._held.popitem(last=False)[1].cancel()
        self._held.move_to_end((clip, camera))
        return found

    def _decode(self, clip: Clip, camera: str) -> np.ndarray:
        store = self.stores[clip.source]
        path = store.video_path(clip.episode, camera)
        return read_clip(path, clip.start, clip.length + self.beyond, self.size)
