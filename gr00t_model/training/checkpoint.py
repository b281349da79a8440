"""Checkpoint: what a run leaves, in a folder that stands on its own.

Enough to run the policy and to name every episode the weights have seen: the weights (averaged ones when the recipe
asks for them), the model's configuration, the statistics, the embodiment, the manifest, the training configuration,
the tokenizer, the versions of the libraries and of this code, and the metrics.
"""

import os
import platform
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gr00t_data.batches.mixture import MixtureManifest
from gr00t_data.batches.statistics import NormStats
from gr00t_data.disk import (
    digest_json,
    folder_digests,
    read_json,
    replacing_folder,
    write_json,
    write_text,
)
from gr00t_data.embodiment import Embodiment, load_embodiment
from gr00t_model.groot.config import ConfigError as ModelConfigError
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.nvidia_weights import WeightsError, load, save
from gr00t_model.groot.prompt import Prompt
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.run import Outcome, RunFolder, code_digest

FORMAT = 1
"""Layout of the folder; another number cannot be read."""

FILES = (
    "config.json",
    "statistics.json",
    "embodiment.yaml",
    "manifest.json",
    "train_config.json",
    "versions.json",
    "metrics.json",
    "episodes.json",
    "tokenizer",
)
_LIBRARIES = ("torch", "transformers", "accelerate", "safetensors", "tokenizers", "numpy", "av", "pyarrow")
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


