"""Group ingest: drops become sealed, checked stores."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.declaring import ingest_assets
from assets.recording import each_alone, record, register, require_some, worst_of
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
from gr00t_data.stages.settings import Demonstrations, DropSettings

DROPS = dg.DynamicPartitionsDefinition(name="drops")

CHECKS = {
    "episodes_accepted": "At least one episode passed every check; a warning names how many did not.",
    "store_consistent": "The drop's metadata agrees with its files and with the embodiment.",
}


class TeleopConfig(config_of(DropSettings), config_of(Demonstrations)):
    """What a drop is, and what the simulator records where that is asked for."""

    simulate: bool = Field(
        default=False, description="Record in the embedded simulator under the partition's name; no drop is read."
    )


def make_store(drop: str, config: TeleopConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Ingest one drop (or record it in the simulator), check every episode, and say what came out."""
    from gr00t_data.curate.figures import episode_durations
    from gr00t_data.curate.index import summary_rows
    from gr00t_data.stages.stores import check

    store, embodiment = (_simulated if _is_simulated(drop, config, lake) else _landed)(drop, config, lake, log)
    index = check(lake, store, embodiment)
    for row in (row for row in summary_rows(index) if row["verdict"] == "rejected"):
        log.warning(f"{drop}: episode {row['episode']} rejected: {row['reason']}")
    accepted = len(index.accepted)
    seconds = [verdict.length / embodiment.control_hz for verdict in index.verdicts]
    metadata = {
        "drop": drop,
        "store": store.root.name,
        "content": store.digest[:16],
        "data_source": "simulator" if store.about.source.simulator else store.kind,
        "licence": store.licence,
        "episodes": len(index.verdicts),
        **what_became(store),
        "accepted": accepted,
        "rejected": len(index.rejected),
        "frames": sum(verdict.kept_frames for verdict in index.accepted),
        "seconds": round(sum(seconds), 1),
        "verdicts": table(summary_rows(index)),
        "store findings": table(
            [{name: getattr(one, name) for name in ("code", "severity", "message")} for one in index.findings]
        ),
        "durations": figure(episode_durations(seconds), "episode durations"),
    }
    return Made(store.root, content_of(store, index), metadata, _check_results(index, accepted))


def _is_simulated(drop: str, config: TeleopConfig, lake: Lake) -> bool:
    """Whether it is asked for, or was before: what has landed is read, whatever its name.

    Raises:
        StoreError: it is asked for under the name of a drop.
    """
    from gr00t_data.sources.landing.landing import drops
    from gr00t_data.stages.ingest import recorded_here
    from gr00t_data.store.store import StoreError

    if not config.simulate and not recorded_here(lake, drop):
        return False
    has_landed = any(one.key == drop for one in drops(lake))
    if has_landed and config.simulate:
        raise StoreError(f"{lake.landing}: holds a drop {drop!r}; record in the simulator under another name")
    return not has_landed


def _simulated(drop: str, config: TeleopConfig, lake: Lake, log: dg.DagsterLogManager):
    from gr00t_data.stages.ingest import simulate

    progress = every_tenth(log, "demonstrations recorded", f"{drop}: ")
    embodiment = load_embodiment(config.embodiment)
    return simulate(lake, embodiment, config, name=drop, progress=progress), embodiment


def _landed(drop: str, config: TeleopConfig, lake: Lake, log: dg.DagsterLogManager):
    from gr00t_data.embodiment.units import with_recorded_units
    from gr00t_data.sources.landing.drop import describe
    from gr00t_data.sources.landing.landing import find, take_in
    from gr00t_data.sources.landing.marker import marker_of
    from gr00t_data.sources.landing.records import noting_failure

    path = find(lake, drop, log.info)
    with noting_failure(lake, describe(path)):
        said = marker_of(path)
        log.info(f"ingesting {path}")
        embodiment = with_recorded_units(load_embodiment(said.embodiment or config.embodiment), config.unit)
        kind, licence = said.kind or "real", said.licence or config.licence
        store = take_in(lake, drop, embodiment, kind=kind, licence=licence, told=config.told)
    if store.root.name != drop:
        log.warning(f"{path}: has the content of store {store.root.name!r}; it is not taken in twice")
    return store, embodiment


