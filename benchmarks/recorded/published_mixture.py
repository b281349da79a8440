"""The published mixture: its order of samples and its merging of statistics, to reproduce a published run.

Our own mixtures (``gr00t_data/batches/mixture``) draw frames of keep ranges from a manifest. This file is for comparing
with GR00T N1.5, number by number, and says what is wrong with it.

Known defects, kept:

- Statistics are merged with the weights of all datasets, also when a robot owns only some of them: with percentiles
  "min_max" the mean of a robot shrinks by the share of its data, with "weighted_average" numpy raises ValueError.
- The variance is a difference of large numbers: rounding makes it negative, and the deviation NaN, for values that
  hardly move.
- Datasets are merged by their share of the draws. Inside a dataset the published statistics count every frame once,
  while ``balance_trajectory_weights=False`` draws the frames of short episodes more often.
- Percentiles of a mixture cannot be had from the percentiles of its sources; their average is a guess.
- An unweighted mixture needs a dataset of weight exactly 1.0, which sets the length of an epoch.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gr00t_data.batches.statistics.statistics import PartStatistics

PERCENTILES = ("weighted_average", "min_max")


@dataclass(frozen=True)
class PublishedMixture:
    """Datasets with weights, drawn as the published LeRobotMixtureDataset does.

    Attributes:
        episodes: of each dataset, episode number -> frames, in the dataset's order.
        weights: one for each dataset; the published code wants at least one to be exactly 1.0.
        balance_dataset_weights: multiply each weight by the dataset's frames.
        balance_trajectory_weights: draw episodes by their frames; false draws all episodes alike.
    """

    episodes: tuple[Mapping[int, int], ...]
    weights: tuple[float, ...]
    balance_dataset_weights: bool = True
    balance_trajectory_weights: bool = True
    seed: int = 42

    def __post_init__(self) -> None:
        if len(self.episodes) != len(self.weights) or not all(self.episodes):
            raise ValueError(
                f"expected one weight and at least one episode a dataset, found {len(self.weights)} weights and "
                f"datasets of {[len(dataset) for dataset in self.episodes]} episodes"
            )
        if 1.0 not in self.weights:
            raise ValueError(
                f"the length of a published epoch is set by the datasets of weight 1.0, found {self.weights}: "
                "divide all weights by the largest"
            )

    @property
    def dataset_shares(self) -> Float[np.ndarray, " n"]:
        """Probability of each dataset."""
        weights = np.array(self.weights)
        if self.balance_dataset_weights:
            weights = weights * [sum(dataset.values()) for dataset in self.episodes]
        return weights / weights.sum()

    def episode_shares(self, dataset: int) -> Float[np.ndarray, " e"]:
        """Probability of each episode once its dataset is drawn."""
        frames = np.array(list(self.episodes[dataset].values()))
        if not self.balance_trajectory_weights:
            frames = np.ones(len(frames))
        return frames / frames.sum()

    def __len__(self) -> int:
        """Samples in an epoch: enough to see the frames of every dataset of weight 1.0 once on average."""
        frames = np.array([sum(dataset.values()) for dataset in self.episodes])
        primary = np.array(self.weights) == 1.0
        return int((frames / self.dataset_shares)[primary].max())

    def sample(self, epoch: int, index: int, train: bool = True) -> tuple[int, int, int]:
        """Dataset, episode number and frame of one sample; in validation the epoch does not count."""
        rng = np.random.default_rng(sample_seed(epoch, index, self.seed) if train else index)
        dataset = int(rng.choice(len(self.episodes), p=self.dataset_shares))
        numbers, lengths = zip(*self.episodes[dataset].items(), strict=True)
        place = int(rng.choice(len(numbers), p=self.episode_shares(dataset)))
        return dataset, numbers[place], int(rng.choice(lengths[place]))

    def draw(self, epoch: int, count: int, train: bool = True) -> Int[np.ndarray, "n 3"]:
        """The first ``count`` samples of an epoch, int64."""
        return np.array([self.sample(epoch, index, train) for index in range(count)], dtype=np.int64).reshape(-1, 3)


def sample_seed(epoch: int, index: int, seed: int) -> int:
    """128 bits of SHA-256 over the tuple as Python prints it."""
    return int.from_bytes(hashlib.sha256(repr((epoch, index, seed)).encode()).digest()[16:], "big")


def merge_statistics(
    measured: Sequence[PartStatistics], weights: Sequence[float], percentiles: str = "weighted_average"
) -> PartStatistics:
    """Statistics of a mixture from the statistics of its sources, defects included.

    Args:
        measured: one for each source of this robot.
        weights: shares of the draws, one for each source; they are not divided by their sum. "min_max" takes the first
            ones of a longer list.
        percentiles: "weighted_average", or "min_max" for the outermost ones.

    Raises:
        ValueError: not one weight for each source, or an unknown name for ``percentiles``.
    """
    if percentiles not in PERCENTILES:
        raise ValueError(f"percentiles must be one of {', '.join(PERCENTILES)}, found {percentiles!r}")
    shares = np.array(weights, dtype=np.float64)
    if percentiles == "min_max":
        shares = shares[: len(measured)]
    if len(shares) != len(measured):
        raise ValueError(f"{len(measured)} sources of one robot came with {len(shares)} weights; give it only its own")
    columns = {name: np.array([getattr(m, name) for m in measured]) for name in ("mean", "std", "q01", "q99")}
    mean = _weighted(columns["mean"], shares)
    with np.errstate(invalid="ignore"):
        deviation = np.sqrt(_weighted(columns["std"] ** 2 + columns["mean"] ** 2, shares) - mean**2)
    low, high = columns["q01"].min(0), columns["q99"].max(0)
    if percentiles == "weighted_average":
        low, high = (np.average(columns[name], axis=0, weights=shares) for name in ("q01", "q99"))
    extremes = np.min([m.min for m in measured], axis=0), np.max([m.max for m in measured], axis=0)
    rows = (mean, deviation, *extremes, low, high)
    return PartStatistics(sum(m.count for m in measured), *(tuple(row.tolist()) for row in rows))


def _weighted(rows: Float[np.ndarray, "n d"], shares: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """Added up in order: a matrix product rounds otherwise, and with it where the published deviation is NaN."""
    return (rows * shares[:, None]).sum(0)
