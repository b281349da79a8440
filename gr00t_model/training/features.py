"""What the frozen backbone returns, computed once per frame and read back by the training step.

A cache is a folder of memory-mapped arrays, addressed by its content: the base model, the model's code, and which
frames of which episodes. It fills in place under ``<key>.partial`` (a killed build goes on where it stopped) and takes
its name by one rename when it is whole. One that is not as it was written is made again.
"""

import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gr00t_data.batches.batch import Batch
from gr00t_data.code_key import code_key
from gr00t_data.disk import claimed, digest_json, fsync_folder, read_json, reserve, write_json
from gr00t_data.integrity import IntegrityError, read_sealed, require_intact_once, write_record, write_sealed
from gr00t_data.progress import Progress, silent
from gr00t_data.store.texts import Changes, spans
from gr00t_model.loop.progress import say


class Backbone(Protocol):
    """The frozen functions whose results are kept: features and their mask, and with them the FLARE embedding."""

    def encode(self, images: Tensor, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]: ...

    def encode_with_target(
        self, images: Tensor, input_ids: Tensor, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]: ...


@dataclass(frozen=True)
class Clip:
    """The frames of one episode, as the backbone sees them.

    Attributes:
        store: digest of the store.
        episode: index of the episode in it.
        length: frames.
        instruction: the text of the prompt of frame 0.
        frames: loads uint8 [length, V, H, W, 3].
        text_changes: (frame, text) where another text holds from there on.
    """

    store: str
    episode: int
    length: int
    instruction: str
    frames: Callable[[], np.ndarray]
    text_changes: Changes = ()

    @property
    def spans(self) -> list[tuple[int, int, str]]:
        """(first frame, frame after the last, text) of each run of frames under one prompt."""
        return spans(self.instruction, self.text_changes, self.length)

    @property
    def name(self) -> str:
        """``<store digest 12>/<episode>``: the beginning of the sample ids of its frames."""
        return f"{self.store[:12]}/{self.episode}"


