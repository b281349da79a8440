"""Group ingest: drops of egocentric video become sealed, checked stores of clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.declaring import ingest_assets
from assets.recording import each_alone, record, register, worst_of
from assets.reporting import (
    Made,
    all_accepted,
    content_of,
    every_tenth,
    figure,
    left_out,
    table,
    told,
    what_became,
)
from assets.robots import robots
from assets.settings import config_of
from assets.versions import code_version
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.settings import HumanSettings

HANDS = "human_hands"
"""Clips with labelled wrists have a mixture of their own, for batches beside the robot's (``also=["human_hands"]``)."""

HUMAN_DROPS = dg.DynamicPartitionsDefinition(name="human_drops")

HUMAN_CHECKS = {
    "clips_accepted": "At least one clip passed every check; a warning names how many did not.",
    "people_protected": (
        "Every clip was searched for faces, and says who is in it, what they agreed to, and under which licence."
    ),
}


class HumanConfig(config_of(HumanSettings)):
    """How footage becomes clips, and what is stated for footage that does not say it itself."""


def make_clips(drop: str, config: HumanConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Take in one drop of footage, check every clip, and say what came out."""
    from gr00t_data.curate.figures import episode_durations
    from gr00t_data.curate.index import summary_rows
    from gr00t_data.sources.landing.drop import describe
    from gr00t_data.sources.landing.landing import find, take_in
    from gr00t_data.sources.landing.marker import marker_of
    from gr00t_data.sources.landing.records import noting_failure
    from gr00t_data.stages.stores import check
    from gr00t_data.terms.licences import of_store

    path = find(lake, drop, log.info)
    with noting_failure(lake, describe(path)):
        embodiment = load_embodiment(marker_of(path).embodiment or config.robot)
        log.info(f"cutting {path}")
        progress = every_tenth(log, "videos", f"{drop}: ")
        store = take_in(lake, drop, embodiment, kind="human", progress=progress, human=config)
    index = check(lake, store, embodiment)
    for row in (row for row in summary_rows(index) if row["verdict"] == "rejected"):
        log.warning(f"{drop}: clip {row['episode']} rejected: {row['reason']}")
    clips = clip_rows(store, index)
    seconds = [verdict.length / embodiment.control_hz for verdict in index.verdicts]
    metadata = {
        "drop": drop,
        "store": store.root.name,
        "embodiment": embodiment.name,
        "format": store.about.source.format or "",
        "licence": of_store(store),
        "commercial use": commercial_use(of_store(store)),
        "participants": len({row["participant"] for row in clips}),
        "clips": len(clips),
        **what_became(store),
        "accepted": len(index.accepted),
        "rejected": len(index.rejected),
        "frames": sum(verdict.kept_frames for verdict in index.accepted),
        "seconds": round(sum(seconds), 1),
        "frames with faces": sum(int(row["frames with faces"] or 0) for row in clips),
        "clip table": table(clips),
        "durations": figure(episode_durations(seconds), "clip durations"),
        **_contact_sheet(lake, store, index),
    }
    return Made(store.root, content_of(store, index), metadata, _check_results(clips))


def _contact_sheet(lake: Lake, store: Any, index: Any) -> dict[str, Any]:
    """Frames of every clip, hands drawn in where they were found; made of the stored pictures, faces hidden."""
    from gr00t_data.curate.figures import thumbnail
    from gr00t_data.curate.hand_sheet import write_hand_sheet

    errors = {
        verdict.episode_index: tuple(sorted({one.code for one in verdict.findings if one.severity == "error"}))
        for verdict in index.verdicts
    }
    path = lake.root / "sheets" / f"{store.digest[:16]}.png"
    write_hand_sheet(path, store, reasons=errors)
    return {"contact sheet": dg.MetadataValue.path(str(path)), "clips, small": figure(thumbnail(path), "clips")}


def commercial_use(licence: str) -> str:
    """What bars a product, in words."""
    from gr00t_data.terms.licences import obstacles

    return "; ".join(f"{one.name}: {one.why}" for one in obstacles(licence)) or "nothing known bars it"


def clip_rows(store: Any, index: Any) -> list[dict[str, Any]]:
    """A row a clip: what is said, who is in it, what the checks say."""
    rows = []
    for verdict in index.verdicts:
        source = store.row(verdict.episode_index).source
        faces = source.faces or {}
        rows.append(
            {
                "clip": source.clip or str(verdict.episode_index),
                "verdict": "accepted" if verdict.accepted else "rejected",
                "instruction": verdict.instruction,
                "original": source.original or "",
                "frames": verdict.length,
                "kept": verdict.kept_frames,
                "participant": source.participant,
                "consent": source.consent,
                "licence": source.licence,
                "frames with faces": faces.get("frames_with_faces"),
                "codes": " ".join(verdict.codes),
            }
        )
    return rows


def _check_results(clips: Sequence[dict[str, Any]]) -> tuple[dg.AssetCheckResult, ...]:
    accepted = sum(row["verdict"] == "accepted" for row in clips)
    lacking = {
        "not searched for faces": sum(row["frames with faces"] is None for row in clips),
        "without a participant": sum(not row["participant"] for row in clips),
        "without a consent": sum(not row["consent"] for row in clips),
        "without a known licence": sum((row["licence"] or "unknown") == "unknown" for row in clips),
    }
    lacks = [f"{count} {what}" for what, count in lacking.items() if count]
    text = f"of {len(clips)} clips: {', '.join(lacks)}" if lacks else "faces, people and licences are known"
    return (
        all_accepted("clips_accepted", accepted, len(clips), "clips"),
        told("people_protected", not lacks, text),
    )


def _targets() -> list[Embodiment]:
    """Embodiments that clips can become rows of: robots that learn from them without labels, or hands as a robot."""
    return robots((HANDS,))


def human_version() -> str:
    """Code version of ``human_clips``: clips are checked against the embodiments they become rows of."""
    return code_version("human_clips", *_targets())


def _every_drop(context: dg.AssetExecutionContext, config: HumanConfig, lake: Lake) -> Made:
    from gr00t_data.stages.ingest import waiting_drops

    drops = waiting_drops(lake, ("human",))
    made, failed = each_alone(drops, lambda drop: make_clips(drop, config, lake, context.log), context.log)
    for drop, one in made.items():
        register(context, "human_drops", drop)
        record(context, "human_clips", one, human_version(), partition=drop)
    return _together(made, failed, lake)


def _together(made: dict[str, Made], failed: dict[str, str], lake: Lake) -> Made:
    """All footage of the lake after the new drops."""
    from gr00t_data.disk import digest_json
    from gr00t_data.stages.stores import check_each, sealed_stores

    stores = [(robot, [one for one in sealed_stores(lake, robot) if one.kind == "human"]) for robot in _targets()]
    pairs = [pair for robot, of_robot in stores for pair in check_each(lake, of_robot, robot)]
    rows = [
        {
            "store": store.root.name,
            "embodiment": store.about.embodiment,
            "accepted": len(index.accepted),
            "rejected": len(index.rejected),
            "licence": store.licence,
            "new": store.root.name in made,
        }
        for store, index in pairs
    ]
    every = [row for store, index in pairs for row in clip_rows(store, index)]
    checks = (
        _check_results(every)
        if every
        else tuple(told(name, True, "the lake holds no footage") for name in HUMAN_CHECKS)
    )
    metadata = {"new drops": len(made), "clips": len(every), "stores": table(rows)}
    metadata |= {"failed drops": table([{"drop": drop, "reason": why} for drop, why in failed.items()])}
    metadata |= left_out(lake)
    content = digest_json([content_of(*pair) for pair in pairs])
    return Made(Path(lake.stores), content, metadata, (worst_of(failed, checks[0]), *checks[1:]))


human_clips, all_human_clips = ingest_assets(
    "human_clips",
    human_version(),
    HumanConfig,
    make_clips,
    _every_drop,
    HUMAN_DROPS,
    kinds={"lerobot", "video", "opencv"},
    checks=HUMAN_CHECKS,
    description=(
        "Egocentric video of people at work, one partition a drop whose `_SUCCESS` says `kind: human`: cut by its "
        "narrations, fast turns of the head left out, sound dropped, faces hidden before a frame is written. Clips "
        "carry participant, consent and licence; `gr00t withdraw` takes a participant out of everything to come."
    ),
)
