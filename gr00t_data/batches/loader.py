"""Many embodiments in one batch: mixtures drawn together, each row through its own slot and its own statistics.

Sample i of the joint order depends on the members and on i, nothing else: a member is drawn by weight from a
counter-based generator (Philox, Salmon et al., SC 2011), and the row is that member's own sample i.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.clips import ClipOrder
from gr00t_data.batches.member import Loader, Tokenize
from gr00t_data.batches.merge import merge_rows
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment

_RAW_PER_SAMPLE = 4
"""Philox gives four 64-bit numbers a counter value: one counter value is one sample, one number is used."""

Finish = Callable[[int, Batch], Batch]
"""Completes the rows of one member (its number comes first), for example with cached features."""


@dataclass(frozen=True)
class Member:
    """One mixture of a joint training.

    Attributes:
        weight: share of the rows that come from it, relative to the other weights.
        acting_steps: steps of a chunk that this embodiment learns, the first ones; None is all the model has.
    """

    manifest: MixtureManifest
    statistics: NormStats
    embodiment: Embodiment
    weight: float = 1.0
    acting_steps: int | None = None


class JointSample(NamedTuple):
    """Which sample of which member."""

    member: int
    sample: SampleId


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

    def samples(self, start: int, count: int) -> list[JointSample]:
        """The same rows, named."""
        return [JointSample(member, SampleId(*row)) for member, *row in self.draw(start, count).tolist()]


class JointLoader:
    """An endless iterator of batches over several members. Steps, ranks and restarts are as in ``Loader``."""

    def __init__(
        self,
        members: Sequence[Member],
        *,
        batch_size: int,
        tokenize: Tokenize | None = None,
        with_images: bool = True,
        start_step: int = 0,
        rank: int = 0,
        world: int = 1,
        **options: Any,
    ) -> None:
        """Read the states and actions of every mixture into memory.

        Args:
            tokenize: makes the prompts of a batch, each with its row's number of images; None leaves the tokens out.
            options: the other keyword arguments of ``Loader``, the same for every member.

        Raises:
            ValueError: no member, members that do not go together, or what ``Loader`` complains of.
        """
        check_members(members)
        self.members = tuple(members)
        self.batch_size, self.start_step, self.rank, self.world = batch_size, start_step, rank, world
        self._tokenize, self._with_images = tokenize, with_images
        shared = {"batch_size": batch_size, "with_images": with_images, "rank": rank, "world": world, **options}
        self.loaders = tuple(
            Loader(m.manifest, m.statistics, m.embodiment, acting_steps=m.acting_steps, **shared) for m in members
        )
        self.order = replace(JointOrder.of(members), orders=tuple(loader.order for loader in self.loaders))

    def __iter__(self) -> Iterator[Batch]:
        """Batches from ``start_step`` on, without end."""
        step = self.start_step
        while True:
            yield self.batch_of(self.samples(step))
            step += 1

    def samples(self, step: int) -> list[JointSample]:
        """The samples of this rank at one step."""
        first = (step * self.world + self.rank) * self.batch_size
        for loader in self.loaders:
            loader.expect(first)
        return self.order.samples(first, self.batch_size)

    def batch_of(self, samples: Sequence[JointSample], finish: Finish | None = None) -> Batch:
        """The batch of any samples of the members, in their order.

        Args:
            finish: called with the rows of each member before they are joined.

        Raises:
            LoaderError: a sample is not there, or its images cannot be read; names the sample.
        """
        parts, places = [], []
        for number, loader in enumerate(self.loaders):
            rows = [row for row, sample in enumerate(samples) if sample.member == number]
            if rows:
                part = loader.batch_of([samples[row].sample for row in rows])
                parts.append(part if finish is None else finish(number, part))
                places += rows
        return merge_rows(parts, places, **self._prompt(samples))

    def _prompt(self, samples: Sequence[JointSample]) -> dict[str, torch.Tensor]:
        if self._tokenize is None or not self._with_images:
            return {}
        texts = [self.loaders[member].instructions([sample])[0] for member, sample in samples]
        images = [len(self.loaders[sample.member].cameras) for sample in samples]
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
        if first.embodiment.digest != member.embodiment.digest or first.statistics.digest != member.statistics.digest:
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
