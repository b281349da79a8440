"""A look at a drop before anything is written: its format, the mapping that would be used, shapes and clocks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.ingest import found_mapping, reader_for
from gr00t_data.sources.recordings.align import align
from gr00t_data.sources.recordings.clocks import AlignError
from gr00t_data.sources.recordings.mapping import Mapping, MappingError, check_mapping
from gr00t_data.sources.recordings.propose import listing
from gr00t_data.sources.recordings.streams import CameraStream, RawEpisode, StreamError
from gr00t_data.store.store import EpisodeStore


@dataclass(frozen=True)
class Look:
    """What ``look`` found.

    Attributes:
        facts: format, episodes, rows of the first one, what it does not allow yet (``problem``); JSON-able.
        rows: one for each stream of the first episode.
        mapping: the mapping that would be used, undecided keys included; None for formats that need none.
        contents: what the recording holds, as comment lines; empty for formats that need no mapping.
    """

    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    mapping: Mapping | None
    contents: str = ""


def look(drop: Path, embodiment: Embodiment, given: Mapping | None = None) -> Look:
    """Read the first episode of a drop and align it; nothing is written and no picture is decoded.

    Raises:
        StoreError: the format is not recognised. StreamError: nothing in it can be read.
    """
    reader = reader_for(drop)
    facts: dict[str, Any] = {"drop": str(drop), "format": reader.NAME}
    if hasattr(reader, "take_over"):
        taken = reader.NAME.endswith("v2") and {"episodes": len(EpisodeStore.open(drop).rows)}
        return Look(facts | (taken or {}) | {"mapping": "none needed: taken over as it is"}, [], None)
    mapping = given or found_mapping(drop, reader, embodiment)
    names, held = reader.episode_names(drop, mapping), listing(reader.contents(drop))
    facts |= {"episodes": len(names), "first": names[0] if names else None}
    try:
        check_mapping(mapping, embodiment)
        raw = reader.read_episode(drop, mapping, embodiment, names[0])
    except (MappingError, StreamError) as error:
        return Look(facts | {"problem": str(error)}, [], mapping, held)
    facts |= {"instruction": raw.instruction, "success": raw.success, "notes": list(raw.notes)}
    try:
        aligned = align(raw, embodiment, mapping.tolerance_s)
    except AlignError as error:
        return Look(facts | {"problem": str(error)}, _shapes(raw), mapping, held)
    facts |= {"rows": len(aligned), "seconds": round(len(aligned) / embodiment.control_hz, 3)}
    facts |= {"lag_s": aligned.evidence["lag_s"]} if aligned.evidence["lag_s"] else {}
    evidence = aligned.evidence["streams"]
    return Look(facts, [row | _clock(evidence[row["stream"]]) for row in _shapes(raw)], mapping, held)


def _shapes(raw: RawEpisode) -> list[dict[str, Any]]:
    return [
        {
            "stream": name,
            "kind": "camera" if isinstance(one, CameraStream) else one.kind,
            "samples": len(one.times_ns),
            "width": None if isinstance(one, CameraStream) else one.values.shape[1],
        }
        for name, one in raw.streams().items()
    ]


def _clock(evidence: dict[str, Any]) -> dict[str, Any]:
    return {
        "Hz": evidence["rate_hz"],
        "jitter p99 s": evidence["jitter_s"]["p99"],
        "largest gap s": evidence["largest_gap_s"],
        "match error s": evidence["match_error_s"]["max"],
        "stale": evidence["stale_share"],
    }
