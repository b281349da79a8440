"""The key of a policy's run: what it depends on. No torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gr00t_data.code_key import code_key, library_versions
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.integrity import require_intact, write_sealed
from gr00t_model.lineage.chain import folder_digest
from gr00t_model.lineage.paths import located_fields, portable_fields
from gr00t_model.loop.config import RANDOM_BASE, ConfigError, flattened
from gr00t_model.loop.run import RunFolder
from gr00t_model.training.config import Mixture, TrainConfig

_LEARNING_MACHINE = ("num_processes", "precision", "frozen_dtype")


CONTENT = "content"
"""Field of RUN.json: what the key of the run is the digest of."""
_MODEL_INPUTS = ("base", "tokenizer", "flare.embedding")
_NOT_CONTENT = ("keep_states", "log_every_steps", "checkpoint_every_steps")


class PolicyRun(RunFolder):
    """The run of a policy."""

    trainer = "gr00t_model.training.entry"

    @property
    def fresh_base(self) -> Path:
        """The model with random weights that the run made when it was asked to start from them."""
        return self.root / "base"

    def base_of(self, config: TrainConfig) -> Path:
        """The folder of the model that the run starts from."""
        return config.model.base_folder or self.fresh_base

    @property
    def exports(self) -> Path:
        """Checkpoints of states before the last one, made when they were asked for; one folder each, named by step."""
        return self.root / "exports"

    @property
    def checkpoint(self) -> Path:
        """What the run leaves: a checkpoint that stands on its own."""
        return self.product

    def config(self) -> TrainConfig:
        """The configuration in ``RUN.json``; ConfigError when there is none."""
        return TrainConfig.from_dict(located_fields(self.fields(), self.run_json))

    def content(self) -> dict[str, Any]:
        """What the key is the digest of, empty of a run of before; ConfigError as ``fields``."""
        return self._written().get(CONTENT, {})


def prepare_run(config: TrainConfig, runs: Path) -> PolicyRun:
    """The folder of ``config`` below ``runs``, with its ``RUN.json``. Equal content gives the same folder."""
    content = run_content(config)
    key = digest_json(content)
    run = PolicyRun(runs / f"{config.recipe}-{key[:16]}")
    fields = portable_fields(config.to_dict(), run.run_json)
    write_sealed(run.run_json, {"key": key, "config": fields, CONTENT: content})
    return run


def run_key(config: TrainConfig) -> str:
    """SHA-256 (hex) of all that decides the weights: inputs by content, configuration, code, versions of libraries.

    Paths do not count.

    Raises:
        ConfigError: an input is not named or not there.
    """
    return digest_json(run_content(config))


def run_content(config: TrainConfig) -> dict[str, Any]:
    """What the key is the digest of, so that two runs can be told apart by what is different.

    Raises:
        ConfigError: an input is not named or not there.
    """
    fields = config.to_dict()
    if not config.earlier:
        del fields["earlier"]
    for name in _NOT_CONTENT:
        del fields[name]
    fields["data"] = input_digests(config)
    fields["machine"] = {name: fields["machine"][name] for name in _LEARNING_MACHINE}
    require_base(config)
    base, tokenizer = config.model.base_folder, config.model.tokenizer
    fields["model"]["base"] = base_digest(base) if base else RANDOM_BASE
    fields["model"]["tokenizer"] = base_digest(Path(tokenizer), "model.tokenizer") if tokenizer else ""
    embedding = config.model.flare.embedding
    fields["model"]["flare"]["embedding"] = base_digest(Path(embedding), "model.flare.embedding") if embedding else ""
    return {"config": fields, "code": learning_key()}


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
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.batches.statistics.statistics import NormStats

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


def require_base(config: TrainConfig) -> None:
    """Refuse a configuration that does not say what to start from: random weights are never taken for granted.

    Raises:
        ConfigError: ``model.base`` is empty.
    """
    if not config.model.base:
        raise ConfigError(
            f"model.base: {config.recipe} does not say which weights it starts from; name a folder or a checkpoint of "
            "the lake (--set model.base=GR00T-N1.5-3B), or ask for random weights (--set model.base=random)"
        )


def base_digest(folder: Path, field: str = "model.base") -> str:
    """SHA-256 (hex) over names and bytes of every file of a base model.

    Args:
        field: which setting named it, for the message.

    Raises:
        ConfigError: no such folder.
        IntegrityError: a file of it is not the one that its own record names.
    """
    if not (folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))):
        raise ConfigError(f"{field}: {folder} is not a folder with a model; name one that holds its files")
    require_intact(folder)
    return folder_digest(folder)


def require_inputs(run: PolicyRun, config: TrainConfig) -> None:
    """Compare the data, base, tokenizer and embedding of a run with those that its key was made of.

    Raises:
        ConfigError: one of them is not what it was; a run of before says nothing of its content.
    """
    then, now = (_inputs(content) for content in (run.content(), run_content(config)))
    for name in then.keys() & now.keys():
        if then[name] != now[name]:
            raise ConfigError(
                f"{run.run_json}: {name} was {str(then[name])[:16]} when the run was made, and is "
                f"{str(now[name])[:16]} now; put it back from a copy"
            )


def _inputs(content: Mapping[str, Any]) -> dict[str, Any]:
    config = content.get("config", {})
    model = {name: one for name, one in flattened(config.get("model", {})).items() if name in _MODEL_INPUTS}
    return flattened({"data": config.get("data", {})}) | {f"model.{name}": one for name, one in model.items()}


def learning_key() -> str:
    """Key of the code and the libraries that decide what is learnt, to the last bit."""
    return code_key("gr00t_model.training.train")


def learning_libraries() -> dict[str, str]:
    """Distribution -> version, of those that count there."""
    return library_versions("gr00t_model.training.train")
