"""Recording: an asset built on behalf of another one gets the event that its own step would have written."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg

from assets.reporting import Made, told
from gr00t_data.disk import DiskError


def record(
    context: dg.AssetExecutionContext,
    key: str,
    made: Made,
    code_version: str,
    *,
    partition: str | None = None,
    inputs: Sequence[str] = (),
) -> None:
    """Log a materialization of ``key`` with its code version and the versions of its inputs.

    Without them Dagster could not tell later whether the asset is stale. The step that is under way has read the
    versions of its own inputs when it began: it has to read that of ``key`` again.

    Args:
        inputs: keys of the assets that ``made`` was made of.
    """
    tags = {"dagster/code_version": code_version, "dagster/data_version_is_user_provided": "true"}
    tags |= {name: text for one in inputs for name, text in _input_tags(context.instance, one)}
    context.log_event(made.event(key, partition, tags))
    context.op_execution_context.get_step_execution_context().wipe_input_asset_version_info(dg.AssetKey(key))


def register(context: dg.AssetExecutionContext, partitions: str, drop: str) -> None:
    """Make ``drop`` one of these partitions if it is not one yet, also where another process does so at this moment."""
    try:
        context.instance.add_dynamic_partitions(partitions, [drop])
    except Exception:  # each database has an error of its own for a row that is there already
        if not context.instance.has_dynamic_partition(partitions, drop):
            raise


def _input_tags(instance: dg.DagsterInstance, key: str) -> Iterator[tuple[str, str]]:
    """Data version and storage number of the newest materialization of an input."""
    records = instance.fetch_materializations(dg.AssetKey(key), limit=1).records
    version, number = "INITIAL", "NULL"
    if records:
        materialization = records[0].event_log_entry.asset_materialization
        tags = materialization.tags if materialization else None
        version, number = (tags or {}).get("dagster/data_version", version), str(records[0].storage_id)
    yield f"dagster/input_data_version/{key}", version
    yield f"dagster/input_event_pointer/{key}", number


def each_alone(
    drops: Sequence[str], make: Callable[[str], Made], log: dg.DagsterLogManager
) -> tuple[dict[str, Made], dict[str, str]]:
    """What became of each drop, and why the others failed: one bad drop stops no other.

    Raises:
        DiskError: the disk takes no more, which is no fault of a drop.
    """
    made, failed = dict[str, Made](), dict[str, str]()
    for drop in drops:
        try:
            made[drop] = make(drop)
        except DiskError:
            raise
        except Exception as error:  # whatever a reader of foreign files says of them
            failed[drop] = f"{error}" or type(error).__name__
            log.exception(f"{drop}: cannot be taken in: {failed[drop]}")
    return made, failed


def require_some(pairs: Sequence[object], failed: Mapping[str, str]) -> None:
    """Whether there is anything to go on with.

    Raises:
        dagster.Failure: drops failed, and the lake holds nothing else.
    """
    if failed and not pairs:
        raise dg.Failure("; ".join(failed.values()), allow_retries=False)


def worst_of(failed: Mapping[str, str], check: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """The check of the whole, failed where a drop could not be taken in; names the drops."""
    if not failed:
        return check
    text = "; ".join(f"{drop}: {reason}" for drop, reason in failed.items())
    return told(str(check.check_name), False, f"not taken in: {text}", dg.AssetCheckSeverity.ERROR)
