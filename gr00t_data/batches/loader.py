"""Loader: batches of one mixture or several, each row through its own slot and its own statistics.

Which samples a batch holds depends on the mixtures, step, rank and world, nothing else. A mixture is drawn by weight
from a counter-based generator (Philox, Salmon et al., SC 2011), and the row is that mixture's own sample i.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import torch

from gr00t_data.batches.batch import Batch, merge_rows
from gr00t_data.batches.clips import ClipOrder, ClipReader
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.rows import Member, MixtureRows
from gr00t_data.disk import digest_json
from gr00t_data.store.store import EpisodeStore

_RAW_PER_SAMPLE = 4
"""Philox gives four 64-bit numbers a counter value: one counter value is one sample, one number is used."""

Order = Literal["frames", "clips"]
Tokens = np.ndarray | torch.Tensor
Tokenize = Callable[[list[str], int | list[int]], tuple[Tokens, Tokens]]
"""Texts and images a row (one number, or one for each) to ids int64 [B, N] and mask int64 [B, N], left-padded."""

Finish = Callable[[Sequence[SampleId], Batch], Batch]
"""Completes the rows of one member, for example with cached features."""


class LoaderError(RuntimeError):
    """A sample that could not be made; the message names it."""


class Pictures(Protocol):
    """Where decoded frames come from: ``size`` is their (height, width) in pixels."""

    @property
    def size(self) -> tuple[int, int]: ...

    def picture(self, store: EpisodeStore, sample: SampleId, camera: str, frame: int) -> np.ndarray:
        """uint8 [H, W, 3]: a frame of a sample's episode, the sample's own or a later one."""
        ...


@dataclass(frozen=True)
class JointOrder:
    """The order of rows over several manifests; with one manifest it is that manifest's own order."""

    manifests: tuple[MixtureManifest, ...]
    weights: tuple[float, ...]
    orders: tuple[MixtureManifest | ClipOrder, ...] = ()  # of each member; empty: the manifests' own

    @classmethod
    def of(cls, members: Sequence[Member]) -> "JointOrder":
        """The order of these members."""
        return cls(tuple(member.manifest for member in members), tuple(float(member.weight) for member in members))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the manifests and their weights."""
        pairs = zip(self.manifests, self.weights, strict=True)
        return digest_json([[manifest.digest, weight] for manifest, weight in pairs])

    def members(self, start: int, count: int) -> np.ndarray:
        """int64 [count]: the member that rows start, start + 1, ... come from."""
        key = int(self.digest[:32], 16)
        raw = np.random.Philox(key=key, counter=start).random_raw(count * _RAW_PER_SAMPLE)
        unit = (np.asarray(raw, dtype=np.uint64).reshape(count, _RAW_PER_SAMPLE)[:, 0] >> np.uint64(11)) * 2.0**-53
        ends = np.cumsum(self.weights)
        return np.minimum(np.searchsorted(ends, unit * ends[-1], side="right"), len(ends) - 1)

    def draw(self, start: int, count: int) -> np.ndarray:
        """Rows start to start + count - 1 as int64 [count, 4]: member, source, episode number, frame."""
        chosen = self.members(start, count)
        drawn = np.empty((count, 4), dtype=np.int64)
        drawn[:, 0] = chosen
        for number, order in enumerate(self.orders or self.manifests):
            rows = chosen == number
            if rows.any():
                drawn[rows, 1:] = order.draw(start, count)[rows]
        return drawn

    def samples(self, start: int, count: int) -> list[SampleId]:
        """The same rows, named."""
        return [SampleId(s, e, f, member) for member, s, e, f in self.draw(start, count).tolist()]


class Loader:
    """An endless iterator of batches.

    Step k of rank r holds the samples ``(k * world + r) * batch_size`` up to ``+ batch_size`` of the order, so the
    ranks together see what one process with ``world * batch_size`` rows would see, and resuming needs ``start_step``
    only.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        batch_size: int,
        max_state_dim: int,
        max_action_dim: int,
        horizon: int,
        horizon_frames: int | None = None,
        published_behaviour: bool = False,
        cache: FramesCache | None = None,
        order: Order = "frames",
        image_size: tuple[int, int] | None = None,
        decoders: int = 2,
        tokenize: Tokenize | None = None,
        with_images: bool = True,
        start_step: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Open the stores of every mixture; their states and actions are read as they are drawn.

        Args:
            horizon: steps of a chunk that the model predicts; those that an embodiment does not have are masked.
            horizon_frames: from the observation to the future frame (FLARE), at the embodiment's rate; None leaves it
                out.
            published_behaviour: also count the steps past the end of an episode in the loss (they repeat the last
                action), as the published loader does.
            cache: decoded frames; needed with images unless ``image_size`` is given.
            order: ``frames`` draws every sample by itself; ``clips`` shuffles the frames of a few clips at a time, for
                data that is decoded as it goes (see ``clips.ClipOrder``).
            image_size: (height, width) in pixels of images that are decoded as they are needed, without a cache.
            decoders: threads that do so.
            tokenize: makes the prompts, each with its row's number of images; None leaves the tokens out.
            with_images: False leaves images and tokens out, for training on cached features.

        Raises:
            ValueError: no member, members that do not go together, manifest, statistics and embodiment that do not
                belong together, an embodiment with a longer horizon than the model, or numbers out of range.
            RateError: a store records too slowly for the embodiment's rate; names it.
        """
        check_members(members)
        if with_images and cache is None and (image_size is None or order != "clips"):
            raise ValueError(
                "images need a frames cache: give cache=, or with_images=False for cached features, or decode while "
                'training with order="clips" and image_size='
            )
        if batch_size < 1 or not 0 <= rank < world:
            raise ValueError(f"expected batch_size > 0 and 0 <= rank < world, found {batch_size}, {rank} and {world}")
        self.members = tuple(members)
        self.batch_size, self.start_step, self.rank, self.world = batch_size, start_step, rank, world
        self.horizon_frames, self.with_images, self._tokenize = horizon_frames, with_images, tokenize
        sizes = {"max_state_dim": max_state_dim, "max_action_dim": max_action_dim, "horizon": horizon}
        self.rows = tuple(MixtureRows(m, published_behaviour=published_behaviour, **sizes) for m in members)
        clips = tuple(ClipOrder(member.manifest) for member in members) if order == "clips" else ()
        self.order = replace(JointOrder.of(members), orders=clips)
        self._readers = ()
        if with_images and cache is None and image_size is not None:
            pairs = zip(clips, self.rows, strict=True)
            self._readers = tuple(self._reader(one, rows, image_size, decoders) for one, rows in pairs)
        self._pictures: tuple[Pictures, ...] = (cache,) * len(self.rows) if cache is not None else self._readers

    def _reader(self, order: ClipOrder, rows: MixtureRows, size: tuple[int, int], decoders: int) -> ClipReader:
        beyond = max(pace.rows(self.horizon_frames or 0) for pace in rows.paces)
        return ClipReader(order, rows.stores, rows.cameras, size, beyond=beyond, threads=decoders)

    def __iter__(self) -> Iterator[Batch]:
        """Batches from ``start_step`` on, without end."""
        step = self.start_step
        while True:
            yield self.batch_of(self.samples(step))
            step += 1

    def samples(self, step: int) -> list[SampleId]:
        """The samples of this rank at one step; what they need begins to be decoded where there is no cache."""
        first = (step * self.world + self.rank) * self.batch_size
        for reader in self._readers:
            reader.expect(first)
        return self.order.samples(first, self.batch_size)

    def close(self) -> None:
        """Stop the threads that decode, where there are any."""
        for reader in self._readers:
            reader.close()

    def batch_of(self, samples: Sequence[SampleId], finish: Finish | None = None) -> Batch:
        """The batch of any samples of the members, held-out ones included, in their order.

        Args:
            finish: called with the rows of each member before they are joined.

        Raises:
            LoaderError: a sample is not in its manifest, or its images cannot be read; names the sample.
        """
        parts, places = [], []
        for number in sorted({sample.member for sample in samples}):
            own = [place for place, sample in enumerate(samples) if sample.member == number]
            part = self._part(self.rows[number], [samples[place] for place in own])
            parts.append(part if finish is None else finish([samples[place] for place in own], part))
            places += own
        prompt = self._prompt(samples)
        return replace(parts[0], **prompt) if len(parts) == 1 else merge_rows(parts, places, **prompt)

    def _part(self, rows: MixtureRows, samples: Sequence[SampleId]) -> Batch:
        try:
            batch = rows.batch(samples)
        except (KeyError, IndexError) as error:
            raise LoaderError(f"mixture {rows.manifest.name!r}: no such sample {error}") from error
        views = {}
        if self.with_images:
            views["images"] = self._images(rows, samples, [sample.frame for sample in samples])
        if self.horizon_frames is not None:
            future, real = rows.future(samples, self.horizon_frames)
            views["future_mask"] = torch.from_numpy(real)
            if self.with_images:
                views["future_images"] = self._images(rows, samples, future.tolist())
        return replace(batch, **views)

    def _images(self, rows: MixtureRows, samples: Sequence[SampleId], frames: Sequence[int]) -> torch.Tensor:
        """uint8 [B, V, H, W, 3]: the cameras at ``frames``, which are those of the samples or later ones."""
        pictures = self._pictures[samples[0].member]
        images = np.empty((len(samples), len(rows.cameras), *pictures.size, 3), dtype=np.uint8)
        for row, (sample, frame) in enumerate(zip(samples, frames, strict=True)):
            for view, camera in enumerate(rows.cameras):
                try:
                    images[row, view] = pictures.picture(rows.stores[sample.source], sample, camera, frame)
                except (ValueError, IndexError, OSError) as error:
                    name = rows.name(sample)
                    raise LoaderError(f"sample {name}, camera {camera!r}, frame {frame}: {error}") from error
        return torch.from_numpy(images)

    def _prompt(self, samples: Sequence[SampleId]) -> dict[str, torch.Tensor]:
        if self._tokenize is None or not self.with_images:
            return {}
        texts = [self.rows[s.member].manifest.entry(s.source, s.episode).text_at(s.frame) for s in samples]
        images = [len(self.rows[sample.member].cameras) for sample in samples]
        ids, mask = self._tokenize(texts, images[0] if len(set(images)) == 1 else images)
        return {"input_ids": torch.as_tensor(ids), "attention_mask": torch.as_tensor(mask)}


def check_members(members: Sequence[Member]) -> None:
    """Whether these mixtures can train one model.

    Raises:
        ValueError: no member, a weight that is not positive, one embodiment with two descriptions or two statistics, or
            two embodiments with the same slot.
    """
    if not members:
        raise ValueError("a joint training needs at least one mixture")
    seen: dict[str, Member] = {}
    slots: dict[int, str] = {}
    for member in members:
        name = member.embodiment.name
        if not (np.isfinite(member.weight) and member.weight > 0):
            raise ValueError(f"mixture {member.manifest.name!r}: weight is {member.weight}, expected a positive number")
        first = seen.setdefault(name, member)
        if first is not member and (
            first.embodiment.digest != member.embodiment.digest or first.statistics.digest != member.statistics.digest
        ):
            raise ValueError(
                f"mixtures {first.manifest.name!r} and {member.manifest.name!r} are both of embodiment {name!r} but "
                "have different descriptions or statistics of it; measure them together (`gr00t stats`)"
            )
        for slot in {member.embodiment.slot, *member.manifest.slots(member.embodiment.slot)}:
            if (other := slots.setdefault(slot, name)) != name:
                raise ValueError(
                    f"embodiments {other!r} and {name!r} both use slot {slot} of the model; give one of them another "
                    "slot in its YAML, or label the generated store with another one"
                )
