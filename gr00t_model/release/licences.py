"""Under which terms weights may be used: those of their data, of the models that made its labels, and of their base."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.terms.licences import LicenceError, joined, obstacles
from gr00t_model.lineage.chain import Link
from gr00t_model.lineage.record import Settings, chain_of, links_from
from gr00t_model.training.config import TrainConfig


def inherited(chain: Iterable[Link]) -> Iterator[tuple[str, str]]:
    """(what, licence) of everything that the weights started from, or were aligned to, and of all it has seen."""
    for link in chain:
        for store, licence in _data(link):
            yield f"store {store}, through {link.what} {link.name}", licence
        if link.licence:
            yield f"{link.what} {link.name}" + ("" if link.recorded else ", of which no record is found"), link.licence


def _data(link: Link) -> list[tuple[str, str]]:
    seen = {(entry.store, entry.licence) for entry in link.episodes}
    return sorted((link.stores.get(digest) or digest[:16], licence) for digest, licence in seen)


def licences_of(checkpoint: Path) -> dict[str, str]:
    """What a checkpoint's weights are bound to, for people: the base's licence, and what bars a product.

    Raises:
        LineageError: the folder is not a checkpoint.
    """
    own, *before = chain_of(checkpoint)
    came = list(inherited(before))
    every = [(f"store {store}", licence) for store, licence in _data(own)] + came
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
    every = [*data, *inherited(links_from(Settings.model_validate(config.model_dump(mode="json"))))]
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
