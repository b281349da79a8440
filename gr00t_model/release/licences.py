"""Under which terms weights may be used: those of their data, of the models that made its labels, and of their base."""

from collections.abc import Iterator
from pathlib import Path

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.terms.licences import LicenceError, joined, obstacles
from gr00t_model.lineage.record import Record, Settings
from gr00t_model.training.config import TrainConfig


def inherited(config: Settings) -> Iterator[tuple[str, str]]:
    """(what, licence) of everything that the weights started from, or were aligned to.

    A base or an embedding that this program trained brings the licences of all it has seen.
    """
    for what, folder in config.started_from:
        record = Record.load(folder)
        for store, licence in _data(record):
            yield f"store {store}, through {what} {folder.name}", licence
        yield from inherited(record.config)
    if not any(what == "base" for what, _ in config.started_from):
        name, licence = base_licence(config)
        yield f"base {name}", licence


def _data(record: Record) -> list[tuple[str, str]]:
    seen = {(entry.store, entry.licence) for entry in record.episodes}
    return sorted((record.store_names.get(digest) or digest[:16], licence) for digest, licence in seen)


def licences_of(checkpoint: Path) -> dict[str, str]:
    """What a checkpoint's weights are bound to, for people: the base's licence, and what bars a product.

    Raises:
        LineageError: the folder is not a checkpoint.
    """
    record = Record.load(checkpoint)
    came = list(inherited(record.config))
    every = [(f"store {store}", licence) for store, licence in _data(record)] + came
    bars = [
        f"{what}: {'; '.join(f'{b.name}, {b.why}' for b in found)}"
        for what, text in every
        if (found := obstacles(text))
    ]
    return {
        "inherited licences": joined(text for _, text in came),
        "commercial use": " | ".join(bars) or "nothing known bars it",
    }


def require_licences(config: TrainConfig) -> None:
    """Whether a run may be, under the profile of its mixtures.

    Raises:
        LicenceError: one mixture has the commercial profile, and another mixture, the base weights or the embedding
            do not fit it; names each.
    """
    manifests = [MixtureManifest.load(Path(mixture.manifest)) for mixture in config.data.mixtures]
    if not any(manifest.licence_profile == "commercial" for manifest in manifests):
        return
    data = [
        (f"{manifest.name}, store {Path(source.store).name}", source.licence)
        for manifest in manifests
        for source in manifest.sources
    ]
    every = [*data, *inherited(Settings.model_validate(config.model_dump(mode="json")))]
    bars = [
        f"  {what}, {text}: {'; '.join(b.why for b in found)}" for what, text in every if (found := obstacles(text))
    ]
    if bars:
        raise LicenceError(
            "the mixture has the profile 'commercial', which refuses:\n"
            + "\n".join(bars)
            + "\nmake the other mixtures "
            "with `--licence-profile commercial` too, start from other weights, or mix with the profile 'any'"
        )


NVIDIA_LICENCE = "NSCL v1 as published with nvidia/GR00T-N1.5-3B, to be treated as non-commercial"


OWN_LICENCE = "Apache-2.0 (grounded on pictures of this project's own simulator)"


RANDOM = "none: random weights"


def base_licence(config: Settings) -> tuple[str, str]:
    """(name, licence) of what the weights started from.

    Returns:
        the licence is that of the folder (``license:`` in its README.md) where it says one, else what is known of
        the preset.
    """
    model = config.model
    if not model.base:
        return "random weights", RANDOM
    folder = Path(model.base)
    stated = _stated_licence(folder / "README.md")
    name = f"{model.preset} {folder.name}"
    return name, stated or (OWN_LICENCE if model.preset == "nano" else NVIDIA_LICENCE)


def _stated_licence(readme: Path) -> str | None:
    if not readme.is_file():
        return None
    lines = readme.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [line for line in lines[:80] if line.lower().startswith(("license:", "license_name:"))]
    return found[-1].partition(":")[2].strip() or None if found else None
