"""A run: its key (what it depends on), its folder (what it leaves), its outcome. No torch."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import gr00t_data
import gr00t_model
from gr00t_data.disk import digest_file, digest_json, read_json, write_json
from gr00t_data.embodiment import load_embodiment
from gr00t_model.training.config import ConfigError, Mixture, TrainConfig

State = Literal["interrupted", "complete"]

_LEARNING_CODE = (
    (gr00t_model, "groot/**/*.py"),
    (gr00t_model, "training/*.py"),
    (gr00t_data, "batches/*.py"),
    (gr00t_data, "embodiment*.py"),
    (gr00t_data, "video.py"),
)
_FEATURE_CODE = ((gr00t_model, "groot/**/*.py"), (gr00t_model, "training/features.py"), (gr00t_data, "video.py"))
_NOT_LEARNING = {"run.py", "launch.py", "recipes.py", "progress.py", "grounding.py", "checkpoint.py", "stop.py"}
_NOT_LEARNING |= {"memory.py", "activations.py", "merge.py", "settings.py", "loss_figure.py", "grounding_key.py"}
_LEARNING_MACHINE = ("num_processes", "precision", "frozen_dtype")
LEARNING_LIBRARIES = (
    *("accelerate", "av", "numpy", "peft", "pyarrow"),
    *("safetensors", "tokenizers", "torch", "transformers"),
)
"""Distributions whose version can change what is learnt, to the last bit: another version is another run."""
GROUNDING_LIBRARIES = ("mujoco", "numpy", "safetensors", "tokenizers", "torch", "transformers")
"""The same for a base model that is grounded here."""
_NOT_CONTENT = ("keep_states", "log_every_steps", "checkpoint_every_steps")


@dataclass(frozen=True)
class Outcome:
    """What a trainer wrote when it ended.

    Attributes:
        state: ``complete``, or ``interrupted`` with its state saved.
        step: optimizer steps behind the saved weights.
        steps_done: optimizer steps done since this start; 0 when the run was complete already.
        message: one sentence for people.
        losses: last logged value of each loss.
        peak_memory_bytes: largest resident memory of rank 0.
    """

    state: State
    step: int
    steps_done: int
    message: str
    losses: dict[str, float]
    peak_memory_bytes: int


@dataclass(frozen=True)
class RunFolder:
    """The files of one run. Nothing is created by asking for a path."""

    root: Path

    @property
    def run_json(self) -> Path:
        """The resolved configuration and the key."""
        return self.root / "RUN.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a logged step."""
        return self.root / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """The same numbers for TensorBoard."""
        return self.root / "tensorboard"

    @property
    def states(self) -> Path:
        """Resumable states, one folder each, named by step."""
        return self.root / "states"

    @property
    def fresh_base(self) -> Path:
        """The model the run started from when its configuration named none."""
        return self.root / "base"

    @property
    def checkpoint(self) -> Path:
        """What the run leaves: a checkpoint that stands on its own."""
        return self.root / "checkpoint"

    def config(self) -> TrainConfig:
        """The configuration in ``RUN.json``.

        Raises:
            ConfigError: no such file, or one that does not hold a configuration.
        """
        if not self.run_json.is_file():
            raise ConfigError(f"{self.run_json}: no such file; make it with `gr00t train --recipe NAME`")
        fields = read_json(self.run_json)
        if not isinstance(fields, dict) or not {"key", "config"} <= set(fields):
            raise ConfigError(f"{self.run_json}: expected the fields key and config")
        return TrainConfig.from_dict(fields["config"])

    @property
    def key(self) -> str:
        """The key the run was made with."""
        return read_json(self.run_json)["key"]

    def outcome(self) -> Outcome | None:
        """What the last trainer wrote; None while none has ended by itself."""
        path = self.root / "outcome.json"
        return Outcome(**read_json(path)) if path.is_file() else None

    def finished(self) -> Outcome | None:
        """The outcome of a run that did its last step and left its checkpoint, with no step done now; else None."""
        former = self.outcome()
        whole = (self.checkpoint / "versions.json").is_file()  # the last file of a folder that appears by one rename
        if former is None or former.state != "complete" or not whole:
            return None
        return replace(former, steps_done=0, message=f"{self.root}: complete already, nothing was done")

    def write_outcome(self, outcome: Outcome) -> None:
        """Leave ``outcome`` for whoever started the trainer (an exit status does not pass through accelerate)."""
        write_json(self.root / "outcome.json", asdict(outcome))

    def clear_outcome(self) -> None:
        """Forget the former outcome: from here on, no outcome means a trainer that crashed."""
        (self.root / "outcome.json").unlink(missing_ok=True)

    def records(self) -> list[dict[str, Any]]:
        """The logged metrics, oldest first; empty when nothing was logged."""
        if not self.metrics.is_file():
            return []
        return [json.loads(line) for line in self.metrics.read_text().splitlines() if line.strip()]


