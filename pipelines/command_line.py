"""The graph, as the bare `dagster asset materialize` reads it (see env.sh).

That command demands a ``--partition`` as soon as a partitioned asset is selected, and a selection such as
``'*checkpoint_gr1'`` selects the ingest. Here ``teleop_episodes`` is one step that takes in every waiting drop and
records one materialization a drop, so the UI shows the same partitions.
"""

from assets.teleop import all_teleop_episodes
from pipelines.definitions import build

defs = build(all_teleop_episodes, automation=False)
