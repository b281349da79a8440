"""A mixture for people with a trainer of their own: a torch dataset of whole batches, for any number of workers.

    dataset = MixtureDataset(manifest, statistics, embodiment, batch_size=32, horizon=16, ..., cache=cache)
    for batch in dataset.loader(workers=4):
        ...

Which samples step k holds is what ``Loader`` says: workers, processes and restarts do not change it.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.loader import Loader
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.embodiment.robot import Embodiment


class MixtureDataset(IterableDataset[Batch]):
    """Batches of this rank from ``start_step`` on, in order.

    Of W workers of a torch ``DataLoader``, worker w makes the steps w, w + W, w + 2 W, ...; the loader takes from them
    in turn, so that the order is that of one. Use ``batch_size=None`` there: an item is a whole batch already.
    """

    def __init__(
        self,
        manifest: MixtureManifest,
        statistics: NormStats,
        embodiment: Embodiment,
        *,
        start_step: int = 0,
        steps: int | None = None,
        cache: FramesCache | None = None,
        **options: Any,
    ) -> None:
        """Nothing is read yet: each worker opens the stores for itself.

        Args:
            steps: batches in all; None is without end.
            cache: decoded frames; build them first (``cache.build``), or each worker decodes what it meets.
            options: the other keyword arguments of ``Loader``: batch_size, max_state_dim, max_action_dim, horizon,
                rank, world and so on. With accelerate: rank=accelerator.process_index,
                world=accelerator.num_processes, and do not prepare the data loader.
        """
        self.manifest, self.statistics, self.embodiment = manifest, statistics, embodiment
        self.start_step, self.steps, self.options = start_step, steps, options
        self._cache = None if cache is None else (cache.folder, cache.size, cache.budget_bytes)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of this worker.

        Raises:
            ValueError: see ``Loader``.
            LoaderError: a sample that could not be made; names it.
        """
        worker = get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        cache = None if self._cache is None else FramesCache(*self._cache)
        member = Member(self.manifest, self.statistics, self.embodiment)
        loader = Loader([member], cache=cache, **self.options)
        steps = count(first, stride) if self.steps is None else range(first, self.steps, stride)
        try:
            for step in steps:
                yield loader.batch_of(loader.samples(self.start_step + step))
        finally:
            loader.close()

    def loader(self, workers: int = 0, ahead: int = 2, **options: Any) -> DataLoader[Batch]:
        """A torch ``DataLoader``: iterate over it for batches in order.

        Args:
            workers: processes; 0 makes the batches in the caller.
            ahead: batches that each worker prepares before they are asked for.
            options: further keyword arguments of ``DataLoader``.
        """
        prefetch = {"prefetch_factor": ahead} if workers else {}
        return DataLoader(self, batch_size=None, num_workers=workers, **prefetch, **options)
