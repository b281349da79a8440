"""The run folder of a world model: as a policy's run, with another configuration and another product. No torch."""

from dataclasses import dataclass
from pathlib import Path

from gr00t_data.code_key import code_key
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_data.lake import located, portable
from gr00t_data.store.store import EpisodeStore
from gr00t_model.dream.config import DreamTraining
from gr00t_model.dream.local_folder import folder_digest
from gr00t_model.dream.world_model import DreamError
from gr00t_model.loop.run import RunFolder

ENCODED = "encoded"
_NOT_CONTENT = ("stores", "base", "keep_states", "log_every_steps", "checkpoint_every_steps")


@dataclass(frozen=True)
class DreamRun(RunFolder):
    """The files of one training of a world model."""

    trainer = "gr00t_model.dream.entry"

    def config(self) -> DreamTraining:
        """The configuration in ``RUN.json``; DreamError when there is none."""
        if not self.run_json.is_file():
            raise DreamError(f"{self.run_json}: no such file; make it with `gr00t dream train`")
        fields = read_sealed(self.run_json, "`gr00t dream train` with the same settings writes it again")["config"]
        stores = [located(store, self.run_json) for store in fields["stores"]]
        return DreamTraining.of({**fields, "stores": stores, "base": located(fields["base"], self.run_json)})

    @property
    def encoded(self) -> Path:
        """Training clips as the model's codes, one safetensors each; may be deleted when the run is complete."""
        return self.root / ENCODED

    @property
    def start(self) -> Path:
        """What a nano model starts with: its measured basis and its tokenizer."""
        return self.root / "start"

    @property
    def product(self) -> Path:
        """The nano model, or the adapter."""
        return self.root / ("adapter" if self.config().preset == "lora" else "model")


def prepare_run(config: DreamTraining, runs: Path, kept: Path | None = None) -> DreamRun:
    """The folder of a training below ``runs``, made if it is not there; equal content gives the same folder.

    Args:
        kept: where digests of model files are remembered.
    """
    key = run_key(config, kept)
    run = DreamRun(runs / f"{config.recipe}-{key[:16]}")
    stores = [portable(store, run.run_json) for store in config.stores]
    write_sealed(run.run_json, {"key": key, "config": {**config.model_dump(mode="json"), "stores": stores}})
    return run


def run_key(config: DreamTraining, kept: Path | None = None) -> str:
    """SHA-256 over configuration, stores and base by content, embodiment and code. Paths do not count."""
    fields = config.model_dump(mode="json")
    for name in _NOT_CONTENT:
        del fields[name]
    fields["machine"] = {"num_processes": config.machine.num_processes, "precision": config.machine.precision}
    fields["embodiment"] = load_embodiment(config.embodiment).digest
    inputs = {
        "stores": [EpisodeStore.open(path).digest for path in config.stores],
        "base": folder_digest(Path(config.base), kept) if config.base else "",
        "code": code_key("gr00t_model.dream.train"),
    }
    return digest_json({"config": fields, **inputs})
