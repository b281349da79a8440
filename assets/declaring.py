"""Declaring: how a body becomes an asset, with its version, its checks and its owner."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import dagster as dg
from pydantic import BaseModel

from assets.reporting import Made, in_plain_text
from gr00t_data.lake import Lake

Config = TypeVar("Config", bound=BaseModel)
Body = Callable[[dg.AssetExecutionContext, Config, Lake], Made]


def asset_of(
    name: str,
    version: str,
    settings: type[Config],
    body: Body[Config],
    *,
    group: str,
    kinds: set[str],
    team: str,
    description: str,
    deps: Iterable[str] = (),
    checks: Mapping[str, str] | None = None,
    **more: Any,
) -> dg.AssetsDefinition:
    """``body`` as the asset ``name``, which is configured by ``settings``.

    Args:
        version: see ``assets.versions``.
        checks: name of a check -> what it says when it passes.
        more: arguments of ``dagster.asset``.
    """

    def run(
        context: dg.AssetExecutionContext,
        config: settings,  # type: ignore[valid-type] - Dagster reads the class
        lake: dg.ResourceParam[Lake],
    ) -> dg.MaterializeResult:
        with in_plain_text(context.log):
            return body(context, config, lake).result()

    specs = [dg.AssetCheckSpec(one, asset=name, description=said) for one, said in (checks or {}).items()]
    return dg.asset(
        name=name,
        code_version=version,
        group_name=group,
        kinds=kinds,
        owners=[f"team:{team}"],
        description=description,
        deps=list(deps),
        check_specs=specs or None,
        **more,
    )(run)


def ingest_assets(
    name: str,
    version: str,
    settings: type[Config],
    one_drop: Callable[[str, Config, Lake, dg.DagsterLogManager], Made],
    every_drop: Body[Config],
    drops: dg.PartitionsDefinition,
    **more: Any,
) -> tuple[dg.AssetsDefinition, dg.AssetsDefinition]:
    """The asset ``name`` twice: one partition a drop, and every waiting drop in one step.

    The second is for the bare command line, which has no partition to give.
    """

    def partition(context: dg.AssetExecutionContext, config: Config, lake: Lake) -> Made:
        return one_drop(context.partition_key, config, lake, context.log)

    more |= {"group": "ingest", "team": "robot-data"}
    return (
        asset_of(name, version, settings, partition, partitions_def=drops, **more),
        asset_of(name, version, settings, every_drop, **more),
    )
