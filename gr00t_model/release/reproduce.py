"""Make the run of a checkpoint again from what the checkpoint recorded, and say what is not as it was."""

from dataclasses import dataclass
from pathlib import Path
from platform import python_version

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.code_key import installed_version
from gr00t_data.disk import digest_file
from gr00t_data.lake import Lake
from gr00t_data.store.store import sealed_in
from gr00t_model.lineage.digests import require_unchanged
from gr00t_model.lineage.record import Record
from gr00t_model.loop.config import RANDOM_BASE
from gr00t_model.training.config import Data, Mixture, TrainConfig
from gr00t_model.training.key import PolicyRun, base_digest, learning_key, prepare_run, run_key

_SHORT = 16


@dataclass(frozen=True)
class Reproduction:
    """A run made again.

    Attributes:
        run: its folder, not trained yet; None when an input is missing.
        differences: a row a difference: what, then, now.
    """

    run: PolicyRun | None
    differences: list[dict[str, str]]

    @property
    def same(self) -> bool:
        """Whether everything is as it was: on one kind of machine the weights will be the same, bit for bit."""
        return not self.differences


def reproduce(lake: Lake, checkpoint: Path) -> Reproduction:
    """Prepare the run that left ``checkpoint``, in ``<lake>/reproductions``.

    The manifest, the statistics and the embodiment are those that lie in the checkpoint. Stores that were moved are
    found by their digest.

    Raises:
        LineageError: the folder is not a checkpoint.
        IntegrityError: a file of it is not the one that was recorded.
    """
    require_unchanged(checkpoint, asked=True)
    record = Record.load(checkpoint)
    differences = [*_software(record), *_base(record)]
    place = lake.root / "reproductions" / "inputs" / checkpoint.name
    stores = {store.digest: str(store.root) for store in sealed_in(lake.stores)}
    for number, member in enumerate(record.members):
        found = member.found_among(stores)
        differences += _gone(found)
        found.save(place / f"manifest-{number}.json")
    if any(row["now"] == "gone" for row in differences):
        return Reproduction(None, differences)
    config = _config(record, place, lake)
    key = run_key(config)
    if key != record.key and not differences:
        differences.append(_row("run key (an input or a setting of the learning code)", record.key, key))
    return Reproduction(prepare_run(config, lake.root / "reproductions"), differences)


def _row(what: str, then: str, now: str) -> dict[str, str]:
    return {"what": what, "then": then[:_SHORT], "now": now[:_SHORT]}


def _software(record: Record) -> list[dict[str, str]]:
    libraries = record.versions.libraries
    then = {"code": record.versions.code, "python": record.versions.python} | libraries
    now = {"code": learning_key(), "python": python_version()} | {name: installed_version(name) for name in libraries}
    return [_row(name, then[name], now[name]) for name in then if then[name] != now[name]]


def _base(record: Record) -> list[dict[str, str]]:
    base, then = record.config.model.base_folder, record.versions.base
    if base is None:
        return []
    if not Path(base).is_dir():
        return [_row(f"base {base}", then, "gone")]
    now = base_digest(Path(base))
    return [_row(f"base {base}", then, now)] if then and then != now else []


def _gone(manifest: MixtureManifest) -> list[dict[str, str]]:
    """A row for each store that is neither where it was nor in the lake."""
    missing = [source for source in manifest.sources if not source.there]
    return [_row(f"store {Path(source.store).name}", source.digest, "gone") for source in missing]


def _config(record: Record, place: Path, lake: Lake) -> TrainConfig:
    config = TrainConfig.from_dict(record.config.facts())
    mixtures = []
    for number, mixture in enumerate(config.data.mixtures):
        folder = record.folder / "also" / str(number) if number else record.folder
        paths = {
            "manifest": str(place / f"manifest-{number}.json"),
            "statistics": str(folder / "statistics.json"),
            "embodiment": str(folder / "embodiment.yaml"),
        }
        mixtures.append(Mixture(**{**mixture.model_dump(include=set(Mixture.model_fields)), **paths}))
    data = config.data.model_copy(update={**mixtures[0].model_dump(), "also": tuple(mixtures[1:])})
    model = config.model.model_copy(update={"base": config.model.base or RANDOM_BASE})
    return config.model_copy(update={"data": Data(**{**data.model_dump(), "cache": str(lake.cache)}), "model": model})


def same_weights(first: Path, second: Path) -> bool:
    """Whether two checkpoints hold the same tensors under the same names, bit for bit."""
    ours, theirs = (
        {path.name: digest_file(path) for path in sorted(folder.glob("*.safetensors"))} for folder in (first, second)
    )
    return ours == theirs
