"""Where episodes come from: simulated and generated ones must say so, so that a mixture can limit their share."""

from collections.abc import Iterator

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.copies.duplicates import Contents
from gr00t_data.curate.finding import Finding
from gr00t_data.store.provenance import Facts

_SIMULATED = ("simulator", "sim")
_GENERATED = ("generator", "generated_by", "world_model", "video_model", "neural")


def check_origin(contents: Contents) -> Iterator[tuple[int, Finding]]:
    """ORIGIN-01: the source of an episode names a simulator or a video model, and the store calls itself real."""
    store = contents.store
    if store.about.kind not in ("real", "human"):
        return
    for row in store.rows:
        if (origin := _origin(row.source.facts())) is not None:
            kind, fact = origin
            message = (
                f"{store.root}/meta/about.json: says kind {store.about.kind!r}, episode {row.index} comes from "
                f"{fact}; ingest it with --kind {kind}, apart from what was measured"
            )
            yield row.index, ORIGIN_01.finding(message)


def _origin(source: Facts) -> tuple[str, str] | None:
    for kind, names in (("simulated", _SIMULATED), ("neural", _GENERATED)):
        for name in names:
            if source.get(name):
                return kind, f"{name} {source[name]!r}"
    return None


(ORIGIN_01,) = Look(Contents, check_origin, 2).finds(
    Check("ORIGIN-01", "warning", "generated or simulated, but called real", "generated data passes as measured"),
)
