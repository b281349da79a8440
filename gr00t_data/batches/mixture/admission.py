"""Whether a store may enter a mixture: weight, index, cameras, order of dimensions, and licence."""

import math
from collections.abc import Sequence
from pathlib import Path

from gr00t_data.batches.mixture.manifest import MixtureSource
from gr00t_data.curate.index import Index
from gr00t_data.embodiment.names import NamesError, order_of
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.store import EpisodeStore
from gr00t_data.terms.licences import LicenceError, Profile, obstacles


def check_source(
    name: str, store: EpisodeStore, index: Index, weight: float, embodiment: Embodiment, cameras: Sequence[str]
) -> None:
    """Whether a store can be drawn from.

    Raises:
        ValueError: see ``mixture.build_manifest``; names the mixture and the source.
    """
    where = f"mixture {name!r}: source {store.root}"
    if not math.isfinite(weight) or weight <= 0:
        raise ValueError(f"{where}: weight is {weight}, expected a positive number; leave the source out instead")
    if index.store_digest != store.digest:
        raise ValueError(
            f"{where}: has digest {store.digest[:12]}, its index is of {index.store_digest[:12]}; check it again"
        )
    if index.embodiment_digest != embodiment.digest:
        raise ValueError(
            f"{where}: was checked against {index.embodiment!r} {index.embodiment_digest[:12]}, the mixture is for "
            f"{embodiment.name!r} {embodiment.digest[:12]}; check it again"
        )
    _check_order(where, store, embodiment)
    if not index.accepted:
        codes = sorted({f.code for v in index.rejected for f in v.findings if f.severity == "error"})
        of_store = [f": {f.code} {f.message}" for f in index.findings if f.severity == "error"]
        raise ValueError(
            f"{where}: none of its {len(index.verdicts)} episodes was accepted ({', '.join(codes)})"
            + "".join(of_store[:1])
        )
    store.verify_rows(verdict.episode_index for verdict in index.accepted)
    for camera in cameras:
        if camera not in store.cameras:
            raise ValueError(f"{where}: has no camera {camera!r}, only {', '.join(store.cameras) or 'none'}")


def _check_order(where: str, store: EpisodeStore, embodiment: Embodiment) -> None:
    """Whether the store names the joints of the robot in another order; names that mean nothing say nothing."""
    for column, expected in embodiment.joints_by_column.items():
        names = store.features[column].names if column in store.features else None
        try:
            order = order_of(expected, names)
        except NamesError as error:
            raise ValueError(f"{where}: has other dimensions in {column} ({error}); ingest it again") from error
        if order:
            at = next(place for place, origin in enumerate(order.places) if place != origin)
            raise ValueError(
                f"{where}: has the dimensions of {column} in another order: dimension {at} is {order.recorded[at]!r}, "
                f"embodiment {embodiment.name!r} has {expected[at]!r} there; ingest it again: that puts them in "
                "order"
            )


def require_profile(name: str, sources: Sequence[MixtureSource], profile: Profile) -> None:
    """Whether the licences of all sources fit a profile; under ``any`` they do.

    Raises:
        LicenceError: names every store that does not, how many episodes it is, its licence and what stands in the way,
            and the stores that are left without them.
    """
    found = [(source, obstacles(source.licence)) for source in sources] if profile == "commercial" else []
    refused = [(source, why) for source, why in found if why]
    if not refused:
        return
    lines = [
        f"  {Path(source.store).name}: {len(source.episodes)} episodes ({_numbers(source)}), licence {source.licence}: "
        + "; ".join(f"{licence.name}, {licence.why}" for licence in why)
        for source, why in refused
    ]
    left = [Path(source.store).name for source, why in found if not why]
    remedy = (
        f"leave them out with {' '.join(f'--stores {store}' for store in left)}" if left else "none of them is left"
    )
    raise LicenceError(
        f"mixture {name!r}: the profile 'commercial' refuses {len(refused)} of {len(sources)} stores:\n"
        + "\n".join(lines)
        + f"\n{remedy}; or state the licence of a store where it was taken in, under another name"
    )


def _numbers(source: MixtureSource) -> str:
    numbers = [entry.index for entry in source.episodes]
    return ", ".join(map(str, numbers[:6])) + (f", ... {numbers[-1]}" if len(numbers) > 6 else "")