def _check_results(index, accepted: int) -> tuple[dg.AssetCheckResult, ...]:
    # Values in another unit than the robot file says reject no episode, and spoil every mixture.
    telling = [one for one in index.findings if one.severity == "error" or one.code.startswith("UNIT-0")]
    wrong = [finding for finding in telling if finding.severity != "info"]
    text = "; ".join(finding.message for finding in wrong) or "the metadata agrees with the files"
    return (
        all_accepted("episodes_accepted", accepted, accepted + len(index.rejected), "episodes"),
        told("store_consistent", not wrong, text),
    )


def teleop_version() -> str:
    """Code version of ``teleop_episodes``: drops are checked against the embodiments of the graph."""
    return code_version("teleop_episodes", *robots())


def _every_drop(context: dg.AssetExecutionContext, config: TeleopConfig, lake: Lake) -> Made:
    from gr00t_data.sources.landing.landing import changes
    from gr00t_data.stages.ingest import simulator_name, waiting_drops
    from gr00t_data.stages.stores import sealed_stores

    every = {robot.name: robot for robot in (*robots(), load_embodiment(config.embodiment))}.values()
    drops = waiting_drops(lake)
    if not drops and not any(sealed_stores(lake, robot) for robot in every):
        context.log.warning(
            f"{lake.landing} holds no drop: recording demonstrations in the simulator (data_source: simulator)"
        )
        drops, config = [simulator_name(lake)], config.model_copy(update={"simulate": True})
    for problem in changes(lake).values():
        context.log.error(problem)
    made, failed = each_alone(drops, lambda drop: make_store(drop, config, lake, context.log), context.log)
    for drop, one in made.items():
        register(context, "drops", drop)
        record(context, "teleop_episodes", one, teleop_version(), partition=drop)
    return _together(made, failed, lake, every)


def _together(made: dict[str, Made], failed: dict[str, str], lake: Lake, every: Iterable[Embodiment]) -> Made:
    """The state of the whole lake after the new drops.

    Raises:
        dagster.Failure: drops failed, and the lake holds nothing else.
    """
    from gr00t_data.disk import digest_json
    from gr00t_data.stages.stores import check_each, sealed_stores

    pairs = [pair for robot in every for pair in check_each(lake, sealed_stores(lake, robot), robot)]
    require_some(pairs, failed)
    rows = [
        {
            "store": store.root.name,
            "kind": store.kind,
            "accepted": len(index.accepted),
            "rejected": len(index.rejected),
            "frames": sum(verdict.kept_frames for verdict in index.accepted),
            "new": store.root.name in made,
        }
        for store, index in pairs
    ]
    checks = [result for one in made.values() for result in one.checks]
    accepted, consistent = (_worst(name, checks) for name in CHECKS)
    summary = (accepted, worst_of(failed, consistent))
    metadata = {"new drops": len(made), "episodes": sum(int(r["accepted"]) for r in rows), "stores": table(rows)}
    metadata |= {"failed drops": table([{"drop": drop, "reason": why} for drop, why in failed.items()])}
    metadata |= left_out(lake)
    return Made(Path(lake.stores), digest_json([content_of(*pair) for pair in pairs]), metadata, summary)


def _worst(name: str, results: list[dg.AssetCheckResult]) -> dg.AssetCheckResult:
    own = [result for result in results if result.check_name == name]
    failed = [result for result in own if not result.passed]
    text = "; ".join(str(result.description) for result in failed or own) or "no new drop"
    severity = failed[0].severity if failed else dg.AssetCheckSeverity.WARN
    return told(name, not failed, text, severity)


teleop_episodes, all_teleop_episodes = ingest_assets(
    "teleop_episodes",
    teleop_version(),
    TeleopConfig,
    make_store,
    _every_drop,
    DROPS,
    kinds={"lerobot", "parquet", "mujoco"},
    checks=CHECKS,
    description=(
        "Demonstrations as they landed, one partition a drop: read from `landing/<drop>`, sealed as a "
        "GR00T-LeRobot store, every episode checked against its embodiment. With `simulate: true` "
        "a partition is recorded in the embedded simulator. Rejected episodes stay on disk with their reason and "
        "never enter a mixture."
    ),
)
