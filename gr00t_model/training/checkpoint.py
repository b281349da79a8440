"""Checkpoint: what a run leaves, in a folder that stands on its own.

Enough to run the policy and to name every episode the weights have seen: the weights (averaged ones when the recipe
asks for them), the model's configuration, the statistics, the embodiment, the manifest, the training configuration,
the tokenizer, the versions of the libraries and of this code, and the metrics.
"""

import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Self

import torch

from gr00t_data.batches.loader import JointOrder
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.metadata import NEW_EMBODIMENT_SLOT
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.disk import (
    link_or_copy,
    read_json,
    replacing_folder,
    write_json,
)
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import IntegrityError, read_sealed, require_intact, write_record, write_sealed
from gr00t_model.groot.config import ConfigError as ModelConfigError
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import Prompt
from gr00t_model.groot.weights.eval_transform import write_eval_transform
from gr00t_model.groot.weights.nvidia import WeightsError, load, save
from gr00t_model.groot.weights.own_slots import copy_slot, merge_slots
from gr00t_model.lineage.chain import SeenEpisode, below, write_chain
from gr00t_model.lineage.digests import METRICS, model_digest, require_unchanged
from gr00t_model.lineage.paths import located_fields, portable_fields
from gr00t_model.lineage.record import Record, Settings, links_from
from gr00t_model.loop.optimizer import trainable
from gr00t_model.loop.run import Outcome
from gr00t_model.training.base import copy_tokenizer
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.episodes import episodes_drawn, with_people
from gr00t_model.training.key import PolicyRun, base_digest, learning_key, learning_libraries
from gr00t_model.training.members import (
    members_metadata,
    new_embodiment,
    open_members,
    read_members,
    write_members,
    write_tags,
)
from gr00t_model.training.precision import restore_stored, widen

LIBRARIES = ("safetensors", "scipy")

FORMAT = 1
"""Layout of the folder; another number cannot be read."""

