"""Whether normalization statistics are those of the mixture that is trained on."""

import math

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.statistics.statistics import NormStats, measured_digest

SHARE_TOLERANCE = 0.02
"""Statistics are measured over whole episodes, samples are drawn from kept ranges: shares differ by that much."""


def require_agreement(manifest: MixtureManifest, statistics: NormStats) -> None:
    """Refuse statistics of other episodes, or of the same ones weighed in another way.

    Raises:
        ValueError: says what differs and how to measure again.
    """
    where = f"mixture {manifest.name!r} {manifest.digest[:12]} and statistics {statistics.digest[:12]}"
    remedy = (
        "measure again with the stores and weights of the mixture (`gr00t stats`), or, if other statistics are meant "
        "(those of the base model), say so with --set data.foreign_statistics=true"
    )
    if manifest.embodiment_digest != statistics.embodiment_digest:
        raise ValueError(
            f"{where}: are of embodiments {manifest.embodiment!r} {manifest.embodiment_digest[:12]} and "
            f"{statistics.embodiment!r} {statistics.embodiment_digest[:12]}; {remedy}"
        )
    mixed = [(source.digest, entry.index) for source in manifest.sources for entry in source.episodes]
    if measured_digest(mixed) != statistics.measured:
        raise ValueError(f"{where}: the statistics were not measured on these {len(mixed)} episodes; {remedy}")
    shares = statistics.shares or _by_rows(manifest)
    for source in manifest.sources:
        if abs(source.weight - shares.get(source.digest, 0.0)) > SHARE_TOLERANCE:
            raise ValueError(
                f"{where}: {source.store} is {source.weight:.1%} of the samples, but weighed "
                f"{shares.get(source.digest, 0.0):.1%} in the statistics; {remedy}"
            )


def _by_rows(manifest: MixtureManifest) -> dict[str, float]:
    rows = {source.digest: math.fsum(entry.length for entry in source.episodes) for source in manifest.sources}
    return {digest: count / math.fsum(rows.values()) for digest, count in rows.items()}
