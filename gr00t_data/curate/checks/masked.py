"""Rows that whoever made the episode marked as not to be sampled: fast turns of a head, moments without a frame."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.signals import runs_of
from gr00t_data.curate.subject.subject import SHAPE_01, Subject
from gr00t_data.store.store import StoreError

MASKED = "masked"
"""Column: int64 [T], 1 where a row must not be sampled."""


def check_masked(subject: Subject) -> Iterator[Finding]:
    """MASK-01: one finding a stretch; it leaves the keep ranges with every chunk that reaches into it.

    The row before a stretch belongs to it: a policy that predicts what it will see looks one row past its chunk.
    """
    if MASKED not in subject.columns:
        return
    try:
        masked = subject.store.matrix(subject.row.index, MASKED)[:, 0] > 0
    except (StoreError, IndexError) as error:
        yield SHAPE_01.finding(f"{subject.where}: column {MASKED!r} cannot be read ({error}); ingest again")
        return
    for first, last in runs_of(np.asarray(masked)):
        yield MASK_01.finding(
            f"{subject.where}: rows {first} to {last} are marked as not to be sampled (a fast turn of the head, no "
            "frame of the video close by, or steps missing before them); they are left out of the keep ranges",
            (max(first - 1, 0), last),
        )


(MASK_01,) = Look(Subject, check_masked, 8).finds(
    Check("MASK-01", "info", "rows marked as not to be sampled", "the policy learns from a blurred turn of the head",
          leaves_out="chunks"),
)  # fmt: skip
