"""The graph for commands that take it from the environment (see env.sh).

`dagster asset materialize` demands a ``--partition`` as soon as a partitioned asset is selected, and a selection such
as ``'*checkpoint_gr1'`` selects the ingest. So for that command, given without a partition, ``teleop_episodes`` and
``human_clips`` are one step each, which takes in every waiting drop and records one materialization a drop. Every other
command, `dagster dev` among them, gets the graph of ``pipelines.definitions``.
"""

import sys
from collections.abc import Sequence

import dagster as dg

from assets.human import all_human_clips
from assets.teleop import all_teleop_episodes
from pipelines import definitions


def definitions_for(arguments: Sequence[str]) -> dg.Definitions:
    """The definitions for a command line, given without the program's name."""
    bare = list(arguments[:1]) == ["asset"] and not any(a.startswith("--partition") for a in arguments)
    return definitions.build(all_teleop_episodes, all_human_clips, automation=False) if bare else definitions.defs


defs = definitions_for(sys.argv[1:])