@dataclass(frozen=True)
class FeatureCache:
    """Cached features of many clips.

    Attributes:
        folder: where it lies.
        features: memory map [rows, N, D], the backbone's output per frame, prompts left-padded to N tokens.
        mask: bool [rows, N], true on real tokens.
        targets: memory map [rows, M, E], the FLARE embedding of each frame; None when not asked for.
        first_row: clip name -> row of its frame 0.
    """

    folder: Path
    features: np.ndarray
    mask: np.ndarray
    targets: np.ndarray | None
    first_row: dict[str, int]

    @classmethod
    def open(cls, folder: Path) -> "FeatureCache":
        """Map the arrays of a finished cache."""
        clips = read_json(folder / "clips.json")["clips"]
        targets = folder / "targets.npy"
        return cls(
            folder=folder,
            features=np.load(folder / "features.npy", mmap_mode="r"),
            mask=np.load(folder / "mask.npy"),
            targets=np.load(targets, mmap_mode="r") if targets.is_file() else None,
            first_row={clip["name"]: clip["first_row"] for clip in clips},
        )

    def attach(self, batch: Batch, target_frames: Sequence[int]) -> Batch:
        """``batch`` with the features of its frames, and each row with the target of the frame named for it.

        Args:
            target_frames: a frame of each row's episode; ``future_mask`` says which rows count.
        """
        rows, targets = self._rows(batch.sample_ids, target_frames)
        attached = replace(
            batch,
            vl_features=torch.from_numpy(self.features[rows].astype(np.float32)),
            attention_mask=torch.from_numpy(self.mask[rows].astype(np.int64)),
        )
        if self.targets is None:
            return attached
        return replace(attached, future_target=torch.from_numpy(self.targets[targets].astype(np.float32)))

    def _rows(self, sample_ids: tuple[str, ...], target_frames: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        rows, targets = [], []
        for sample, target in zip(sample_ids, target_frames, strict=True):
            name, _, frame = sample.rpartition("/")
            if name not in self.first_row:
                raise KeyError(f"{self.folder}: no features of episode {name}; remove the folder to have it rebuilt")
            rows.append(self.first_row[name] + int(frame))
            targets.append(self.first_row[name] + target)
        return np.array(rows), np.array(targets)


def features_key(base_digest: str, clips: list[Clip], view: dict[str, Any]) -> str:
    """Address of a cache: 16 hex characters over model, code, clips, and how frames and numbers are represented."""
    listed = [(clip.store, clip.episode, clip.length, clip.instruction, *clip.text_changes) for clip in clips]
    content = {"base": base_digest, "code": code_key("gr00t_model.training.batches"), "clips": listed, "view": view}
    return digest_json(content)[:16]


def build_features(
    folder: Path,
    backbone: Backbone,
    prompts: tuple[Tensor, Tensor],
    clips: list[Clip],
    *,
    dtype: str,
    with_targets: bool,
    device: torch.device,
    batch_frames: int = 64,
    progress: Progress = silent,
) -> FeatureCache:
    """Fill the cache at ``folder`` unless it is there, and open it. One builder at a time; others wait for it.

    Args:
        prompts: token ids and mask, int64 [texts, N], one prompt for each of the ``spans`` of each clip in turn, all
            padded to the same N.
        dtype: ``float16`` or ``float32`` on disk.
        with_targets: whether the FLARE embedding of every frame is kept as well.
        progress: called with (frames done, frames in all).
    """
    with claimed(folder):
        _remove_damaged(folder)
        if not (folder / "clips.json").is_file():
            partial = folder.with_suffix(".partial")
            partial.mkdir(parents=True, exist_ok=True)
            filler = _Filler(partial, backbone, dtype, with_targets, device, sum(clip.length for clip in clips))
            filler.fill(clips, prompts, batch_frames, progress)
            filler.finish(clips)
            partial.replace(folder)
            fsync_folder(folder.parent)
    return FeatureCache.open(folder)


def _remove_damaged(folder: Path) -> None:
    try:
        require_intact_once(folder, remedy="it is made again")
    except IntegrityError as error:
        say(str(error))
        shutil.rmtree(folder)


class _Filler:
    """Writes rows clip by clip, and notes after each clip how many rows stand on disk."""

    def __init__(
        self, folder: Path, backbone: Backbone, dtype: str, with_targets: bool, device: torch.device, rows: int
    ) -> None:
        self.folder, self.backbone, self.dtype = folder, backbone, dtype
        self.with_targets, self.device, self.rows = with_targets, device, rows
        self.done, self.arrays, self.sums = 0, dict[str, np.ndarray](), dict[str, int]()
        if (folder / "done.json").is_file():
            self._resume(["features", "mask", *(["targets"] if with_targets else [])])

    def _resume(self, names: list[str]) -> None:
        """Take over the rows that stand on disk, if they are those that were written."""
        try:
            noted = read_sealed(self.folder / "done.json")
            arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r+") for name in names}
            sums = {name: zlib.crc32(array[: noted["rows"]].data) for name, array in arrays.items()}
            if sums != noted["crc32"] or any(len(array) != self.rows for array in arrays.values()):
                raise IntegrityError(f"{self.folder}: holds other rows than were written")
        except (OSError, KeyError, TypeError, ValueError) as error:
            say(f"{error}; the features are computed again from the first frame on")
            return
        self.done, self.arrays, self.sums = noted["rows"], arrays, sums

    @torch.no_grad()
    def fill(
        self,
        clips: list[Clip],
        prompts: tuple[Tensor, Tensor],
        batch_frames: int,
        progress: Progress,
    ) -> None:
        ids, mask = prompts
        row = number = 0
        for clip in clips:
            end = row + clip.length
            if end > self.done:
                frames = torch.from_numpy(np.ascontiguousarray(clip.frames()))
                if len(frames) != clip.length:
                    raise ValueError(f"{clip.name}: {len(frames)} decoded frames, {clip.length} expected")
                for prompt, (start, stop, _) in enumerate(clip.spans, start=number):
                    for part in torch.arange(start, stop).split(batch_frames):
                        self._put(row + int(part[0]), frames[part], ids[prompt], mask[prompt])
                self._note(end)
            row, number = end, number + len(clip.spans)
            progress(row, self.rows)

    def _put(self, first: int, frames: Tensor, ids: Tensor, mask: Tensor) -> None:
        """Encode some frames [n, V, H, W, 3] under one prompt [N] and store them from row ``first``."""
        count = len(frames)
        images = frames.to(self.device)
        prompt = ids.expand(count, -1).to(self.device), mask.expand(count, -1).to(self.device)
        if self.with_targets:
            features, kept, target = self.backbone.encode_with_target(images, *prompt)
            self._store("targets", first, self._on_disk(target))
        else:
            features, kept = self.backbone.encode(images, *prompt)
        self._store("features", first, self._on_disk(features))
        self._store("mask", first, kept.bool().cpu().numpy())

    def _on_disk(self, values: Tensor) -> np.ndarray:
        with np.errstate(over="ignore"):  # an overflow becomes infinite, which _store refuses
            return values.float().cpu().numpy().astype(self.dtype)

    def _store(self, name: str, first: int, values: np.ndarray) -> None:
        if not np.isfinite(values).all():
            raise ValueError(f"{name} of row {first}: not finite as {values.dtype}; use --set cache_dtype=float32")
        if name not in self.arrays:
            path, shape = self.folder / f"{name}.npy", (self.rows, *values.shape[1:])
            array = np.lib.format.open_memmap(path, mode="w+", dtype=values.dtype, shape=shape)
            reserve(path)
            self.arrays[name] = array
        self.arrays[name][first : first + len(values)] = values

    def _note(self, rows: int) -> None:
        for name, array in self.arrays.items():
            if isinstance(array, np.memmap):
                array.flush()
            self.sums[name] = zlib.crc32(array[self.done : rows].data, self.sums.get(name, 0))
        write_sealed(self.folder / "done.json", {"rows": rows, "crc32": self.sums})
        self.done = rows

    def finish(self, clips: list[Clip]) -> None:
        listed, row = [], 0
        for clip in clips:
            listed.append({"name": clip.name, "first_row": row, "length": clip.length})
            row += clip.length
        self.arrays.clear()
        write_json(self.folder / "clips.json", {"clips": listed})
        write_record(self.folder)  # last: it names every file