FILES = (
    "config.json",
    "statistics.json",
    "embodiment.yaml",
    "manifest.json",
    "train_config.json",
    "versions.json",
    METRICS,
    "episodes.json",
    "tokenizer",
)
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
        members: every mixture it was trained on with its robot, of which the three above are the first.
        train_config: the configuration of its run.
        steps: it was trained for.
        episodes: every episode it has seen.
    """

    folder: Path
    config: GrootConfig
    statistics: NormStats
    embodiment: Embodiment
    manifest: MixtureManifest
    train_config: TrainConfig
    steps: int
    episodes: tuple[SeenEpisode, ...]
    members: tuple[Member, ...]

    @classmethod
    def load(cls, folder: Path | str) -> "Checkpoint":
        """Open a checkpoint.

        Raises:
            CheckpointError: a file is missing, broken, of another layout or model version, or a pickle.
            IntegrityError: a small file is not the one that was recorded.
        """
        folder = Path(folder)
        _check_files(folder)
        versions = read_json(folder / "versions.json")
        if not isinstance(versions, dict):
            raise CheckpointError(f"{folder}/versions.json: is no JSON object; copy the folder again")
        if versions.get("format") != FORMAT:
            raise CheckpointError(
                f"{folder}/versions.json: layout {versions.get('format')!r}, this version reads {FORMAT}; "
                f"use the release named there ({versions.get('gr00t-lake', 'unknown')})"
            )
        try:
            written, metrics = folder / "train_config.json", read_sealed(folder / METRICS)
            run = read_json(written)
            if metrics.get("run", run["key"]) != run["key"]:  # those of before do not say it
                raise IntegrityError(f"{folder / METRICS}: is that of another run; copy the whole folder again")
            train_config = TrainConfig.from_dict(located_fields(run["config"], written))
            members = read_members(folder, len(train_config.data.mixtures))
            opened = cls(
                folder=folder,
                config=GrootConfig.from_dict(read_json(folder / "config.json")),
                statistics=members[0].statistics,
                embodiment=members[0].embodiment,
                manifest=members[0].manifest,
                train_config=train_config,
                steps=run.get("step", metrics["step"]),
                episodes=tuple(map(SeenEpisode.model_validate, read_json(folder / "episodes.json")["episodes"])),
                members=members,
            )
            require_intact(folder, weights=False)  # after reading, which says more exactly what cannot be read
        except IntegrityError:
            raise
        except (ModelConfigError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{folder}: {error}") from error
        return opened

    def with_stores(self, stores: Mapping[str, str]) -> Self:
        """The same, its mixtures with the paths of today (see ``MixtureManifest.found_among``)."""
        members = tuple(replace(one, manifest=one.manifest.found_among(stores)) for one in self.members)
        return replace(self, members=members, manifest=members[0].manifest)

    def member(self, embodiment: str | None = None, selection: str | None = None) -> Member:
        """The mixture of one embodiment (None: the first one), by its selection where it has several.

        Raises:
            CheckpointError: it was not trained on that; names what it was trained on.
        """
        for member in self.members:
            if embodiment in (None, member.embodiment.name) and selection in (None, member.manifest.selection):
                return member
        known = ", ".join(f"{m.embodiment.name} ({m.manifest.selection})" for m in self.members)
        wanted = " ".join(filter(None, (embodiment, f"({selection})" if selection else "")))
        raise CheckpointError(
            f"{self.folder}: was trained on {known}, not on {wanted}; it has no statistics of it: choose one of these, "
            "or train on its data with data.also"
        )

    @cached_property
    def digest(self) -> str:
        """See ``model_digest``."""
        return model_digest(self.folder)

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


def export_checkpoint(
    run: PolicyRun, config: TrainConfig, model: Groot, outcome: Outcome, world: int, into: Path | None = None
) -> Path:
    """Write the checkpoint of a run to ``run.checkpoint`` in one step. ``model`` holds the weights to export.

    It is a full model that needs no peft, and the published code finds the robot of the run in it, under its own tag or
    as ``new_embodiment`` with the projectors of slot 31. The adapter of a LoRA run lies in ``adapter/`` beside it, in
    peft's format.

    Args:
        world: number of ranks, which decides how many samples were drawn.
        into: another folder, for a run that is not finished.
    """
    base = run.base_of(config)
    digest = base_digest(base)
    members = open_members(config.data)
    target = into or run.checkpoint
    with replacing_folder(target, over=True) as folder:
        if config.model.lora.on:
            from gr00t_model.groot.lora import save_adapter

            save_adapter(model, folder / "adapter", digest)
            write_tags(members, folder / "adapter")
            write_eval_transform(folder / "adapter", config.data.augment)
        _as_published(model, base)
        if tagged := new_embodiment(members):
            copy_slot(model, tagged.slot, NEW_EMBODIMENT_SLOT)
        save(model, folder, metadata=members_metadata(members))
        copy_tokenizer(config, base, folder / "tokenizer")
        write_members(config.data, folder)
        write_eval_transform(folder, config.data.augment)
        fields = portable_fields(config.to_dict(), target)
        write_json(folder / "train_config.json", {"key": run.key, "config": fields, "step": outcome.step})
        write_sealed(folder / METRICS, outcome.model_dump() | {"run": run.key})
        samples = outcome.step * config.accumulate * config.batch_size * world
        drawn = episodes_drawn(JointOrder.of(members), samples)
        write_json(folder / "episodes.json", {"episodes": with_people(drawn, [one.manifest for one in members])})
        write_json(folder / "versions.json", _versions() | {"base": digest})
        _write_lineage(folder, config, digest, run.root.name)
        write_record(folder, free=(METRICS,))  # last: it names every file
    return target


def _write_lineage(folder: Path, config: TrainConfig, base: str, name: str) -> None:
    """What the weights were made from; an adapter can go without the checkpoint, so it has its run's record beside it.

    Args:
        base: digest of the base.
        name: of the run.
    """
    chain = tuple(links_from(Settings.model_validate(config.model_dump(mode="json")), base))
    write_chain(folder, chain)
    if (folder / "adapter").is_dir():
        own = Record.load(folder).link("adapter", "").model_copy(update={"name": name})
        write_chain(folder / "adapter", (own, *below(chain, "adapter", name)))
        write_record(folder / "adapter")


def _as_published(model: Groot, base: Path) -> None:
    """Bring ``model`` to the form of a full checkpoint: adapters and slots merged, float32 where it trained, else as in
    the base.

    Nothing trains after this.
    """
    learned = set(trainable(model))
    restore_stored(model, base)
    widen(model, learned)
    if hasattr(model, "peft_config"):
        from gr00t_model.groot.lora import merge_lora  # only those who train adapters need peft

        merge_lora(model)
    merge_slots(model)


def _versions() -> dict[str, object]:
    return {
        "format": FORMAT,
        "gr00t-lake": _own_version(),
        "python": platform.python_version(),
        "code": learning_key(),
        "libraries": learning_libraries(),
    }


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return version("gr00t-lake")
    except PackageNotFoundError:
        return "not installed"


def publish(checkpoint: Path, checkpoints: Path) -> Path:
    """Give a run's checkpoint a name of its own below ``checkpoints``: ``<recipe>-<digest 16>``. Repeating it is free.

    Files are hard links where the file system allows it, so that weights are not stored twice.

    Raises:
        IntegrityError: a file is not the one that the run wrote.
    """
    opened = Checkpoint.load(checkpoint)
    require_unchanged(checkpoint, asked=True)
    target = checkpoints / f"{opened.train_config.recipe}-{opened.digest[:16]}"
    if not is_checkpoint(target):
        with replacing_folder(target, over=True) as folder:
            shutil.copytree(checkpoint, folder, dirs_exist_ok=True, copy_function=link_or_copy)
    return target