def prepare_run(config: TrainConfig, runs: Path) -> RunFolder:
    """The folder of ``config`` below ``runs``, with its ``RUN.json``. Equal content gives the same folder."""
    key = run_key(config)
    run = RunFolder(runs / f"{config.recipe}-{key[:16]}")
    write_json(run.run_json, {"key": key, "config": config.to_dict()})
    return run


def run_key(config: TrainConfig) -> str:
    """SHA-256 (hex) of all that decides the weights: inputs by content, configuration, code, versions of libraries.

    Paths do not count.

    Raises:
        ConfigError: an input is not named or not there.
    """
    fields = config.to_dict()
    for name in _NOT_CONTENT:
        del fields[name]
    fields["data"] = input_digests(config)
    fields["machine"] = {name: fields["machine"][name] for name in _LEARNING_MACHINE}
    for name in ("base", "tokenizer"):
        fields["model"][name] = base_digest(Path(path)) if (path := getattr(config.model, name)) else ""
    embedding = config.model.flare.embedding
    fields["model"]["flare"]["embedding"] = base_digest(Path(embedding)) if embedding else ""
    libraries = {name: version(name) for name in LEARNING_LIBRARIES}
    return digest_json({"config": fields, "code": code_digest(), "libraries": libraries})


def input_digests(config: TrainConfig) -> dict[str, Any]:
    """Digests of manifest, statistics and embodiment, and of those of the other mixtures where there are any.

    Raises:
        ConfigError: one of them is not named or not there.
    """
    places = ["data", *(f"data.also.{number}" for number in range(len(config.data.also)))]
    first, *others = map(_mixture_digests, places, config.data.mixtures)
    digests: dict[str, Any] = {**first, "published_behaviour": config.data.published_behaviour}
    digests |= {"augment": True} if config.data.augment else {}
    digests |= {"order": config.data.order} if config.data.order != "frames" else {}
    return {**digests, "also": others} if others else digests


def _mixture_digests(place: str, mixture: Mixture) -> dict[str, Any]:
    """Of one mixture; ``place`` is its field, for the message."""
    # Reading a manifest imports the checks, and with them the video library: not for those who only read a run.
    from gr00t_data.batches.mixture import MixtureManifest
    from gr00t_data.batches.statistics import NormStats

    for name in ("manifest", "statistics"):
        path = getattr(mixture, name)
        if not path or not Path(path).is_file():
            raise ConfigError(f"{place}.{name}: expected a file, found {path!r}; set it with --set {place}.{name}=FILE")
    return {
        "manifest": MixtureManifest.load(Path(mixture.manifest)).digest,
        "statistics": NormStats.load(Path(mixture.statistics)).digest,
        "embodiment": load_embodiment(mixture.embodiment).digest,
        "weight": mixture.weight,
        "acting_steps": mixture.acting_steps,
    }


def base_digest(folder: Path) -> str:
    """SHA-256 (hex) over names and bytes of every file of a base model.

    Raises:
        ConfigError: no such folder.
    """
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
    if not files:
        raise ConfigError(f"model.base: {folder} is not a folder with a model; leave it empty for random weights")
    return digest_json({str(path.relative_to(folder)): digest_file(path) for path in files})


def code_digest() -> str:
    """SHA-256 (hex) of the sources that decide what is learnt (not of those that start, watch or print)."""
    return _sources_digest(_LEARNING_CODE)


def feature_code_digest() -> str:
    """SHA-256 (hex) of the sources that decide what the frozen backbone returns."""
    return _sources_digest(_FEATURE_CODE)


@cache
def _sources_digest(patterns: tuple[tuple[ModuleType, str], ...]) -> str:
    sha = hashlib.sha256()
    for package, pattern in patterns:
        root = Path(package.__path__[0])
        for path in sorted(root.glob(pattern)):
            if path.name not in _NOT_LEARNING:
                sha.update(f"{package.__name__}/{path.relative_to(root)}\0".encode() + path.read_bytes())
    return sha.hexdigest()
