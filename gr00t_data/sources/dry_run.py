"""A look at a drop before anything is written: its format, the mapping that would be used, shapes and clocks."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.recordings.align import align
from gr00t_data.sources.recordings.clocks import AlignError
from gr00t_data.sources.recordings.evidence import StreamEvidence
from gr00t_data.sources.recordings.mapping import Mapping, MappingError, check_mapping
from gr00t_data.sources.recordings.streams import CameraStream, RawEpisode, StreamError
from gr00t_data.store.provenance import Facts


@dataclass(frozen=True)
class Look:
    """What was found.

    Attributes:
        facts: format, episodes, rows and rate of the first one, messages it left out, what it does not allow yet
            (``problem``); JSON-able.
        rows: one for each stream of the first episode.
        mapping: the mapping that would be used, undecided keys included; None for formats that need none.
        contents: what the recording holds, as comment lines; empty for formats that need no mapping.
    """

    facts: Facts
    rows: Sequence[Facts]
    mapping: Mapping | None
    contents: str = ""


def look_at(
    facts: Facts, held: str, mapping: Mapping, embodiment: Embodiment, read_first: Callable[[], RawEpisode]
) -> Look:
    """Read the first episode of a recording and align it; no picture is decoded.

    Args:
        facts: what is known of the drop already.
        held: what the recording holds, as comment lines.
    """
    try:
        check_mapping(mapping, embodiment)
        raw = read_first()
    except (MappingError, StreamError) as error:
        return Look({**facts, "problem": str(error)}, [], mapping, held)
    facts = {**facts, "instruction": raw.instruction, "success": raw.success, "notes": list(raw.notes)}
    facts |= {name: raw.source[name] for name in ("left_out", "hz", "hz_said_by", "times_key") if name in raw.source}
    try:
        aligned = align(raw, embodiment, mapping.tolerance_s)
    except AlignError as error:
        return Look({**facts, "problem": str(error)}, _shapes(raw), mapping, held)
    facts |= {"rows": len(aligned), "seconds": round(len(aligned) / embodiment.control_hz, 3)}
    evidence = aligned.evidence
    facts |= {"lag_s": {name: asdict(lag) for name, lag in evidence.lag_s.items()}} if evidence.lag_s else {}
    rows = [{**row, **_clock(evidence.streams[str(row["stream"])])} for row in _shapes(raw)]
    return Look(facts, rows, mapping, held)


def _shapes(raw: RawEpisode) -> list[Facts]:
    return [
        {
            "stream": name,
            "kind": "camera" if isinstance(one, CameraStream) else one.kind,
            "samples": len(one.times_ns),
            "width": None if isinstance(one, CameraStream) else one.values.shape[1],
        }
        for name, one in raw.streams().items()
    ]


def _clock(evidence: StreamEvidence) -> Facts:
    return {
        "Hz": evidence.rate_hz,
        "jitter p99 s": evidence.jitter_s["p99"],
        "largest gap s": evidence.largest_gap_s,
        "match error s": evidence.match_error_s["max"],
        "stale": evidence.stale_share,
    }
