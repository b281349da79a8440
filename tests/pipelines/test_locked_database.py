"""Another process holds Dagster's database for a while: the run waits and ends well."""

import sqlite3
import threading
from pathlib import Path

import dagster as dg

from assets.teleop import teleop_episodes
from gr00t_data.lake import Lake
from tests.pipelines.drops import put

HELD_S = 1.5


def test_a_database_locked_for_a_moment_delays_a_run_and_no_more(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    put(lake, "monday")
    home = tmp_path / "home"
    home.mkdir()
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        instance.add_dynamic_partitions("drops", ["monday"])
        databases = sorted(home.rglob("*.db"))
        assert databases
        held = [sqlite3.connect(path, check_same_thread=False, isolation_level=None) for path in databases]
        for connection in held:
            connection.execute("BEGIN EXCLUSIVE")

        def let_go() -> None:
            for connection in held:
                connection.execute("ROLLBACK")
                connection.close()

        timer = threading.Timer(HELD_S, let_go)
        timer.start()
        resources = {"lake": lake}
        result = dg.materialize([teleop_episodes], partition_key="monday", resources=resources, instance=instance)
        timer.join()
        assert result.success and instance.get_materialized_partitions(dg.AssetKey("teleop_episodes")) == {"monday"}
