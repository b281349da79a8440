"""Dagster's databases in ``DAGSTER_HOME``, made by one process: two that make them at once trip over each other.

`python -m pipelines.home` is what pipelines/bin/dagster runs where they were not made yet.
"""

import os
from pathlib import Path

from gr00t_data.locks import locked

MADE = ".made"
"""Stands in the folder once its databases are there."""


def make_home(folder: Path) -> None:
    """Open every database once; who comes second waits, says so, and finds them made."""
    with locked(folder / f"{MADE}.lock", what=f"the databases in {folder}"):
        if (folder / MADE).exists():
            return
        import dagster as dg

        with dg.DagsterInstance.get() as instance:
            _ = instance.run_storage, instance.event_log_storage, instance.schedule_storage
            instance.get_dynamic_partitions("drops")
        (folder / MADE).touch()


if __name__ == "__main__":
    make_home(Path(os.environ["DAGSTER_HOME"]))
