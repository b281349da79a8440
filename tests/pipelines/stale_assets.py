"""python -m tests.pipelines.stale_assets HOME FOLDER...: what the UI would say of each asset, a JSON object a line.

Each FOLDER is put first on the path of a Python of its own, as a changed checkout or a changed library would be.
"""

import json
import os
import sys

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest


def statuses(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """Asset (with its partition) -> category and reason of each cause of staleness; assets never made are left out."""
    graph = definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    found = {}
    for key in graph.get_all_asset_keys():
        parted = graph.get(key).is_partitioned
        for partition in instance.get_dynamic_partitions("drops") if parted else [None]:
            name = key.to_user_string() + (f"[{partition}]" if partition else "")
            if resolver.get_status(key, partition).value != "MISSING":
                causes = resolver.get_stale_causes(key, partition)
                found[name] = [f"{cause.category.value}: {cause.reason}" for cause in causes]
    return found


def main(home: str, folders: list[str]) -> None:
    for folder in folders:
        child = os.fork()
        if not child:
            sys.path.insert(0, folder)
            from pipelines.definitions import defs

            with dg.DagsterInstance.from_config(home) as instance:
                print(json.dumps(statuses(defs, instance)), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