class CheckpointError(ValueError):
    """A folder that cannot be read as a checkpoint; the message names the file and the remedy."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk. Small files are read when it is opened, the weights when ``model`` is called.

    Attributes:
        folder: where it lies.
        config: sizes of the model.
        statistics: what the normalization was measured on.
        embodiment: the robot it was trained for.
        manifest: the mixture it was trained on.
        train_config: the configuration of its run.
        versions: libraries, Python and code digest.
        metrics: steps and last losses.
        episodes: every episode it has seen: store digest, kind, licence, episode number, samples drawn.
    """

    folder: Path
    config: GrootConfig
    statistics: NormStats
    embodiment: Embodiment
    manifest: MixtureManifest
    train_config: TrainConfig
    versions: dict[str, Any]
    metrics: dict[str, Any]
    episodes: list[dict[str, Any]]

    @classmethod
    def load(cls, folder: Path | str) -> "Checkpoint":
        """Open a checkpoint.

        Raises:
            CheckpointError: a file is missing, broken, of another layout or model version, or a pickle.
        """
        folder = Path(folder)
        _check_files(folder)
        versions = read_json(folder / "versions.json")
        if versions.get("format") != FORMAT:
            raise CheckpointError(
                f"{folder}/versions.json: layout {versions.get('format')!r}, this version reads {FORMAT}; "
                f"use the release named there ({versions.get('gr00t-lake', 'unknown')})"
            )
        try:
            return cls(
                folder=folder,
                config=GrootConfig.from_dict(read_json(folder / "config.json")),
                statistics=NormStats.load(folder / "statistics.json"),
                embodiment=load_embodiment(folder / "embodiment.yaml"),
                manifest=MixtureManifest.load(folder / "manifest.json"),
                train_config=TrainConfig.from_dict(read_json(folder / "train_config.json")["config"]),
                versions=versions,
                metrics=read_json(folder / "metrics.json"),
                episodes=read_json(folder / "episodes.json")["episodes"],
            )
        except (ModelConfigError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{folder}: {error}") from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over names and bytes of all its files."""
        return digest_json(folder_digests(self.folder))

    def model(self, device: torch.device | str = "cpu") -> Groot:
        """The network with its weights, in evaluation mode.

        Raises:
            CheckpointError: the weights are missing, cut off, or do not fit the configuration.
        """
        try:
            model = load(self.folder)
        except (WeightsError, OSError) as error:
            raise CheckpointError(f"{self.folder}: {error}") from error
        return model.to(device).eval()

    def prompt(self) -> Prompt:
        """The tokenizer, as a function from instructions to token ids."""
        return Prompt.load(self.folder / "tokenizer")


def is_checkpoint(folder: Path) -> bool:
    """Whether a whole checkpoint lies there (it appears by one rename, so its last file is enough)."""
    return (folder / "versions.json").is_file()


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; give the folder of a checkpoint (it holds model.safetensors)")
    if (folder / "config.json").is_file():
        _check_version(folder)
    missing = [name for name in FILES if not (folder / name).exists()]
    weights = sorted(folder.glob("*.safetensors"))
    pickles = sorted(p.name for suffix in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(suffix))
    if not weights:
        hint = f"; {pickles[0]} is a pickle, which is never opened here: convert it to safetensors" if pickles else ""
        missing.append(f"model.safetensors{hint}")
    if missing:
        raise CheckpointError(
            f"{folder}: is not a whole checkpoint, it lacks {', '.join(missing)}; export the run again"
        )
    for path in weights:
        with path.open("rb") as stream:
            if stream.read(4).startswith(_PICKLE_STARTS):
                raise CheckpointError(f"{path}: is a pickle under a safetensors name; pickles are never opened here")


def _check_version(folder: Path) -> None:
    """Say that it is another model before complaining about missing files."""
    try:
        GrootConfig.from_dict(read_json(folder / "config.json"))
    except ValueError as error:
        raise CheckpointError(f"{folder}/config.json: {error}") from error


def export_checkpoint(run: RunFolder, config: TrainConfig, model: Groot, outcome: Outcome, world: int) -> Path:
    """Write the checkpoint of a finished run to ``run.checkpoint`` in one step. ``model`` holds the weights to export.

    Args:
        world: number of ranks, which decides how many samples were drawn.
    """
    base = Path(config.model.base) if config.model.base else run.fresh_base
    manifest = MixtureManifest.load(Path(config.data.manifest))
    with replacing_folder(run.checkpoint) as folder:
        save(model, folder)
        shutil.copytree(base / "tokenizer", folder / "tokenizer")
        shutil.copyfile(config.data.statistics, folder / "statistics.json")
        shutil.copyfile(config.data.manifest, folder / "manifest.json")
        write_text(folder / "embodiment.yaml", load_embodiment(config.data.embodiment).text)
        write_json(folder / "train_config.json", {"key": run.key, "config": config.to_dict()})
        write_json(folder / "metrics.json", asdict(outcome))
        samples = outcome.step * config.accumulate * config.batch_size * world
        write_json(folder / "episodes.json", {"episodes": episodes_seen(manifest, samples)})
        write_json(folder / "versions.json", _versions())
    return run.checkpoint


def episodes_seen(manifest: MixtureManifest, samples: int) -> list[dict[str, Any]]:
    """Every episode among the first ``samples`` samples of a manifest, with how often it was drawn."""
    seen: Counter[tuple[int, int]] = Counter()
    chunk = 65_536
    for start in range(0, samples, chunk):
        pairs, counts = np.unique(manifest.draw(start, min(chunk, samples - start))[:, :2], axis=0, return_counts=True)
        seen.update({(int(s), int(e)): int(n) for (s, e), n in zip(pairs, counts, strict=True)})
    entries = []
    for (number, episode), count in sorted(seen.items()):
        source = manifest.sources[number]
        about = {"store": source.digest, "kind": source.kind, "licence": source.licence}
        entries.append({**about, "episode": episode, "samples": count})
    return entries


def _versions() -> dict[str, Any]:
    libraries = {name: version(name) for name in _LIBRARIES}
    return {
        "format": FORMAT,
        "gr00t-lake": _own_version(),
        "python": platform.python_version(),
        "code": code_digest(),
    } | {"libraries": libraries}


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return version("gr00t-lake")
    except PackageNotFoundError:
        return "not installed"


def publish(checkpoint: Path, checkpoints: Path) -> Path:
    """Give a run's checkpoint a name of its own below ``checkpoints``: ``<recipe>-<digest 16>``. Repeating it is free.

    Files are hard links where the file system allows it, so that weights are not stored twice.
    """
    opened = Checkpoint.load(checkpoint)
    target = checkpoints / f"{opened.train_config.recipe}-{opened.digest[:16]}"
    if not is_checkpoint(target):
        with replacing_folder(target) as folder:
            shutil.copytree(checkpoint, folder, dirs_exist_ok=True, copy_function=_link_or_copy)
    return target


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
